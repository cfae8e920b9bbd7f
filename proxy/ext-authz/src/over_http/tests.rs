#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::fixtures::{Sample, allowed, applied, denied, error, headers, lines, over_http};
use crate::refusal::{DENIED, INVALID};
use crate::verdict::Verdict;

type Fields<'a> = &'a [(&'a str, &'a [u8])];

/// The first line, and the others without `Host`, of what is sent.
fn sent(provider: Value, sample: &Sample) -> (String, Vec<String>, Bytes) {
    let request = over_http(provider).check(&sample.asked()).unwrap();
    assert_eq!(request.headers()["host"], "helloworld:5000");
    let first = format!("{} {}", request.method(), request.uri());
    let rest = lines(request.headers());
    let rest = rest
        .into_iter()
        .filter(|line| !line.starts_with("host:"))
        .collect();
    (first, rest, request.into_body())
}

fn answer(provider: Value, status: u16, fields: Fields<'_>, body: &'static str) -> Verdict {
    let mut answer = Response::new(Bytes::from_static(body.as_bytes()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    *answer.headers_mut() = headers(fields);
    over_http(provider).verdict(answer, None)
}

#[test]
fn a_server_sees_the_first_line_and_what_is_listed() {
    let sample = Sample::new(
        "POST",
        "/hello?a=b",
        &[
            ("host", b"helloworld:5000"),
            ("authorization", b"Bearer t"),
            ("content-length", b"3"),
            ("cookie", b"a=1"),
            ("cookie", b"b=2"),
            ("te", b"trailers"),
            ("x-a-one", b"1"),
            ("x-a-two", b"2"),
            ("x-a-two", b"\xff"),
            ("x-other", b"3"),
            ("x-some-id", b"4"),
        ],
    );
    for (provider, first, rest) in [
        (
            json!({}),
            "POST /hello?a=b",
            &["authorization: Bearer t", "content-length: 0"][..],
        ),
        (
            json!({"pathPrefix": "/check"}),
            "POST /check/hello?a=b",
            &["authorization: Bearer t", "content-length: 0"],
        ),
        (
            json!({"includeRequestHeadersInCheck": ["Cookie", "x-a-*", "*-ID", "te", "content-*"]}),
            "POST /hello?a=b",
            &[
                "authorization: Bearer t",
                "content-length: 0",
                "cookie: a=1; b=2",
                "x-a-one: 1",
                "x-a-two: 2,\u{fffd}",
                "x-some-id: 4",
            ],
        ),
        (
            json!({"includeHeadersInCheck": ["x-other"]}),
            "POST /hello?a=b",
            &["authorization: Bearer t", "content-length: 0", "x-other: 3"],
        ),
        (
            json!({
                "includeRequestHeadersInCheck": ["x-other"],
                "includeAdditionalHeadersInCheck": {"x-other": "mine", "X-New": "new", "x-empty": "", "x-template": "%REQ(:PATH)%"},
            }),
            "POST /hello?a=b",
            &[
                "authorization: Bearer t",
                "content-length: 0",
                "x-new: new",
                "x-other: mine",
            ],
        ),
    ] {
        let (line, fields, body) = sent(provider.clone(), &sample);
        assert_eq!((line.as_str(), body.as_ref()), (first, &b""[..]), "{provider}");
        assert_eq!(fields, rest, "{provider}");
    }
}

#[test]
fn a_body_is_sent_where_it_is_asked_for() {
    let limit = |partial: bool| json!({"includeRequestBodyInCheck": {"maxRequestBytes": 4, "allowPartialMessage": partial}});
    let whole = |body: &'static [u8]| {
        Sample::new("PUT", "/", &[("x-envoy-auth-partial-body", b"lie")]).with_body(body, true)
    };
    for (provider, sample, body, fields) in [
        (json!({}), whole(b"abc"), "", &["content-length: 0"][..]),
        (
            limit(false),
            whole(b"abc"),
            "abc",
            &["content-length: 3", "x-envoy-auth-partial-body: false"],
        ),
        (
            limit(true),
            whole(b"abcde"),
            "abcd",
            &["content-length: 4", "x-envoy-auth-partial-body: true"],
        ),
        (
            limit(true),
            whole(b""),
            "",
            &["content-length: 0", "x-envoy-auth-partial-body: false"],
        ),
        (
            limit(true),
            Sample::new("PUT", "/", &[]).with_body(b"abcd", false),
            "abcd",
            &["content-length: 4", "x-envoy-auth-partial-body: true"],
        ),
        (
            limit(true),
            Sample::new("GET", "/", &[]),
            "",
            &["content-length: 0"],
        ),
    ] {
        let (_, seen, sent) = sent(provider.clone(), &sample);
        assert_eq!(sent, body, "{provider}");
        assert_eq!(seen, fields, "{provider}");
    }
}

#[test]
fn what_has_no_first_line_is_not_asked() {
    let long = format!("/{}", "a".repeat(60_000));
    let sample = Sample::new("GET", &long, &[]);
    let prefix = format!("/{}", "b".repeat(6_000));
    let refused = over_http(json!({"pathPrefix": prefix}))
        .check(&sample.asked())
        .unwrap_err();
    assert!(refused.to_string().ends_with("its path is too long"), "{refused}");
    let connect = Sample::new("CONNECT", "/chat", &[]);
    assert_eq!(sent(json!({}), &connect).0, "GET /chat");
}

#[test]
fn status_200_allows_and_changes_the_request() {
    let fields: Fields<'_> = &[
        ("x-user", b"alice"),
        ("x-group", b"a"),
        ("x-group", b"b"),
        ("x-other", b"1"),
        ("content-length", b"0"),
        ("date", b"now"),
        ("x-envoy-auth-headers-to-remove", b"x-secret, Host ,, te"),
        ("x-envoy-auth-headers-to-remove", b":path,x-two"),
    ];
    let before: Fields<'_> = &[
        ("x-user", b"mallory"),
        ("x-user", b"eve"),
        ("x-secret", b"1"),
        ("x-two", b"2"),
        ("host", b"h"),
        ("te", b"trailers"),
    ];
    for (provider, expected) in [
        (
            json!({}),
            &["host: h", "te: trailers", "x-user: eve", "x-user: mallory"][..],
        ),
        (
            json!({"headersToUpstreamOnAllow": ["X-User"]}),
            &["host: h", "te: trailers", "x-user: alice"],
        ),
        (
            json!({"headersToUpstreamOnAllow": ["*-group", "content-*"]}),
            &[
                "host: h",
                "te: trailers",
                "x-group: b",
                "x-user: eve",
                "x-user: mallory",
            ],
        ),
        // A server cannot remove what it did not know: the client's field stays when the server does not write it.
        (
            json!({"headersToUpstreamOnAllow": ["x-us*", "x-absent", "x-envoy-*"]}),
            &["host: h", "te: trailers", "x-user: alice"],
        ),
    ] {
        let allowed = allowed(answer(provider.clone(), 200, fields, "ignored"));
        assert_eq!(applied(&allowed, before).unwrap(), expected, "{provider}");
        let mut response = headers(&[("x-user", b"backend")]);
        allowed.apply_to_response(&mut response);
        assert_eq!(lines(&response), ["x-user: backend"], "{provider}");
    }
}

#[test]
fn a_server_may_write_the_host_and_no_other_part_of_the_first_line() {
    let provider = || json!({"headersToUpstreamOnAllow": ["host", "ho*"]});
    let kind = allowed(answer(provider(), 200, &[("host", b"other:80")], ""));
    assert_eq!(applied(&kind, &[("host", b"h")]).unwrap(), ["host: other:80"]);
    for host in [&b"user@other"[..], b"a b", b""] {
        let refusal = denied(answer(provider(), 200, &[("host", host)], ""));
        assert_eq!(
            (refusal.status, refusal.details),
            (StatusCode::INTERNAL_SERVER_ERROR, INVALID)
        );
    }
}

#[test]
fn the_response_to_an_allowed_request_gets_what_is_listed() {
    let allowed = allowed(answer(
        json!({"headersToDownstreamOnAllow": ["Set-Cookie", "x-*", "content-length"]}),
        200,
        &[
            ("set-cookie", b"a=1"),
            ("set-cookie", b"b=2"),
            ("x-one", b"1"),
            ("content-length", b"0"),
            ("y", b"2"),
        ],
        "",
    ));
    assert!(allowed.leaves_request());
    let mut response = headers(&[("set-cookie", b"c=3"), ("x-one", b"backend")]);
    allowed.apply_to_response(&mut response);
    assert_eq!(
        lines(&response),
        [
            "set-cookie: a=1",
            "set-cookie: b=2",
            "set-cookie: c=3",
            "x-one: 1",
            "x-one: backend"
        ]
    );
}

#[test]
fn other_statuses_deny() {
    let fields: Fields<'_> = &[
        ("content-type", b"application/json"),
        ("content-length", b"2"),
        ("connection", b"close"),
        ("transfer-encoding", b"chunked"),
        ("location", b"/login"),
        ("set-cookie", b"a=1"),
        ("set-cookie", b"b=2"),
        ("www-authenticate", b"Basic"),
        ("x-one", b"1"),
        ("x-envoy-auth-headers-to-remove", b"x"),
        ("host", b"h"),
    ];
    for (provider, status, expected) in [
        (
            json!({}),
            401,
            &[
                "content-type: application/json",
                "location: /login",
                "set-cookie: a=1",
                "set-cookie: b=2",
                "www-authenticate: Basic",
                "x-one: 1",
            ][..],
        ),
        (
            json!({"headersToDownstreamOnDeny": ["X-*"]}),
            302,
            &[
                "content-type: text/plain",
                "location: /login",
                "www-authenticate: Basic",
                "x-one: 1",
            ],
        ),
        // Other lists make no difference.
        (
            json!({"headersToUpstreamOnAllow": ["a"], "headersToDownstreamOnAllow": ["b"]}),
            404,
            &[
                "content-type: application/json",
                "location: /login",
                "set-cookie: a=1",
                "set-cookie: b=2",
                "www-authenticate: Basic",
                "x-one: 1",
            ],
        ),
        (
            json!({"headersToDownstreamOnDeny": ["set-cookie", "content-type"]}),
            202,
            &[
                "content-type: application/json",
                "location: /login",
                "set-cookie: a=1",
                "set-cookie: b=2",
                "www-authenticate: Basic",
            ],
        ),
    ] {
        let refusal = denied(answer(provider.clone(), status, fields, "no"));
        assert_eq!(refusal.status.as_u16(), status, "{provider}");
        assert_eq!(
            (refusal.details, refusal.body.as_ref()),
            (DENIED, &b"no"[..]),
            "{provider}"
        );
        assert_eq!(lines(&refusal.headers), expected, "{provider}");
    }
    let bare = denied(answer(json!({}), 403, &[], ""));
    assert_eq!(lines(&bare.headers), [""; 0]);
}

#[test]
fn a_server_that_fails_decides_nothing() {
    for status in [500, 503, 599, 600, 999, 101] {
        let failed = error(answer(json!({}), status, &[], "sorry"));
        assert!(
            failed.contains(&format!("answers with status {status}")),
            "{failed}"
        );
    }
    let long = Response::new(Bytes::from(vec![b'a'; crate::ANSWER_LIMIT + 1]));
    assert!(error(over_http(json!({})).verdict(long, None)).contains("too large"));
}

#[test]
fn an_answer_may_not_write_without_bounds() {
    let names: Vec<String> = (0..200).map(|index| format!("x-{index}")).collect();
    let fields: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"1"[..])).collect();
    for (status, list) in [
        (200, "headersToUpstreamOnAllow"),
        (200, "headersToDownstreamOnAllow"),
        (403, "headersToDownstreamOnDeny"),
    ] {
        let refusal = denied(answer(json!({list: ["x-*"]}), status, &fields, ""));
        assert_eq!(
            (refusal.status.as_u16(), refusal.details),
            (500, INVALID),
            "{list}"
        );
        let fewer = answer(json!({list: ["x-*"]}), status, &fields[..100], "");
        assert!(
            !matches!(fewer, Verdict::Denied(refusal) if refusal.details == INVALID),
            "{list}"
        );
    }
    // What a request has already counts too.
    let one = allowed(answer(
        json!({"headersToUpstreamOnAllow": ["x-*"]}),
        200,
        &fields[..1],
        "",
    ));
    let full: Vec<(&str, &[u8])> = names[100..]
        .iter()
        .map(|name| (name.as_str(), &b"1"[..]))
        .collect();
    assert_eq!(applied(&one, &full), Err(500));
    assert_eq!(applied(&one, &full[1..]).map(|lines| lines.len()), Ok(100));
    let long = vec![b'a'; 61 * 1024];
    let wide = allowed(answer(
        json!({"headersToUpstreamOnAllow": ["x-0"]}),
        200,
        &fields[..1],
        "",
    ));
    assert_eq!(applied(&wide, &[("x-1", &long)]), Err(500));
    assert_eq!(applied(&wide, &[("x-0", &long)]).map(|lines| lines.len()), Ok(1));
}
