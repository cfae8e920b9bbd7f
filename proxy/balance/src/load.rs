//! Weights from the load that endpoints report.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::report::LoadReport;

/// How reports of load become weights: Envoy's client-side weighted round robin, Istio's `backendUtilization`.
#[derive(Clone, Debug, PartialEq)]
pub struct Utilization {
    /// How long an endpoint must have reported before its weight counts: Envoy's blackout period.
    pub stabilization: Duration,
    /// How long after its last report the weight of an endpoint counts.
    pub expiration: Duration,
    /// The time between recalculations.
    pub update: Duration,
    /// What a request in error adds to the utilization, in proportion to the requests.
    pub error_penalty: f64,
    /// Metrics, the highest of which is the utilization, in the form of [`LoadReport::metric`]. Without one of them it is what the
    /// application reports, and else that of the processors.
    pub metrics: Vec<String>,
}

/// The defaults are Envoy's: with no penalty, whatever its documentation says.
impl Default for Utilization {
    fn default() -> Self {
        Self {
            stabilization: Duration::from_secs(10),
            expiration: Duration::from_secs(180),
            update: Duration::from_secs(1),
            error_penalty: 0.0,
            metrics: Vec::new(),
        }
    }
}

impl Utilization {
    /// The weight that a report gives its endpoint: the requests that it could serve if it were fully used,
    /// `rps / (utilization + error_penalty * eps / rps)`. `None` if the report does not say enough.
    pub fn weight(&self, report: &LoadReport) -> Option<f64> {
        let rate = report.rps_fractional;
        let metrics = self.metrics.iter().filter_map(|name| report.metric(name));
        let reported = [
            metrics.fold(0.0, f64::max),
            report.application_utilization,
            report.cpu_utilization,
        ];
        let utilization = reported.into_iter().find(|it| *it > 0.0).unwrap_or(0.0);
        let weight = rate / (utilization + self.error_penalty * report.eps / rate);
        (weight.is_finite() && weight > 0.0).then_some(weight.min(HEAVIEST))
    }
}

/// Envoy's too, where weights are whole numbers.
const HEAVIEST: f64 = u32::MAX as f64;

/// What an endpoint has reported; times are milliseconds, and [`NEVER`] before there is a report.
#[derive(Debug)]
pub(crate) struct Load {
    /// The bits of the weight by the last report.
    weight: AtomicU64,
    /// When the reports began that have come in since without a gap.
    since: AtomicU64,
    /// When the last came in.
    updated: AtomicU64,
}

const NEVER: u64 = u64::MAX;

impl Load {
    pub(crate) fn new() -> Self {
        Self {
            weight: AtomicU64::new(0),
            since: AtomicU64::new(NEVER),
            updated: AtomicU64::new(NEVER),
        }
    }

    /// Whether the report said enough.
    pub(crate) fn observe(&self, report: &LoadReport, utilization: &Utilization, now: u64) -> bool {
        let Some(weight) = utilization.weight(report) else {
            return false;
        };
        let last = self.updated.load(Ordering::Relaxed);
        // What comes in at the same time, or is read half-way, differs by no more than one report does from the next.
        if last == NEVER || now.saturating_sub(last) > millis(utilization.expiration) {
            self.since.store(now, Ordering::Relaxed);
        }
        self.weight.store(weight.to_bits(), Ordering::Relaxed);
        self.updated.store(now, Ordering::Relaxed);
        true
    }

    /// The weight, if there is one that counts.
    pub(crate) fn weight(&self, utilization: &Utilization, now: u64) -> Option<f64> {
        let (since, updated) = (
            self.since.load(Ordering::Relaxed),
            self.updated.load(Ordering::Relaxed),
        );
        if since == NEVER
            || updated == NEVER
            || now.saturating_sub(since) < millis(utilization.stabilization)
            || now.saturating_sub(updated) > millis(utilization.expiration)
        {
            return None;
        }
        let weight = f64::from_bits(self.weight.load(Ordering::Relaxed));
        (weight > 0.0).then_some(weight)
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
