#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use http::{HeaderMap, StatusCode};

use super::{Redirect, RedirectPort, location};
use crate::head::RequestHead;
use crate::rewrite::PathRewrite;

const NOTHING: Redirect = Redirect {
    status: StatusCode::FOUND,
    scheme: None,
    authority: None,
    port: None,
    path: None,
};

fn to(redirect: &Redirect, authority: &str, path: &str, query: Option<&str>) -> String {
    let headers = HeaderMap::new();
    let head = RequestHead {
        method: "GET",
        path,
        query,
        authority,
        scheme: "http",
        headers: &headers,
        noted: &[],
        token: None,
        source: None,
    };
    location(redirect, &head)
}

#[test]
fn what_is_not_named_stays() {
    assert_eq!(to(&NOTHING, "a:8080", "/x", Some("q=1")), "http://a:8080/x?q=1");
}

#[test]
fn the_path_is_replaced_and_the_query_kept() {
    let whole = Redirect {
        path: Some(PathRewrite::Whole("/new".into())),
        ..NOTHING
    };
    assert_eq!(to(&whole, "a", "/x", Some("q=1")), "http://a/new?q=1");
    let own_query = Redirect {
        path: Some(PathRewrite::Whole("/new?p=2".into())),
        ..NOTHING
    };
    assert_eq!(to(&own_query, "a", "/x", Some("q=1")), "http://a/new?p=2");
    let prefix = PathRewrite::Prefix {
        matched: 4,
        replacement: "/new".into(),
    };
    let prefix = Redirect {
        path: Some(prefix),
        ..NOTHING
    };
    assert_eq!(to(&prefix, "a", "/old/x", None), "http://a/new/x");
}

#[test]
fn another_scheme_keeps_the_port_unless_it_was_the_old_schemes() {
    let https = Redirect {
        scheme: Some("https".into()),
        ..NOTHING
    };
    assert_eq!(to(&https, "a:8080", "/", None), "https://a:8080/");
    assert_eq!(to(&https, "a:80", "/", None), "https://a/");
    assert_eq!(to(&https, "[::1]:80", "/", None), "https://[::1]/");
    assert_eq!(to(&https, "[::80]", "/", None), "https://[::80]/");
    assert_eq!(to(&NOTHING, "a:80", "/", None), "http://a:80/");
}

#[test]
fn a_named_port_replaces_the_old_one_and_is_left_out_where_the_scheme_says_it() {
    let port = |number| Redirect {
        port: Some(RedirectPort::Number(number)),
        ..NOTHING
    };
    assert_eq!(to(&port(81), "a:8080", "/", None), "http://a:81/");
    assert_eq!(to(&port(81), "a", "/", None), "http://a:81/");
    assert_eq!(to(&port(81), "[::1]", "/", None), "http://[::1]:81/");
    assert_eq!(to(&port(80), "a:8080", "/", None), "http://a/");
    let secure = Redirect {
        scheme: Some("https".into()),
        ..port(443)
    };
    assert_eq!(to(&secure, "a:8080", "/", None), "https://a/");
    let secure = Redirect {
        scheme: Some("https".into()),
        port: Some(RedirectPort::OfScheme),
        ..NOTHING
    };
    assert_eq!(to(&secure, "a:8080", "/", None), "https://a/");
}

#[test]
fn the_authority_is_replaced_with_its_port() {
    let other = Redirect {
        authority: Some("b:1".into()),
        ..NOTHING
    };
    assert_eq!(to(&other, "a:8080", "/", None), "http://b:1/");
    let both = Redirect {
        port: Some(RedirectPort::Number(2)),
        ..other
    };
    assert_eq!(to(&both, "a:8080", "/", None), "http://b:2/");
}
