#![allow(clippy::unwrap_used)]

use http::{HeaderMap, Method};

use super::Refusal;
use crate::{Fault, Request};

fn challenge(fault: Fault, authority: &str, path: &str, query: Option<&str>) -> String {
    let request = Request {
        method: &Method::GET,
        scheme: "http",
        authority,
        path,
        query,
        headers: &HeaderMap::new(),
    };
    let refusal = Refusal::new(fault, &request, &["access_token"].into_iter(), false);
    refusal.challenge().to_str().unwrap().to_owned()
}

#[test]
fn the_challenge_repeats_the_url_without_tokens() {
    let expired = |path, query| challenge(Fault::Expired, "app:80", path, query);
    assert_eq!(
        expired("/a", None),
        r#"Bearer realm="http://app:80/a", error="invalid_token""#
    );
    assert_eq!(
        expired("/a", Some("x=1&y")),
        r#"Bearer realm="http://app:80/a?x=1&y", error="invalid_token""#
    );
    assert_eq!(
        expired("/a", Some("x=1&access_token=secret&%61ccess_token=secret")),
        r#"Bearer realm="http://app:80/a?x=1", error="invalid_token""#
    );
    assert_eq!(
        expired("/a", Some("access_token=secret")),
        r#"Bearer realm="http://app:80/a", error="invalid_token""#
    );
    assert_eq!(
        challenge(Fault::Missing, "app", "/a", None),
        r#"Bearer realm="http://app/a""#
    );
}

#[test]
fn nothing_gets_out_of_the_quotes() {
    assert_eq!(
        challenge(Fault::Missing, "a\"b", "/\\\"\r\n\u{e9}", None),
        r#"Bearer realm="http://a%22b/%5C%22%0D%0A%C3%A9""#
    );
    let long = challenge(Fault::Missing, "a", &format!("/{}", "x".repeat(1000)), None);
    assert_eq!(long.len(), r#"Bearer realm="http://a""#.len() + 256);
}
