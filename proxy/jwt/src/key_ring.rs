//! All keys that are in use, each source once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::key_set::KeySetError;
use crate::keys::{KeySource, Keys};

/// Gives the same [`Keys`] to all rules that name the same source, so that a change of configuration neither fetches nor
/// verifies anew. It holds on to none: keys go with the last requirements that use them.
#[derive(Debug, Default)]
pub struct KeyRing {
    held: Mutex<HashMap<KeySource, Weak<Keys>>>,
}

impl KeyRing {
    /// The keys that are fetched, for whoever fetches.
    pub fn remote(&self) -> Vec<Arc<Keys>> {
        let held = self.held();
        let alive = held.values().filter_map(Weak::upgrade);
        alive.filter(|keys| keys.is_remote()).collect()
    }

    /// The keys of a source, and what is wrong with those that are written inline. Wrong ones are nobody's keys.
    pub(crate) fn keys(&self, source: KeySource) -> (Arc<Keys>, Result<(), KeySetError>) {
        let mut held = self.held();
        if let Some(keys) = held.get(&source).and_then(Weak::upgrade) {
            return (keys, Ok(()));
        }
        held.retain(|_, keys| keys.strong_count() > 0);
        let (keys, result) = Keys::new(source.clone());
        let keys = Arc::new(keys);
        if result.is_ok() {
            held.insert(source, Arc::downgrade(&keys));
        }
        (keys, result)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<KeySource, Weak<Keys>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
