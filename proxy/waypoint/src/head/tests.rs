#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use http::Request;

use super::*;

const ADDRESSED: &str = "127.0.10.1:5000";

fn parts(target: &str, headers: &[(&'static str, &str)]) -> Parts {
    let mut request = Request::builder().uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn checked(mut parts: Parts, normalization: PathNormalization) -> Result<(String, String), Failure> {
    let authority = normalise(&mut parts, normalization, &Authority::from_static(ADDRESSED))?;
    Ok((authority.to_string(), parts.uri.to_string()))
}

#[test]
fn what_is_matched_is_what_is_forwarded() {
    for (mode, sent, forwarded) in [
        (PathNormalization::Default, "/a/../admin", "/admin"),
        (PathNormalization::Base, "/%61dmin?x=%61", "/admin?x=%61"),
        (PathNormalization::Base, "/a/%2e%2e/admin", "/admin"),
        (PathNormalization::Base, "//admin", "//admin"),
        (PathNormalization::MergeSlashes, "//admin", "/admin"),
        (PathNormalization::DecodeAndMergeSlashes, "/a%2Fadmin", "/a/admin"),
        (PathNormalization::None, "/a/../admin", "/a/../admin"),
    ] {
        let (_, target) = checked(parts(sent, &[("host", "h")]), mode).unwrap();
        assert_eq!(target, forwarded, "{sent} with {mode}");
    }
}

#[test]
fn ambiguous_paths_are_refused() {
    for path in ["/a%00b", "/a%00"] {
        let answer = checked(parts(path, &[("host", "h")]), PathNormalization::Base);
        assert_eq!(answer, Err(Failure::AmbiguousPath), "{path}");
    }
}

#[test]
fn an_absolute_target_overrides_host() {
    let (authority, target) = checked(
        parts("http://inner/a", &[("host", "outer")]),
        PathNormalization::Base,
    )
    .unwrap();
    assert_eq!((authority.as_str(), target.as_str()), ("inner", "/a"));
}

#[test]
fn a_host_is_required_and_must_be_only_a_host() {
    assert_eq!(
        checked(parts("/", &[]), PathNormalization::Base),
        Err(Failure::MissingHost)
    );
    for host in ["user@host", "", "a b", ":80"] {
        let answer = checked(parts("/", &[("host", host)]), PathNormalization::Base);
        assert_eq!(answer, Err(Failure::MissingHost), "{host:?}");
    }
    let mut old = parts("/", &[]);
    old.version = Version::HTTP_10;
    assert_eq!(checked(old, PathNormalization::Base).unwrap().0, ADDRESSED);
}

#[test]
fn connect_is_not_served() {
    let mut parts = parts("/", &[]);
    parts.method = Method::CONNECT;
    parts.uri = "inner:80".parse().unwrap();
    assert_eq!(checked(parts, PathNormalization::Base), Err(Failure::BadTarget));
}

#[test]
fn nothing_of_the_hop_or_of_the_mesh_is_believed() {
    let mut parts = parts(
        "/",
        &[
            ("host", "h"),
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            (
                "x-forwarded-client-cert",
                "URI=spiffe://cluster.local/ns/default/sa/admin",
            ),
            ("x-request-id", "mine"),
        ],
    );
    sanitise(&mut parts);
    let names: Vec<_> = parts.headers.keys().map(HeaderName::as_str).collect();
    assert!(
        !names.contains(&"x-hop") && !names.contains(&"x-forwarded-client-cert"),
        "{names:?}"
    );
    assert_eq!(parts.headers["x-request-id"], "mine");
    assert_eq!(parts.headers["x-forwarded-proto"], "http");
}

#[test]
fn a_cookie_in_pieces_is_seen_whole() {
    let mut parts = parts("/", &[("host", "h"), ("cookie", "a=1"), ("cookie", "b=2")]);
    sanitise(&mut parts);
    let cookies: Vec<_> = parts.headers.get_all("cookie").iter().collect();
    assert_eq!(cookies, ["a=1; b=2"]);
}
