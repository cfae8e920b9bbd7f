#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;

#[test]
fn parts_and_text() {
    let id = SpiffeId::new("cluster.local", "default", "sleep");
    assert_eq!(id.to_string(), "spiffe://cluster.local/ns/default/sa/sleep");
    assert_eq!(id.as_str(), id.to_string());
    assert_eq!(id.principal(), "cluster.local/ns/default/sa/sleep");
    assert_eq!(id.trust_domain(), "cluster.local");
    assert_eq!(id.namespace(), "default");
    assert_eq!(id.service_account(), "sleep");
    let parsed: SpiffeId = id.as_str().parse().unwrap();
    assert_eq!(parsed, id);
    assert_eq!(
        (
            parsed.trust_domain(),
            parsed.namespace(),
            parsed.service_account()
        ),
        ("cluster.local", "default", "sleep")
    );
    assert!(id.is_valid());
}

#[test]
fn other_forms_are_refused() {
    let long = format!("spiffe://td/ns/a/sa/{}", "x".repeat(MAX_LENGTH));
    for (text, error) in [
        ("", SpiffeIdError::Scheme),
        ("http://td/ns/a/sa/b", SpiffeIdError::Scheme),
        ("SPIFFE://td/ns/a/sa/b", SpiffeIdError::Scheme),
        ("spiffe://", SpiffeIdError::Form),
        ("spiffe://td", SpiffeIdError::Form),
        ("spiffe://td/ns/a/sa", SpiffeIdError::Form),
        ("spiffe://td/ns/a/sa/b/", SpiffeIdError::Form),
        ("spiffe://td/ns/a/sa/b/c", SpiffeIdError::Form),
        ("spiffe://td/sa/a/ns/b", SpiffeIdError::Form),
        ("spiffe:///ns/a/sa/b", SpiffeIdError::Character),
        ("spiffe://td/ns//sa/b", SpiffeIdError::Character),
        ("spiffe://td/ns/a/sa/", SpiffeIdError::Character),
        ("spiffe://td/ns/../sa/b", SpiffeIdError::Character),
        ("spiffe://td/ns/a%2fb/sa/b", SpiffeIdError::Character),
        ("spiffe://td/ns/a/sa/b?x", SpiffeIdError::Character),
        ("spiffe://td/ns/a/sa/b\0", SpiffeIdError::Character),
        ("spiffe://td:80/ns/a/sa/b", SpiffeIdError::Character),
        ("spiffe://td/ns/ä/sa/b", SpiffeIdError::Character),
        (long.as_str(), SpiffeIdError::TooLong),
    ] {
        assert_eq!(text.parse::<SpiffeId>(), Err(error), "{text}");
    }
}

#[test]
fn parts_that_break_the_grammar_equal_no_parsed_id() {
    let forged = SpiffeId::new("td", "a/sa/b", "c");
    assert!(!forged.is_valid());
    assert_eq!(forged.namespace(), "a/sa/b");
    assert_ne!(forged, SpiffeId::new("td", "a", "b"));
}

#[test]
fn order_is_that_of_the_uri() {
    let mut ids = [
        SpiffeId::new("b", "a", "a"),
        SpiffeId::new("a", "b", "a"),
        SpiffeId::new("a", "a", "z"),
    ];
    ids.sort();
    assert_eq!(
        ids.map(|id| id.principal().to_owned()),
        ["a/ns/a/sa/z", "a/ns/b/sa/a", "b/ns/a/sa/a"]
    );
}
