//! What is known of a request when an authorization server is asked about it.

use std::net::SocketAddr;
use std::time::SystemTime;

use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Version};

/// A request that waits to be authorized.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Method.
    pub method: &'a Method,
    /// Path with query, as it will be forwarded.
    pub target: &'a PathAndQuery,
    /// `:authority` or `Host`.
    pub authority: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The version of HTTP that the client speaks.
    pub version: Version,
    /// The fields. `Host` among them is passed over for `authority`.
    pub headers: &'a HeaderMap,
    /// The body, when the provider asks for it ([`Provider::body`](crate::Provider::body)) and the request has one.
    pub body: Option<HeldBody<'a>>,
    /// Bytes of the body that have come. `None`: it is not known.
    pub received: Option<u64>,
    /// The id of the request.
    pub id: &'a str,
    /// When its first byte came.
    pub time: SystemTime,
    /// The client.
    pub source: Peer<'a>,
    /// What the client meant to reach: of a waypoint, the service.
    pub destination: Peer<'a>,
    /// The server name that the client asked for in a TLS handshake.
    pub sni: Option<&'a str>,
}

/// One end of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peer<'a> {
    /// Its address.
    pub address: Option<SocketAddr>,
    /// The identity that it has proved, `spiffe://cluster.local/ns/default/sa/sleep`.
    pub principal: Option<&'a str>,
    /// The name of its service, where it is known from more than what the request says of itself.
    pub service: Option<&'a str>,
}

/// The beginning of a body, or all of it.
#[derive(Clone, Copy, Debug)]
pub struct HeldBody<'a> {
    /// What has been held back of it.
    pub bytes: &'a [u8],
    /// Whether there is nothing more.
    pub complete: bool,
}

impl<'a> HeldBody<'a> {
    /// At most `limit` bytes, and whether they are the whole body.
    pub(crate) fn first(self, limit: usize) -> (&'a [u8], bool) {
        match self.bytes.split_at_checked(limit) {
            Some((first, rest)) => (first, self.complete && rest.is_empty()),
            None => (self.bytes, self.complete),
        }
    }
}
