//! Our waypoint on a generated directory of YAML.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use cairn_tests::Process;
use serde_json::{Value, json};

use crate::certificates::Certificates;
use crate::mesh::{Mesh, SERVICE_PORT, TRUST_DOMAIN};
use crate::policies;
use crate::scenario::Scenario;
use crate::waypoint::Waypoint;

/// Routes of one VirtualService. Objects in a cluster are limited to about a megabyte; many routes are many objects.
const ROUTES_EACH: usize = 500;

/// One build of it.
#[derive(Clone, Debug)]
pub struct Build {
    /// What the report calls it.
    pub name: &'static str,
    /// The binary.
    pub program: PathBuf,
}

/// Starts a build with one worker thread. `directory` is for its configuration and its access log.
///
/// # Errors
///
/// The directory cannot be written.
///
/// # Panics
///
/// It does not start.
pub fn start(
    build: &Build,
    address: SocketAddr,
    mesh: &Mesh,
    certificates: &Certificates,
    scenario: Scenario,
    directory: &Path,
) -> Result<Waypoint> {
    let config = directory.join("config");
    std::fs::create_dir(&config)?;
    let access_log = directory.join("access.log");
    for (name, objects) in [
        ("mesh.yaml", objects(mesh, address, scenario, &access_log)),
        ("routes.yaml", virtual_services(scenario)),
        ("policies.yaml", policies_of(scenario)),
    ] {
        // JSON is YAML.
        let documents: Vec<String> = objects.iter().map(|object| format!("{object:#}\n")).collect();
        std::fs::write(config.join(name), documents.join("---\n"))?;
    }
    let text = |path: &'_ Path| {
        path.to_str()
            .map(str::to_owned)
            .context("a path that is not text")
    };
    let process = Process::start(
        &build.program,
        &[
            "--config",
            &text(&config)?,
            "--gateway",
            "default/waypoint",
            "--ca",
            &text(certificates.directory())?,
            "--threads",
            "1",
        ],
    );
    process.wait_for_text("waypoint listening");
    Ok(Waypoint {
        name: build.name,
        address,
        process,
    })
}

fn objects(mesh: &Mesh, address: SocketAddr, scenario: Scenario, access_log: &Path) -> Vec<Value> {
    let log = if scenario.has_access_log() {
        format!("\naccessLogFile: {}", access_log.display())
    } else {
        String::new()
    };
    let mut application = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "app", "labels": {"app": "app", "version": "v1"}},
        "spec": {"serviceAccountName": "app", "containers": [{"name": "app"}]},
        "status": {"podIP": mesh.backend().ip()},
    });
    if !scenario.is_hbone() {
        let labels = application
            .pointer_mut("/metadata/labels")
            .and_then(Value::as_object_mut);
        labels.map(|labels| labels.insert("istio.io/dataplane-mode".to_owned(), "none".into()));
    }
    vec![
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "istio", "namespace": "istio-system"},
            "data": {"mesh": format!("trustDomain: {TRUST_DOMAIN}{log}")},
        }),
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "waypoint"},
            "spec": {
                "gatewayClassName": "istio-waypoint",
                "addresses": [{"type": "IPAddress", "value": address.ip()}],
                "listeners": [{"name": "mesh", "port": address.port(), "protocol": "HBONE"}],
            },
        }),
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "app", "labels": {"istio.io/use-waypoint": "waypoint"}},
            "spec": {
                "clusterIP": mesh.service().ip(),
                "selector": {"app": "app"},
                "ports": [{"name": "http", "port": SERVICE_PORT, "targetPort": mesh.backend().port()}],
            },
        }),
        application,
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "sleep", "labels": {"app": "sleep"}},
            "spec": {"serviceAccountName": "sleep", "containers": [{"name": "sleep"}]},
            "status": {"podIP": mesh.client()},
        }),
    ]
}

fn virtual_services(scenario: Scenario) -> Vec<Value> {
    let routes: Vec<Value> = scenario
        .routes()
        .iter()
        .map(crate::routes::Route::istio)
        .collect();
    let objects = routes.chunks(ROUTES_EACH).enumerate().map(|(number, routes)| {
        json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            // Objects apply in the order of their names.
            "metadata": {"name": format!("app-{number:04}")},
            "spec": {"hosts": ["app"], "http": routes},
        })
    });
    objects.collect()
}

fn policies_of(scenario: Scenario) -> Vec<Value> {
    if scenario.has_policies() {
        policies::istio().into()
    } else {
        Vec::new()
    }
}
