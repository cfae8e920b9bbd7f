//! What has to happen before a process is ready.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// The tasks that are not done yet. Cheap to clone; ready when no task is pending.
///
/// ```
/// use cairn_telemetry::Readiness;
///
/// let readiness = Readiness::default();
/// let config = readiness.task("config");
/// assert_eq!(readiness.pending(), ["config"]);
/// config.done();
/// assert!(readiness.is_ready());
/// ```
#[derive(Debug, Clone)]
pub struct Readiness {
    pending: Arc<watch::Sender<Vec<(u64, String)>>>,
    next: Arc<AtomicU64>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self {
            pending: Arc::new(watch::Sender::new(Vec::new())),
            next: Arc::default(),
        }
    }
}

impl Readiness {
    /// Adds a task; the process is not ready until it is done. Also possible later, as when a drain begins.
    pub fn task(&self, name: impl Into<String>) -> ReadyTask {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.pending
            .send_modify(|pending| pending.push((id, name.into())));
        ReadyTask {
            id,
            readiness: self.clone(),
        }
    }

    /// Whether every task is done.
    pub fn is_ready(&self) -> bool {
        self.pending.borrow().is_empty()
    }

    /// The names of the tasks that are not done, in the order in which they were added.
    pub fn pending(&self) -> Vec<String> {
        self.pending
            .borrow()
            .iter()
            .map(|(_, name)| name.clone())
            .collect()
    }

    /// Waits until every task is done.
    pub async fn ready(&self) {
        // The sender lives as long as `self`, so that waiting cannot fail.
        drop(self.pending.subscribe().wait_for(Vec::is_empty).await);
    }
}

/// One task that readiness waits for. Dropping it leaves it pending: a task that fails never becomes ready.
#[derive(Debug)]
#[must_use = "the process is not ready until the task is done"]
pub struct ReadyTask {
    id: u64,
    readiness: Readiness,
}

impl ReadyTask {
    /// Marks the task as done.
    pub fn done(self) {
        self.readiness
            .pending
            .send_modify(|pending| pending.retain(|(id, _)| *id != self.id));
    }
}

#[cfg(test)]
mod tests;
