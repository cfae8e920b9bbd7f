#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use bytes::Bytes;
use cairn_api::ext_authz::{CheckRequest, HttpRequest};
use http::{HeaderMap, Request, Response, StatusCode, Version};
use prost::Message as _;
use serde_json::{Value, json};

use super::grpc_timeout;
use crate::fixtures::{Sample, error, headers, lines, over_grpc};
use crate::verdict::Verdict;

/// The one message of a request.
fn message(request: &Request<Bytes>) -> CheckRequest {
    let (prefix, message) = request.body().split_at(5);
    let length = u32::from_be_bytes(prefix[1..].try_into().unwrap());
    assert_eq!((prefix[0], length as usize), (0, message.len()));
    CheckRequest::decode(message).unwrap()
}

fn asked(provider: Value, sample: &Sample) -> HttpRequest {
    let request = over_grpc(provider).check(&sample.asked()).unwrap();
    message(&request)
        .attributes
        .unwrap()
        .request
        .unwrap()
        .http
        .unwrap()
}

#[test]
fn the_call_is_one_of_grpc() {
    for (provider, timeout) in [
        (json!({}), "600000m"),
        (json!({"timeout": "0.002s"}), "2000u"),
        (json!({"timeout": "1.5s"}), "1500000u"),
    ] {
        let request = over_grpc(provider)
            .check(&Sample::new("GET", "/", &[]).asked())
            .unwrap();
        assert_eq!(request.method(), "POST");
        assert_eq!(request.uri(), "/envoy.service.auth.v3.Authorization/Check");
        assert_eq!(
            lines(request.headers()),
            [
                "content-type: application/grpc".to_owned(),
                format!("grpc-timeout: {timeout}"),
                "host: authz.foo.svc.cluster.local".to_owned(),
                "te: trailers".to_owned(),
            ]
        );
    }
}

#[test]
fn times_are_told_in_eight_digits() {
    for (timeout, expected) in [
        (Duration::from_nanos(1), "1u"),
        (Duration::from_secs(99), "99000000u"),
        (Duration::from_secs(100), "100000m"),
        (Duration::from_nanos(100_000_000_001), "100001m"),
        (Duration::from_secs(100_000), "100000S"),
        (Duration::from_secs(100_000_000), "1666667M"),
        (Duration::from_secs(u64::MAX), "99999999H"),
    ] {
        assert_eq!(grpc_timeout(timeout), expected);
    }
}

#[test]
fn a_server_is_told_what_envoy_tells() {
    let mut sample = Sample::new(
        "GET",
        "/hello?a=b",
        &[
            ("host", b"lie"),
            ("x-a", b"1"),
            ("x-a", b"2"),
            ("x-envoy-auth-partial-body", b"lie"),
        ],
    );
    sample.version = Version::HTTP_2;
    sample.sni = Some("helloworld.example.com");
    let request = over_grpc(json!({})).check(&sample.asked()).unwrap();
    let attributes = message(&request).attributes.unwrap();
    let source = attributes.source.unwrap();
    assert_eq!(source.principal, "spiffe://cluster.local/ns/default/sa/sleep");
    assert_eq!(source.service, "sleep");
    let address = source.address.unwrap().socket_address.unwrap();
    assert_eq!(
        (address.address.as_str(), address.port_value),
        ("10.0.0.1", Some(4711))
    );
    let destination = attributes.destination.unwrap();
    assert_eq!(
        destination.principal,
        "spiffe://cluster.local/ns/default/sa/waypoint"
    );
    assert_eq!(destination.service, "");
    let address = destination.address.unwrap().socket_address.unwrap();
    assert_eq!(
        (address.address.as_str(), address.port_value),
        ("2001:db8::1", Some(5000))
    );
    assert_eq!(attributes.tls_session.unwrap().sni, "helloworld.example.com");
    let request = attributes.request.unwrap();
    let time = request.time.unwrap();
    assert_eq!((time.seconds, time.nanos), (1_700_000_000, 5));
    let http = request.http.unwrap();
    let told: Vec<(&str, &str)> = http
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (":authority", "helloworld:5000"),
            (":method", "GET"),
            (":path", "/hello?a=b"),
            (":scheme", "http"),
            ("x-a", "1,2"),
        ]
    );
    let expected = HttpRequest {
        id: "7d37a2f1".to_owned(),
        method: "GET".to_owned(),
        path: "/hello?a=b".to_owned(),
        host: "helloworld:5000".to_owned(),
        scheme: "http".to_owned(),
        size: 7,
        protocol: "HTTP/2".to_owned(),
        headers: http.headers.clone(),
        ..HttpRequest::default()
    };
    assert_eq!(http, expected);
}

#[test]
fn what_is_not_known_is_not_told() {
    let sample = Sample::new("GET", "/", &[]);
    let mut asked = sample.asked();
    (asked.source, asked.received) = (Default::default(), None);
    let request = over_grpc(json!({})).check(&asked).unwrap();
    let attributes = message(&request).attributes.unwrap();
    assert_eq!(attributes.tls_session, None);
    assert_eq!(attributes.source, Some(Default::default()));
    let http = attributes.request.unwrap().http.unwrap();
    assert_eq!((http.size, http.protocol.as_str()), (-1, "HTTP/1.1"));
}

#[test]
fn fields_that_are_not_text_are_told_twice() {
    let sample = Sample::new(
        "GET",
        "/",
        &[
            ("x-a", b"\xe4"),
            ("x-b", b"1"),
            ("x-b", b"2"),
            ("x-envoy-auth-partial-body", b"lie"),
        ],
    );
    let http = asked(json!({}), &sample);
    assert_eq!(
        (http.headers["x-a"].as_str(), http.headers["x-b"].as_str()),
        ("!", "1,2")
    );
    let raw = http.header_map.unwrap().headers;
    let raw: Vec<(&str, &[u8])> = raw
        .iter()
        .map(|field| (field.key.as_str(), field.raw_value.as_ref()))
        .collect();
    assert_eq!(raw, [("x-a", &b"\xe4"[..]), ("x-b", b"1"), ("x-b", b"2")]);
}

#[test]
fn a_body_is_told_as_text_or_bytes() {
    let limit = |as_bytes: bool| json!({"includeRequestBodyInCheck": {"maxRequestBytes": 4, "allowPartialMessage": true, "packAsBytes": as_bytes}});
    let sample = |body: &'static [u8], complete| Sample::new("POST", "/", &[]).with_body(body, complete);
    for (provider, sample, text, bytes, partial) in [
        (json!({}), sample(b"abc", true), "", &b""[..], None),
        (limit(false), Sample::new("POST", "/", &[]), "", b"", None),
        (limit(false), sample(b"abc", true), "abc", b"", Some("false")),
        (limit(false), sample(b"abcde", true), "abcd", b"", Some("true")),
        (limit(false), sample(b"a\xffb", true), "a!b", b"", Some("false")),
        (limit(true), sample(b"a\xffb", true), "", b"a\xffb", Some("false")),
        (limit(true), sample(b"abcd", false), "", b"abcd", Some("true")),
    ] {
        let http = asked(provider.clone(), &sample);
        assert_eq!(
            (http.body.as_str(), http.raw_body.as_ref()),
            (text, bytes),
            "{provider}"
        );
        assert_eq!(
            http.headers.get("x-envoy-auth-partial-body").map(String::as_str),
            partial,
            "{provider}"
        );
    }
}

/// What an answer of gRPC means; fields and trailers are `name: value`.
fn answer(
    status: u16,
    fields: &[(&str, &[u8])],
    body: &'static [u8],
    trailers: Option<&[(&str, &[u8])]>,
) -> Verdict {
    let mut answer = Response::new(Bytes::from_static(body));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    *answer.headers_mut() = headers(fields);
    let trailers: Option<HeaderMap> = trailers.map(headers);
    over_grpc(json!({})).verdict(answer, trailers.as_ref())
}

const GRPC: &[(&str, &[u8])] = &[("content-type", b"application/grpc")];
const OK: Option<&[(&str, &[u8])]> = Some(&[("grpc-status", b"0")]);
const EMPTY: &[u8] = b"\0\0\0\0\0";

#[test]
fn a_call_that_succeeded_has_one_message() {
    for fields in [
        GRPC,
        &[("content-type", b"Application/gRPC+proto")],
        &[("content-type", b"application/grpc; a=b")],
    ] {
        assert!(
            matches!(answer(200, fields, EMPTY, OK), Verdict::Allowed(_)),
            "{fields:?}"
        );
    }
    // Some servers put the status in front when there is a message, too.
    let both: &[(&str, &[u8])] = &[("content-type", b"application/grpc"), ("grpc-status", b"0")];
    assert!(matches!(answer(200, both, EMPTY, None), Verdict::Allowed(_)));
}

#[test]
fn what_is_no_answer_of_grpc_decides_nothing() {
    let failed: Option<&[(&str, &[u8])]> = Some(&[("grpc-status", b"14"), ("grpc-message", b"not%20now")]);
    let only: &[(&str, &[u8])] = &[("content-type", b"application/grpc"), ("grpc-status", b"12")];
    let word: Option<&[(&str, &[u8])]> = Some(&[("grpc-status", b"OK")]);
    let early: &[(&str, &[u8])] = &[("content-type", b"application/grpc"), ("grpc-status", b"0")];
    for (verdict, expected) in [
        (answer(503, GRPC, EMPTY, OK), "answers with status 503"),
        (answer(200, &[], EMPTY, OK), "its content type is another"),
        (
            answer(200, &[("content-type", b"text/html")], EMPTY, OK),
            "its content type is another",
        ),
        (
            answer(200, GRPC, EMPTY, failed),
            "answers with gRPC status 14: not now",
        ),
        (
            answer(200, early, EMPTY, failed),
            "answers with gRPC status 14: not now",
        ),
        (answer(200, only, b"", None), "answers with gRPC status 12: "),
        (answer(200, GRPC, EMPTY, None), "the call has no status"),
        (
            answer(200, GRPC, EMPTY, word),
            "the status of the call is no number",
        ),
        (answer(200, GRPC, b"", OK), "there is not exactly one message"),
        (
            answer(200, GRPC, b"\0\0\0\0", OK),
            "there is not exactly one message",
        ),
        (
            answer(200, GRPC, b"\0\0\0\0\x01", OK),
            "there is not exactly one message",
        ),
        (
            answer(200, GRPC, b"\0\0\0\0\0\0\0\0\0\0", OK),
            "there is not exactly one message",
        ),
        (
            answer(200, GRPC, b"\0\xff\xff\xff\xff", OK),
            "there is not exactly one message",
        ),
        (
            answer(200, GRPC, b"\x01\0\0\0\0", OK),
            "the message is compressed",
        ),
        (answer(200, GRPC, b"\0\0\0\0\x01\x0a", OK), "cannot be read"),
    ] {
        let error = error(verdict);
        assert!(error.contains(expected), "{error}: {expected}");
    }
}
