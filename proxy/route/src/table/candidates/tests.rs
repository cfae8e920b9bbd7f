#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;

use super::{Candidate, Candidates};

#[test]
fn a_candidate_keeps_what_it_was_made_of() {
    for (place, certain) in [(0, true), (0, false), (7, true), (u32::MAX >> 1, false)] {
        let candidate = Candidate::new(place, certain);
        assert_eq!(
            (candidate.place(), candidate.is_certain()),
            (place as usize, certain)
        );
    }
    assert!(Candidate::new(1, true) < Candidate::new(1, false));
    assert!(Candidate::new(1, false) < Candidate::new(2, true));
}

proptest! {
    #[test]
    fn merges_in_ascending_order_without_repeats(
        lists in prop::collection::vec(prop::collection::btree_set((0u32..50, any::<bool>()), 0..8), 0..40),
    ) {
        let lists: Vec<Vec<Candidate>> = lists
            .iter()
            .map(|list| {
                let mut list: Vec<Candidate> =
                    list.iter().map(|(place, certain)| Candidate::new(*place, *certain)).collect();
                list.sort_unstable();
                list
            })
            .collect();
        let mut candidates = Candidates::default();
        for list in &lists {
            candidates.push(list);
        }
        let mut expected = lists.concat();
        expected.sort_unstable();
        expected.dedup();
        prop_assert_eq!(candidates.collect::<Vec<_>>(), expected);
    }
}
