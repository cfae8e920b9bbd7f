#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::{is_exported, is_within, overlap, qualified};

#[test]
fn only_names_without_a_dot_are_short() {
    assert_eq!(
        qualified("reviews", "default"),
        "reviews.default.svc.cluster.local"
    );
    assert_eq!(
        qualified("Reviews", "default"),
        "reviews.default.svc.cluster.local"
    );
    assert_eq!(qualified("reviews.other", "default"), "reviews.other");
    assert_eq!(qualified("*", "default"), "*");
    assert_eq!(qualified("", "default"), "");
}

#[test]
fn wildcards_overlap_either_way() {
    assert!(overlap("a.example.com", "a.example.com"));
    assert!(!overlap("a.example.com", "b.example.com"));
    assert!(overlap("*.example.com", "a.example.com"));
    assert!(overlap("a.example.com", "*.example.com"));
    assert!(overlap("*.com", "*.example.com"));
    assert!(overlap("*.example.com", "*.com"));
    assert!(!overlap("*.example.com", "example.com"));
    assert!(!overlap("*.example.org", "*.example.com"));
    assert!(overlap("*", "anything"));
}

#[test]
fn exports_name_namespaces() {
    let to = |targets: &[&str]| {
        targets
            .iter()
            .map(|target| (*target).to_owned())
            .collect::<Vec<_>>()
    };
    assert!(is_exported(&to(&[]), "a", "b"));
    assert!(is_exported(&to(&["*"]), "a", "b"));
    assert!(is_exported(&to(&["."]), "a", "a"));
    assert!(!is_exported(&to(&["."]), "a", "b"));
    assert!(is_exported(&to(&["c", "b"]), "a", "b"));
    assert!(!is_exported(&to(&["~"]), "a", "b"));
}

#[test]
fn a_name_is_within_what_holds_all_of_it() {
    assert!(is_within("a.example.com", "a.example.com"));
    assert!(is_within("a.example.com", "*.example.com"));
    assert!(is_within("*.example.com", "*.com"));
    assert!(is_within("*", "*"));
    assert!(!is_within("*.com", "*.example.com"));
    assert!(!is_within("*.example.com", "a.example.com"));
    assert!(!is_within("example.com", "*.example.com"));
}
