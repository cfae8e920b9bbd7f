//! Header fields by which a client would steer Envoy, and what Istio's waypoint makes of them.
//!
//! Envoy listens to `x-envoy-retry-on` and its like from clients that it takes for internal: those whose address is found in one
//! `x-forwarded-for` and declared internal. Istio declares no address internal on a waypoint, so there every client is an
//! external one, and the fields are removed before anything reads them. `x-envoy-upstream-rq-timeout-ms` and
//! `x-envoy-upstream-rq-per-try-timeout-ms` are not among those of [`strip`]: who reads a client's wish for less time removes them
//! when they are read.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

/// The field that tells the endpoint how many milliseconds the proxy will wait for it.
pub const EXPECTED_TIMEOUT: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");

const CONTROLS: [HeaderName; 13] = [
    EXPECTED_TIMEOUT,
    HeaderName::from_static("x-envoy-force-trace"),
    HeaderName::from_static("x-envoy-hedge-on-per-try-timeout"),
    HeaderName::from_static("x-envoy-internal"),
    HeaderName::from_static("x-envoy-ip-tags"),
    HeaderName::from_static("x-envoy-max-retries"),
    HeaderName::from_static("x-envoy-original-url"),
    HeaderName::from_static("x-envoy-retriable-header-names"),
    HeaderName::from_static("x-envoy-retriable-status-codes"),
    HeaderName::from_static("x-envoy-retry-grpc-on"),
    HeaderName::from_static("x-envoy-retry-on"),
    HeaderName::from_static("x-envoy-upstream-alt-stat-name"),
    HeaderName::from_static("x-envoy-upstream-rq-timeout-alt-response"),
];

/// Removes what a client says to Envoy and a waypoint does not hear. `x-envoy-original-path` and `x-envoy-original-host` stay as
/// they were sent, until a rewrite writes them.
pub fn strip(headers: &mut HeaderMap) {
    for name in &CONTROLS {
        headers.remove(name);
    }
}

/// The value of [`EXPECTED_TIMEOUT`] on a request to an endpoint, in milliseconds: what is left of the time for an attempt, or
/// of that for the whole request, of which `elapsed` has passed. `None`: the proxy waits for ever, and says nothing.
pub fn expected_timeout(
    request: Option<Duration>,
    attempt: Option<Duration>,
    elapsed: Duration,
) -> Option<u64> {
    let left = request.map(|request| request.saturating_sub(elapsed));
    let expected = match (left, attempt) {
        (Some(left), Some(attempt)) => left.min(attempt),
        (left, attempt) => left.or(attempt)?,
    };
    // 0 would be for ever.
    Some(u64::try_from(expected.as_millis()).unwrap_or(u64::MAX).max(1))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_would_steer_the_proxy_is_removed() {
        let mut headers = HeaderMap::new();
        let kept = [
            "x-envoy-fault-abort-request",
            "x-envoy-fault-delay-request",
            "x-envoy-original-path",
            "x-envoy-upstream-rq-timeout-ms",
            "x-request-id",
        ];
        for name in kept.into_iter().chain([
            "x-envoy-retry-on",
            "x-envoy-max-retries",
            "x-envoy-internal",
            "x-envoy-hedge-on-per-try-timeout",
            "x-envoy-expected-rq-timeout-ms",
        ]) {
            headers.append(name, HeaderValue::from_static("1"));
            headers.append(name, HeaderValue::from_static("2"));
        }
        strip(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, kept);
        assert_eq!(headers.len(), 2 * kept.len());
    }

    #[test]
    fn an_endpoint_is_told_the_shortest_of_the_times() {
        let ms = Duration::from_millis;
        let none = Duration::ZERO;
        assert_eq!(expected_timeout(None, None, ms(5)), None);
        assert_eq!(expected_timeout(Some(ms(300)), None, none), Some(300));
        assert_eq!(expected_timeout(Some(ms(300)), None, ms(100)), Some(200));
        assert_eq!(expected_timeout(Some(ms(300)), Some(ms(50)), ms(100)), Some(50));
        assert_eq!(expected_timeout(Some(ms(300)), Some(ms(50)), ms(280)), Some(20));
        assert_eq!(expected_timeout(None, Some(ms(50)), ms(100)), Some(50));
        assert_eq!(expected_timeout(Some(ms(300)), Some(ms(50)), ms(300)), Some(1));
    }
}
