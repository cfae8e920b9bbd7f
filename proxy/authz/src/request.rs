//! What a decision looks at.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use cairn_identity::SpiffeId;
use cairn_jwt::Authenticated;
use http::HeaderMap;

/// A request, or a TCP connection, on its way to a destination.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The identity that the peer proved. `None`: it proved none.
    pub peer: Option<&'a SpiffeId>,
    /// Address of the peer (`source.ip`, `ipBlocks`).
    pub source_ip: IpAddr,
    /// Address of the original client (`remote.ip`, `remoteIpBlocks`): what a trusted proxy said, else the peer's.
    pub remote_ip: IpAddr,
    /// Where the client meant to go: the service's address and port, not those of the endpoint.
    pub destination: SocketAddr,
    /// The request's head. `None`: the stream is opaque.
    pub http: Option<Http<'a>>,
    /// Server name of the inner TLS handshake, when there is one.
    pub sni: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// As it is before tokens are read, which is what authorities are asked about.
    pub(crate) fn without_token(&self) -> Request<'a> {
        Request {
            http: self.http.map(|http| Http { token: None, ..http }),
            ..*self
        }
    }
}

/// The head of an HTTP request.
#[derive(Clone, Copy, Debug)]
pub struct Http<'a> {
    /// Method.
    pub method: &'a str,
    /// Path, normalised, without query and fragment. It must be the very path that is forwarded.
    pub path: &'a str,
    /// `:authority` or `Host`, with its port if it has one.
    pub authority: &'a str,
    /// Header fields, each line by itself.
    pub headers: &'a HeaderMap,
    /// What filters have noted about the request (`experimental.envoy.filters.NAME[KEY]`).
    pub noted: &'a [Note],
    /// The identity that its token has proved (`requestPrincipals`, `request.auth.…`). `None`: it has no token.
    pub token: Option<&'a Authenticated>,
}

/// What a filter has noted: its name, a key and a value. A list has a note for each of its items.
pub type Note = (Arc<str>, Box<str>, Box<str>);
