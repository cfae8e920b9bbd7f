#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::time;

use serde_json::json;

use super::{Duration, DurationError, IntOrString};

#[test]
fn durations_are_read_in_all_notations() {
    const YEARS_292: u64 = i64::MAX as u64;
    for (text, nanos) in [
        // protobuf JSON
        ("0s", 0),
        ("1s", 1_000_000_000),
        ("1.5s", 1_500_000_000),
        ("3.000000001s", 3_000_000_001),
        ("0.010s", 10_000_000),
        // Go
        ("0", 0),
        ("+5s", 5_000_000_000),
        ("-0s", 0),
        (".5s", 500_000_000),
        ("5.s", 5_000_000_000),
        ("250ms", 250_000_000),
        ("1us", 1_000),
        ("1µs", 1_000),
        ("1μs", 1_000),
        ("7ns", 7),
        ("0.9ns", 0),
        ("1h2m3s4ms", 3_723_004_000_000),
        ("1h30m", 5_400_000_000_000),
        ("1.5h", 5_400_000_000_000),
        ("0.1m", 6_000_000_000),
        ("1m1h", 3_660_000_000_000),
        ("0.3333333333333333333333h", 1_199_999_999_999),
        ("9223372036854775807ns", YEARS_292),
        // Gateway API
        ("10s500ms", 10_500_000_000),
        ("99999h", 359_996_400_000_000_000),
    ] {
        assert_eq!(
            text.parse(),
            Ok(Duration::from(time::Duration::from_nanos(nanos))),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_duration_is_refused_with_its_reason() {
    for (text, error) in [
        ("", DurationError::Empty),
        ("-1s", DurationError::Negative),
        ("-0.000000001s", DurationError::Negative),
        ("5", DurationError::MissingUnit),
        ("1.5", DurationError::MissingUnit),
        ("1s5", DurationError::MissingUnit),
        ("00", DurationError::MissingUnit),
        ("5d", DurationError::UnknownUnit),
        ("5 s", DurationError::UnknownUnit),
        ("5s ", DurationError::UnknownUnit),
        ("5S", DurationError::UnknownUnit),
        ("5sec", DurationError::UnknownUnit),
        ("1h-5m", DurationError::UnknownUnit),
        ("٣s", DurationError::InvalidNumber),
        ("s", DurationError::InvalidNumber),
        (".s", DurationError::InvalidNumber),
        (" 5s", DurationError::InvalidNumber),
        ("-", DurationError::InvalidNumber),
        ("--1s", DurationError::InvalidNumber),
        ("1.2.3s", DurationError::InvalidNumber),
        ("text", DurationError::InvalidNumber),
        ("1e3s", DurationError::UnknownUnit),
        ("9223372036854775808ns", DurationError::TooLong),
        ("9223372036.9s", DurationError::TooLong),
        ("2562048h", DurationError::TooLong),
        ("99999999999999999999999h", DurationError::TooLong),
        ("2562047h60m", DurationError::TooLong),
    ] {
        assert_eq!(text.parse::<Duration>(), Err(error), "{text}");
    }
}

#[test]
fn durations_are_written_as_protobuf_json() {
    for (text, written) in [
        ("90m", "5400s"),
        ("1500ms", "1.5s"),
        ("1ns", "0.000000001s"),
        ("0", "0s"),
    ] {
        let duration: Duration = text.parse().unwrap();
        assert_eq!(duration.to_string(), written);
        assert_eq!(serde_json::to_value(duration).unwrap(), json!(written));
        assert_eq!(written.parse(), Ok(duration));
    }
}

#[test]
fn a_duration_is_text() {
    assert!(serde_json::from_value::<Duration>(json!(5)).is_err());
    let error = serde_json::from_value::<Duration>(json!("soon")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid duration `soon`: a number was expected (write it like 1.5s, 250ms or 1h30m)"
    );
}

#[test]
fn an_int_or_string_keeps_its_type() {
    for (document, expected, shown) in [
        (json!(8080), IntOrString::Int(8080), "8080"),
        (json!(-1), IntOrString::Int(-1), "-1"),
        (json!("8080"), IntOrString::String("8080".into()), "8080"),
        (json!("http"), IntOrString::String("http".into()), "http"),
    ] {
        let read: IntOrString = serde_json::from_value(document.clone()).unwrap();
        assert_eq!(read, expected);
        assert_eq!(read.to_string(), shown);
        assert_eq!(serde_json::to_value(&read).unwrap(), document);
    }
    for document in [json!(1.5), json!(null), json!(true), json!([]), json!(u64::MAX)] {
        assert!(serde_json::from_value::<IntOrString>(document).is_err());
    }
}
