#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;

use super::{Destination, WeightedDestinations};
use crate::headers::HeaderOperations;

fn destination(host: usize, weight: u32) -> Destination {
    Destination {
        host: host.to_string(),
        subset: None,
        port: None,
        weight,
        authority: None,
        request_headers: HeaderOperations::default(),
        response_headers: HeaderOperations::default(),
        broken: None,
    }
}

fn weighted(weights: &[u32]) -> Option<WeightedDestinations> {
    WeightedDestinations::new(
        weights
            .iter()
            .enumerate()
            .map(|(host, weight)| destination(host, *weight))
            .collect(),
    )
}

#[test]
fn without_any_weight_there_is_no_choice() {
    assert_eq!(weighted(&[]), None);
    assert_eq!(weighted(&[0, 0]), None);
    assert_eq!(weighted(&[0]).unwrap().pick(5).host, "0");
    assert_eq!(weighted(&[7]).unwrap().total_weight(), 7);
}

proptest! {
    #[test]
    fn each_destination_gets_its_weight(weights in prop::collection::vec(0u32..20, 2..8)) {
        let total: u32 = weights.iter().sum();
        prop_assume!(total > 0);
        let destinations = weighted(&weights).unwrap();
        let mut counts = vec![0; weights.len()];
        for random in 0..total {
            counts[destinations.pick(u64::from(random)).host.parse::<usize>().unwrap()] += 1;
        }
        prop_assert_eq!(counts, weights);
    }

    #[test]
    fn large_weights_do_not_overflow(random: u64) {
        let destinations = weighted(&[u32::MAX, u32::MAX, u32::MAX]).unwrap();
        prop_assert!(destinations.iter().any(|destination| destination == destinations.pick(random)));
    }
}
