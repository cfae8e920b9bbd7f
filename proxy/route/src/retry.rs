//! When a request is sent again, and how often.

use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode};

/// How often and for what a request is sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// Attempts after the first.
    pub attempts: u32,
    /// How long each attempt may take to its response; `None`: as long as the route's timeout lets it.
    pub per_try_timeout: Option<Duration>,
    /// For what.
    pub on: RetryOn,
    /// The statuses of [`RetryOn::STATUS_CODES`].
    pub statuses: Vec<StatusCode>,
    /// Endpoints that have failed may be chosen again.
    pub previous_hosts: bool,
    /// After every other attempt that has failed, the localities whose endpoints were tried are left for the others
    /// (Envoy's `previous_priorities`, which Istio has look again after 2).
    pub remote_localities: bool,
    /// The first pause is at most as long; it doubles, up to ten times itself.
    pub backoff: Duration,
}

/// What is worth another attempt, of Envoy's `x-envoy-retry-on` and `x-envoy-retry-grpc-on`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetryOn(u32);

/// How an attempt ended without a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// There was no connection.
    Connect,
    /// The endpoint refused the stream before it looked at it.
    Refused,
    /// The connection or the stream broke, or [`Retry::per_try_timeout`] passed.
    Reset {
        /// Nothing of the request had been sent.
        unsent: bool,
    },
}

impl RetryOn {
    /// No connection to the endpoint.
    pub const CONNECT_FAILURE: RetryOn = RetryOn(1);
    /// The stream was refused.
    pub const REFUSED_STREAM: RetryOn = RetryOn(1 << 1);
    /// Any 5xx, or no response at all.
    pub const ANY_5XX: RetryOn = RetryOn(1 << 2);
    /// 502, 503 or 504, or no response at all.
    pub const GATEWAY_ERROR: RetryOn = RetryOn(1 << 3);
    /// No response at all.
    pub const RESET: RetryOn = RetryOn(1 << 4);
    /// No response, and nothing of the request sent.
    pub const RESET_BEFORE_REQUEST: RetryOn = RetryOn(1 << 5);
    /// 409.
    pub const RETRIABLE_4XX: RetryOn = RetryOn(1 << 6);
    /// One of [`Retry::statuses`].
    pub const STATUS_CODES: RetryOn = RetryOn(1 << 7);
    /// The response has `x-envoy-ratelimited`.
    pub const RATE_LIMITED: RetryOn = RetryOn(1 << 8);
    /// gRPC: CANCELLED.
    pub const CANCELLED: RetryOn = RetryOn(1 << 9);
    /// gRPC: DEADLINE_EXCEEDED.
    pub const DEADLINE_EXCEEDED: RetryOn = RetryOn(1 << 10);
    /// gRPC: INTERNAL.
    pub const INTERNAL: RetryOn = RetryOn(1 << 11);
    /// gRPC: RESOURCE_EXHAUSTED.
    pub const RESOURCE_EXHAUSTED: RetryOn = RetryOn(1 << 12);
    /// gRPC: UNAVAILABLE.
    pub const UNAVAILABLE: RetryOn = RetryOn(1 << 13);

    /// The conditions by their names.
    const NAMES: [(&'static str, RetryOn); 14] = [
        ("connect-failure", RetryOn::CONNECT_FAILURE),
        ("refused-stream", RetryOn::REFUSED_STREAM),
        ("5xx", RetryOn::ANY_5XX),
        ("gateway-error", RetryOn::GATEWAY_ERROR),
        ("reset", RetryOn::RESET),
        ("reset-before-request", RetryOn::RESET_BEFORE_REQUEST),
        ("retriable-4xx", RetryOn::RETRIABLE_4XX),
        ("retriable-status-codes", RetryOn::STATUS_CODES),
        ("envoy-ratelimited", RetryOn::RATE_LIMITED),
        ("cancelled", RetryOn::CANCELLED),
        ("deadline-exceeded", RetryOn::DEADLINE_EXCEEDED),
        ("internal", RetryOn::INTERNAL),
        ("resource-exhausted", RetryOn::RESOURCE_EXHAUSTED),
        ("unavailable", RetryOn::UNAVAILABLE),
    ];

    /// The condition of a name.
    pub fn named(name: &str) -> Option<RetryOn> {
        let found = RetryOn::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, condition)| *condition)
    }

    /// The names of all conditions.
    pub fn names() -> impl Iterator<Item = &'static str> {
        RetryOn::NAMES.iter().map(|(name, _)| *name)
    }

    /// Both.
    #[must_use]
    pub const fn and(self, other: RetryOn) -> RetryOn {
        RetryOn(self.0 | other.0)
    }

    const fn has(self, any: RetryOn) -> bool {
        self.0 & any.0 != 0
    }
}

/// Istio's, for a mesh that says nothing.
impl Default for Retry {
    fn default() -> Retry {
        Retry {
            attempts: 2,
            per_try_timeout: None,
            on: RetryOn::CONNECT_FAILURE
                .and(RetryOn::REFUSED_STREAM)
                .and(RetryOn::UNAVAILABLE)
                .and(RetryOn::CANCELLED)
                .and(RetryOn::STATUS_CODES),
            statuses: Vec::new(),
            previous_hosts: false,
            remote_localities: false,
            backoff: Duration::from_millis(25),
        }
    }
}

const RATE_LIMITED: HeaderName = HeaderName::from_static("x-envoy-ratelimited");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

impl Retry {
    /// No attempt but the first.
    #[must_use]
    pub fn none() -> Retry {
        Retry {
            attempts: 0,
            ..Retry::default()
        }
    }

    /// Whether an attempt without a response is worth another.
    pub fn after(&self, lost: Lost) -> bool {
        let any = RetryOn::RESET.and(RetryOn::ANY_5XX).and(RetryOn::GATEWAY_ERROR);
        let more = match lost {
            Lost::Connect => RetryOn::CONNECT_FAILURE.and(RetryOn::RESET_BEFORE_REQUEST),
            Lost::Refused => RetryOn::REFUSED_STREAM,
            Lost::Reset { unsent: true } => RetryOn::RESET_BEFORE_REQUEST,
            Lost::Reset { unsent: false } => RetryOn::default(),
        };
        self.on.has(any.and(more))
    }

    /// Whether a response with this head is worth another attempt.
    pub fn instead_of(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        // A rate limit is no failure that goes away by trying again, unless the policy says so.
        if headers.contains_key(RATE_LIMITED) {
            return self.on.has(RetryOn::RATE_LIMITED);
        }
        let code = status.as_u16();
        let condition = |condition: RetryOn, is_so: bool| is_so && self.on.has(condition);
        condition(RetryOn::ANY_5XX, status.is_server_error())
            || condition(RetryOn::GATEWAY_ERROR, matches!(code, 502..=504))
            || condition(RetryOn::RETRIABLE_4XX, code == 409)
            || condition(RetryOn::STATUS_CODES, self.statuses.contains(&status))
            || self.grpc(headers)
    }

    /// A gRPC response without messages says its status in its head.
    fn grpc(&self, headers: &HeaderMap) -> bool {
        let Some(status) = headers.get(GRPC_STATUS) else {
            return false;
        };
        self.on.has(match status.as_bytes() {
            b"1" => RetryOn::CANCELLED,
            b"4" => RetryOn::DEADLINE_EXCEEDED,
            b"8" => RetryOn::RESOURCE_EXHAUSTED,
            b"13" => RetryOn::INTERNAL,
            b"14" => RetryOn::UNAVAILABLE,
            _ => RetryOn::default(),
        })
    }

    /// Whether a request is ever sent again of which something had been sent: then its body has to be kept. `grpc`: the
    /// request is gRPC.
    pub fn keeps_body(&self, grpc: bool) -> bool {
        let mut sent = RetryOn::RESET
            .and(RetryOn::ANY_5XX)
            .and(RetryOn::GATEWAY_ERROR)
            .and(RetryOn::RETRIABLE_4XX)
            .and(RetryOn::RATE_LIMITED);
        if !self.statuses.is_empty() {
            sent = sent.and(RetryOn::STATUS_CODES);
        }
        if grpc {
            sent = sent
                .and(RetryOn::CANCELLED)
                .and(RetryOn::DEADLINE_EXCEEDED)
                .and(RetryOn::INTERNAL)
                .and(RetryOn::RESOURCE_EXHAUSTED)
                .and(RetryOn::UNAVAILABLE);
        }
        self.attempts > 0 && self.on.has(sent)
    }

    /// Whether, when `failed` attempts have, what was tried till then tells anew which localities are left.
    pub fn leaves_localities(&self, failed: u32) -> bool {
        self.remote_localities && failed > 0 && failed.is_multiple_of(2)
    }

    /// How long to wait before the next attempt when there were `retries` before: fully jittered by `random`, from 0 to 1.
    pub fn pause(&self, retries: u32, random: f64) -> Duration {
        let ceiling = self
            .backoff
            .saturating_mul(1 << retries.min(4))
            .min(self.backoff.saturating_mul(10));
        ceiling.mul_f64(random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests;
