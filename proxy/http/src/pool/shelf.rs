//! Where unused HTTP/1 connections rest.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Something that may have died while nobody looked.
pub(super) trait Perishable: Send + 'static {
    /// Looks, and says whether it is still good.
    fn is_alive(&mut self) -> bool;
}

/// A bounded stack: the freshest connection is used first, so that superfluous ones grow old and are swept away.
pub(super) struct Shelf<T> {
    stack: Mutex<Vec<Resting<T>>>,
    closed: AtomicBool,
    sweeping: AtomicBool,
    limits: Limits,
}

/// How much and how long a shelf keeps.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) items: usize,
    pub(super) age: Duration,
    pub(super) sweep: Duration,
}

struct Resting<T> {
    item: T,
    since: Instant,
}

impl<T> Shelf<T>
where
    T: Perishable,
{
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            stack: Mutex::new(Vec::new()),
            closed: AtomicBool::new(false),
            sweeping: AtomicBool::new(false),
            limits,
        })
    }

    /// The item that was put back last.
    pub(super) fn take(&self) -> Option<T> {
        self.stack().pop().map(|resting| resting.item)
    }

    /// Puts an item back, unless the shelf is full or closed: then it is dropped.
    pub(super) fn put(self: &Arc<Self>, item: T) {
        if self.is_closed() {
            return;
        }
        let resting = Resting {
            item,
            since: Instant::now(),
        };
        {
            let mut stack = self.stack();
            if stack.len() >= self.limits.items {
                return;
            }
            stack.push(resting);
        }
        if self.is_closed() {
            self.stack().clear();
        } else if !self.sweeping.swap(true, Ordering::AcqRel) {
            tokio::spawn(sweep(
                Arc::downgrade(self),
                self.limits.sweep.min(self.limits.age),
            ));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.stack().len()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.stack().clear();
    }

    fn stack(&self) -> MutexGuard<'_, Vec<Resting<T>>> {
        self.stack.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops what is too old or dead. The items leave the shelf while they are looked at, so that nobody waits.
    fn sweep(&self) {
        let mut resting = std::mem::take(&mut *self.stack());
        let oldest = Instant::now().checked_sub(self.limits.age);
        resting.retain_mut(|it| oldest.is_none_or(|oldest| it.since > oldest) && it.item.is_alive());
        let mut stack = self.stack();
        if !self.is_closed() {
            // What came back meanwhile is fresher and belongs on top.
            resting.append(&mut stack);
            *stack = resting;
        }
    }
}

/// Runs while there is something to look after; the next item that is put back starts another.
async fn sweep<T>(shelf: Weak<Shelf<T>>, interval: Duration)
where
    T: Perishable,
{
    loop {
        sleep(interval).await;
        let Some(shelf) = shelf.upgrade() else { return };
        shelf.sweep();
        if shelf.len() == 0 {
            shelf.sweeping.store(false, Ordering::Release);
            // An item that was put back between the two lines found a sweep running and did not start one.
            if shelf.len() == 0 || shelf.sweeping.swap(true, Ordering::AcqRel) {
                return;
            }
        }
    }
}
