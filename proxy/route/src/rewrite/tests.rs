#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use http::HeaderMap;

use super::{PathRewrite, RegexRewrite, RewriteError, apply};
use crate::head::RequestHead;

fn rewritten(rewrite: &PathRewrite, path: &str, query: Option<&str>) -> String {
    let headers = HeaderMap::new();
    let head = RequestHead {
        method: "GET",
        path,
        query,
        authority: "a",
        scheme: "http",
        headers: &headers,
        noted: &[],
        token: None,
        source: None,
    };
    apply(rewrite, &head).unwrap().to_string()
}

fn prefix(matched: usize, replacement: &str) -> PathRewrite {
    PathRewrite::Prefix {
        matched,
        replacement: replacement.into(),
    }
}

#[test]
fn a_prefix_is_replaced_as_plain_text() {
    assert_eq!(rewritten(&prefix(4, "/"), "/api/x", None), "//x");
    assert_eq!(rewritten(&prefix(4, "/"), "/api", Some("q=1")), "/?q=1");
    assert_eq!(rewritten(&prefix(5, "/v2/"), "/api/x", Some("")), "/v2/x?");
    assert_eq!(rewritten(&prefix(1, "/v2"), "/x", None), "/v2x");
    assert_eq!(rewritten(&prefix(1, "/v2"), "*", None), "*");
}

#[test]
fn a_path_always_begins_with_a_slash() {
    assert_eq!(rewritten(&prefix(5, "v2/"), "/api/x", None), "/v2/x");
    assert_eq!(rewritten(&PathRewrite::Whole("".into()), "/api/x", None), "/");
}

#[test]
fn the_whole_path_is_replaced_but_not_the_query() {
    assert_eq!(
        rewritten(&PathRewrite::Whole("/new".into()), "/old/x", Some("q=1&r")),
        "/new?q=1&r"
    );
}

fn regex(expression: &str, substitution: &str) -> PathRewrite {
    PathRewrite::Regex(RegexRewrite::new(expression, substitution).unwrap())
}

#[test]
fn every_match_of_an_expression_is_replaced() {
    assert_eq!(
        rewritten(
            &regex("^/service/([^/]+)(/.*)$", r"\2/instance/\1"),
            "/service/foo/v1/api",
            None
        ),
        "/v1/api/instance/foo"
    );
    assert_eq!(
        rewritten(&regex("one", "two"), "/xxx/one/yyy/one/zzz", None),
        "/xxx/two/yyy/two/zzz"
    );
    assert_eq!(
        rewritten(&regex("(?i)/xxx/", "/yyy/"), "/aaa/XxX/bbb", Some("one")),
        "/aaa/yyy/bbb?one"
    );
    assert_eq!(rewritten(&regex("a(b)?", r"\0\1"), "/ac", None), "/ac");
    assert_eq!(rewritten(&regex("/$", r"\\"), "/a", None), "/a");
    assert_eq!(rewritten(&regex("nothing", "x"), "/a", None), "/a");
}

#[test]
fn what_is_no_path_is_an_error() {
    let headers = HeaderMap::new();
    let head = RequestHead {
        method: "GET",
        path: "/a",
        query: None,
        authority: "a",
        scheme: "http",
        headers: &headers,
        noted: &[],
        token: None,
        source: None,
    };
    assert!(apply(&regex("a", " "), &head).is_err());
}

#[test]
fn substitutions_are_checked() {
    let error = |expression, substitution| RegexRewrite::new(expression, substitution).unwrap_err();
    assert_eq!(error("(a)", r"\2"), RewriteError::Group { group: 2, groups: 1 });
    assert_eq!(error("(a)", r"\x"), RewriteError::Escape);
    assert_eq!(error("(a)", "\\"), RewriteError::Escape);
    assert!(matches!(error("(a", ""), RewriteError::Pattern(_)));
}
