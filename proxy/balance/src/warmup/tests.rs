#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;

fn close(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}

#[test]
fn growth_is_linear_from_the_minimum() {
    let warmup = Warmup::new(Duration::from_secs(10));
    for (age, factor) in [
        (0, 0.1),
        (1, 0.1),
        (1_000, 0.1),
        (2_000, 0.2),
        (5_000, 0.5),
        (9_999, 0.9999),
        (10_000, 1.0),
        (u64::MAX, 1.0),
    ] {
        assert!(close(warmup.factor(age), factor), "{age}: {}", warmup.factor(age));
    }
}

#[test]
fn aggression_bends_the_growth() {
    let of = |aggression| Warmup {
        aggression,
        minimum_percent: 0.0,
        ..Warmup::new(Duration::from_secs(4))
    };
    assert!(close(of(2.0).factor(1_000), 0.5));
    assert!(close(of(0.5).factor(2_000), 0.25));
    // As Envoy does, what makes no sense is taken for linear.
    assert!(close(of(0.0).factor(1_000), 0.25));
    assert!(close(of(f64::NAN).factor(1_000), 0.25));
}

#[test]
fn nothing_warms_up_in_no_time() {
    let warmup = Warmup::new(Duration::ZERO);
    assert!(close(warmup.factor(0), 1.0));
    assert_eq!(warmup.end(7), 7);
}

proptest! {
    #[test]
    fn the_factor_grows_within_its_bounds(
        duration in 1u64..100_000,
        minimum in 0.0f64..=100.0,
        aggression in 0.1f64..10.0,
        ages in (0u64..200_000, 0u64..200_000),
    ) {
        let warmup = Warmup { duration: Duration::from_millis(duration), minimum_percent: minimum, aggression };
        let (younger, older) = (ages.0.min(ages.1), ages.0.max(ages.1));
        prop_assert!(warmup.factor(younger) <= warmup.factor(older));
        prop_assert!(warmup.factor(younger) >= minimum / 100.0);
        prop_assert!(warmup.factor(older) <= 1.0);
        prop_assert!(warmup.weight(1, younger) >= 1);
    }
}
