//! Endpoints in tiers: the first that has enough healthy endpoints gets the traffic, and what it cannot take goes to the next.
//! Envoy's priority levels and locality weights.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use rand::{Rng, RngExt as _};

use crate::balancer::Hints;
use crate::locality::Portion;
use crate::outlier::Outliers;
use crate::{Balancer, Endpoint, Picked};

/// A tier or portion takes all of its traffic while this many percent of it, times the share that is healthy, make a hundred:
/// Envoy's overprovisioning factor of 1.4.
const OVERPROVISION: u64 = 140;

/// The endpoints of one cluster, in tiers.
#[derive(Debug)]
pub struct Tiers<T> {
    tiers: Box<[Tier<T>]>,
    outliers: Option<Arc<Outliers>>,
    /// The change of `outliers` that the shares are as of.
    settled: AtomicU64,
}

#[derive(Debug)]
struct Tier<T> {
    groups: Box<[Group<T>]>,
    /// Percent of the traffic.
    share: AtomicU32,
    /// So few are healthy that all are used.
    panics: AtomicBool,
}

#[derive(Debug)]
struct Group<T> {
    endpoints: Vec<Arc<Endpoint<T>>>,
    balancer: Balancer,
    weight: u32,
    /// The weight, less as health falls.
    share: AtomicU64,
}

/// Of how many endpoints how many are healthy.
#[derive(Clone, Copy)]
struct Health {
    all: u64,
    healthy: u64,
}

impl<T> Tiers<T> {
    /// `arrangement` is that of `endpoints`, by [`arrange`](crate::arrange); `balancer` makes the one of each portion.
    pub fn new(
        arrangement: &[Vec<Portion>],
        endpoints: &[Arc<Endpoint<T>>],
        outliers: Option<Arc<Outliers>>,
        balancer: impl Fn(&[Arc<Endpoint<T>>]) -> Balancer,
    ) -> Self {
        let group = |portion: &Portion| {
            let members = portion.members.iter().filter_map(|place| endpoints.get(*place));
            let endpoints: Vec<_> = members.cloned().collect();
            Group {
                balancer: balancer(&endpoints),
                endpoints,
                weight: portion.weight,
                share: AtomicU64::new(u64::from(portion.weight)),
            }
        };
        let tiers = arrangement.iter().map(|portions| Tier {
            groups: portions.iter().map(group).collect(),
            share: AtomicU32::new(0),
            panics: AtomicBool::new(false),
        });
        let tiers = Self {
            tiers: tiers.collect(),
            settled: AtomicU64::new(outliers.as_ref().map_or(0, |it| it.changes())),
            outliers,
        };
        tiers.settle();
        tiers
    }

    /// All in one tier.
    pub fn flat(
        endpoints: Vec<Arc<Endpoint<T>>>,
        outliers: Option<Arc<Outliers>>,
        balancer: Balancer,
    ) -> Self {
        let group = Group {
            endpoints,
            balancer,
            weight: 1,
            share: AtomicU64::new(1),
        };
        let tiers = Self {
            tiers: Box::new([Tier {
                groups: Box::new([group]),
                share: AtomicU32::new(0),
                panics: AtomicBool::new(false),
            }]),
            settled: AtomicU64::new(outliers.as_ref().map_or(0, |it| it.changes())),
            outliers,
        };
        tiers.settle();
        tiers
    }

    /// What watches over the endpoints.
    pub fn outliers(&self) -> Option<&Arc<Outliers>> {
        self.outliers.as_ref()
    }

    /// The endpoints, the preferred first.
    pub fn endpoints(&self) -> impl Iterator<Item = &Arc<Endpoint<T>>> {
        self.groups().flat_map(|group| &group.endpoints)
    }

    /// Chooses an endpoint that is neither set aside nor named by `exclude`, and counts the request against it.
    ///
    /// Where what `exclude` leaves of the tier is nothing, another tier is taken rather than none. `None` if no endpoint is
    /// left in any.
    pub fn pick(
        &self,
        rng: &mut impl Rng,
        hints: Hints,
        exclude: impl Fn(&Endpoint<T>) -> bool,
    ) -> Option<Picked<T>> {
        self.refresh();
        let [tier] = &*self.tiers else {
            let drawn = hints.hash.unwrap_or_else(|| rng.random());
            let first = self.draw(drawn);
            let others = (0..self.tiers.len()).filter(|place| *place != first);
            return std::iter::once(first)
                .chain(others)
                .filter_map(|place| self.tiers.get(place))
                .find_map(|tier| self.pick_in(tier, rng, hints, &exclude));
        };
        self.pick_in(tier, rng, hints, &exclude)
    }

    /// Chooses as [`pick`](Self::pick) does, but among the tiers of which no endpoint has been `tried`, by what those can take:
    /// Envoy's retry priority `previous_priorities`. If they can take nothing, it is as if nothing had been tried.
    ///
    /// Looks at every endpoint.
    pub fn pick_elsewhere(
        &self,
        rng: &mut impl Rng,
        hints: Hints,
        tried: impl Fn(&Endpoint<T>) -> bool,
        exclude: impl Fn(&Endpoint<T>) -> bool,
    ) -> Option<Picked<T>> {
        let capacity = |tier: &Tier<T>| match tier.endpoints().any(|it| tried(it)) {
            true => 0,
            false => self.health(tier.endpoints()).capacity(),
        };
        let capacities: Vec<u64> = self.tiers.iter().map(capacity).collect();
        let together = capacities.iter().sum::<u64>().min(100);
        if together == 0 {
            return self.pick(rng, hints, exclude);
        }
        let drawn = hints.hash.unwrap_or_else(|| rng.random());
        let first = place_of(spread(capacities.iter().copied(), together).into_iter(), drawn);
        let others = (0..self.tiers.len()).filter(|place| *place != first);
        let untried = |place: &usize| capacities.get(*place).is_some_and(|capacity| *capacity > 0);
        let (next, last): (Vec<usize>, Vec<usize>) = others.partition(untried);
        std::iter::once(first)
            .chain(next)
            .chain(last)
            .filter_map(|place| self.tiers.get(place))
            .find_map(|tier| self.pick_in(tier, rng, hints, &exclude))
    }

    fn pick_in(
        &self,
        tier: &Tier<T>,
        rng: &mut impl Rng,
        hints: Hints,
        exclude: &impl Fn(&Endpoint<T>) -> bool,
    ) -> Option<Picked<T>> {
        let heeds = self.outliers.is_some() && !tier.panics.load(Ordering::Relaxed);
        let unfit = |it: &Endpoint<T>| heeds && it.standing().is_ejected() || exclude(it);
        if let [group] = &*tier.groups {
            return group.balancer.choose(&group.endpoints, rng, hints, unfit);
        }
        // Other bits than those that chose the tier.
        let drawn = hints.hash.unwrap_or_else(|| rng.random()).rotate_left(32);
        let first = tier.draw(drawn);
        let others = (0..tier.groups.len()).filter(|place| *place != first);
        std::iter::once(first)
            .chain(others)
            .filter_map(|place| tier.groups.get(place))
            .find_map(|group| group.balancer.choose(&group.endpoints, rng, hints, unfit))
    }

    /// The place of a tier, by share.
    fn draw(&self, drawn: u64) -> usize {
        let shares = self.tiers.iter().map(|it| it.share.load(Ordering::Relaxed));
        place_of(shares.map(u64::from), drawn)
    }

    /// Has the shares follow the health of the endpoints.
    fn refresh(&self) {
        let Some(outliers) = &self.outliers else { return };
        let changes = outliers.changes();
        if self.settled.load(Ordering::Relaxed) != changes {
            // Whoever else sees the same change comes to the same shares.
            self.settle();
            self.settled.store(changes, Ordering::Relaxed);
        }
    }

    fn settle(&self) {
        let healths: Vec<Health> = self
            .tiers
            .iter()
            .map(|tier| self.health(tier.endpoints()))
            .collect();
        let minimum = self
            .outliers
            .as_ref()
            .map_or(0, |it| u64::from(it.settings().minimum_health_percent));
        for (tier, (share, panics)) in self.tiers.iter().zip(shares(&healths, minimum)) {
            tier.share.store(share, Ordering::Relaxed);
            tier.panics.store(panics, Ordering::Relaxed);
            for group in &tier.groups {
                let full = if panics {
                    100
                } else {
                    self.health(group.endpoints.iter()).capacity()
                };
                group
                    .share
                    .store(u64::from(group.weight) * full, Ordering::Relaxed);
            }
        }
    }

    fn health<'a>(&self, endpoints: impl Iterator<Item = &'a Arc<Endpoint<T>>>) -> Health
    where
        T: 'a,
    {
        let heeds = self.outliers.is_some();
        let mut health = Health { all: 0, healthy: 0 };
        for endpoint in endpoints {
            health.all += 1;
            health.healthy += u64::from(!(heeds && endpoint.standing().is_ejected()));
        }
        health
    }

    fn groups(&self) -> impl Iterator<Item = &Group<T>> {
        self.tiers.iter().flat_map(|tier| &tier.groups)
    }
}

impl<T> Tier<T> {
    fn endpoints(&self) -> impl Iterator<Item = &Arc<Endpoint<T>>> {
        self.groups.iter().flat_map(|group| &group.endpoints)
    }

    fn draw(&self, drawn: u64) -> usize {
        let shares = self.groups.iter().map(|it| it.share.load(Ordering::Relaxed));
        place_of(shares, drawn)
    }
}

impl Health {
    /// How much of its whole traffic this can take, percent.
    fn capacity(self) -> u64 {
        (OVERPROVISION * self.healthy)
            .checked_div(self.all)
            .unwrap_or(0)
            .min(100)
    }

    fn percent(self) -> u64 {
        (100 * self.healthy).checked_div(self.all).unwrap_or(0)
    }
}

/// The share of each tier in percent, and whether its health is not heeded because it is below `minimum`.
fn shares(tiers: &[Health], minimum: u64) -> Vec<(u32, bool)> {
    let together = tiers.iter().map(|it| it.capacity()).sum::<u64>().min(100);
    // While all of the traffic can be taken there is no reason to use what is set aside.
    let panics = |it: &Health| together < 100 && it.percent() < minimum;
    let helpless = tiers.iter().all(panics);
    let (whole, part): (u64, fn(Health) -> u64) = if helpless {
        (tiers.iter().map(|it| it.all).sum(), |it| it.all)
    } else {
        (together, Health::capacity)
    };
    let shares = spread(tiers.iter().map(|tier| part(*tier)), whole);
    let shares = shares.into_iter().zip(tiers);
    shares.map(|(share, tier)| (share as u32, panics(tier))).collect()
}

/// A hundred percent, of which each has the percentage that its part is of the whole, the first before the others.
fn spread(parts: impl Iterator<Item = u64>, whole: u64) -> Vec<u64> {
    let mut left = 100;
    let mut shares: Vec<u64> = parts
        .map(|part| {
            let share = (part * 100).checked_div(whole).unwrap_or(0).min(left);
            left -= share;
            share
        })
        .collect();
    // What rounding has left over.
    let first = shares.iter().position(|share| *share > 0).unwrap_or(0);
    if let Some(share) = shares.get_mut(first) {
        *share += left;
    }
    shares
}

/// On whose share of the whole `drawn` falls.
fn place_of(shares: impl Iterator<Item = u64> + Clone, drawn: u64) -> usize {
    let Some(mut position) = drawn.checked_rem(shares.clone().sum()) else {
        return 0;
    };
    let mut shares = shares;
    let place = shares.position(|share| {
        let hit = position < share;
        position = position.saturating_sub(share);
        hit
    });
    place.unwrap_or(0)
}

#[cfg(test)]
mod tests;
