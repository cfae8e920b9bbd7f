//! One waypoint that is being measured, whichever it is.

use std::net::SocketAddr;
use std::path::PathBuf;

use cairn_tests::{Process, eventually};

use crate::certificates::Certificates;
use crate::mesh::Mesh;
use crate::scenario::Scenario;

/// Where and for what a waypoint is started.
#[derive(Clone, Debug)]
pub struct Setting<'a> {
    /// Where it is to take tunnels.
    pub address: SocketAddr,
    /// The mesh that it stands in.
    pub mesh: &'a Mesh,
    /// The mesh's CA.
    pub certificates: &'a Certificates,
    /// What it is to do.
    pub scenario: Scenario,
    /// For its configuration and its access log.
    pub directory: PathBuf,
}

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

impl Waypoint {
    /// Waits until so many filters have been put in force since it was started.
    ///
    /// # Panics
    ///
    /// They never are.
    pub fn wait_for_filters(&self, count: usize) {
        eventually("the filters are in force", || {
            (self.filters_begun() >= count).then_some(())
        });
    }

    /// How often a filter has been put in force.
    #[must_use]
    pub fn filters_begun(&self) -> usize {
        self.process.text().matches("filter in force").count()
    }
}
