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
}
