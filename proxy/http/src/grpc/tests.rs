#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;

use super::*;
use crate::body::Body;

#[test]
fn content_types() {
    for (value, expected) in [
        ("application/grpc", true),
        ("application/grpc+proto", true),
        ("application/grpc;charset=utf-8", true),
        ("Application/GRPC", true),
        ("application/grpc-web", false),
        ("application/grpc-web+proto", false),
        ("application/grpcx", false),
        ("application/json", false),
        ("", false),
    ] {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]);
        assert_eq!(is_grpc(&headers), expected, "{value}");
    }
    assert!(!is_grpc(&HeaderMap::new()));
}

#[test]
fn http_statuses() {
    for (status, code) in [
        (200, 0),
        (400, 13),
        (401, 16),
        (403, 7),
        (404, 12),
        (429, 14),
        (502, 14),
        (503, 14),
        (504, 14),
        (500, 2),
        (418, 2),
    ] {
        assert_eq!(
            Code::from_http(StatusCode::from_u16(status).unwrap()) as u8,
            code,
            "{status}"
        );
    }
}

#[test]
fn codes_have_names_and_numbers() {
    for number in 0..=16 {
        let code = Code::from_u16(number).unwrap();
        assert_eq!(code as u16, number);
        assert_eq!(code.digits(), number.to_string());
        assert_eq!(Code::from_name(code.name()), Some(code));
    }
    assert_eq!(Code::from_u16(17), None);
    assert_eq!(Code::from_name("unavailable"), None);
}

#[test]
fn refusals_are_in_the_head() {
    let response = trailers_only::<Body>(Code::PermissionDenied, "RBAC: access denied");
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[GRPC_MESSAGE], "RBAC: access denied");
    assert_eq!(status(response.headers()), Some(7));
    assert!(http_body::Body::is_end_stream(response.body()));
    assert!(
        !trailers_only::<Body>(Code::Internal, "")
            .headers()
            .contains_key(GRPC_MESSAGE)
    );
}

#[test]
fn messages_are_escaped() {
    assert_eq!(encode_message("100 % \u{e9}\n"), "100 %25 %C3%A9%0A");
    assert_eq!(decode_message("a%20b%zz%"), "a b%zz%");
}

proptest! {
    #[test]
    fn messages_survive(message in "\\PC*") {
        let encoded = encode_message(&message);
        prop_assert!(encoded.bytes().all(|byte| (0x20..=0x7e).contains(&byte)));
        prop_assert_eq!(decode_message(&encoded), message.as_str());
    }
}

#[test]
fn messages_are_counted_in_whatever_pieces_they_come() {
    let lengths = [0, 1, 255, 256, 70_000, 0];
    let mut body = Vec::new();
    for (at, length) in lengths.into_iter().enumerate() {
        body.push(u8::from(at % 2 == 1));
        body.extend_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
        body.extend(std::iter::repeat_n(7, length));
    }
    for size in [1, 2, 3, 4, 5, 6, 7, 260, 4096, body.len()] {
        let mut messages = Messages::default();
        body.chunks(size).for_each(|piece| messages.pass(piece));
        assert_eq!(messages.count(), 6, "pieces of {size}");
    }
    let mut unfinished = Messages::default();
    unfinished.pass(&[0, 0, 0, 0]);
    assert_eq!(unfinished.count(), 0);
    unfinished.pass(&[255, 1]);
    unfinished.pass(&[0; 253]);
    assert_eq!(unfinished.count(), 1);
}

#[test]
fn timeouts_have_a_unit_and_at_most_eight_digits() {
    let read = |value: &str| {
        let value = HeaderValue::from_str(value).unwrap();
        timeout(&HeaderMap::from_iter([(GRPC_TIMEOUT, value)]))
    };
    for (written, expected) in [
        ("1H", Duration::from_secs(3600)),
        ("2M", Duration::from_secs(120)),
        ("99999999S", Duration::from_secs(99_999_999)),
        ("250m", Duration::from_millis(250)),
        ("7u", Duration::from_micros(7)),
        ("0n", Duration::ZERO),
    ] {
        assert_eq!(read(written), Some(expected), "{written}");
    }
    for written in ["", "S", "5", "123456789m", "-1S", "+1S", "1.5S", "1s", "1 S"] {
        assert_eq!(read(written), None, "{written}");
    }
    assert_eq!(timeout(&HeaderMap::new()), None);
}
