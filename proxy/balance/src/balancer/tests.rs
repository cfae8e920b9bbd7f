#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;

const POLICIES: [Policy; 3] = [
    Policy::LeastRequest { choices: 2 },
    Policy::RoundRobin,
    Policy::Random,
];

fn endpoints(weights: &[u32]) -> Vec<Arc<Endpoint<usize>>> {
    weights
        .iter()
        .enumerate()
        .map(|(at, &weight)| Arc::new(Endpoint::with_weight(at, weight)))
        .collect()
}

fn counts(balancer: &Balancer, endpoints: &[Arc<Endpoint<usize>>], picks: usize, seed: u64) -> Vec<usize> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut counts = vec![0; endpoints.len()];
    for _ in 0..picks {
        counts[balancer.pick(endpoints, &mut rng, |_| false).unwrap().data] += 1;
    }
    counts
}

#[test]
fn nothing_to_pick_is_none() {
    let none: Vec<Arc<Endpoint<usize>>> = Vec::new();
    for policy in POLICIES {
        for balancer in [Balancer::new(policy), Balancer::weighted(policy)] {
            assert!(balancer.pick(&none, &mut rand::rng(), |_| false).is_none());
            assert!(
                balancer
                    .pick(&endpoints(&[1, 5]), &mut rand::rng(), |_| true)
                    .is_none()
            );
        }
    }
}

#[test]
fn active_follows_the_picked() {
    let endpoints = endpoints(&[1]);
    let balancer = Balancer::new(Policy::default());
    let first = balancer.pick(&endpoints, &mut rand::rng(), |_| false).unwrap();
    let second = balancer.pick(&endpoints, &mut rand::rng(), |_| false).unwrap();
    assert_eq!(first.active(), 2);
    drop(first);
    assert_eq!(second.endpoint().active(), 1);
    drop(second);
    assert_eq!(endpoints[0].active(), 0);
}

#[test]
fn round_robin_takes_turns_and_skips() {
    let endpoints = endpoints(&[1, 1, 1]);
    let balancer = Balancer::new(Policy::RoundRobin);
    let pick = |excluded: usize| {
        balancer
            .pick(&endpoints, &mut rand::rng(), |it| it.data == excluded)
            .unwrap()
            .data
    };
    assert_eq!([pick(9), pick(9), pick(9), pick(9)], [0, 1, 2, 0]);
    assert_eq!([pick(1), pick(1)], [2, 2]);
}

#[test]
fn weighted_round_robin_spreads_the_heavy_one() {
    let endpoints = endpoints(&[3, 1]);
    let balancer = Balancer::weighted(Policy::RoundRobin);
    let order: Vec<usize> = (0..400)
        .map(|_| {
            balancer
                .pick(&endpoints, &mut rand::rng(), |_| false)
                .unwrap()
                .data
        })
        .collect();
    let heavy = order.iter().filter(|&&it| it == 0).count();
    assert!((298..=302).contains(&heavy), "{heavy}");
    let longest = order.chunk_by(|a, b| a == b).map(<[usize]>::len).max().unwrap();
    assert!(longest <= 5, "{longest} in a row");
}

/// With requests that stay, two choices keep the queues close together where one choice does not.
#[test]
fn two_choices_beat_one() {
    let longest = |policy| {
        let endpoints = endpoints(&[1; 100]);
        let balancer = Balancer::new(policy);
        let mut rng = StdRng::seed_from_u64(7);
        let held: Vec<_> = (0..1000)
            .map(|_| balancer.pick(&endpoints, &mut rng, |_| false).unwrap())
            .collect();
        let longest = endpoints.iter().map(|it| it.active()).max().unwrap();
        drop(held);
        longest
    };
    assert!(longest(Policy::LeastRequest { choices: 2 }) <= 13);
    assert!(longest(Policy::Random) >= 16);
}

#[test]
fn least_request_evens_out_load_by_weight() {
    let endpoints = endpoints(&[4, 2, 2]);
    let balancer = Balancer::weighted(Policy::default());
    let mut rng = StdRng::seed_from_u64(3);
    let held: Vec<_> = (0..800)
        .map(|_| balancer.pick(&endpoints, &mut rng, |_| false).unwrap())
        .collect();
    let active: Vec<u32> = endpoints.iter().map(|it| it.active()).collect();
    for (active, expected) in active.iter().zip([400, 200, 200]) {
        assert!(active.abs_diff(expected) <= 12, "{active} instead of {expected}");
    }
    drop(held);
}

#[test]
fn weights_are_noticed() {
    assert!(!Balancer::for_endpoints(Policy::Random, &endpoints(&[2, 2])).weighted);
    assert!(Balancer::for_endpoints(Policy::Random, &endpoints(&[2, 3])).weighted);
    assert!(!Balancer::for_endpoints(Policy::Random, &endpoints(&[])).weighted);
}

fn came(at: &[u64]) -> Vec<Arc<Endpoint<usize>>> {
    at.iter()
        .enumerate()
        .map(|(place, &since)| {
            let standing = Arc::new(crate::Standing::new(since));
            Arc::new(Endpoint::with_standing(place, 1, standing))
        })
        .collect()
}

/// The part of 20,000 idle choices at `now` that the last endpoint gets.
fn newcomer(balancer: &Balancer, endpoints: &[Arc<Endpoint<usize>>], now: u64) -> f64 {
    let mut rng = StdRng::seed_from_u64(11);
    let hints = Hints { now, hash: None };
    let chosen = (0..20_000).filter(|_| {
        let picked = balancer.choose(endpoints, &mut rng, hints, |_| false).unwrap();
        picked.data + 1 == endpoints.len()
    });
    chosen.count() as f64 / 20_000.0
}

#[test]
fn new_endpoints_warm_up() {
    let endpoints = came(&[0, 0, 0, 100_000]);
    let warmup = Warmup::new(std::time::Duration::from_secs(10));
    for policy in [Policy::default(), Policy::RoundRobin] {
        let balancer = Balancer::warming(policy, warmup, &endpoints);
        // Of the weights 3 and 0.1, 0.5, 1.
        for (now, expected) in [
            (100_500, 0.1 / 3.1),
            (105_000, 0.5 / 3.5),
            (110_000, 0.25),
            (u64::MAX, 0.25),
        ] {
            let share = newcomer(&balancer, &endpoints, now);
            assert!((share - expected).abs() < 0.015, "{policy:?} at {now}: {share}");
        }
    }
    let random = Balancer::warming(Policy::Random, warmup, &endpoints);
    assert!((newcomer(&random, &endpoints, 100_500) - 0.25).abs() < 0.015);
}

#[test]
fn while_all_are_new_all_are_equal() {
    let endpoints = came(&[5, 5, 5, 5]);
    let warmup = Warmup::new(std::time::Duration::from_secs(10));
    let balancer = Balancer::warming(Policy::default(), warmup, &endpoints);
    assert!((newcomer(&balancer, &endpoints, 6) - 0.25).abs() < 0.015);
}

const LAYOUTS: [HashTable; 2] = [
    HashTable::Ring { minimum_size: 1024 },
    HashTable::Maglev { size: 1021 },
];

fn consistent(layout: HashTable, endpoints: &[Arc<Endpoint<usize>>]) -> Balancer {
    Balancer::consistent(layout, endpoints, |place| format!("10.0.0.{place}:80"))
}

#[test]
fn the_same_key_leads_to_the_same_endpoint() {
    let endpoints = endpoints(&[1; 5]);
    for layout in LAYOUTS {
        let balancer = consistent(layout, &endpoints);
        let pick = |key: u64, excluded: Option<usize>| {
            let hints = Hints {
                now: 0,
                hash: Some(crate::hash(&key.to_le_bytes())),
            };
            let exclude = |it: &Endpoint<usize>| Some(it.data) == excluded;
            balancer
                .choose(&endpoints, &mut rand::rng(), hints, exclude)
                .unwrap()
                .data
        };
        let mut seen = BTreeMap::new();
        for key in 0..500 {
            let chosen = pick(key, None);
            assert_eq!(pick(key, None), chosen);
            // Only the keys of the excluded one go elsewhere, and always to the same place.
            let other = (chosen + 1) % 5;
            assert_eq!(pick(key, Some(other)), chosen);
            let instead = pick(key, Some(chosen));
            assert_ne!(instead, chosen);
            assert_eq!(pick(key, Some(chosen)), instead);
            *seen.entry((chosen, instead)).or_insert(0) += 1;
        }
        assert!(
            seen.len() >= 15,
            "{layout:?}: what is excluded is shared out: {seen:?}"
        );
    }
}

#[test]
fn without_a_key_any_endpoint_is_chosen() {
    let endpoints = endpoints(&[1; 4]);
    for layout in LAYOUTS {
        let counts = counts(&consistent(layout, &endpoints), &endpoints, 4000, 5);
        assert!(counts.iter().all(|count| *count > 600), "{counts:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Idle endpoints get requests in proportion to their weights, whatever the policy.
    #[test]
    fn shares_follow_weights(weights in prop::collection::vec(1u32..8, 1..7), seed in any::<u64>()) {
        let endpoints = endpoints(&weights);
        let total: u32 = weights.iter().sum();
        for policy in POLICIES {
            let counts = counts(&Balancer::for_endpoints(policy, &endpoints), &endpoints, 8000, seed);
            for (count, weight) in counts.iter().zip(&weights) {
                let expected = 8000.0 * f64::from(*weight) / f64::from(total);
                // Six standard deviations of a binomial variable.
                let tolerance = 6.0 * (expected * (1.0 - f64::from(*weight) / f64::from(total))).sqrt() + 2.0;
                let difference = (*count as f64 - expected).abs();
                prop_assert!(difference <= tolerance, "{policy:?}: {count} instead of {expected}");
            }
        }
    }

    /// What is excluded is never picked, and whatever is left is found however little it is.
    #[test]
    fn exclusion_is_exact(size in 1usize..40, left in any::<prop::sample::Index>(), seed in any::<u64>()) {
        let endpoints = endpoints(&vec![1; size]);
        let only = left.index(size);
        let mut rng = StdRng::seed_from_u64(seed);
        for policy in POLICIES {
            for balancer in [Balancer::new(policy), Balancer::weighted(policy)] {
                for _ in 0..8 {
                    let picked = balancer.pick(&endpoints, &mut rng, |it| it.data != only).unwrap();
                    prop_assert_eq!(picked.data, only);
                }
            }
        }
    }

    /// Among allowed endpoints none is left out.
    #[test]
    fn all_allowed_are_reached(size in 2usize..12, seed in any::<u64>()) {
        let endpoints = endpoints(&vec![1; size]);
        let mut rng = StdRng::seed_from_u64(seed);
        for policy in POLICIES {
            let balancer = Balancer::new(policy);
            let mut seen = BTreeMap::new();
            for _ in 0..size * 40 {
                let picked = balancer.pick(&endpoints, &mut rng, |it| it.data == 0).unwrap();
                *seen.entry(picked.data).or_insert(0) += 1;
            }
            prop_assert_eq!(seen.len(), size - 1);
        }
    }

    /// Consistent hashing finds what is left, however little that is, and the same each time.
    #[test]
    fn hashing_finds_what_is_left(size in 1usize..200, left in any::<prop::sample::Index>(), key in any::<u64>()) {
        let endpoints = endpoints(&vec![1; size]);
        let only = left.index(size);
        let hints = Hints { now: 0, hash: Some(key) };
        for layout in LAYOUTS {
            let balancer = consistent(layout, &endpoints);
            let picked = balancer.choose(&endpoints, &mut rand::rng(), hints, |it| it.data != only).unwrap();
            prop_assert_eq!(picked.data, only);
            prop_assert!(balancer.choose(&endpoints, &mut rand::rng(), hints, |_| true).is_none());
        }
    }
}
