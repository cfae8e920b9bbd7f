//! What all instances of one generation of a plugin share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::sync::Semaphore;

use crate::log::Log;
use crate::spec::Spec;

/// What all instances of a generation have in common.
pub(crate) struct Plugin {
    pub(crate) spec: Spec,
    pub(crate) log: Arc<Log>,
    /// Calls that may be under way.
    pub(crate) calls: Arc<Semaphore>,
    pub(crate) began: Instant,
    /// Another one for each generation.
    pub(crate) generation: u64,
}

impl Plugin {
    pub(crate) fn new(spec: Spec) -> Plugin {
        static GENERATIONS: AtomicU64 = AtomicU64::new(0);
        Plugin {
            generation: GENERATIONS.fetch_add(1, Ordering::Relaxed),
            log: Arc::new(Log::new(&spec.plugin, &spec.meter, spec.limits.log_lines)),
            calls: Arc::new(Semaphore::new(spec.limits.calls)),
            began: Instant::now(),
            spec,
        }
    }
}
