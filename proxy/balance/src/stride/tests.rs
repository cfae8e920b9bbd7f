#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::Duration;

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::{Balancer, Hints, LoadReport, Outcome, OutlierSettings, Outliers, Portion, Standings, Tiers};

type Endpoints = Vec<Arc<Endpoint<usize>>>;

fn settings() -> Utilization {
    Utilization {
        stabilization: Duration::ZERO,
        ..Utilization::default()
    }
}

fn endpoints(count: usize) -> Endpoints {
    (0..count).map(|place| Arc::new(Endpoint::new(place))).collect()
}

fn at(now: u64) -> Hints {
    Hints { now, hash: None }
}

fn report(rate: f64, utilization: f64, errors: f64) -> LoadReport {
    let text = format!("TEXT rps_fractional={rate},cpu_utilization={utilization},eps={errors}");
    LoadReport::parse(text.as_bytes()).unwrap()
}

/// An endpoint that is fully used by so many requests in a second.
fn reports(endpoint: &Endpoint<usize>, rate: f64, now: u64) {
    let report = report(rate, 1.0, 0.0);
    assert!(endpoint.standing().observe_load(&report, &settings(), now));
}

/// Endpoints that have reported, or not, at 0.
fn reported(rates: &[Option<f64>]) -> Endpoints {
    let endpoints = endpoints(rates.len());
    for (endpoint, rate) in endpoints.iter().zip(rates) {
        if let Some(rate) = rate {
            reports(endpoint, *rate, 0);
        }
    }
    endpoints
}

fn counts(balancer: &Balancer, endpoints: &Endpoints, picks: usize, now: u64) -> Vec<usize> {
    let mut rng = StdRng::seed_from_u64(3);
    let mut counts = vec![0; endpoints.len()];
    for _ in 0..picks {
        let picked = balancer.choose(endpoints, &mut rng, at(now), |_| false);
        counts[picked.unwrap().data] += 1;
    }
    counts
}

fn by_utilization(endpoints: &Endpoints) -> Balancer {
    Balancer::by_utilization(settings(), None, endpoints)
}

#[test]
fn nothing_to_choose_is_none() {
    let none = endpoints(0);
    let mut rng = StdRng::seed_from_u64(3);
    assert!(
        by_utilization(&none)
            .choose(&none, &mut rng, at(0), |_| false)
            .is_none()
    );
    let two = endpoints(2);
    assert!(
        by_utilization(&two)
            .choose(&two, &mut rng, at(0), |_| true)
            .is_none()
    );
}

#[test]
fn without_reports_it_is_round_robin() {
    // Whatever their capacity is: a weight that is not reported is nobody's.
    let endpoints: Endpoints = (0..3)
        .map(|place| Arc::new(Endpoint::with_weight(place, 1 + place as u32)))
        .collect();
    let balancer = by_utilization(&endpoints);
    let mut rng = StdRng::seed_from_u64(3);
    let order = (0..9).map(|now| {
        balancer
            .choose(&endpoints, &mut rng, at(now * 700), |_| false)
            .unwrap()
            .data
    });
    assert_eq!(order.collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2, 0, 1, 2]);
}

#[test]
fn shares_follow_weights_and_turns_are_spread() {
    let endpoints = reported(&[Some(400.0), Some(200.0), Some(100.0), Some(100.0)]);
    let balancer = by_utilization(&endpoints);
    assert_eq!(counts(&balancer, &endpoints, 800, 0), [400, 200, 100, 100]);
    let mut rng = StdRng::seed_from_u64(3);
    let order: Vec<_> = (0..800)
        .map(|_| {
            balancer
                .choose(&endpoints, &mut rng, at(0), |_| false)
                .unwrap()
                .data
        })
        .collect();
    let longest = order.chunk_by(|a, b| a == b).map(<[usize]>::len).max().unwrap();
    assert!(longest <= 3, "{longest} in a row");
}

#[test]
fn who_reports_nothing_gets_the_median() {
    let odd = reported(&[Some(100.0), None, Some(400.0), Some(200.0)]);
    assert_eq!(counts(&by_utilization(&odd), &odd, 900, 0), [100, 200, 400, 200]);
    let even = reported(&[Some(100.0), None, Some(300.0)]);
    assert_eq!(counts(&by_utilization(&even), &even, 600, 0), [100, 200, 300]);
}

#[test]
fn weights_change_from_update_to_update() {
    let endpoints = reported(&[Some(10.0), Some(10.0)]);
    let balancer = by_utilization(&endpoints);
    assert_eq!(counts(&balancer, &endpoints, 100, 0), [50, 50]);
    reports(&endpoints[0], 30.0, 10);
    assert_eq!(counts(&balancer, &endpoints, 100, 999), [50, 50], "not yet");
    assert_eq!(counts(&balancer, &endpoints, 100, 1_000), [75, 25]);
    // What does not know the time changes nothing.
    reports(&endpoints[0], 10.0, 1_500);
    let mut rng = StdRng::seed_from_u64(3);
    let untimed = (0..100).filter(|_| balancer.pick(&endpoints, &mut rng, |_| false).unwrap().data == 0);
    assert_eq!(untimed.count(), 75);
    assert_eq!(counts(&balancer, &endpoints, 100, 2_000), [50, 50]);
}

#[test]
fn what_is_reported_is_forgotten_after_a_while() {
    let endpoints = reported(&[Some(30.0), Some(10.0)]);
    let balancer = by_utilization(&endpoints);
    assert_eq!(counts(&balancer, &endpoints, 100, 180_000), [75, 25]);
    reports(&endpoints[1], 10.0, 181_000);
    assert_eq!(
        counts(&balancer, &endpoints, 100, 181_001),
        [50, 50],
        "as the other"
    );
}

#[test]
fn errors_cost_an_endpoint_its_share() {
    let settings = Utilization {
        error_penalty: 1.0,
        ..settings()
    };
    let endpoints = endpoints(2);
    for (endpoint, eps) in endpoints.iter().zip([0.0, 10.0]) {
        let report = report(10.0, 0.5, eps);
        assert!(endpoint.standing().observe_load(&report, &settings, 0));
    }
    let balancer = Balancer::by_utilization(settings, None, &endpoints);
    assert_eq!(counts(&balancer, &endpoints, 400, 0), [300, 100]);
}

#[test]
fn what_is_excluded_leaves_its_share_to_the_others() {
    let endpoints = reported(&[Some(200.0), Some(100.0), Some(1e9)]);
    let balancer = by_utilization(&endpoints);
    let mut rng = StdRng::seed_from_u64(3);
    let mut counts = [0; 3];
    for _ in 0..3_000 {
        let picked = balancer.choose(&endpoints, &mut rng, at(0), |it| it.data == 2);
        counts[picked.unwrap().data] += 1;
    }
    assert!((1_930..=2_070).contains(&counts[0]), "{counts:?}");
    assert_eq!(counts[2], 0);
}

#[test]
fn new_endpoints_warm_up() {
    let warmup = Warmup::new(Duration::from_secs(100));
    let mut standings = Standings::default();
    let endpoint =
        |place: usize, since| Arc::new(Endpoint::with_standing(place, 1, standings.of(place, since)));
    let since = [0, 1_000_000];
    let endpoints: Endpoints = since
        .into_iter()
        .enumerate()
        .map({
            let mut endpoint = endpoint;
            move |(place, since)| endpoint(place, since)
        })
        .collect();
    for endpoint in &endpoints {
        reports(endpoint, 50.0, 1_000_000);
    }
    let balancer = Balancer::by_utilization(settings(), Some(warmup), &endpoints);
    assert_eq!(counts(&balancer, &endpoints, 1_100, 1_000_000), [1_000, 100]);
    assert_eq!(counts(&balancer, &endpoints, 1_500, 1_050_000), [1_000, 500]);
    assert_eq!(counts(&balancer, &endpoints, 1_000, 1_100_000), [500, 500]);
}

#[test]
fn what_is_learnt_goes_over_to_the_next_version() {
    let mut standings = Standings::default();
    let mut version = |names: &[&'static str]| -> Vec<_> {
        let named = names
            .iter()
            .map(|name| Endpoint::with_standing(*name, 1, standings.of(*name, 0)));
        named.map(Arc::new).collect()
    };
    let before = version(&["a", "b"]);
    for (endpoint, rate) in before.iter().zip([30.0, 10.0]) {
        let report = report(rate, 1.0, 0.0);
        endpoint.standing().observe_load(&report, &settings(), 0);
    }
    let after = version(&["b", "c", "a"]);
    drop(before);
    let balancer = Balancer::by_utilization(settings(), None, &after);
    let mut rng = StdRng::seed_from_u64(3);
    let picks: Vec<_> = (0..600)
        .map(|_| balancer.choose(&after, &mut rng, at(0), |_| false).unwrap().data)
        .collect();
    let of = |name: &str| picks.iter().filter(|it| **it == name).count();
    assert_eq!((of("a"), of("b"), of("c")), (300, 100, 200));
}

#[test]
fn tiers_and_outliers_are_heeded() {
    let endpoints = reported(&[Some(30.0), Some(10.0), Some(10.0), Some(20.0), Some(20.0)]);
    let outliers = Arc::new(Outliers::new(
        OutlierSettings {
            maximum_percent: 100,
            ..OutlierSettings::default()
        },
        endpoints.iter().map(|it| Arc::clone(it.standing())),
    ));
    let portion = |members: &[usize]| {
        vec![Portion {
            weight: 1,
            members: members.to_vec(),
        }]
    };
    let arrangement = [portion(&[0, 1, 2]), portion(&[3, 4])];
    let tiers = Tiers::new(
        &arrangement,
        &endpoints,
        Some(Arc::clone(&outliers)),
        by_utilization_of,
    );
    let counts = || {
        let mut rng = StdRng::seed_from_u64(3);
        let mut counts = [0_u32; 5];
        for _ in 0..1_000 {
            counts[tiers.pick(&mut rng, at(0), |_| false).unwrap().data] += 1;
        }
        counts
    };
    assert_eq!(counts(), [600, 200, 200, 0, 0]);
    for _ in 0..5 {
        outliers.observe(endpoints[0].standing(), Outcome::Status(500), 0);
    }
    // Two of three take 93 percent.
    let [ejected, near, near_too, far, far_too] = counts();
    assert_eq!(ejected, 0);
    assert!((900..=960).contains(&(near + near_too)), "{near} {near_too}");
    assert!(near.abs_diff(near_too) <= 20 && far.abs_diff(far_too) <= 2);
}

fn by_utilization_of(endpoints: &[Arc<Endpoint<usize>>]) -> Balancer {
    Balancer::by_utilization(settings(), None, endpoints)
}

#[test]
fn threads_together_take_the_turns_of_one() {
    let endpoints = reported(&[Some(30.0), Some(20.0), Some(10.0)]);
    let balancer = by_utilization(&endpoints);
    let totals: Vec<AtomicU64> = (0..3).map(|_| AtomicU64::new(0)).collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (endpoints, balancer, totals) = (&endpoints, &balancer, &totals);
            scope.spawn(move || {
                let mut rng = StdRng::seed_from_u64(thread);
                for now in 0..3_000 {
                    let picked = balancer.choose(endpoints, &mut rng, at(now), |_| false).unwrap();
                    reports(&picked, [30.0, 20.0, 10.0][picked.data], now);
                    totals[picked.data].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let totals: Vec<_> = totals.iter().map(|it| it.load(Ordering::Relaxed)).collect();
    for (total, expected) in totals.iter().zip([6_000, 4_000, 2_000]) {
        assert!(total.abs_diff(expected) <= 20, "{totals:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_median_is_in_the_middle(
        mut values in prop::collection::vec(prop_oneof![1e-9_f32..1e9, (1_u8..4).prop_map(f32::from)], 0..20),
    ) {
        let found = median(|| values.iter().map(|value| value.to_bits()));
        values.sort_by(f32::total_cmp);
        let middle = |at: usize| f64::from(values[at]);
        let count = values.len();
        let expected = (count > 0).then(|| f64::midpoint(middle((count - 1) / 2), middle(count / 2)));
        prop_assert_eq!(found, expected);
    }

    /// However unequal the weights are, and whatever part of them is known.
    #[test]
    fn every_endpoint_gets_its_share(
        rates in prop::collection::vec(prop::option::weighted(0.8, prop_oneof![1.0..1000.0, 1e-3..1e6]), 1..30),
    ) {
        const PICKS: usize = 20_000;
        let endpoints = reported(&rates);
        let mut known: Vec<f64> = rates.iter().copied().flatten().collect();
        known.sort_by(f64::total_cmp);
        let count = known.len();
        let default = if count == 0 { 1.0 } else { f64::midpoint(known[(count - 1) / 2], known[count / 2]) };
        let weights: Vec<f64> = rates.iter().map(|rate| rate.unwrap_or(default)).collect();
        let total: f64 = weights.iter().sum();
        let counts = counts(&by_utilization(&endpoints), &endpoints, PICKS, 0);
        for (count, weight) in counts.into_iter().zip(weights) {
            let expected = weight / total * PICKS as f64;
            let tolerance = 3.0 + 5.0 * expected.sqrt();
            prop_assert!((count as f64 - expected).abs() <= tolerance, "{count} instead of {expected}");
        }
    }
}
