//! Room for instances: the engine has so much for all plugins together, and what is idle makes way for what is needed.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::pool::Pool;

/// The pools of all generations that are there.
#[derive(Default)]
pub(crate) struct Rooms(Mutex<Vec<Weak<Pool>>>);

impl Rooms {
    /// Counts a pool in for as long as it is there.
    pub(crate) fn add(&self, pool: &Arc<Pool>) {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(pool));
    }

    /// Lets go of an idle instance of the pool that has most of them; false when none is idle.
    pub(crate) fn make_way(&self) -> bool {
        let fullest = self.pools().into_iter().max_by_key(|pool| pool.idle());
        fullest.and_then(|pool| pool.take()).is_some()
    }

    /// Lets go of what has been idle all the time since the last call.
    pub(crate) fn trim(&self) {
        for pool in self.pools() {
            pool.trim();
        }
    }

    fn pools(&self) -> Vec<Arc<Pool>> {
        let pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pools.iter().filter_map(Weak::upgrade).collect()
    }
}
