#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use http::HeaderValue;

use super::*;

fn seconds(request: Option<u64>, attempt: Option<u64>) -> Timeouts {
    Timeouts {
        request: request.map(Duration::from_secs),
        attempt: attempt.map(Duration::from_secs),
    }
}

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let lines = lines.iter().map(|(name, value)| {
        let name = HeaderName::from_static(name);
        (name, HeaderValue::from_static(value))
    });
    lines.collect()
}

#[test]
fn a_client_may_want_less_and_never_more() {
    for (route, lines, expected) in [
        (seconds(None, None), vec![], seconds(None, None)),
        (seconds(Some(5), Some(2)), vec![], seconds(Some(5), Some(2))),
        (
            seconds(Some(5), Some(2)),
            vec![
                ("x-envoy-upstream-rq-timeout-ms", "3000"),
                ("x-envoy-upstream-rq-per-try-timeout-ms", "1000"),
            ],
            seconds(Some(3), Some(1)),
        ),
        (
            seconds(Some(5), Some(2)),
            vec![
                ("x-envoy-upstream-rq-timeout-ms", "9000"),
                ("x-envoy-upstream-rq-per-try-timeout-ms", "0"),
            ],
            seconds(Some(5), Some(2)),
        ),
        (
            seconds(None, None),
            vec![
                ("x-envoy-upstream-rq-timeout-ms", "4000"),
                ("x-envoy-upstream-rq-per-try-timeout-ms", "soon"),
            ],
            seconds(Some(4), None),
        ),
    ] {
        let mut headers = headers(&lines);
        assert_eq!(Timeouts::new(route, &mut headers, false), expected, "{lines:?}");
        assert!(headers.is_empty(), "the endpoint is not told: {headers:?}");
    }
}

#[test]
fn what_a_grpc_client_gives_a_call_is_the_timeout_and_is_passed_on() {
    let mut said = headers(&[("grpc-timeout", "2S")]);
    let timeouts = |route, headers: &mut HeaderMap, is_grpc| Timeouts::new(route, headers, is_grpc);
    assert_eq!(
        timeouts(seconds(None, None), &mut said, true),
        seconds(Some(2), None)
    );
    assert_eq!(
        timeouts(seconds(Some(1), None), &mut said, true),
        seconds(Some(1), None)
    );
    assert_eq!(
        timeouts(seconds(Some(9), None), &mut said, true),
        seconds(Some(2), None)
    );
    assert_eq!(
        timeouts(seconds(None, None), &mut said, false),
        seconds(None, None)
    );
    assert_eq!(said["grpc-timeout"], "2S");
}
