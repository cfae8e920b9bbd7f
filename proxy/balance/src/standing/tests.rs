#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

#[test]
fn a_standing_is_found_again_while_anyone_has_it() {
    let mut standings = Standings::default();
    let first = standings.of(("web", 1), 10);
    assert!(Arc::ptr_eq(&first, &standings.of(("web", 1), 20)));
    assert_eq!(first.since(), 10);
    assert!(!Arc::ptr_eq(&first, &standings.of(("api", 1), 20)));
    drop(first);
    assert_eq!(standings.of(("web", 1), 30).since(), 30);
}

#[test]
fn what_nobody_has_is_forgotten() {
    let mut standings = Standings::default();
    let kept = standings.of(1, 0);
    drop(standings.of(2, 0));
    assert_eq!(standings.known.len(), 2);
    standings.sweep();
    assert_eq!(standings.known.len(), 1);
    assert!(Arc::ptr_eq(&kept, &standings.of(1, 9)));
}
