//! What a request or a connection is addressed to, as those see it who choose an endpoint and open connections to it.

use std::net::SocketAddr;

use cairn_mesh::Snapshot;
use http::HeaderMap;
use http::header::HOST;

/// What leads to an endpoint of what is outside of the mesh, and what an endpoint may be told of who is there.
#[derive(Clone, Copy)]
pub(crate) struct Sought<'a> {
    pub(crate) mesh: &'a Snapshot,
    /// The client.
    pub(crate) source: SocketAddr,
    /// The address that the client connected to.
    pub(crate) destination: SocketAddr,
    /// The host that is named: by the request, or by the hello of the client's TLS.
    pub(crate) host: Option<&'a str>,
}

/// The host that a request names, as it is sent.
pub(crate) fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(HOST).and_then(|host| host.to_str().ok())
}
