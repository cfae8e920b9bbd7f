//! A mesh for a while: its addresses, its CA, its application, and room for waypoints.

use anyhow::Result;
use cairn_tests::Process;
use tempfile::TempDir;

use crate::backend;
use crate::certificates::Certificates;
use crate::load::{Client, Through};
use crate::mesh::Mesh;
use crate::scenario::Scenario;
use crate::waypoint::{Setting, Waypoint};

/// A mesh that ends with this.
#[derive(Debug)]
pub struct Place {
    mesh: Mesh,
    certificates: Certificates,
    _backend: Process,
    directory: TempDir,
}

impl Place {
    /// A mesh with the application of a scenario.
    ///
    /// # Errors
    ///
    /// There is no room for its files.
    ///
    /// # Panics
    ///
    /// The application does not start.
    pub fn new(scenario: Scenario) -> Result<Place> {
        let directory = tempfile::tempdir()?;
        let mesh = Mesh::new();
        let certificates = Certificates::open(&directory.path().join("ca"))?;
        let ca = scenario.is_hbone().then(|| certificates.directory());
        Ok(Place {
            _backend: backend::start(&std::env::current_exe()?, mesh.backend(), ca),
            mesh,
            certificates,
            directory,
        })
    }

    /// For the waypoint of a number, up to 99. Of the same number it has the same directory.
    ///
    /// # Errors
    ///
    /// Its directory cannot be made.
    pub fn setting(&self, number: u8, scenario: Scenario) -> Result<Setting<'_>> {
        let directory = self.directory.path().join(format!("waypoint-{number}"));
        std::fs::create_dir_all(&directory)?;
        Ok(Setting {
            address: self.mesh.waypoint(number),
            mesh: &self.mesh,
            certificates: &self.certificates,
            scenario,
            directory,
        })
    }

    /// Tunnels through a waypoint to a port of the service.
    ///
    /// # Errors
    ///
    /// The waypoint refuses.
    pub async fn connect(
        &self,
        waypoint: &Waypoint,
        port: u16,
        streams: usize,
        request: &'static str,
    ) -> Result<Client> {
        let through = Through {
            mesh: &self.mesh,
            waypoint: waypoint.address,
            port,
        };
        Client::connect(&self.certificates, through, streams, request).await
    }
}
