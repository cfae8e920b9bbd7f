//! What time it is.

use std::time::Duration;

use crate::imports::clock;

/// Time since 1970-01-01T00:00:00Z.
pub fn wall() -> Duration {
    Duration::from_nanos(clock::wall())
}

/// Time since the plugin was loaded in this waypoint. It never goes back: for measuring how long something took.
///
/// All instances count from the same moment, so that what one hook has kept may be compared at a later one. It is another
/// moment in each waypoint, and after each change of the module or of its configuration: keep times in
/// [`shared`](crate::shared) from [`wall`].
pub fn monotonic() -> Duration {
    Duration::from_nanos(clock::monotonic())
}
