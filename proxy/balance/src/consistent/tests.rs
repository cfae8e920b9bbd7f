#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::*;

const KEYS: u64 = 20_000;
const LAYOUTS: [HashTable; 2] = [
    HashTable::Ring { minimum_size: 1024 },
    HashTable::Maglev { size: 65_537 },
];

fn names(count: usize) -> Vec<String> {
    (0..count).map(|it| format!("10.0.0.{it}:8080")).collect()
}

fn table(layout: HashTable, names: &[String], weights: &[u32]) -> Table {
    let members: Vec<_> = names
        .iter()
        .zip(weights)
        .map(|(name, &weight)| Member {
            name: name.as_bytes(),
            weight,
        })
        .collect();
    Table::new(layout, &members)
}

fn choice(table: &Table, key: u64) -> usize {
    table.candidates(hash(&key.to_le_bytes())).next().unwrap()
}

fn shares(table: &Table, count: usize) -> Vec<f64> {
    let mut shares = vec![0.0; count];
    for key in 0..KEYS {
        shares[choice(table, key)] += 1.0 / KEYS as f64;
    }
    shares
}

#[test]
fn the_hash_is_xxh64() {
    // The test vectors of the algorithm.
    assert_eq!(hash(b""), 0xef46_db37_51d8_e999);
    assert_eq!(hash(b"abc"), 0x44bc_2cf5_ad77_0999);
}

#[test]
fn nobody_is_chosen_among_nobody() {
    for layout in LAYOUTS {
        assert_eq!(table(layout, &[], &[]).candidates(7).count(), 0);
    }
}

#[test]
fn only_a_tenth_of_the_keys_moves_when_one_of_ten_goes() {
    let all = names(10);
    for (layout, strays) in LAYOUTS.into_iter().zip([0.0, 0.05]) {
        let before = table(layout, &all, &[1; 10]);
        for gone in 0..10 {
            let mut left = all.clone();
            left.remove(gone);
            let after = table(layout, &left, &[1; 9]);
            let (mut moved, mut strayed) = (0, 0);
            for key in 0..KEYS {
                let was = choice(&before, key);
                if left[choice(&after, key)] != all[was] {
                    moved += 1;
                    strayed += u64::from(was != gone);
                }
            }
            let part = |count: u64| count as f64 / KEYS as f64;
            assert!((0.05..0.16).contains(&part(moved)), "{layout:?}: {moved}");
            assert!(part(strayed) <= strays, "{layout:?}: {strayed} of others");
        }
    }
}

#[test]
fn weights_are_heeded() {
    let weights = [1, 2, 3, 4];
    for (layout, tolerance) in LAYOUTS.into_iter().zip([0.08, 0.015]) {
        let shares = shares(&table(layout, &names(4), &weights), 4);
        for (share, weight) in shares.iter().zip(weights) {
            let expected = f64::from(weight) / 10.0;
            assert!((share - expected).abs() < tolerance, "{layout:?}: {shares:?}");
        }
    }
}

#[test]
fn a_larger_ring_is_more_even() {
    let spread = |minimum_size| {
        let shares = shares(&table(HashTable::Ring { minimum_size }, &names(8), &[1; 8]), 8);
        shares
            .iter()
            .map(|share| (share - 0.125).abs())
            .fold(0.0, f64::max)
    };
    assert!(spread(65_536) < spread(64), "{} {}", spread(65_536), spread(64));
    assert!(spread(65_536) < 0.01);
}

#[test]
fn the_order_of_the_endpoints_does_not_matter() {
    let forwards = names(7);
    let backwards: Vec<String> = forwards.iter().rev().cloned().collect();
    for layout in LAYOUTS {
        let (one, other) = (
            table(layout, &forwards, &[1; 7]),
            table(layout, &backwards, &[1; 7]),
        );
        for key in 0..1000 {
            assert_eq!(forwards[choice(&one, key)], backwards[choice(&other, key)]);
        }
    }
}

#[test]
fn the_lightest_has_a_power_of_two_of_points() {
    let Table::Ring(ring) = table(HashTable::Ring { minimum_size: 1024 }, &names(3), &[1, 1, 2]) else {
        unreachable!("it is a ring");
    };
    // A quarter of 1024 points for the lightest, which is one already.
    assert_eq!(ring.size(), 1024);
    let place = ring.place(hash(b"10.0.0.2:8080_511"));
    assert_eq!(ring.at(place), Some(2));
    let Table::Ring(ring) = table(HashTable::Ring { minimum_size: 1024 }, &names(10), &[1; 10]) else {
        unreachable!("it is a ring");
    };
    assert_eq!(ring.size(), 1280);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Every entry is filled and every member has one, also when the size is no prime.
    #[test]
    fn maglev_fills_any_size(size in 1u64..300, weights in prop::collection::vec(1u32..50, 1..9)) {
        let names = names(weights.len());
        let Table::Maglev(filled) = table(HashTable::Maglev { size }, &names, &weights) else {
            unreachable!("it is a Maglev table");
        };
        prop_assert_eq!(filled.size() as u64, size);
        let mut seen = vec![0u64; weights.len()];
        for place in 0..filled.size() {
            seen[filled.at(place).unwrap()] += 1;
        }
        if size >= 9 {
            prop_assert!(seen.iter().all(|count| *count > 0), "{:?}", seen);
        }
    }

    /// Whatever the weights, a key has an endpoint, and always the same one.
    #[test]
    fn a_choice_is_stable(
        weights in prop::collection::vec(1u32..1000, 1..9),
        minimum_size in 0u64..5000,
        key in any::<u64>(),
    ) {
        let names = names(weights.len());
        for layout in [HashTable::Ring { minimum_size }, HashTable::Maglev { size: 251 }] {
            let (one, other) = (table(layout, &names, &weights), table(layout, &names, &weights));
            let candidates: Vec<_> = one.candidates(key).collect();
            prop_assert!(!candidates.is_empty() && candidates.iter().all(|it| *it < weights.len()));
            prop_assert_eq!(candidates, other.candidates(key).collect::<Vec<_>>());
        }
    }
}
