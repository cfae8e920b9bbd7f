//! What a filter does without a request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cairn_wasm::Filter;
use tokio::task::JoinHandle;

/// A ticker that fails each time is spoken of no more often than this; its failures are counted.
const SILENCE: Duration = Duration::from_secs(60);

/// A background task that ends with its owner.
pub(super) struct Task(pub(super) JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Calls the ticker of a generation for as long as that is in force.
pub(super) fn tick(filter: &Arc<Filter>) -> Option<Task> {
    let every = filter.subscriptions().tick?;
    let filter = Arc::downgrade(filter);
    Some(Task(tokio::spawn(async move {
        let mut interval = tokio::time::interval(every);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut told = None;
        loop {
            interval.tick().await;
            let Some(filter) = filter.upgrade() else { return };
            if let Err(failure) = filter.tick().await
                && told.is_none_or(|told: Instant| told.elapsed() >= SILENCE)
            {
                told = Some(Instant::now());
                tracing::warn!(plugin = &*filter.spec().plugin, "tick failed: {failure}");
            }
        }
    })))
}
