//! One waypoint that is being measured, whichever it is.

use std::net::SocketAddr;

use cairn_tests::Process;

/// A waypoint that runs as a process of its own, until this is dropped.
#[derive(Debug)]
pub struct Waypoint {
    /// What the report calls it.
    pub name: &'static str,
    /// Where it takes tunnels.
    pub address: SocketAddr,
    /// Its process.
    pub process: Process,
}
