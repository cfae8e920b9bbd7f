//! Turns by weights that change: the choice of an endpoint by the load that it reports.
//!
//! Every endpoint has a share of at most 1, the heaviest has 1. The endpoints are asked in turn, round after round, and one takes
//! its turn when the sum of its share over the rounds so far passes a whole number: C. Waldspurger and W. Weihl, "Stride
//! Scheduling", MIT/LCS/TM-528, 1995, with nothing to keep but the number of turns, as gRPC does it. With equal weights that is
//! round robin. A choice takes as many looks as the heaviest weight is times the mean one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rand::{Rng, RngExt as _};

use crate::Endpoint;
use crate::load::{Utilization, millis};
use crate::warmup::Warmup;

/// A share of 1.
const WHOLE: u64 = 1 << 32;

/// Between the sums that neighbours begin with, so that those with equal shares do not take their turns in the same round.
const PHASE: u64 = 0x9e37_79b9;

/// How many endpoints may be passed over before the weights of all are added up. A few endpoints that have nearly all of the
/// weight are not worth more looks than that.
const LOOKS: usize = 32;

/// The shares of endpoints, and whose turn it is.
#[derive(Debug)]
pub(crate) struct Stride {
    utilization: Utilization,
    warmup: Option<Warmup>,
    /// By the place of the endpoint.
    shares: Box<[AtomicU64]>,
    /// What the shares were calculated from: the bits of what each endpoint reported, or 0. Of no use but to calculate.
    weights: Box<[AtomicU32]>,
    turn: AtomicU64,
    /// When the shares are calculated the next time.
    due: AtomicU64,
}

impl Stride {
    /// For so many endpoints.
    pub(crate) fn new(utilization: Utilization, warmup: Option<Warmup>, size: usize) -> Self {
        Self {
            utilization,
            warmup,
            shares: (0..size).map(|_| AtomicU64::new(WHOLE)).collect(),
            weights: (0..size).map(|_| AtomicU32::new(0)).collect(),
            turn: AtomicU64::new(0),
            due: AtomicU64::new(0),
        }
    }

    /// Chooses one of `endpoints` that `exclude` does not name.
    pub(crate) fn choose<'a, T>(
        &self,
        endpoints: &'a [Arc<Endpoint<T>>],
        rng: &mut impl Rng,
        exclude: &impl Fn(&Endpoint<T>) -> bool,
    ) -> Option<&'a Arc<Endpoint<T>>> {
        for _ in 0..LOOKS {
            let endpoint = self.take_turn().and_then(|place| endpoints.get(place));
            if let Some(endpoint) = endpoint.filter(|it| !exclude(it)) {
                return Some(endpoint);
            }
        }
        let shares = self.shares.iter().map(|share| share.load(Ordering::Relaxed));
        let left = endpoints.iter().zip(shares).filter(|(it, _)| !exclude(it));
        let total: u64 = left.clone().map(|(_, share)| share).sum();
        if total == 0 {
            return None;
        }
        let mut position = rng.random_range(0..total);
        let mut left = left;
        let found = left.find(|(_, share)| {
            let hit = position < *share;
            position = position.saturating_sub(*share);
            hit
        });
        found.map(|(endpoint, _)| endpoint)
    }

    /// Asks the next endpoint whether it takes its turn.
    fn take_turn(&self) -> Option<usize> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let size = self.shares.len() as u64;
        let (round, place) = (turn.checked_div(size)?, turn.checked_rem(size)?);
        let index = usize::try_from(place).ok()?;
        let share = self.shares.get(index)?.load(Ordering::Relaxed);
        // The part of the sum behind the point; whole numbers come and go.
        let sum = share.wrapping_mul(round).wrapping_add(place.wrapping_mul(PHASE)) % WHOLE;
        (sum + share >= WHOLE).then_some(index)
    }

    /// Calculates the shares of `endpoints` anew if it is time. Whoever comes first does it, and nobody waits for that.
    pub(crate) fn refresh<T>(&self, endpoints: &[Arc<Endpoint<T>>], now: u64) {
        let due = self.due.load(Ordering::Relaxed);
        // Who chooses without a time has the shares as they are.
        if now < due || now == u64::MAX {
            return;
        }
        let next = now.saturating_add(millis(self.utilization.update).max(1));
        let claimed = self
            .due
            .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed);
        if claimed.is_ok() {
            self.calculate(endpoints, now);
        }
    }

    fn calculate<T>(&self, endpoints: &[Arc<Endpoint<T>>], now: u64) {
        for (weight, endpoint) in self.weights.iter().zip(endpoints) {
            let reported = endpoint.standing().load.weight(&self.utilization, now);
            weight.store((reported.unwrap_or(0.0) as f32).to_bits(), Ordering::Relaxed);
        }
        let weights = || self.weights.iter().map(|it| it.load(Ordering::Relaxed));
        let default = if weights().any(|weight| weight == 0) {
            median(|| weights().filter(|weight| *weight > 0)).unwrap_or(1.0)
        } else {
            1.0
        };
        let shares = || {
            weights().zip(endpoints).map(|(weight, endpoint)| {
                let age = now.saturating_sub(endpoint.standing().since());
                let warm = self.warmup.map_or(1.0, |warmup| warmup.factor(age));
                let own = f64::from(f32::from_bits(weight));
                warm * if weight == 0 { default } else { own }
            })
        };
        let heaviest = shares().fold(0.0, f64::max);
        for (share, weight) in self.shares.iter().zip(shares()) {
            // A float beyond the range becomes its end, and none at all 0.
            let part = (weight / heaviest * WHOLE as f64) as u64;
            share.store(part.clamp(1, WHOLE), Ordering::Relaxed);
        }
    }
}

/// The one in the middle of floats above zero, given by their bits, or the mean of the two.
///
/// Nothing is sorted, as that would take memory while somebody waits for an endpoint: the bits of the result are found one after
/// the other, their order being that of the floats.
fn median<V: Iterator<Item = u32>>(values: impl Fn() -> V) -> Option<f64> {
    let middle = values().count() / 2;
    let below = |limit: u32| values().filter(move |value| *value < limit);
    let upper = (0..u32::BITS).rev().fold(0, |found: u32, bit| {
        let next = found | 1 << bit;
        if below(next).count() <= middle {
            next
        } else {
            found
        }
    });
    let even = values().count().is_multiple_of(2);
    // Where as many are below it, the other of the two is the highest of them, and else its equal.
    let lower = below(upper)
        .max()
        .filter(|_| even && below(upper).count() == middle);
    let float = |bits| f64::from(f32::from_bits(bits));
    let found = f64::midpoint(float(lower.unwrap_or(upper)), float(upper));
    values().next().map(|_| found)
}

#[cfg(test)]
mod tests;
