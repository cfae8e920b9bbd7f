//! How it is chosen.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::{Rng, RngExt as _};

use crate::{Endpoint, Picked};

/// A way of choosing. The names are those of Istio's `DestinationRule`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Policy {
    /// The least busy of a few endpoints chosen at random, busy being requests under way per weight.
    ///
    /// Two choices bring the longest queue from about `log n` down to about `log log n`, and more bring little:
    /// M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE TPDS 12(10), 2001. Looking at all of
    /// them would send every proxy's next request to the same endpoint. Envoy's default, and Istio's.
    LeastRequest {
        /// How many are looked at; Envoy's default is 2.
        choices: u32,
    },
    /// One after the other.
    RoundRobin,
    /// Any.
    Random,
}

impl Default for Policy {
    fn default() -> Self {
        Policy::LeastRequest { choices: 2 }
    }
}

/// Chooses endpoints by one policy.
#[derive(Debug)]
pub struct Balancer {
    policy: Policy,
    weighted: bool,
    turn: AtomicU64,
}

/// How often a random draw may hit an excluded endpoint before the others are counted.
const DRAWS: usize = 4;

impl Balancer {
    /// A balancer for endpoints of equal weight: a choice costs the same however many there are.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            weighted: false,
            turn: AtomicU64::new(0),
        }
    }

    /// A balancer that heeds weights: a choice looks at every endpoint.
    pub fn weighted(policy: Policy) -> Self {
        Self {
            weighted: true,
            ..Self::new(policy)
        }
    }

    /// A balancer that heeds weights if `endpoints` differ in them.
    pub fn for_endpoints<T>(policy: Policy, endpoints: &[Arc<Endpoint<T>>]) -> Self {
        let mut weights = endpoints.iter().map(|it| it.weight());
        let first = weights.next();
        if weights.all(|weight| Some(weight) == first) {
            Self::new(policy)
        } else {
            Self::weighted(policy)
        }
    }

    /// The policy.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// Chooses among `endpoints` those that `exclude` does not name, and counts the request against the chosen one.
    ///
    /// `None` if there is none: what to do then, such as trying an excluded one after all, is the caller's decision.
    pub fn pick<T>(
        &self,
        endpoints: &[Arc<Endpoint<T>>],
        rng: &mut impl Rng,
        exclude: impl Fn(&Endpoint<T>) -> bool,
    ) -> Option<Picked<T>> {
        let chosen = match self.policy {
            Policy::Random => self.draw(endpoints, rng, &exclude),
            Policy::RoundRobin => self.take_turn(endpoints, &exclude),
            Policy::LeastRequest { choices } => {
                let first = self.draw(endpoints, rng, &exclude)?;
                let others = (1..choices).filter_map(|_| self.draw(endpoints, rng, &exclude));
                // The first of equals wins, so that idle endpoints are chosen by weight alone.
                Some(others.fold(
                    first,
                    |best, other| if is_busier(best, other) { other } else { best },
                ))
            }
        };
        chosen.map(|endpoint| Picked::new(Arc::clone(endpoint)))
    }

    /// One at random, by weight.
    fn draw<'a, T>(
        &self,
        endpoints: &'a [Arc<Endpoint<T>>],
        rng: &mut impl Rng,
        exclude: &impl Fn(&Endpoint<T>) -> bool,
    ) -> Option<&'a Arc<Endpoint<T>>> {
        if endpoints.is_empty() {
            return None;
        }
        if !self.weighted {
            for _ in 0..DRAWS {
                let drawn = endpoints.get(rng.random_range(0..endpoints.len()))?;
                if !exclude(drawn) {
                    return Some(drawn);
                }
            }
        }
        let total = self.total(endpoints, exclude);
        if total == 0 {
            None
        } else {
            self.at(endpoints, rng.random_range(0..total), exclude)
        }
    }

    /// The next in turn.
    fn take_turn<'a, T>(
        &self,
        endpoints: &'a [Arc<Endpoint<T>>],
        exclude: &impl Fn(&Endpoint<T>) -> bool,
    ) -> Option<&'a Arc<Endpoint<T>>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        if self.weighted {
            let total = self.total(endpoints, exclude);
            return self.at(endpoints, spread(turn, total), exclude);
        }
        let start = usize::try_from(turn % (endpoints.len() as u64).max(1)).unwrap_or(0);
        let (before, after) = endpoints.split_at_checked(start)?;
        after.iter().chain(before).find(|it| !exclude(it))
    }

    fn total<T>(&self, endpoints: &[Arc<Endpoint<T>>], exclude: &impl Fn(&Endpoint<T>) -> bool) -> u64 {
        endpoints
            .iter()
            .filter(|it| !exclude(it))
            .map(|it| self.share(it))
            .sum()
    }

    /// The endpoint on whose share of the whole `position` falls.
    fn at<'a, T>(
        &self,
        endpoints: &'a [Arc<Endpoint<T>>],
        mut position: u64,
        exclude: &impl Fn(&Endpoint<T>) -> bool,
    ) -> Option<&'a Arc<Endpoint<T>>> {
        endpoints.iter().filter(|it| !exclude(it)).find(|it| {
            let share = self.share(it);
            let hit = position < share;
            position = position.saturating_sub(share);
            hit
        })
    }

    fn share<T>(&self, endpoint: &Endpoint<T>) -> u64 {
        if self.weighted {
            u64::from(endpoint.weight())
        } else {
            1
        }
    }
}

/// Whether `a` has more requests per weight than `b`.
fn is_busier<T>(a: &Endpoint<T>, b: &Endpoint<T>) -> bool {
    u64::from(a.active()) * u64::from(b.weight()) > u64::from(b.active()) * u64::from(a.weight())
}

/// The place of a turn in `0..total`, such that any run of turns covers the range evenly: the multiples of the golden
/// ratio modulo 1 do (H. Weyl, 1916; Knuth, TAOCP volume 3, section 6.4). A heavy endpoint is thus not given its turns
/// in a row, and no state beyond the turn is needed.
fn spread(turn: u64, total: u64) -> u64 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let fraction = u128::from(turn.wrapping_mul(GOLDEN));
    u64::try_from((fraction * u128::from(total)) >> 64).unwrap_or(0)
}
