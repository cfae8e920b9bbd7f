//! The instances of one generation.

use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_queue::ArrayQueue;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::failure::{HookFailure, Reason};
use crate::instance::Instance;
use crate::limits::{Isolation, Limits};
use crate::room::Idle;

/// A bounded number of instances, idle or at work.
pub(crate) struct Pool {
    /// Boxed, for they are moved from hand to hand at each hook.
    idle: ArrayQueue<Box<Instance>>,
    /// At least so many were idle all the time since the last trim.
    spare: AtomicUsize,
    permits: Semaphore,
}

/// The right to have an instance at work.
pub(crate) struct Permit<'a>(#[expect(dead_code, reason = "held")] SemaphorePermit<'a>);

impl Pool {
    pub(crate) fn new(limits: &Limits) -> Pool {
        let instances = limits.instances.max(1);
        Pool {
            idle: ArrayQueue::new(instances),
            spare: AtomicUsize::new(0),
            permits: Semaphore::new(instances),
        }
    }

    /// Waits until there may be one more at work.
    pub(crate) async fn permit(&self, limits: &Limits) -> Result<Permit<'_>, HookFailure> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok(Permit(permit));
        }
        let waiting = self.permits.acquire();
        match tokio::time::timeout(limits.wait, waiting).await {
            Ok(Ok(permit)) => Ok(Permit(permit)),
            _ => Err(HookFailure::new(
                Reason::Busy,
                format!(
                    "none of {} instances became free in {:?}",
                    limits.instances, limits.wait
                ),
            )),
        }
    }

    /// An instance that is idle, if there is one.
    pub(crate) fn take(&self) -> Option<Box<Instance>> {
        let taken = self.idle.pop();
        self.spare.fetch_min(self.idle.len(), Ordering::Relaxed);
        taken
    }

    /// Takes an instance back that has done its work; one that has done enough goes.
    pub(crate) fn give_back(&self, instance: Box<Instance>, isolation: Isolation) {
        if isolation == Isolation::Shared && instance.is_usable() {
            // There are never more of them than there is room for.
            let _ = self.idle.push(instance);
        }
    }
}

impl Idle for Pool {
    fn idle(&self) -> usize {
        self.idle.len()
    }

    fn give_way(&self) -> bool {
        self.take().is_some()
    }

    fn trim(&self) {
        for _ in 1..self.spare.load(Ordering::Relaxed) {
            drop(self.idle.pop());
        }
        self.spare.store(self.idle.len(), Ordering::Relaxed);
    }
}
