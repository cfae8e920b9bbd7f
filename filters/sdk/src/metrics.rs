//! Metrics of the filter, on the waypoint's metrics port.
//!
//! Announce them in [`Filter::configure`](crate::Filter::configure) and keep them in the filter. A metric `hits` is there
//! as `cairn_filter_hits`, with a label `plugin` beside your own. At most 32 metrics with at most 8 labels each; of each
//! metric 256 sets of label values are counted by themselves, all others together under `other`, as is a value of more than
//! 128 bytes. Names of metrics and labels are at most 64 letters, digits and underscores that do not begin with a digit;
//! `plugin` and `le` cannot be taken.

use crate::bindings::cairn::filter::metrics::Kind;
use crate::imports::metrics;

/// A sum that only grows: requests, refusals. It appears with `_total` at the end of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter(u32);

impl Counter {
    /// Announces it. Doing so again is fine.
    ///
    /// # Errors
    ///
    /// Too many metrics or labels, a name that is none, or another metric of this name.
    pub fn new(name: &str, labels: &[&str]) -> Result<Counter, String> {
        define(Kind::Counter, name, labels).map(Counter)
    }

    /// Adds one. `labels` are values, in the order of [`Counter::new`].
    pub fn increment(&self, labels: &[&str]) {
        self.add(labels, 1.0);
    }

    /// Adds a number greater than 0.
    pub fn add(&self, labels: &[&str], by: f64) {
        metrics::add(self.0, &owned(labels), by);
    }
}

/// A value that comes and goes: entries in a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gauge(u32);

impl Gauge {
    /// Announces it.
    ///
    /// # Errors
    ///
    /// As for [`Counter::new`].
    pub fn new(name: &str, labels: &[&str]) -> Result<Gauge, String> {
        define(Kind::Gauge, name, labels).map(Gauge)
    }

    /// Adds a number, which may be negative.
    pub fn add(&self, labels: &[&str], by: f64) {
        metrics::add(self.0, &owned(labels), by);
    }

    /// Sets it.
    pub fn set(&self, labels: &[&str], value: f64) {
        metrics::record(self.0, &owned(labels), value);
    }
}

/// A distribution, in powers of two: sizes, times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram(u32);

impl Histogram {
    /// Announces it.
    ///
    /// # Errors
    ///
    /// As for [`Counter::new`].
    pub fn new(name: &str, labels: &[&str]) -> Result<Histogram, String> {
        define(Kind::Histogram, name, labels).map(Histogram)
    }

    /// Adds an observation.
    pub fn observe(&self, labels: &[&str], value: f64) {
        metrics::record(self.0, &owned(labels), value);
    }
}

fn define(kind: Kind, name: &str, labels: &[&str]) -> Result<u32, String> {
    metrics::define(kind, name, &owned(labels))
}

fn owned(labels: &[&str]) -> Vec<String> {
    labels.iter().map(|label| (*label).to_owned()).collect()
}
