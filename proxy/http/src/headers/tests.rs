#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::HashSet;

use super::*;

fn map(fields: &[(&str, &str)]) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| {
            (
                name.parse::<HeaderName>().unwrap(),
                value.parse::<HeaderValue>().unwrap(),
            )
        })
        .collect()
}

#[test]
fn hop_by_hop_fields_go() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("connection", "keep-alive, X-Hop ,upgrade"),
        ("connection", "x-other"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("te", "gzip, trailers;q=0.5"),
        ("te", "deflate, Trailers"),
        ("x-hop", "1"),
        ("x-other", "2"),
        ("x-kept", "3"),
        ("trailer", "x-t"),
    ] {
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    strip_hop_by_hop(&mut headers);
    assert_eq!(
        headers,
        map(&[("te", "trailers"), ("x-kept", "3"), ("trailer", "x-t")])
    );
}

#[test]
fn te_without_trailers_goes() {
    let mut headers = map(&[("te", "gzip")]);
    strip_hop_by_hop(&mut headers);
    assert!(headers.is_empty());
}

/// A client must not have the fields removed that policies and upstreams rely on.
#[test]
fn connection_names_no_end_to_end_field() {
    let kept = map(&[
        ("host", "a"),
        ("content-length", "5"),
        ("authorization", "Bearer x"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-request-id", "1"),
        ("x-envoy-original-path", "/"),
        ("te", "trailers"),
    ]);
    let mut headers = kept.clone();
    let all =
        "host, content-length, authorization, x-forwarded-for, x-request-id, x-envoy-original-path, te, (bad";
    headers.insert(CONNECTION, all.parse().unwrap());
    strip_hop_by_hop(&mut headers);
    assert_eq!(headers, kept);
}

#[test]
fn request_ids_are_random_uuids() {
    let ids: HashSet<[u8; 36]> = (0..1000).map(|_| request_id()).collect();
    assert_eq!(ids.len(), 1000);
    for id in ids {
        let text = std::str::from_utf8(&id).unwrap();
        let groups: Vec<&str> = text.split('-').collect();
        assert_eq!(
            groups.iter().map(|group| group.len()).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12]
        );
        assert!(
            text.chars()
                .all(|it| it == '-' || it.is_ascii_digit() || ('a'..='f').contains(&it)),
            "{text}"
        );
        assert!(groups[2].starts_with('4'), "{text}");
        assert!(groups[3].starts_with(['8', '9', 'a', 'b']), "{text}");
    }
}

#[test]
fn a_request_id_is_kept() {
    let mut headers = map(&[("x-request-id", "mine")]);
    ensure_request_id(&mut headers);
    assert_eq!(headers[X_REQUEST_ID], "mine");
    headers.clear();
    ensure_request_id(&mut headers);
    assert_eq!(headers[X_REQUEST_ID].len(), 36);
}
