//! Room for instances: the engine has so much for all plugins together, and what is idle makes way for what is needed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// What has not been needed for so long goes.
const TRIM: Duration = Duration::from_secs(10);

/// Instances that may be idle.
pub(crate) trait Idle: Send + Sync {
    /// How many are.
    fn idle(&self) -> usize;

    /// Lets go of one; false when none is idle.
    fn give_way(&self) -> bool;

    /// Lets go of what has not been needed since the last time, but for one, which the next hook need not wait for.
    fn trim(&self);
}

/// The pools of all generations that are there.
#[derive(Default)]
pub(crate) struct Rooms {
    pools: Mutex<Vec<Weak<dyn Idle>>>,
    /// There is a task that trims them.
    trimmed: AtomicBool,
}

impl Rooms {
    /// Counts a pool in for as long as it is there. Within a runtime.
    pub(crate) fn add(self: &Arc<Rooms>, pool: Weak<dyn Idle>) {
        if !self.trimmed.swap(true, Ordering::Relaxed) {
            let rooms = Arc::downgrade(self);
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(TRIM).await;
                    let Some(rooms) = rooms.upgrade() else { return };
                    rooms.trim();
                }
            });
        }
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(pool);
    }

    /// Lets go of an idle instance of the pool that has most of them; false when none is idle.
    pub(crate) fn make_way(&self) -> bool {
        let fullest = self.pools().into_iter().max_by_key(|pool| pool.idle());
        fullest.is_some_and(|pool| pool.give_way())
    }

    /// Lets go of what has been idle all the time since the last call.
    fn trim(&self) {
        for pool in self.pools() {
            pool.trim();
        }
    }

    fn pools(&self) -> Vec<Arc<dyn Idle>> {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.iter().filter_map(Weak::upgrade).collect()
    }
}
