//! A histogram of plain atomics with Istio's bucket bounds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::exposition::Exposition;

/// The upper bounds of all of Istio's histograms, be they milliseconds or bytes: Envoy's default.
const BOUNDS: [&str; 19] = [
    "0.5", "1", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000", "30000",
    "60000", "300000", "600000", "1800000", "3600000",
];

/// The same bounds in thousandths.
const THOUSANDTHS: [u64; 19] = [
    500,
    1_000,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    600_000_000,
    1_800_000_000,
    3_600_000_000,
];

/// What is observed, and how its sum is kept exactly in an integer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    /// Milliseconds, kept in microseconds.
    Milliseconds,
    /// Bytes.
    Bytes,
}

/// Counts per bucket and a sum. An observation is two relaxed additions.
#[derive(Debug)]
pub(crate) struct Histogram {
    unit: Unit,
    /// Not cumulative; one for each bound and one for what exceeds them all.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    sum: AtomicU64,
}

impl Histogram {
    pub(crate) fn new(unit: Unit) -> Self {
        Self {
            unit,
            buckets: [const { AtomicU64::new(0) }; BOUNDS.len() + 1],
            sum: AtomicU64::new(0),
        }
    }

    pub(crate) fn observe_duration(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.add(micros, micros);
    }

    pub(crate) fn observe_bytes(&self, bytes: u64) {
        self.add(bytes.saturating_mul(1000), bytes);
    }

    fn add(&self, thousandths: u64, sum: u64) {
        let index = THOUSANDTHS.partition_point(|bound| *bound < thousandths);
        if let Some(bucket) = self.buckets.get(index) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(sum, Ordering::Relaxed);
    }

    /// The number of observations.
    pub(crate) fn count(&self) -> u64 {
        self.buckets
            .iter()
            .map(|bucket| bucket.load(Ordering::Relaxed))
            .sum()
    }

    /// Writes the buckets, the sum and the count, which agree with each other even while others observe.
    pub(crate) fn expose(&self, labels: &str, out: &mut Exposition<'_>) {
        let sum = self.sum.load(Ordering::Relaxed);
        let mut total = 0;
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS.into_iter().chain(["+Inf"])) {
            total += bucket.load(Ordering::Relaxed);
            out.bucket(labels, bound, total);
        }
        match self.unit {
            Unit::Milliseconds => out.sample("_sum", labels, sum as f64 / 1000.0),
            Unit::Bytes => out.sample("_sum", labels, sum),
        }
        out.sample("_count", labels, total);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{BOUNDS, Histogram, THOUSANDTHS, Unit};

    #[test]
    fn both_lists_of_bounds_agree() {
        for (text, thousandths) in BOUNDS.iter().zip(THOUSANDTHS) {
            assert_eq!(
                text.parse::<f64>().map(|bound| bound * 1000.0),
                Ok(thousandths as f64)
            );
        }
        assert!(THOUSANDTHS.is_sorted());
    }

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let histogram = Histogram::new(Unit::Milliseconds);
        for micros in [0, 500, 501, 1000, 3_600_000_000, 3_600_000_001] {
            histogram.observe_duration(Duration::from_micros(micros));
        }
        let counts: Vec<u64> = histogram
            .buckets
            .iter()
            .map(|bucket| bucket.load(std::sync::atomic::Ordering::Relaxed))
            .collect();
        assert_eq!(counts.first_chunk(), Some(&[2, 2]));
        assert_eq!(counts.last_chunk(), Some(&[1, 1]));
        assert_eq!(histogram.count(), 6);
    }

    #[test]
    fn no_bytes_are_below_the_first_bound() {
        let histogram = Histogram::new(Unit::Bytes);
        histogram.observe_bytes(0);
        histogram.observe_bytes(1);
        histogram.observe_bytes(u64::MAX);
        let counts: Vec<u64> = histogram
            .buckets
            .iter()
            .map(|bucket| bucket.load(std::sync::atomic::Ordering::Relaxed))
            .collect();
        assert_eq!(counts.first_chunk(), Some(&[1, 1]));
        assert_eq!(counts.last(), Some(&1));
    }
}
