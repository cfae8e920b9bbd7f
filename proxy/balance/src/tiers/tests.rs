#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::{HashTable, Outcome, OutlierSettings, Policy};

/// A cluster of which the tiers are known, as places of its endpoints by portion.
struct Cluster {
    endpoints: Vec<Arc<Endpoint<usize>>>,
    outliers: Arc<Outliers>,
    tiers: Tiers<usize>,
}

impl Cluster {
    fn new(arrangement: &[Vec<Portion>], settings: OutlierSettings) -> Cluster {
        Cluster::by(arrangement, settings, |_| Balancer::new(Policy::Random))
    }

    fn by(
        arrangement: &[Vec<Portion>],
        settings: OutlierSettings,
        balancer: impl Fn(&[Arc<Endpoint<usize>>]) -> Balancer,
    ) -> Cluster {
        let size: usize = arrangement.iter().flatten().map(|it| it.members.len()).sum();
        let endpoints: Vec<_> = (0..size).map(|place| Arc::new(Endpoint::new(place))).collect();
        let standings = endpoints.iter().map(|it| Arc::clone(it.standing()));
        let outliers = Arc::new(Outliers::new(settings, standings));
        let tiers = Tiers::new(arrangement, &endpoints, Some(Arc::clone(&outliers)), balancer);
        Cluster {
            endpoints,
            outliers,
            tiers,
        }
    }

    fn eject(&self, places: impl IntoIterator<Item = usize>) {
        for place in places {
            let standing = self.endpoints[place].standing();
            let caused = (0..5).find_map(|_| self.outliers.observe(standing, Outcome::Status(500), 0));
            assert!(caused.is_some(), "{place} is set aside");
        }
    }

    /// Of 10,000 choices, the percentage that falls on each of these ranges of places.
    fn shares(&self, ranges: &[std::ops::Range<usize>]) -> Vec<u32> {
        let mut rng = StdRng::seed_from_u64(17);
        let mut counts = vec![0u32; ranges.len()];
        for _ in 0..10_000 {
            let picked = self.tiers.pick(&mut rng, Hints::default(), |_| false).unwrap();
            let range = ranges
                .iter()
                .position(|range| range.contains(&picked.data))
                .unwrap();
            counts[range] += 1;
        }
        counts.into_iter().map(|count| (count + 50) / 100).collect()
    }
}

/// So many tiers of so many endpoints.
fn even(tiers: usize, size: usize) -> Vec<Vec<Portion>> {
    (0..tiers)
        .map(|tier| {
            vec![Portion {
                weight: 1,
                members: (tier * size..(tier + 1) * size).collect(),
            }]
        })
        .collect()
}

fn unbounded() -> OutlierSettings {
    OutlierSettings {
        maximum_percent: 100,
        ..OutlierSettings::default()
    }
}

fn near(shares: &[u32], expected: &[u32]) -> bool {
    shares.len() == expected.len()
        && shares
            .iter()
            .zip(expected)
            .all(|(one, other)| one.abs_diff(*other) <= 2)
}

#[test]
fn traffic_spills_over_as_health_falls() {
    let cluster = Cluster::new(&even(2, 10), unbounded());
    let ranges = [0..10, 10..20];
    assert_eq!(cluster.shares(&ranges), [100, 0]);
    cluster.eject(0..2);
    assert_eq!(cluster.shares(&ranges), [100, 0], "eight of ten are enough");
    cluster.eject(2..5);
    assert!(
        near(&cluster.shares(&ranges), &[70, 30]),
        "{:?}",
        cluster.shares(&ranges)
    );
    cluster.eject(5..10);
    assert_eq!(cluster.shares(&ranges), [0, 100]);
    cluster.outliers.sweep(30_000);
    assert_eq!(cluster.shares(&ranges), [100, 0], "all have come back");
}

#[test]
fn what_is_set_aside_is_not_picked() {
    let cluster = Cluster::new(&even(1, 4), unbounded());
    cluster.eject([1, 2]);
    assert_eq!(cluster.shares(&[1..3, 0..4]), [0, 100]);
}

#[test]
fn when_all_are_set_aside_there_is_none() {
    let cluster = Cluster::new(&even(2, 2), unbounded());
    cluster.eject(0..4);
    assert!(
        cluster
            .tiers
            .pick(&mut rand::rng(), Hints::default(), |_| false)
            .is_none()
    );
}

#[test]
fn below_the_minimum_all_are_used() {
    let settings = OutlierSettings {
        minimum_health_percent: 50,
        ..unbounded()
    };
    let cluster = Cluster::new(&even(1, 4), settings.clone());
    cluster.eject([0, 1]);
    assert_eq!(cluster.shares(&[0..2, 2..4]), [0, 100], "half is not below half");
    cluster.eject([2]);
    assert!(near(&cluster.shares(&[0..3, 3..4]), &[75, 25]));

    // With another tier that can take everything, there is no reason to.
    let cluster = Cluster::new(&even(2, 4), settings.clone());
    cluster.eject(0..3);
    let shares = cluster.shares(&[0..3, 3..4, 4..8]);
    assert!(near(&shares, &[0, 35, 65]), "{shares:?}");

    // When all tiers are below it, they share by size.
    let cluster = Cluster::new(&even(2, 4), settings);
    cluster.eject(0..8);
    assert!(near(&cluster.shares(&[0..4, 4..8]), &[50, 50]));
}

#[test]
fn portions_share_by_weight_and_health() {
    let arrangement = [vec![
        Portion {
            weight: 80,
            members: (0..4).collect(),
        },
        Portion {
            weight: 20,
            members: (4..8).collect(),
        },
    ]];
    let cluster = Cluster::new(&arrangement, unbounded());
    let ranges = [0..4, 4..8];
    assert!(near(&cluster.shares(&ranges), &[80, 20]));
    cluster.eject(0..2);
    // 80 * 0.7 to 20.
    assert!(
        near(&cluster.shares(&ranges), &[74, 26]),
        "{:?}",
        cluster.shares(&ranges)
    );
    cluster.eject(2..4);
    assert_eq!(cluster.shares(&ranges), [0, 100]);
}

#[test]
fn another_tier_is_better_than_none() {
    let cluster = Cluster::new(&even(2, 2), unbounded());
    let picked = cluster
        .tiers
        .pick(&mut rand::rng(), Hints::default(), |it| it.data < 3);
    assert_eq!(picked.unwrap().data, 3);
}

#[test]
fn without_outlier_detection_nobody_is_set_aside() {
    let cluster = Cluster::new(&even(2, 2), unbounded());
    cluster.eject(0..2);
    let tiers = Tiers::new(&even(2, 2), &cluster.endpoints, None, |_| {
        Balancer::new(Policy::Random)
    });
    for _ in 0..50 {
        assert!(
            tiers
                .pick(&mut rand::rng(), Hints::default(), |_| false)
                .unwrap()
                .data
                < 2
        );
    }
}

#[test]
fn a_flat_cluster_is_one_tier() {
    let endpoints: Vec<_> = (0..3).map(|place| Arc::new(Endpoint::new(place))).collect();
    let tiers = Tiers::flat(endpoints, None, Balancer::new(Policy::RoundRobin));
    let pick = || {
        tiers
            .pick(&mut rand::rng(), Hints::default(), |_| false)
            .unwrap()
            .data
    };
    assert_eq!([pick(), pick(), pick(), pick()], [0, 1, 2, 0]);
    assert_eq!(tiers.endpoints().count(), 3);
    let none = Tiers::flat(
        Vec::<Arc<Endpoint<u8>>>::new(),
        None,
        Balancer::new(Policy::default()),
    );
    assert!(none.pick(&mut rand::rng(), Hints::default(), |_| false).is_none());
}

#[test]
fn a_key_stays_in_its_portion() {
    let arrangement = [vec![
        Portion {
            weight: 50,
            members: (0..5).collect(),
        },
        Portion {
            weight: 50,
            members: (5..10).collect(),
        },
    ]];
    let layout = HashTable::Ring { minimum_size: 1024 };
    let cluster = Cluster::by(&arrangement, unbounded(), |endpoints| {
        Balancer::consistent(layout, endpoints, |place| place.to_string())
    });
    let pick = |key: u32| {
        let hints = Hints {
            now: 0,
            hash: Some(crate::hash(&key.to_le_bytes())),
        };
        cluster
            .tiers
            .pick(&mut rand::rng(), hints, |_| false)
            .unwrap()
            .data
    };
    let first: Vec<usize> = (0..300).map(pick).collect();
    assert_eq!(first, (0..300).map(pick).collect::<Vec<_>>());
    let low = first.iter().filter(|place| **place < 5).count();
    assert!((110..190).contains(&low), "{low}");
    // What one endpoint served goes on within its portion.
    cluster.eject([0]);
    for (key, was) in (0..300).zip(first).filter(|(_, was)| *was == 0) {
        assert!((1..5).contains(&pick(key)), "{was}");
    }
}

proptest! {
    /// Whatever the health, the shares are percentages of one whole, in tiers that have something healthy.
    #[test]
    fn shares_make_a_hundred(sizes in prop::collection::vec((1u64..20, 0u64..20), 1..6), minimum in 0u64..=100) {
        let healths: Vec<_> = sizes.iter().map(|(all, healthy)| Health { all: *all, healthy: *healthy.min(all) }).collect();
        let shares = shares(&healths, minimum);
        prop_assert_eq!(shares.iter().map(|(share, _)| share).sum::<u32>(), 100);
        let helpless = shares.iter().all(|(_, panics)| *panics);
        if healths.iter().any(|it| it.healthy > 0) && !helpless {
            for (health, (share, _)) in healths.iter().zip(&shares) {
                prop_assert!(health.healthy > 0 || *share == 0);
            }
        }
        // A tier gets nothing while those before it can take everything.
        let mut before = 0;
        for (health, (share, _)) in healths.iter().zip(&shares) {
            prop_assert!(before < 100 || *share == 0);
            before += health.capacity();
        }
    }
}

/// Of 1,000 choices elsewhere than in `tried`, how many fall on each of `tiers` tiers of two endpoints.
fn elsewhere(cluster: &Cluster, tiers: usize, tried: &[usize]) -> Vec<usize> {
    let mut rng = StdRng::seed_from_u64(5);
    let mut counts = vec![0; tiers];
    for _ in 0..1_000 {
        let picked = cluster.tiers.pick_elsewhere(
            &mut rng,
            Hints::default(),
            |it| tried.contains(&it.data),
            |_| false,
        );
        counts[picked.unwrap().data / 2] += 1;
    }
    counts
}

#[test]
fn tiers_that_were_tried_are_left() {
    let cluster = Cluster::new(&even(3, 2), unbounded());
    assert_eq!(elsewhere(&cluster, 3, &[]), [1_000, 0, 0]);
    assert_eq!(elsewhere(&cluster, 3, &[1]), [0, 1_000, 0]);
    assert_eq!(elsewhere(&cluster, 3, &[0, 3]), [0, 0, 1_000]);
    assert_eq!(elsewhere(&cluster, 3, &[2]), [1_000, 0, 0]);
    // Where all have been tried, it begins anew.
    assert_eq!(elsewhere(&cluster, 3, &[0, 2, 4]), [1_000, 0, 0]);
}

#[test]
fn tiers_that_were_not_tried_take_what_they_can() {
    let cluster = Cluster::new(&even(3, 2), unbounded());
    cluster.eject([2]);
    let counts = elsewhere(&cluster, 3, &[0]);
    assert_eq!(counts[0], 0);
    assert!(
        (640..760).contains(&counts[1]),
        "half of it healthy takes 70 %: {counts:?}"
    );
    cluster.eject([3, 4, 5]);
    assert_eq!(
        elsewhere(&cluster, 3, &[0]),
        [1_000, 0, 0],
        "nothing else is healthy"
    );
}

#[test]
fn one_tier_is_never_left() {
    let cluster = Cluster::new(&even(1, 2), unbounded());
    assert_eq!(elsewhere(&cluster, 1, &[0, 1]), [1_000]);
    let none = cluster.tiers.pick_elsewhere(
        &mut StdRng::seed_from_u64(1),
        Hints::default(),
        |_| true,
        |_| true,
    );
    assert!(none.is_none());
}

#[test]
fn what_was_tried_is_taken_rather_than_nothing() {
    let cluster = Cluster::new(&even(2, 2), unbounded());
    let picked = cluster.tiers.pick_elsewhere(
        &mut StdRng::seed_from_u64(1),
        Hints::default(),
        |it| it.data == 0,
        |it| it.data != 1,
    );
    assert_eq!(picked.unwrap().data, 1, "all others are excluded");
}
