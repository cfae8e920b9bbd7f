//! What variables stand for.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use http::StatusCode;

use crate::head::Note;

/// What variables stand for: the facts of one exchange, as far as they are known when a value is written. What is not known
/// leaves its variable empty.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The method.
    pub method: &'a str,
    /// The path with its query, as it was received.
    pub path: &'a str,
    /// The authority.
    pub authority: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// `HTTP/1.1` or `HTTP/2`.
    pub protocol: &'a str,
    /// The client's address.
    pub downstream_remote: SocketAddr,
    /// The address that the client connected to.
    pub downstream_local: SocketAddr,
    /// The client's SPIFFE id.
    pub downstream_peer: Option<&'a str>,
    /// The SPIFFE id that this proxy has shown to the client.
    pub identity: Option<&'a str>,
    /// When the request began.
    pub start: SystemTime,
    /// How long ago that was.
    pub lasted: Duration,
    /// When the last of the request had come, from its begin.
    pub request_ended: Option<Duration>,
    /// When the endpoint began to answer, from the begin of the request.
    pub response_began: Option<Duration>,
    /// Bytes of the request's body that have come.
    pub received: u64,
    /// The route's name.
    pub route_name: &'a str,
    /// The name of the machine that this runs on.
    pub hostname: &'a str,
    /// What filters have noted.
    pub noted: &'a [Note],
    /// The way to the endpoint.
    pub upstream: UpstreamFacts<'a>,
    /// The response's status, once there is one.
    pub response_code: Option<StatusCode>,
    /// What has gone wrong, in Envoy's abbreviations separated by commas, `URX,UT`; empty or `-`: nothing.
    pub response_flags: &'a str,
    /// Who has made the response and why, `direct_response`, once there is one.
    pub response_code_details: Option<&'a str>,
    /// The trace that the request is part of.
    pub trace: Option<Trace<'a>>,
    /// Draws a number that is not drawn twice.
    pub unique: fn() -> u128,
}

/// The way to the endpoint, as far as it has been gone.
#[derive(Debug, Clone, Copy, Default)]
pub struct UpstreamFacts<'a> {
    /// The cluster's name, once it is chosen.
    pub cluster: Option<&'a str>,
    /// The endpoint, once it is chosen.
    pub host: Option<SocketAddr>,
    /// The near end of the connection to it.
    pub local: Option<SocketAddr>,
    /// `HTTP/1.1` or `HTTP/2`.
    pub protocol: Option<&'a str>,
    /// Why there was no connection.
    pub failure: Option<&'a str>,
    /// All endpoints that have been tried, first to last; none: only `host`, if there is one.
    pub tried: &'a [SocketAddr],
}

impl UpstreamFacts<'_> {
    pub(super) fn tried(&self) -> &[SocketAddr] {
        if self.tried.is_empty() {
            self.host.as_slice()
        } else {
            self.tried
        }
    }
}

/// The trace that a request is part of.
#[derive(Debug, Clone, Copy)]
pub struct Trace<'a> {
    /// The trace's id.
    pub id: &'a str,
    /// The id of the span of this exchange.
    pub span: &'a str,
}
