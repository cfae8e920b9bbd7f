//! Values that all instances of one plugin in one waypoint share: counters of a rate limit, a cache.
//!
//! A filter that uses this module needs the grant `shared`: its component imports the interface, and the waypoint refuses
//! to load it without.

use std::time::Duration;

pub use crate::bindings::cairn::filter::shared::{Entry, SetError};
use crate::imports::shared;

/// How often [`update`] tries before it gives up. Each try that fails is one of another instance that succeeded.
const TRIES: usize = 32;

/// A value that is there and has not expired, with the number of its version.
pub fn get(key: &str) -> Option<Entry> {
    shared::get(key)
}

/// Stores a value, for as long as `ttl` if there is one, and gives its version.
///
/// # Errors
///
/// [`SetError::Full`]: the store of this plugin is full.
pub fn set(key: &str, value: &[u8], ttl: Option<Duration>) -> Result<u64, SetError> {
    shared::set(key, value, None, ttl.map(milliseconds))
}

/// Stores a value if `version` is the one that is there; 0 stands for a key that is not there.
///
/// # Errors
///
/// [`SetError::Conflict`]: it has changed. [`SetError::Full`]: the store of this plugin is full.
pub fn compare_and_set(
    key: &str,
    value: &[u8],
    version: u64,
    ttl: Option<Duration>,
) -> Result<u64, SetError> {
    shared::set(key, value, Some(version), ttl.map(milliseconds))
}

/// Adds to a number in one step, and gives the sum. A key that is not there counts as 0, and `ttl` begins when the key
/// comes into being.
///
/// # Errors
///
/// [`SetError::Full`]: the store of this plugin is full.
pub fn add(key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, SetError> {
    shared::add(key, by, ttl.map(milliseconds))
}

/// Forgets a key.
pub fn delete(key: &str) {
    shared::delete(key);
}

/// Replaces a value by what `change` makes of it, as if nobody else were there: when another instance was faster, the
/// change is made again on what it has stored. `change` gives the new value, or `None` to leave the old one, and with it
/// what this function returns.
///
/// # Errors
///
/// [`SetError::Full`]: the store of this plugin is full. [`SetError::Conflict`]: 32 others in a row were faster.
///
/// ```
/// use cairn_filter::shared;
///
/// let count = shared::update("count", None, |old| {
///     let count = old.and_then(|bytes| bytes.first()).copied().unwrap_or(0) + 1;
///     (Some(vec![count]), count)
/// });
/// assert_eq!(count, Ok(1));
/// ```
pub fn update<T>(
    key: &str,
    ttl: Option<Duration>,
    mut change: impl FnMut(Option<&[u8]>) -> (Option<Vec<u8>>, T),
) -> Result<T, SetError> {
    let mut last = SetError::Conflict(0);
    for _ in 0..TRIES {
        let old = get(key);
        let version = old.as_ref().map_or(0, |entry| entry.version);
        let (value, outcome) = change(old.as_ref().map(|entry| entry.value.as_slice()));
        let Some(value) = value else {
            return Ok(outcome);
        };
        match compare_and_set(key, &value, version, ttl) {
            Ok(_) => return Ok(outcome),
            Err(SetError::Full) => return Err(SetError::Full),
            Err(conflict) => last = conflict,
        }
    }
    Err(last)
}

fn milliseconds(duration: Duration) -> u32 {
    // Less than a millisecond would be "at once", which nobody means.
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX).max(1)
}
