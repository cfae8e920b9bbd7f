//! How long a request and each of its attempts may take: what the route says, and what the client says within that.

use std::time::Duration;

use cairn_http::grpc;
use cairn_route::controls;
use http::{HeaderMap, HeaderName};

const REQUEST: HeaderName = HeaderName::from_static("x-envoy-upstream-rq-timeout-ms");
const ATTEMPT: HeaderName = HeaderName::from_static("x-envoy-upstream-rq-per-try-timeout-ms");

/// The time for a request and for each attempt; `None`: as long as they want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    pub(crate) request: Option<Duration>,
    pub(crate) attempt: Option<Duration>,
}

impl Timeouts {
    /// Of a client's wishes the fields that are for the proxy alone are removed from `headers`. A client may want less than the
    /// route gives it, never more: that is up to who writes the route. What it asks of gRPC (`grpc-timeout`) counts like the
    /// route's timeout, as Istio has Envoy do it.
    pub(crate) fn new(route: Timeouts, headers: &mut HeaderMap, is_grpc: bool) -> Timeouts {
        let said = if is_grpc { grpc::timeout(headers) } else { None };
        let request = milliseconds(headers, &REQUEST).or(said);
        Timeouts {
            request: shorter(route.request, request),
            attempt: shorter(route.attempt, milliseconds(headers, &ATTEMPT)),
        }
    }

    /// Tells an endpoint how long it will be waited for, when `elapsed` of the time for the request has passed.
    pub(crate) fn tell(&self, headers: &mut HeaderMap, elapsed: Duration) {
        if let Some(expected) = controls::expected_timeout(self.request, self.attempt, elapsed) {
            headers.insert(controls::EXPECTED_TIMEOUT, expected.into());
        }
    }
}

fn milliseconds(headers: &mut HeaderMap, name: &HeaderName) -> Option<Duration> {
    let value = headers.remove(name)?;
    let milliseconds: u32 = value.to_str().ok()?.parse().ok()?;
    Some(Duration::from_millis(milliseconds.into()))
}

/// Zero means no limit, as it does in the resources.
fn shorter(limit: Option<Duration>, wish: Option<Duration>) -> Option<Duration> {
    let wish = wish.filter(|wish| !wish.is_zero());
    match (limit, wish) {
        (Some(limit), Some(wish)) => Some(limit.min(wish)),
        (limit, wish) => limit.or(wish),
    }
}

#[cfg(test)]
mod tests;
