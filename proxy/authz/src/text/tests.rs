#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;

fn matches(values: &[&str], text: &str) -> bool {
    Texts::new(values.iter().copied(), Wildcard::NonEmpty).matches(text.as_bytes())
}

#[test]
fn exact_prefix_suffix_presence() {
    assert!(matches(&["a", "b", "c"], "b"));
    assert!(!matches(&["a", "c"], "b"));
    assert!(!matches(&["abc"], "abcd") && !matches(&["abc"], "ab") && !matches(&["abc"], "ABC"));
    assert!(matches(&["ab*"], "ab") && matches(&["ab*"], "abc") && !matches(&["ab*"], "a"));
    assert!(matches(&["*bc"], "bc") && matches(&["*bc"], "abc") && !matches(&["*bc"], "c"));
    assert!(matches(&["*"], "x") && !matches(&["*"], ""));
    assert!(Texts::new(["*"], Wildcard::Present).matches(b""));
    assert!(!Texts::new([], Wildcard::Present).matches(b""));
}

#[test]
fn an_asterisk_elsewhere_is_itself() {
    assert!(matches(&["a*b"], "a*b") && !matches(&["a*b"], "axb"));
    assert!(matches(&["*a*"], "xa*") && !matches(&["*a*"], "xax"));
    assert!(matches(&["**"], "x*") && !matches(&["**"], "x"));
}

#[test]
fn case_is_ignored_on_request_and_for_ascii_only() {
    let texts = Texts::new(["Ä.Example", "a*", "*Z"], Wildcard::NonEmpty).ignoring_case();
    for text in ["Ä.EXAMPLE", "Abc", "abc", "xz", "xZ"] {
        assert!(texts.matches(text.as_bytes()), "{text}");
    }
    assert!(!texts.matches("ä.example".as_bytes()));
}

#[test]
fn values_need_not_be_utf8() {
    assert!(Texts::new(["é*"], Wildcard::Present).matches(b"\xc3\xa9\xff"));
    assert!(!Texts::new(["é"], Wildcard::Present).matches(b"\xe9"));
}

#[test]
fn globs_have_asterisks_anywhere() {
    let matches = |glob: &str, name: &str| Globs::new([glob]).matches(name);
    assert!(matches("*", "") && matches("*", "a") && matches("a", "a") && !matches("a", "ab"));
    assert!(matches("prod-*", "prod-eu") && !matches("prod-*", "prod"));
    assert!(matches("*-prod", "eu-prod") && !matches("*-prod", "eu-prod-1"));
    assert!(matches("a*b*c", "abc") && matches("a*b*c", "aXbYbZc") && !matches("a*b*c", "acb"));
    assert!(matches("a*a", "aa") && !matches("a*a", "a"));
    assert!(matches("*b*b*", "bb") && !matches("*b*b*", "b"));
    assert!(Globs::new(["x", "a*", "b"]).matches("b") && !Globs::new([]).matches(""));
}
