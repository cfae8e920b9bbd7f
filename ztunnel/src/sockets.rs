//! What is done to the sockets of applications.

use std::net::IpAddr;

use cairn_net::{ConnectOptions, Keepalive};
use tokio::net::TcpStream;

/// Probes a connection that was accepted: those of applications can be silent for long.
pub(crate) fn keep_alive(stream: &TcpStream) {
    if let Err(error) = Keepalive::default().apply(stream) {
        tracing::debug!(%error, "no keepalive");
    }
}

/// Has a connection end by a reset: there was no answer, not an empty one.
pub(crate) fn reset(stream: &TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        tracing::debug!(%error, "a connection could not be reset");
    }
}

/// How to connect to `to` on behalf of `from`, so that the other end sees `from`.
pub(crate) fn on_behalf_of(from: IpAddr, to: IpAddr) -> ConnectOptions {
    ConnectOptions {
        source: source_for(from, to),
        ..ConnectOptions::default()
    }
}

/// `from`, if a connection to `to` can be made from it: an address of loopback reaches loopback only.
pub(crate) fn source_for(from: IpAddr, to: IpAddr) -> Option<IpAddr> {
    Some(from).filter(|from| from.is_ipv4() == to.is_ipv4() && from.is_loopback() == to.is_loopback())
}
