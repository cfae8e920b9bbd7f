#![allow(clippy::unwrap_used)]

use super::{find, value};
use crate::claim::Claims;

fn written(claim: &str) -> Option<String> {
    let claims = Claims::parse(format!("{{\"c\":{claim}}}").as_bytes()).unwrap();
    let value = value(claims.get("c").unwrap())?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

#[test]
fn claims_are_written_by_their_type() {
    for (claim, value) in [
        ("\"a b\"", Some("a b")),
        ("\"\u{e9}\"", Some("\u{e9}")),
        ("true", Some("true")),
        ("false", Some("false")),
        ("0", Some("0")),
        ("-5", Some("-5")),
        ("18446744073709551615", Some("18446744073709551615")),
        ("2.0", Some("2")),
        ("1.5", Some("1.500000")),
        ("1e3", Some("1000")),
        ("[\"a\",\"b\"]", Some("WyJhIiwiYiJd")),
        ("{\"a\":1}", Some("eyJhIjoxfQ==")),
        ("[]", Some("W10=")),
        ("null", None),
        ("\"\"", None),
        ("\"a\\r\\nb: c\"", None),
        ("\"a\\u0000\"", None),
    ] {
        assert_eq!(written(claim).as_deref(), value, "{claim}");
    }
}

#[test]
fn nested_claims_have_dots_between_and_whole_names_go_first() {
    let claims = Claims::parse(br#"{"a":{"b":{"c":1}},"x.y":2,"x":{"y":3},"https://e.com/r":4}"#).unwrap();
    let number = |name| value(find(&claims, name)?).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(number("a.b.c").as_deref(), Some("1"));
    assert_eq!(number("x.y").as_deref(), Some("2"));
    assert_eq!(number("https://e.com/r").as_deref(), Some("4"));
    assert_eq!(number("a.c"), None);
}
