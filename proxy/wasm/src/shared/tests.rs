#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;

#[test]
fn a_value_changes_only_from_the_version_that_was_seen() {
    let store = SharedStore::new(1000);
    let first = store.set("a".into(), vec![1], Some(0), None).unwrap();
    assert_eq!(store.get("a"), Some((vec![1], first)));
    assert_eq!(
        store.set("a".into(), vec![2], Some(0), None),
        Err(SetError::Conflict(first))
    );
    let second = store.set("a".into(), vec![2], Some(first), None).unwrap();
    assert_eq!(
        store.set("a".into(), vec![3], Some(first), None),
        Err(SetError::Conflict(second))
    );
    store.delete("a");
    assert_eq!(store.get("a"), None);
    assert_eq!(
        store.set("a".into(), vec![3], Some(second), None),
        Err(SetError::Conflict(0))
    );
}

#[test]
fn a_sum_grows_and_begins_anew_when_its_time_is_over() {
    let store = SharedStore::new(1000);
    assert_eq!(store.add("a".into(), 2, None), Ok(2));
    assert_eq!(store.add("a".into(), -5, None), Ok(-3));
    assert_eq!(store.add("b".into(), 1, Some(Duration::ZERO)), Ok(1));
    assert_eq!(store.add("b".into(), 1, Some(Duration::ZERO)), Ok(1));
    assert_eq!(store.get("b"), None);
}

#[test]
fn a_store_that_is_full_makes_room_of_what_has_expired_alone() {
    let store = SharedStore::new(3 * (OVERHEAD + 2));
    for (key, ttl) in [("a", None), ("b", Some(Duration::ZERO)), ("c", None)] {
        store.set(key.into(), vec![0], None, ttl).unwrap();
    }
    store.set("d".into(), vec![0], None, None).unwrap();
    assert_eq!(store.set("e".into(), vec![0], None, None), Err(SetError::Full));
    assert_eq!(store.add("e".into(), 1, None), Err(SetError::Full));
    store.delete("a");
    store.set("e".into(), vec![0], None, None).unwrap();
    assert!(store.get("c").is_some());
}

#[test]
fn another_capacity_holds_for_what_comes_later() {
    let store = SharedStore::new(100);
    assert_eq!(
        store.set("a".into(), vec![0; 80], None, None),
        Err(SetError::Full)
    );
    store.resize(1000);
    store.set("a".into(), vec![0; 80], None, None).unwrap();
    store.resize(100);
    assert!(store.get("a").is_some());
    assert_eq!(
        store.set("b".into(), vec![0; 20], None, None),
        Err(SetError::Full)
    );
}
