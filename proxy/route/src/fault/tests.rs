#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::time::Duration;

use http::StatusCode;
use proptest::prelude::*;

use super::{Abort, AbortStatus, Delay, Fault, Percentage};

fn fault(delay: f64, abort: f64) -> Fault {
    let percentage = |percent| Percentage::new(percent).unwrap();
    let status = AbortStatus::Http(StatusCode::IM_A_TEAPOT);
    Fault {
        delay: Some(Delay {
            fixed: Duration::from_secs(5),
            percentage: percentage(delay),
        }),
        abort: Some(Abort {
            status,
            percentage: percentage(abort),
        }),
    }
}

proptest! {
    #[test]
    fn all_are_struck_or_none(random: u64) {
        let (delay, abort) = fault(100.0, 0.0).decide(random);
        prop_assert_eq!((delay, abort), (Some(Duration::from_secs(5)), None));
        let (delay, abort) = fault(0.0, 100.0).decide(random);
        prop_assert_eq!((delay, abort), (None, Some(AbortStatus::Http(StatusCode::IM_A_TEAPOT))));
    }
}

#[test]
fn shares_are_met_and_independent_of_each_other() {
    let fault = fault(30.0, 0.5);
    let (mut delays, mut aborts, mut both) = (0.0, 0.0, 0.0);
    let draws = 400_000_u32;
    let mut random = 0_u64;
    for _ in 0..draws {
        // A Weyl sequence with its bits mixed: spread evenly, the same in every run.
        random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (random ^ (random >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let (delay, abort) = fault.decide(mixed ^ (mixed >> 29));
        delays += f64::from(u8::from(delay.is_some()));
        aborts += f64::from(u8::from(abort.is_some()));
        both += f64::from(u8::from(delay.is_some() && abort.is_some()));
    }
    let share = |count: f64| count / f64::from(draws);
    assert!((share(delays) - 0.3).abs() < 0.005, "{}", share(delays));
    assert!((share(aborts) - 0.005).abs() < 0.001, "{}", share(aborts));
    assert!((share(both) - 0.0015).abs() < 0.0005, "{}", share(both));
}

#[test]
fn percentages_are_exact_to_a_ten_thousandth() {
    assert_eq!(Percentage::new(0.0001).unwrap(), Percentage(1));
    assert!(Percentage::new(0.000_09).unwrap().is_zero());
    assert_eq!(Percentage::new(100.0), Some(Percentage::ALL));
    assert_eq!(Percentage::new(0.5).unwrap().to_string(), "0.5 %");
    for wrong in [-0.1, 100.1, f64::NAN, f64::INFINITY] {
        assert_eq!(Percentage::new(wrong), None);
    }
}
