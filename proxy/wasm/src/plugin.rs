//! What all instances of one generation of a plugin share.

use std::sync::Arc;
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
}

impl Plugin {
    pub(crate) fn new(spec: Spec) -> Plugin {
        Plugin {
            log: Arc::new(Log::new(&spec.plugin, &spec.meter, spec.limits.log_lines)),
            calls: Arc::new(Semaphore::new(spec.limits.calls)),
            began: Instant::now(),
            spec,
        }
    }
}
