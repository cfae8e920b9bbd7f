#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use bytes::Bytes;
use cairn_api::ext_authz::{
    CheckResponse, DeniedHttpResponse, HeaderValue, HeaderValueOption, HttpResponse, HttpStatus, Kind,
    OkHttpResponse, QueryParameter, Status, Struct, Value,
};
use http::StatusCode;
use http::request::Parts;
use prost::Message as _;

use super::decide;
use crate::error::CheckError;
use crate::fixtures::{allowed, applied, denied, headers, lines};
use crate::refusal::{DENIED, ERROR, INVALID};
use crate::verdict::Verdict;

/// What an answer means that has gone over the wire.
fn decided(code: i32, http: Option<HttpResponse>) -> Verdict {
    let answer = CheckResponse {
        status: Some(Status {
            code,
            message: Bytes::from_static(b"\xff"),
        }),
        http_response: http,
        dynamic_metadata: None,
    };
    decide(CheckResponse::decode(answer.encode_to_vec().as_slice()).unwrap())
}

fn ok(ok: OkHttpResponse) -> Verdict {
    decided(0, Some(HttpResponse::Ok(ok)))
}

fn option(name: &str, value: &str, append: Option<bool>, action: i32) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue {
            key: name.to_owned(),
            value: Bytes::copy_from_slice(value.as_bytes()),
            raw_value: Bytes::new(),
        }),
        append,
        append_action: action,
    }
}

fn with_headers(headers: Vec<HeaderValueOption>) -> OkHttpResponse {
    OkHttpResponse {
        headers,
        ..OkHttpResponse::default()
    }
}

fn noted(text: &str) -> Option<Struct> {
    let value = Value {
        kind: Some(Kind::String(text.to_owned())),
    };
    Some(Struct {
        fields: BTreeMap::from([("user".to_owned(), value)]),
    })
}

fn is_invalid(verdict: Verdict) -> bool {
    let refusal = denied(verdict);
    (refusal.status, refusal.details) == (StatusCode::INTERNAL_SERVER_ERROR, INVALID)
        && refusal.headers.is_empty()
        && refusal.body.is_empty()
}

#[test]
fn the_code_decides() {
    let bare = allowed(decided(0, None));
    assert!(bare.leaves_request());
    assert!(allowed(decide(CheckResponse::default())).leaves_request());
    for code in [1, 7, 16, -1, 99] {
        for http in [
            None,
            Some(HttpResponse::Ok(with_headers(vec![option("x", "1", None, 0)]))),
        ] {
            let refusal = denied(decided(code, http));
            assert_eq!((refusal.status.as_u16(), refusal.details), (403, DENIED));
            assert!(refusal.headers.is_empty() && refusal.body.is_empty());
        }
    }
    // It is not known what a server means that allows and says how it refuses.
    assert!(is_invalid(decided(
        0,
        Some(HttpResponse::Denied(DeniedHttpResponse::default()))
    )));
    assert!(is_invalid(decided(
        0,
        Some(HttpResponse::Error(DeniedHttpResponse::default()))
    )));
}

#[test]
fn fields_of_a_request_are_written_as_the_options_say() {
    let there: &[(&str, &[u8])] = &[("x", b"a"), ("x", b"b")];
    for (append, action, with, without) in [
        (None, 0, &["x: new"][..], &["x: new"][..]),
        (None, 1, &["x: a", "x: b"], &["x: new"]),
        (None, 2, &["x: new"], &["x: new"]),
        (None, 3, &["x: new"], &[]),
        (Some(false), 0, &["x: new"], &["x: new"]),
        (Some(false), 1, &["x: new"], &["x: new"]),
        (Some(true), 0, &["x: a,b,new"], &[]),
        (Some(true), 2, &["x: a,b,new"], &[]),
    ] {
        let allowed = allowed(ok(with_headers(vec![option("X", "new", append, action)])));
        assert!(!allowed.leaves_request());
        assert_eq!(applied(&allowed, there).unwrap(), with, "{append:?} {action}");
        assert_eq!(applied(&allowed, &[]).unwrap(), without, "{append:?} {action}");
    }
    let cookie = allowed(ok(with_headers(vec![option("cookie", "c=3", Some(true), 0)])));
    let cookies = applied(&cookie, &[("cookie", b"a=1"), ("cookie", b"b=2")]);
    assert_eq!(cookies.unwrap(), ["cookie: a=1; b=2; c=3"]);
    assert!(is_invalid(ok(with_headers(vec![option("x", "1", None, 4)]))));
    assert!(is_invalid(ok(with_headers(vec![option("x", "1", None, -1)]))));
}

#[test]
fn more_is_added_after_all_is_set_and_before_some_is_removed() {
    let mut answer = with_headers(vec![
        option("x", "2", Some(true), 0),
        option("x", "1", None, 0),
        option("y", "1", None, 0),
    ]);
    let removed: [&'static [u8]; 6] = [b"Y", b"host", b":path", b"no name", b"\xff", b"transfer-encoding"];
    answer.headers_to_remove = removed.map(Bytes::from_static).to_vec();
    let allowed = allowed(ok(answer));
    let there: &[(&str, &[u8])] = &[("host", b"h"), ("x", b"0"), ("transfer-encoding", b"chunked")];
    assert_eq!(
        applied(&allowed, there).unwrap(),
        ["host: h", "transfer-encoding: chunked", "x: 1,2"]
    );
}

#[test]
fn raw_values_stand_in() {
    let mut raw = option("x", "", None, 0);
    raw.header.as_mut().unwrap().raw_value = Bytes::from_static(b"\xe4");
    let kind = allowed(ok(with_headers(vec![raw, option("y", "", None, 0)])));
    assert_eq!(applied(&kind, &[("x", b"0")]).unwrap(), ["x: \u{fffd}", "y: "]);
}

fn request(target: &str) -> Parts {
    let mut parts = http::Request::get(target).body(()).unwrap().into_parts().0;
    parts.headers = headers(&[("host", b"h")]);
    parts
}

#[test]
fn the_first_line_can_be_rewritten() {
    for (name, value, expected) in [
        (":path", "/b?c=d", "GET h /b?c=d"),
        (":authority", "other:80", "GET other:80 /a?x=1"),
        ("Host", "other", "GET other /a?x=1"),
        (":method", "PUT", "PUT h /a?x=1"),
        (":scheme", "https", "GET h /a?x=1"),
    ] {
        let allowed = allowed(ok(with_headers(vec![option(name, value, None, 0)])));
        assert_eq!(allowed.leaves_request(), name == ":scheme");
        let mut parts = request("/a?x=1");
        allowed.apply(&mut parts).unwrap();
        let host = parts.headers["host"].to_str().unwrap();
        assert_eq!(
            format!("{} {host} {}", parts.method, parts.uri),
            expected,
            "{name}"
        );
        assert_eq!(parts.headers.len(), 1);
    }
}

#[test]
fn what_is_not_http_is_invalid() {
    for (name, value) in [
        ("", "1"),
        ("a b", "1"),
        (":status", "200"),
        (":other", "1"),
        ("x", "a\r\nb: c"),
        ("x", "a\0"),
        (":path", "b"),
        (":path", "/a b"),
        (":path", "/a#b"),
        (":path", "http://h/"),
        (":path", "*"),
        (":method", "G T"),
        (":method", "CONNECT"),
        (":authority", ""),
        (":authority", "a/b"),
        (":authority", "user@a"),
    ] {
        assert!(
            is_invalid(ok(with_headers(vec![option(name, value, None, 0)]))),
            "{name}: {value}"
        );
    }
    assert!(is_invalid(ok(with_headers(vec![HeaderValueOption::default()]))));
    for (name, value) in [(":path", "/"), ("x", "a\nb")] {
        let response = OkHttpResponse {
            response_headers_to_add: vec![option(name, value, None, 0)],
            ..OkHttpResponse::default()
        };
        assert!(is_invalid(ok(response)), "{name}: {value}");
        let refusal = DeniedHttpResponse {
            headers: vec![option(name, value, None, 0)],
            ..DeniedHttpResponse::default()
        };
        assert!(
            is_invalid(decided(7, Some(HttpResponse::Denied(refusal.clone())))),
            "{name}: {value}"
        );
        // Were it a failure, some providers would let the request pass.
        assert!(
            is_invalid(decided(14, Some(HttpResponse::Error(refusal)))),
            "{name}: {value}"
        );
    }
    let query = OkHttpResponse {
        query_parameters_to_set: vec![QueryParameter {
            key: "a".to_owned(),
            value: "b c".to_owned(),
        }],
        ..OkHttpResponse::default()
    };
    assert!(is_invalid(ok(query)));
}

#[test]
fn fields_that_end_a_message_are_passed_over() {
    let names = [
        "content-length",
        "Transfer-Encoding",
        "connection",
        "te",
        "upgrade",
        "keep-alive",
        "trailer",
    ];
    let options: Vec<HeaderValueOption> = names.iter().map(|name| option(name, "1", None, 2)).collect();
    let answer = OkHttpResponse {
        headers: options.clone(),
        response_headers_to_add: options.clone(),
        ..OkHttpResponse::default()
    };
    let kind = allowed(ok(answer));
    assert!(kind.leaves_request());
    let mut response = headers(&[("content-length", b"5")]);
    kind.apply_to_response(&mut response);
    assert_eq!(lines(&response), ["content-length: 5"]);
    let refusal = DeniedHttpResponse {
        headers: options,
        ..DeniedHttpResponse::default()
    };
    assert!(
        denied(decided(7, Some(HttpResponse::Denied(refusal))))
            .headers
            .is_empty()
    );
}

#[test]
fn the_query_is_rewritten_and_the_path_before_it() {
    let mut answer = with_headers(vec![option(":path", "/b?x=1&y=2", None, 0)]);
    answer.query_parameters_to_set = vec![QueryParameter {
        key: "z".to_owned(),
        value: "3".to_owned(),
    }];
    answer.query_parameters_to_remove = vec!["x".to_owned()];
    let kind = allowed(ok(answer));
    let mut parts = request("/a?x=0");
    kind.apply(&mut parts).unwrap();
    assert_eq!(parts.uri, "/b?y=2&z=3");
    let only = OkHttpResponse {
        query_parameters_to_remove: vec!["x".to_owned()],
        ..OkHttpResponse::default()
    };
    let mut parts = request("/a?x=0&%78=1&y");
    allowed(ok(only)).apply(&mut parts).unwrap();
    assert_eq!(parts.uri, "/a?y");
}

#[test]
fn the_response_to_an_allowed_request_is_changed() {
    for (append, action, with, without) in [
        (None, 0, &["x: a", "x: new"][..], &["x: new"][..]),
        (None, 1, &["x: a"], &["x: new"]),
        (None, 2, &["x: new"], &["x: new"]),
        (None, 3, &["x: new"], &[]),
        (Some(false), 0, &["x: new"], &["x: new"]),
        (Some(true), 2, &["x: a", "x: new"], &["x: new"]),
    ] {
        let answer = OkHttpResponse {
            response_headers_to_add: vec![option("x", "new", append, action)],
            ..OkHttpResponse::default()
        };
        let allowed = allowed(ok(answer));
        assert!(allowed.leaves_request());
        for (there, expected) in [(&[("x", &b"a"[..])][..], with), (&[], without)] {
            let mut response = headers(there);
            allowed.apply_to_response(&mut response);
            assert_eq!(lines(&response), expected, "{append:?} {action}");
        }
    }
}

#[test]
fn a_refusal_is_the_servers_own() {
    let refused = |code: i32, headers: Vec<HeaderValueOption>, body: &'static [u8]| {
        denied(decided(
            16,
            Some(HttpResponse::Denied(DeniedHttpResponse {
                status: Some(HttpStatus { code }),
                headers,
                body: Bytes::from_static(body),
            })),
        ))
    };
    let cookies = [(None, 0), (Some(false), 0), (Some(true), 0), (None, 1), (None, 3)];
    let cookies = cookies
        .iter()
        .enumerate()
        .map(|(index, (append, action))| option("set-cookie", &format!("c{index}"), *append, *action));
    let refusal = refused(401, cookies.collect(), b"no\xff");
    assert_eq!((refusal.status.as_u16(), refusal.details), (401, DENIED));
    assert_eq!(refusal.body.as_ref(), b"no\xff");
    // The last one takes the place of all that are there, as its option says.
    assert_eq!(
        lines(&refusal.headers),
        ["content-type: text/plain", "set-cookie: c4"]
    );
    let twice = vec![
        option("set-cookie", "a", None, 0),
        option("set-cookie", "b", Some(false), 0),
    ];
    assert_eq!(
        lines(&refused(302, twice, b"").headers),
        ["set-cookie: a", "set-cookie: b"]
    );
    let json = vec![option("Content-Type", "application/json", None, 0)];
    assert_eq!(
        lines(&refused(429, json, b"{}").headers),
        ["content-type: application/json"]
    );
    for code in [0, 1, 101, 199, 600, 999, 70_000, -1] {
        assert_eq!(refused(code, Vec::new(), b"").status.as_u16(), 403, "{code}");
    }
    assert_eq!(refused(200, Vec::new(), b"").status.as_u16(), 200);
}

#[test]
fn a_server_can_say_that_it_cannot_tell() {
    for (code, expected) in [(0, None), (503, Some(503)), (99, None)] {
        let answer = DeniedHttpResponse {
            status: Some(HttpStatus { code }),
            headers: vec![option("retry-after", "1", None, 0)],
            body: Bytes::from_static(b"later"),
        };
        let Verdict::Error(CheckError::Unable { status, refusal }) =
            decided(14, Some(HttpResponse::Error(answer)))
        else {
            panic!("no error")
        };
        assert_eq!(status.map(|status| status.as_u16()), expected);
        assert_eq!((refusal.details, refusal.body.as_ref()), (ERROR, &b"later"[..]));
        assert_eq!(
            lines(&refusal.headers),
            ["content-type: text/plain", "retry-after: 1"]
        );
    }
}

#[test]
fn notes_come_with_every_decision() {
    let answer = |code: i32, http: Option<HttpResponse>| CheckResponse {
        status: Some(Status {
            code,
            ..Status::default()
        }),
        http_response: http,
        dynamic_metadata: noted("alice"),
    };
    assert_eq!(allowed(decide(answer(0, None))).metadata["user"], "alice");
    assert_eq!(denied(decide(answer(7, None))).metadata["user"], "alice");
    let response = HttpResponse::Denied(DeniedHttpResponse::default());
    assert_eq!(
        denied(decide(answer(7, Some(response)))).metadata["user"],
        "alice"
    );
    let fine = |dynamic_metadata| {
        HttpResponse::Ok(OkHttpResponse {
            dynamic_metadata,
            ..OkHttpResponse::default()
        })
    };
    assert_eq!(
        allowed(decide(answer(0, Some(fine(None))))).metadata["user"],
        "alice"
    );
    // The deprecated place goes before the other.
    assert_eq!(
        allowed(decide(answer(0, Some(fine(noted("bob")))))).metadata["user"],
        "bob"
    );
}

#[test]
fn an_answer_may_not_ask_for_too_much() {
    let many = |count: usize| {
        (0..count)
            .map(|index| option(&format!("x-{index}"), "1", None, 0))
            .collect::<Vec<_>>()
    };
    assert!(!allowed(ok(with_headers(many(100)))).leaves_request());
    assert!(is_invalid(ok(with_headers(many(101)))));
    assert!(is_invalid(ok(with_headers(vec![option(
        "x",
        &"a".repeat(61 * 1024),
        None,
        0
    )]))));
    let removed = |count: usize| OkHttpResponse {
        headers_to_remove: vec![Bytes::from_static(b"x"); count],
        ..OkHttpResponse::default()
    };
    assert!(!allowed(ok(removed(1_000))).leaves_request());
    assert!(is_invalid(ok(removed(1_001))));
    let parameters = |count: usize| OkHttpResponse {
        query_parameters_to_remove: vec!["x".to_owned(); count],
        ..OkHttpResponse::default()
    };
    assert!(!allowed(ok(parameters(100))).leaves_request());
    assert!(is_invalid(ok(parameters(101))));
}
