//! What time it is.

use std::time::Duration;

use crate::imports::clock;

/// Time since 1970-01-01T00:00:00Z.
pub fn wall() -> Duration {
    Duration::from_nanos(clock::wall())
}

/// Time since some moment in the past. It never goes back: for measuring how long something took.
pub fn monotonic() -> Duration {
    Duration::from_nanos(clock::monotonic())
}
