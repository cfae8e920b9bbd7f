#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;
use crate::pattern::Pattern;

fn rules(origins: Vec<TextMatch>) -> Cors {
    Cors {
        origins,
        methods: Some(Allowed::Listed(HeaderValue::from_static("GET,POST"))),
        headers: Some(Allowed::Asked),
        expose: Some(HeaderValue::from_static("x-count")),
        max_age: Some(HeaderValue::from_static("600")),
        credentials: true,
        forwards_unmatched: true,
    }
}

fn exact(origin: &str) -> TextMatch {
    TextMatch::Exact(origin.into())
}

fn fields(list: &[(&'static str, &'static str)]) -> HeaderMap {
    list.iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}

fn preflight(origin: &'static str) -> HeaderMap {
    fields(&[("origin", origin), ("access-control-request-method", "PUT")])
}

#[test]
fn a_preflight_is_options_with_an_origin_and_a_method() {
    assert!(is_preflight("OPTIONS", &preflight("http://a")));
    assert!(!is_preflight("GET", &preflight("http://a")));
    assert!(!is_preflight("OPTIONS", &preflight("")));
    assert!(!is_preflight("OPTIONS", &fields(&[("origin", "http://a")])));
    let empty = fields(&[("origin", "http://a"), ("access-control-request-method", "")]);
    assert!(!is_preflight("OPTIONS", &empty));
}

#[test]
fn a_preflight_of_an_allowed_origin_is_answered() {
    let mut asked = preflight("http://a");
    asked.insert(
        "access-control-request-headers",
        HeaderValue::from_static("x-token"),
    );
    let answer = rules(vec![exact("http://a")]).judge("OPTIONS", &asked);
    assert_eq!(
        answer,
        CrossOrigin::Preflight(fields(&[
            ("access-control-allow-origin", "http://a"),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "GET,POST"),
            ("access-control-allow-headers", "x-token"),
            ("access-control-max-age", "600"),
        ]))
    );
}

#[test]
fn methods_can_be_whatever_is_asked_for() {
    let any = Cors {
        methods: Some(Allowed::Asked),
        headers: None,
        expose: None,
        max_age: None,
        credentials: false,
        ..rules(vec![exact("http://a")])
    };
    assert_eq!(
        any.judge("OPTIONS", &preflight("http://a")),
        CrossOrigin::Preflight(fields(&[
            ("access-control-allow-origin", "http://a"),
            ("access-control-allow-methods", "PUT"),
        ]))
    );
}

#[test]
fn a_preflight_of_another_origin_is_forwarded_or_told_nothing() {
    let forwarding = rules(vec![exact("http://a")]);
    let other = preflight("http://b");
    assert_eq!(forwarding.judge("OPTIONS", &other), CrossOrigin::Untouched);
    let answering = Cors {
        forwards_unmatched: false,
        ..forwarding
    };
    let CrossOrigin::Preflight(answer) = answering.judge("OPTIONS", &other) else {
        panic!("it is answered")
    };
    assert!(!answer.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    assert!(!answer.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
}

#[test]
fn responses_to_allowed_origins_say_so() {
    let rules = rules(vec![exact("http://a")]);
    assert_eq!(
        rules.judge("GET", &fields(&[("origin", "http://a")])),
        CrossOrigin::Allowed(fields(&[
            ("access-control-allow-origin", "http://a"),
            ("access-control-allow-credentials", "true"),
            ("access-control-expose-headers", "x-count"),
        ]))
    );
    assert_eq!(
        rules.judge("GET", &fields(&[("origin", "http://A")])),
        CrossOrigin::Untouched
    );
    assert_eq!(rules.judge("GET", &HeaderMap::new()), CrossOrigin::Untouched);
    // Without the method that is meant it is a request like any other.
    assert!(matches!(
        rules.judge("OPTIONS", &fields(&[("origin", "http://a")])),
        CrossOrigin::Allowed(_)
    ));
}

#[test]
fn origins_are_exact_prefixes_expressions_or_all() {
    let allows = |rule: TextMatch, origin: &'static str| {
        rules(vec![rule]).judge("GET", &fields(&[("origin", origin)])) != CrossOrigin::Untouched
    };
    assert!(allows(exact("*"), "http://whoever"));
    assert!(allows(TextMatch::Prefix("http://a".into()), "http://a.example"));
    assert!(!allows(TextMatch::Prefix("http://a".into()), "http://b"));
    let regex = |source: &str| TextMatch::Regex(Pattern::new(source).unwrap());
    assert!(allows(regex(r"https://[^.]+\.example"), "https://a.example"));
    assert!(!allows(
        regex(r"https://[^.]+\.example"),
        "https://a.example.evil"
    ));
    assert!(allows(regex(".*"), "null"));
}
