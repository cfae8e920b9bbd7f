//! Setting endpoints aside that fail, for a while: Envoy's outlier detection by errors in a row.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::Standing;
use crate::standing::NEVER;

/// When endpoints of a cluster are set aside, and for how long. The defaults are Istio's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlierSettings {
    /// Server errors in a row; 0: they do not matter.
    pub server_errors: u32,
    /// Gateway errors (502, 503, 504) in a row; 0: they do not matter by themselves.
    pub gateway_errors: u32,
    /// Errors that arise on this side in a row, such as a refused connection, counted apart from the status codes of
    /// responses. `None`: such an error counts as a response 503 or 504 would.
    pub local_errors: Option<u32>,
    /// The status codes that count as server errors; none: all from 500 on.
    pub error_codes: Vec<u16>,
    /// The time between two calls of [`Outliers::sweep`].
    pub interval: Duration,
    /// How long the first ejection lasts; each that follows soon lasts that much longer.
    pub base_ejection: Duration,
    /// The longest ejection.
    pub maximum_ejection: Duration,
    /// How many of the endpoints may be set aside at a time, percent.
    pub maximum_percent: u32,
    /// Whether one endpoint may be set aside even where that is more than `maximum_percent` of them.
    pub always_one: bool,
    /// The share of endpoints, percent, that must not be set aside for the setting aside to be heeded; below it, all are used.
    pub minimum_health_percent: u32,
}

impl Default for OutlierSettings {
    fn default() -> Self {
        Self {
            server_errors: 5,
            gateway_errors: 0,
            local_errors: None,
            error_codes: Vec::new(),
            interval: Duration::from_secs(10),
            base_ejection: Duration::from_secs(30),
            maximum_ejection: Duration::from_secs(300),
            maximum_percent: 10,
            always_one: true,
            minimum_health_percent: 0,
        }
    }
}

/// What became of a request at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A response with this status code. What is not HTTP reports 200 when it is connected.
    Status(u16),
    /// No connection, or it ended before there was a response.
    Unreachable,
    /// No response in time.
    Timeout,
}

/// Why an endpoint has been set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Server errors in a row.
    ServerErrors,
    /// Gateway errors in a row.
    GatewayErrors,
    /// Errors on this side in a row.
    LocalErrors,
}

/// Watches over the endpoints of one cluster.
///
/// What it learns is in their [`Standing`]s; a new version of the cluster with the same ones goes on where the last stopped.
/// [`observe`](Outliers::observe) is for every request; the owner calls [`sweep`](Outliers::sweep) every
/// [`interval`](OutlierSettings::interval).
#[derive(Debug)]
pub struct Outliers {
    settings: OutlierSettings,
    members: Box<[Arc<Standing>]>,
    /// Held while it is decided whether one more may be set aside.
    ejecting: Mutex<usize>,
    changes: AtomicU64,
}

impl Outliers {
    /// For the endpoints with these standings, which may have been set aside already.
    pub fn new(settings: OutlierSettings, members: impl IntoIterator<Item = Arc<Standing>>) -> Self {
        let members: Box<[_]> = members.into_iter().collect();
        let ejected = members.iter().filter(|it| it.is_ejected()).count();
        Self {
            settings,
            members,
            ejecting: Mutex::new(ejected),
            changes: AtomicU64::new(0),
        }
    }

    /// The settings.
    pub fn settings(&self) -> &OutlierSettings {
        &self.settings
    }

    /// How many endpoints are set aside.
    pub fn ejected(&self) -> usize {
        self.members.iter().filter(|it| it.is_ejected()).count()
    }

    /// Grows whenever endpoints are set aside or come back.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Takes note of what became of a request; says why if that is what the endpoint is set aside for.
    ///
    /// Costs a few relaxed loads when all is well.
    pub fn observe(&self, standing: &Standing, outcome: Outcome, now: u64) -> Option<Cause> {
        let cause = self.count(standing, outcome)?;
        self.eject(standing, now).then_some(cause)
    }

    fn count(&self, standing: &Standing, outcome: Outcome) -> Option<Cause> {
        match (outcome, self.settings.local_errors) {
            (Outcome::Status(code), local) => {
                if local.is_some() {
                    clear(&standing.local_errors);
                }
                if self.is_error(code) {
                    self.failed(standing, matches!(code, 502..=504))
                } else {
                    clear(&standing.server_errors);
                    clear(&standing.gateway_errors);
                    None
                }
            }
            (_, None) => self.failed(standing, true),
            (_, Some(threshold)) => reaches(&standing.local_errors, threshold).then_some(Cause::LocalErrors),
        }
    }

    fn is_error(&self, code: u16) -> bool {
        if self.settings.error_codes.is_empty() {
            code >= 500
        } else {
            self.settings.error_codes.contains(&code)
        }
    }

    fn failed(&self, standing: &Standing, at_gateway: bool) -> Option<Cause> {
        let by_gateway = if at_gateway {
            reaches(&standing.gateway_errors, self.settings.gateway_errors)
        } else {
            clear(&standing.gateway_errors);
            false
        };
        // Counted in any case: a gateway error is a server error.
        let by_server = reaches(&standing.server_errors, self.settings.server_errors);
        if by_gateway {
            Some(Cause::GatewayErrors)
        } else {
            by_server.then_some(Cause::ServerErrors)
        }
    }

    fn eject(&self, standing: &Standing, now: u64) -> bool {
        let mut known = self.ejecting.lock().unwrap_or_else(PoisonError::into_inner);
        if standing.is_ejected() {
            return false;
        }
        let ejected = self.ejected();
        let share = (ejected + 1) * 100;
        let allowed = share <= self.settings.maximum_percent as usize * self.members.len();
        if !(allowed || self.settings.always_one && ejected == 0) {
            return false;
        }
        standing.ejected_at.store(now, Ordering::Relaxed);
        let backoff = standing.backoff.load(Ordering::Relaxed);
        let most = self.longest().saturating_add(self.settings.base_ejection);
        if self.settings.base_ejection.saturating_mul(backoff) < most {
            standing.backoff.store(backoff + 1, Ordering::Relaxed);
        }
        *known = ejected + 1;
        self.changes.fetch_add(1, Ordering::Release);
        true
    }

    /// Takes back the endpoints whose time aside is over, and forgets a little of what others did; says how many came back.
    pub fn sweep(&self, now: u64) -> usize {
        let mut known = self.ejecting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut returned = 0;
        for standing in &self.members {
            let since = standing.ejected_at.load(Ordering::Relaxed);
            let backoff = standing.backoff.load(Ordering::Relaxed);
            if since != NEVER {
                let term = self.settings.base_ejection.saturating_mul(backoff.max(1));
                if passed(since, now) >= term.min(self.longest()) {
                    standing.take_back(now);
                    returned += 1;
                }
            } else if backoff > 0 {
                let healthy = passed(standing.returned_at.load(Ordering::Relaxed), now);
                if healthy >= self.settings.interval {
                    standing.backoff.store(backoff - 1, Ordering::Relaxed);
                }
            }
        }
        // Another version of the cluster may have set endpoints aside, or taken them back.
        let ejected = self.ejected();
        if returned > 0 || *known != ejected {
            *known = ejected;
            self.changes.fetch_add(1, Ordering::Release);
        }
        returned
    }

    /// No ejection is shorter than its base.
    fn longest(&self) -> Duration {
        self.settings.maximum_ejection.max(self.settings.base_ejection)
    }
}

impl Standing {
    /// Errors from before do not count any more, so that few new ones do not set it aside again.
    fn take_back(&self, now: u64) {
        clear(&self.server_errors);
        clear(&self.gateway_errors);
        clear(&self.local_errors);
        self.returned_at.store(now, Ordering::Relaxed);
        self.ejected_at.store(NEVER, Ordering::Relaxed);
    }
}

/// Counts one more; whether that is enough, after which it is counted from zero.
fn reaches(counter: &AtomicU32, threshold: u32) -> bool {
    if threshold == 0 {
        return false;
    }
    let reached = counter.fetch_add(1, Ordering::Relaxed).saturating_add(1) >= threshold;
    if reached {
        counter.store(0, Ordering::Relaxed);
    }
    reached
}

/// Sets to zero; mostly it is, and then the cache line stays shared between cores.
fn clear(counter: &AtomicU32) {
    if counter.load(Ordering::Relaxed) != 0 {
        counter.store(0, Ordering::Relaxed);
    }
}

fn passed(since: u64, now: u64) -> Duration {
    Duration::from_millis(now.saturating_sub(since))
}

#[cfg(test)]
mod tests;
