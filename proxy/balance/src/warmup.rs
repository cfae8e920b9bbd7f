//! New endpoints get their share little by little.

use std::time::Duration;

/// How an endpoint that has just come is brought up to its weight: Envoy's slow start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Warmup {
    /// How long it takes.
    pub duration: Duration,
    /// The share to begin with, percent.
    pub minimum_percent: f64,
    /// The shape of the growth: 1 is linear, more is faster at the beginning.
    pub aggression: f64,
}

/// The parts that a weight of 1 is divided into while endpoints warm up.
pub(crate) const PARTS: f64 = 1024.0;

impl Warmup {
    /// A linear growth from a tenth, Istio's defaults.
    pub fn new(duration: Duration) -> Self {
        Self {
            duration,
            minimum_percent: 10.0,
            aggression: 1.0,
        }
    }

    /// The part of its weight that an endpoint has `age` milliseconds after it came, up to 1:
    /// `max((age / duration) ^ (1 / aggression), minimum)`.
    pub fn factor(&self, age: u64) -> f64 {
        let whole = self.duration.as_secs_f64() * 1000.0;
        let elapsed = age.max(1) as f64;
        if elapsed >= whole {
            return 1.0;
        }
        let aggression = if self.aggression > 0.0 {
            self.aggression
        } else {
            1.0
        };
        let grown = (elapsed / whole).powf(1.0 / aggression);
        grown.max(self.minimum_percent / 100.0).min(1.0)
    }

    /// The weight in parts, at least one.
    pub(crate) fn weight(&self, weight: u32, age: u64) -> u64 {
        // A float beyond the range becomes its end.
        ((f64::from(weight) * self.factor(age) * PARTS) as u64).max(1)
    }

    /// When an endpoint that came at `since` has its whole weight.
    pub(crate) fn end(&self, since: u64) -> u64 {
        since.saturating_add(u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests;
