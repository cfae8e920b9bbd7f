//! How it is chosen.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::{Rng, RngExt as _};

use crate::consistent::{HashTable, Member, Table};
use crate::load::Utilization;
use crate::stride::Stride;
use crate::warmup::Warmup;
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
    way: Way,
    weighted: bool,
    warming: Option<Warming>,
    turn: AtomicU64,
}

/// What a choice may depend on besides the endpoints.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints {
    /// The time, in the milliseconds of [`Standing`](crate::Standing); for endpoints that warm up or report their load.
    pub now: u64,
    /// The [`hash`](crate::hash()) of what should lead to the same endpoint again. Without one, consistent hashing chooses at
    /// random, as in Envoy.
    pub hash: Option<u64>,
}

#[derive(Debug)]
enum Way {
    Policy(Policy),
    Table(Table),
    Load(Stride),
}

/// How weights grow, and until when.
#[derive(Debug)]
struct Warming {
    warmup: Warmup,
    until: u64,
}

/// How often a random draw may hit an excluded endpoint before the others are counted.
const DRAWS: usize = 4;

impl Balancer {
    /// A balancer for endpoints of equal weight: a choice costs the same however many there are.
    pub fn new(policy: Policy) -> Self {
        Self::by(Way::Policy(policy), false)
    }

    /// A balancer that heeds weights: a choice looks at every endpoint.
    pub fn weighted(policy: Policy) -> Self {
        Self::by(Way::Policy(policy), true)
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

    /// A balancer that heeds weights if `endpoints` differ in them, and gives new ones their share little by little. By
    /// [`Policy::Random`] they get it at once, as in Istio.
    ///
    /// While any endpoint warms up, a choice looks at every endpoint.
    pub fn warming<T>(policy: Policy, warmup: Warmup, endpoints: &[Arc<Endpoint<T>>]) -> Self {
        let until = endpoints.iter().map(|it| warmup.end(it.standing().since())).max();
        let warming = until.filter(|_| policy != Policy::Random);
        Self {
            warming: warming.map(|until| Warming { warmup, until }),
            ..Self::for_endpoints(policy, endpoints)
        }
    }

    /// A balancer that leads the same [`Hints::hash`] to the same endpoint. `name` tells endpoints apart, in every version of the
    /// configuration and in every proxy alike; Envoy takes `address:port`. What is then chosen among must be the same
    /// `endpoints` in the same order.
    pub fn consistent<T, N: AsRef<[u8]>>(
        layout: HashTable,
        endpoints: &[Arc<Endpoint<T>>],
        name: impl Fn(&T) -> N,
    ) -> Self {
        let names: Vec<N> = endpoints.iter().map(|it| name(&it.data)).collect();
        let members = names.iter().zip(endpoints);
        let members: Vec<Member<'_>> = members
            .map(|(name, endpoint)| Member {
                name: name.as_ref(),
                weight: endpoint.weight(),
            })
            .collect();
        Self::by(Way::Table(Table::new(layout, &members)), false)
    }

    /// A balancer that gives endpoints turns by the load that they [report](crate::Standing::observe_load), in place of their
    /// weights: those that report none get the median of what the others get, and where none does they take equal turns. What is
    /// then chosen among must be the same `endpoints` in the same order.
    ///
    /// The weights are those of the last [update](Utilization::update), which the first choice after its time brings about; it
    /// looks at every endpoint, the others look at few.
    pub fn by_utilization<T>(
        utilization: Utilization,
        warmup: Option<Warmup>,
        endpoints: &[Arc<Endpoint<T>>],
    ) -> Self {
        Self::by(
            Way::Load(Stride::new(utilization, warmup, endpoints.len())),
            false,
        )
    }

    fn by(way: Way, weighted: bool) -> Self {
        Self {
            way,
            weighted,
            warming: None,
            turn: AtomicU64::new(0),
        }
    }

    /// Chooses among `endpoints` those that `exclude` does not name, and counts the request against the chosen one; without
    /// hints.
    ///
    /// `None` if there is none: what to do then, such as trying an excluded one after all, is the caller's decision.
    pub fn pick<T>(
        &self,
        endpoints: &[Arc<Endpoint<T>>],
        rng: &mut impl Rng,
        exclude: impl Fn(&Endpoint<T>) -> bool,
    ) -> Option<Picked<T>> {
        let hints = Hints {
            now: u64::MAX,
            hash: None,
        };
        self.choose(endpoints, rng, hints, exclude)
    }

    /// As [`pick`](Balancer::pick), at a time and for a key.
    pub fn choose<T>(
        &self,
        endpoints: &[Arc<Endpoint<T>>],
        rng: &mut impl Rng,
        hints: Hints,
        exclude: impl Fn(&Endpoint<T>) -> bool,
    ) -> Option<Picked<T>> {
        let weighing = self.weighing(hints.now);
        let field = Field {
            endpoints,
            exclude: &exclude,
            weighing,
        };
        let chosen = match &self.way {
            Way::Load(stride) => {
                stride.refresh(endpoints, hints.now);
                stride.choose(endpoints, rng, &exclude)
            }
            Way::Table(table) => field.walk(table, hints.hash.unwrap_or_else(|| rng.random())),
            Way::Policy(Policy::Random) => field.draw(rng),
            Way::Policy(Policy::RoundRobin) => field.take_turn(self.turn.fetch_add(1, Ordering::Relaxed)),
            Way::Policy(Policy::LeastRequest { choices }) => {
                let first = field.draw(rng)?;
                let others = (1..*choices).filter_map(|_| field.draw(rng));
                // The first of equals wins, so that idle endpoints are chosen by weight alone.
                Some(others.fold(first, |best, other| {
                    if weighing.is_busier(best, other) {
                        other
                    } else {
                        best
                    }
                }))
            }
        };
        chosen.map(|endpoint| Picked::new(Arc::clone(endpoint)))
    }

    fn weighing(&self, now: u64) -> Weighing<'_> {
        match &self.warming {
            Some(warming) if now < warming.until => Weighing::Warming {
                warmup: &warming.warmup,
                now,
            },
            _ if self.weighted => Weighing::Capacity,
            _ => Weighing::Equal,
        }
    }
}

/// What an endpoint counts for.
#[derive(Clone, Copy)]
enum Weighing<'a> {
    Equal,
    Capacity,
    Warming { warmup: &'a Warmup, now: u64 },
}

impl Weighing<'_> {
    fn share<T>(self, endpoint: &Endpoint<T>) -> u64 {
        match self {
            Weighing::Equal => 1,
            Weighing::Capacity => u64::from(endpoint.weight()),
            Weighing::Warming { warmup, now } => {
                let age = now.saturating_sub(endpoint.standing().since());
                warmup.weight(endpoint.weight(), age)
            }
        }
    }

    /// Whether `a` has more requests per share than `b`.
    fn is_busier<T>(self, a: &Endpoint<T>, b: &Endpoint<T>) -> bool {
        u128::from(a.active()) * u128::from(self.share(b))
            > u128::from(b.active()) * u128::from(self.share(a))
    }
}

/// What one choice is made among.
struct Field<'a, 'w, T, E> {
    endpoints: &'a [Arc<Endpoint<T>>],
    exclude: &'w E,
    weighing: Weighing<'w>,
}

impl<'a, T, E: Fn(&Endpoint<T>) -> bool> Field<'a, '_, T, E> {
    /// One at random, by weight.
    fn draw(&self, rng: &mut impl Rng) -> Option<&'a Arc<Endpoint<T>>> {
        if self.endpoints.is_empty() {
            return None;
        }
        if matches!(self.weighing, Weighing::Equal) {
            for _ in 0..DRAWS {
                let drawn = self.endpoints.get(rng.random_range(0..self.endpoints.len()))?;
                if !(self.exclude)(drawn) {
                    return Some(drawn);
                }
            }
        }
        let total = self.total();
        if total == 0 {
            None
        } else {
            self.at(rng.random_range(0..total))
        }
    }

    /// The next in turn.
    fn take_turn(&self, turn: u64) -> Option<&'a Arc<Endpoint<T>>> {
        if !matches!(self.weighing, Weighing::Equal) {
            return self.at(spread(turn, self.total()));
        }
        let start = usize::try_from(turn % (self.endpoints.len() as u64).max(1)).unwrap_or(0);
        let (before, after) = self.endpoints.split_at_checked(start)?;
        after.iter().chain(before).find(|it| !(self.exclude)(it))
    }

    /// The first that is left on the way through the table. Where hardly any is left the way is cut short; what is left is
    /// then shared by hash.
    fn walk(&self, table: &Table, hash: u64) -> Option<&'a Arc<Endpoint<T>>> {
        let candidates = table.candidates(hash);
        let found = candidates
            .filter_map(|place| self.endpoints.get(place))
            .find(|it| !(self.exclude)(it));
        found.or_else(|| {
            let count = self.left().count() as u64;
            let place = hash.checked_rem(count)?;
            self.left().nth(usize::try_from(place).ok()?)
        })
    }

    fn left(&self) -> impl Iterator<Item = &'a Arc<Endpoint<T>>> {
        self.endpoints.iter().filter(|it| !(self.exclude)(it))
    }

    fn total(&self) -> u64 {
        self.left().map(|it| self.weighing.share(it)).sum()
    }

    /// The endpoint on whose share of the whole `position` falls.
    fn at(&self, mut position: u64) -> Option<&'a Arc<Endpoint<T>>> {
        self.left().find(|it| {
            let share = self.weighing.share(it);
            let hit = position < share;
            position = position.saturating_sub(share);
            hit
        })
    }
}

/// The place of a turn in `0..total`, such that any run of turns covers the range evenly: the multiples of the golden
/// ratio modulo 1 do (H. Weyl, 1916; Knuth, TAOCP volume 3, section 6.4). A heavy endpoint is thus not given its turns
/// in a row, and no state beyond the turn is needed.
fn spread(turn: u64, total: u64) -> u64 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let fraction = u128::from(turn.wrapping_mul(GOLDEN));
    u64::try_from((fraction * u128::from(total)) >> 64).unwrap_or(0)
}
