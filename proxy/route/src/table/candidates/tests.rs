#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;

use super::Candidates;

proptest! {
    #[test]
    fn merges_in_ascending_order_without_repeats(
        mut lists in prop::collection::vec(prop::collection::vec(0u32..50, 0..8), 0..40),
    ) {
        for list in &mut lists {
            list.sort_unstable();
            list.dedup();
        }
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
