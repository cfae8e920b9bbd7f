//! What is known of an endpoint beyond one version of the configuration.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use crate::load::{Load, Utilization};
use crate::report::LoadReport;

/// How an endpoint stands in one cluster: the requests that it is serving, its errors in a row, whether it is set aside, the load
/// that it reports, and since when it is known.
///
/// An [`Endpoint`](crate::Endpoint) is of one version of the configuration; its standing is handed on from one version to the
/// next, for which [`Standings`] finds it again.
///
/// Times are milliseconds of a clock that only goes forward, whatever its zero is, as in the whole crate.
#[derive(Debug)]
pub struct Standing {
    since: u64,
    pub(crate) active: AtomicU32,
    pub(crate) server_errors: AtomicU32,
    pub(crate) gateway_errors: AtomicU32,
    pub(crate) local_errors: AtomicU32,
    pub(crate) ejected_at: AtomicU64,
    pub(crate) returned_at: AtomicU64,
    /// How many base times the next ejection lasts, less one.
    pub(crate) backoff: AtomicU32,
    pub(crate) load: Load,
}

/// The time of what has not happened.
pub(crate) const NEVER: u64 = u64::MAX;

impl Standing {
    /// Of an endpoint that is known since `since`.
    pub fn new(since: u64) -> Self {
        Self {
            since,
            active: AtomicU32::new(0),
            server_errors: AtomicU32::new(0),
            gateway_errors: AtomicU32::new(0),
            local_errors: AtomicU32::new(0),
            ejected_at: AtomicU64::new(NEVER),
            returned_at: AtomicU64::new(0),
            backoff: AtomicU32::new(0),
            load: Load::new(),
        }
    }

    /// When the endpoint came.
    pub fn since(&self) -> u64 {
        self.since
    }

    /// Takes note of the load that the endpoint has reported at `now`, for [`Balancer::by_utilization`](crate::Balancer::by_utilization).
    /// Whether the report says enough for a weight.
    pub fn observe_load(&self, report: &LoadReport, utilization: &Utilization, now: u64) -> bool {
        self.load.observe(report, utilization, now)
    }

    /// Whether the endpoint is set aside for its errors. Of no meaning where no [`Outliers`](crate::Outliers) look after it.
    pub fn is_ejected(&self) -> bool {
        self.ejected_at.load(Ordering::Relaxed) != NEVER
    }
}

/// The standings that are in use, so that a new configuration goes on with what the last has learnt.
///
/// An entry lives as long as any endpoint has the standing.
#[derive(Debug)]
pub struct Standings<K> {
    known: HashMap<K, Weak<Standing>>,
}

impl<K> Default for Standings<K> {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
        }
    }
}

impl<K: Eq + Hash> Standings<K> {
    /// The standing of `key`, which says all that makes an endpoint the same one, its cluster included; a new one, known since
    /// `now`, if it was not there.
    pub fn of(&mut self, key: K, now: u64) -> Arc<Standing> {
        if let Some(standing) = self.known.get(&key).and_then(Weak::upgrade) {
            return standing;
        }
        let standing = Arc::new(Standing::new(now));
        self.known.insert(key, Arc::downgrade(&standing));
        standing
    }

    /// Forgets the standings that no endpoint has any more.
    pub fn sweep(&mut self) {
        self.known.retain(|_, standing| standing.strong_count() > 0);
    }
}

#[cfg(test)]
mod tests;
