#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

use super::{HeaderOperations, Pass, Value};
use crate::template::testing::facts;
use crate::template::{Facts, Template};

fn written(name: &'static str, value: &str) -> (HeaderName, Value) {
    let template = Template::parse(value).unwrap();
    let value = match template.fixed() {
        Some(text) => Value::Fixed(HeaderValue::from_str(text).unwrap()),
        None => Value::Computed(template),
    };
    (HeaderName::from_static(name), value)
}

fn fields(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

#[test]
fn fields_are_removed_overwritten_and_appended_in_this_order() {
    let operations = HeaderOperations::new([Pass {
        remove: vec![HeaderName::from_static("a"), HeaderName::from_static("d")],
        set: vec![written("a", "set"), written("b", "set")],
        add: vec![written("b", "added"), written("c", "added")],
    }]);
    let mut headers = fields(&[
        ("a", "1"),
        ("a", "2"),
        ("b", "1"),
        ("c", "1"),
        ("d", "1"),
        ("e", "1"),
    ]);
    operations.apply_to_request(&mut headers, &facts());
    let expected = fields(&[
        ("a", "set"),
        ("b", "set"),
        ("b", "added"),
        ("c", "1"),
        ("c", "added"),
        ("e", "1"),
    ]);
    assert_eq!(headers, expected);
}

#[test]
fn an_empty_value_is_not_written() {
    let operations = HeaderOperations::new([Pass {
        set: vec![written("a", ""), written("b", "%REQ(none)%")],
        ..Pass::default()
    }]);
    let mut headers = fields(&[("a", "1"), ("b", "2")]);
    operations.apply_to_request(&mut headers, &facts());
    assert_eq!(headers, fields(&[("a", "1"), ("b", "2")]));
}

#[test]
fn values_quote_what_was_there_before() {
    let operations = HeaderOperations::new([Pass {
        remove: vec![HeaderName::from_static("c")],
        set: vec![
            written("a", "%REQ(b)%"),
            written("b", "%REQ(a)%"),
            written("d", "[%REQ(c)%]"),
        ],
        ..Pass::default()
    }]);
    let mut headers = fields(&[("a", "1"), ("b", "2"), ("c", "3")]);
    operations.apply_to_request(&mut headers, &facts());
    assert_eq!(headers, fields(&[("a", "2"), ("b", "1"), ("d", "[]")]));
}

#[test]
fn responses_quote_the_request_and_themselves() {
    let operations = HeaderOperations::new([Pass {
        add: vec![written("x", "%REQ(a)% %RESP(b)%")],
        ..Pass::default()
    }]);
    assert!(operations.quotes_request());
    let mut headers = fields(&[("b", "response")]);
    operations.apply_to_response(&mut headers, &fields(&[("a", "request")]), &facts());
    assert_eq!(headers.get("x").unwrap(), "request response");
}

#[test]
fn a_value_that_no_header_may_have_is_not_written() {
    let operations = HeaderOperations::new([Pass {
        set: vec![written("a", "%ROUTE_NAME%")],
        ..Pass::default()
    }]);
    let mut headers = HeaderMap::new();
    operations.apply_to_request(
        &mut headers,
        &Facts {
            route_name: "a\r\nevil: 1",
            ..facts()
        },
    );
    assert!(headers.is_empty());
}

#[test]
fn nothing_to_do_is_known() {
    assert!(HeaderOperations::new([Pass::default()]).is_empty());
    assert!(!HeaderOperations::default().quotes_request());
}
