//! Our waypoint on a generated directory of YAML.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use cairn_tests::Process;
use serde_json::{Value, json};

use crate::mesh::TRUST_DOMAIN;
use crate::policies;
use crate::scenario::Scenario;
use crate::waypoint::{Setting, Waypoint};

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

/// Starts a build with one worker thread and these WasmPlugins.
///
/// # Errors
///
/// The directory cannot be written.
///
/// # Panics
///
/// It does not start.
pub fn start(build: &Build, setting: &Setting<'_>, plugins: &[Value]) -> Result<Waypoint> {
    let config = setting.directory.join("config");
    std::fs::create_dir_all(&config)?;
    for (name, objects) in [
        ("mesh.yaml", objects(setting)),
        ("routes.yaml", virtual_services(setting.scenario)),
        ("policies.yaml", policies_of(setting.scenario)),
    ] {
        std::fs::write(config.join(name), yaml(&objects))?;
    }
    write_plugins(&setting.directory, plugins)?;
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
            &text(setting.certificates.directory())?,
            "--cache",
            &text(&setting.directory.join("cache"))?,
            "--threads",
            "1",
        ],
    );
    process.wait_for_text("waypoint listening");
    let waypoint = Waypoint {
        name: build.name,
        address: setting.address,
        process,
    };
    waypoint.wait_for_filters(plugins.len());
    Ok(waypoint)
}

/// Puts these WasmPlugins in place of those that are there, at once, in the configuration of the waypoint of this directory.
///
/// # Errors
///
/// The directory cannot be written.
pub fn write_plugins(directory: &Path, plugins: &[Value]) -> Result<()> {
    let written = directory.join("plugins");
    std::fs::write(&written, yaml(plugins))?;
    std::fs::rename(&written, directory.join("config").join("plugins.yaml"))?;
    Ok(())
}

/// Puts a file of YAML in place of what was there under its name, at once, in the configuration of the waypoint of this directory.
///
/// # Errors
///
/// The directory cannot be written.
pub fn write(directory: &Path, name: &str, text: &str) -> Result<()> {
    let config = directory.join("config");
    std::fs::create_dir_all(&config)?;
    let written = directory.join("written");
    std::fs::write(&written, text)?;
    std::fs::rename(&written, config.join(name))?;
    Ok(())
}

/// JSON is YAML.
fn yaml(objects: &[Value]) -> String {
    let documents: Vec<String> = objects.iter().map(|object| format!("{object:#}\n")).collect();
    documents.join("---\n")
}

fn objects(setting: &Setting<'_>) -> Vec<Value> {
    let (address, mesh, scenario) = (setting.address, setting.mesh, setting.scenario);
    let log = if scenario.has_access_log() {
        let path = setting.directory.join("access.log");
        format!("\naccessLogFile: {}", path.display())
    } else {
        String::new()
    };
    let ports: Vec<Value> = scenario
        .ports()
        .iter()
        .map(
            |port| json!({"name": format!("http-{port}"), "port": port, "targetPort": mesh.backend().port()}),
        )
        .collect();
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
                "ports": ports,
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
