#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;

use super::*;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";

#[test]
fn versions() {
    let parent = parse(&format!("00-{TRACE}-01")).unwrap();
    assert_eq!(parent.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
    assert_eq!((parent.span_id, parent.flags), (0x00f0_67aa_0ba9_02b7, 1));
    assert_eq!(parse(&format!("cc-{TRACE}-01")), Some(parent));
    assert_eq!(parse(&format!("cc-{TRACE}-01-more-of-it")), Some(parent));
}

#[test]
fn malformed() {
    let zero = "0".repeat(32);
    for text in [
        String::new(),
        format!("00-{TRACE}"),
        format!("00-{TRACE}-1"),
        format!("00-{TRACE}-01-"),
        format!("00-{TRACE}-01-x"),
        format!("ff-{TRACE}-01"),
        format!("00-{}-01", TRACE.to_uppercase()),
        format!("+0-{TRACE}-01"),
        format!("00-{zero}-00f067aa0ba902b7-01"),
        format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", "0".repeat(16)),
        format!("00-{}é-00f067aa0ba902b7-01", "a".repeat(30)),
    ] {
        assert_eq!(parse(&text), None, "{text}");
    }
}

#[test]
fn a_repeated_header_is_none() {
    let value = HeaderValue::try_from(format!("00-{TRACE}-01")).unwrap();
    let mut headers = HeaderMap::new();
    assert_eq!(TraceParent::from_headers(&headers), None);
    headers.append(HEADER, value.clone());
    assert!(TraceParent::from_headers(&headers).is_some());
    headers.append(HEADER, value);
    assert_eq!(TraceParent::from_headers(&headers), None);
}

#[test]
fn random_ones_differ() {
    let (one, other) = (TraceParent::random(), TraceParent::random());
    assert_ne!(one, other);
    assert_eq!(parse(&one.to_string()), Some(one));
}

proptest! {
    #[test]
    fn no_text_is_trouble(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn every_position_both_ways(trace_id in 1..u128::MAX, span_id in 1..u64::MAX, flags in any::<u8>()) {
        let parent = TraceParent { trace_id, span_id, flags };
        prop_assert_eq!(parse(&parent.to_string()), Some(parent));
    }
}
