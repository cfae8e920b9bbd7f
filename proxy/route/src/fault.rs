//! Faults that a route injects.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

/// What is done to a share of the requests of a route, before they go on. A delay comes first and an
/// abort after it; both may strike the same request.
///
/// No header field of a request has a say in it. Envoy's `x-envoy-fault-abort-request`, `-abort-grpc-request`,
/// `-delay-request` and their `-percentage`s are read by a fault whose source is declared to be the header
/// (`header_abort`, `header_delay`); all that a VirtualService can declare is a fixed one, which reads none of them. So they
/// are forwarded like any other field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A pause.
    pub delay: Option<Delay>,
    /// A failure in place of forwarding.
    pub abort: Option<Abort>,
}

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delay {
    /// How long.
    pub fixed: Duration,
    /// Whom it strikes.
    pub percentage: Percentage,
}

/// A failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abort {
    /// What is answered.
    pub status: AbortStatus,
    /// Whom it strikes.
    pub percentage: Percentage,
}

/// What is answered in place of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortStatus {
    /// An HTTP status.
    Http(StatusCode),
    /// A gRPC status by its code, carried by HTTP 200.
    Grpc(u8),
}

/// A share of requests, exact to one in a million as in Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percentage(u32);

const MILLION: u32 = 1_000_000;

impl Fault {
    /// What strikes one request. `random` is any number, drawn anew for each request.
    pub fn decide(&self, random: u64) -> (Option<Duration>, Option<AbortStatus>) {
        // Two independent draws from one: the halves.
        let (high, low) = ((random >> 32) as u32, random as u32);
        let delay = self.delay.as_ref().filter(|delay| delay.percentage.strikes(low));
        let abort = self.abort.as_ref().filter(|abort| abort.percentage.strikes(high));
        (delay.map(|delay| delay.fixed), abort.map(|abort| abort.status))
    }
}

impl Percentage {
    /// Every request.
    pub const ALL: Percentage = Percentage(MILLION);

    /// A share from 0 to 100; `None` beyond. What is finer than a ten-thousandth is cut off.
    pub fn new(percent: f64) -> Option<Percentage> {
        (0.0..=100.0)
            .contains(&percent)
            .then_some(Percentage((percent * 10_000.0) as u32))
    }

    /// Whether no request is struck.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Whether a request that drew `random` is struck.
    pub fn strikes(self, random: u32) -> bool {
        random % MILLION < self.0
    }
}

/// In percent: `0.5 %`.
impl fmt::Display for Percentage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", f64::from(self.0) / 10_000.0)
    }
}

#[cfg(test)]
mod tests;
