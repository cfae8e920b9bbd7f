//! A waypoint with filters that do as they are told.

use std::path::Path;

use cairn_tests::{Lone, component, eventually};
use http::Request;

/// The component that does at each hook what its configuration says.
pub(crate) fn probe() -> Option<std::path::PathBuf> {
    component("probe")
}

/// A WasmPlugin for service `app`. `more` are lines of its spec.
pub(crate) fn plugin(name: &str, module: &Path, config: &str, more: &str) -> String {
    format!(
        "
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata:
  name: {name}
  annotations: {{filters.cairn.io/grants: 'shared, ticker', filters.cairn.io/outbound: 'app.default.svc.cluster.local:80'}}
spec:
  targetRefs: [{{group: '', kind: Service, name: app}}]
  url: file://{}
  pluginConfig: {config}
{more}
",
        module.display()
    )
}

/// A waypoint whose service has these plugins, all loaded.
pub(crate) async fn start(plugins: &[&str]) -> Lone {
    let files: Vec<_> = (0..)
        .map(|number| format!("plugin-{number}.yaml"))
        .zip(plugins)
        .collect();
    let files: Vec<_> = files
        .iter()
        .map(|(name, plugin)| (name.as_str(), **plugin))
        .collect();
    Lone::start(&files).await
}

/// A GET of `path` that wants the probe to act at these hooks.
pub(crate) fn marked(path: &str, hooks: &'static str) -> Request<&'static str> {
    Request::get(path).header("x-probe", hooks).body("").unwrap()
}

pub(crate) fn get(path: &str) -> Request<&'static str> {
    Request::get(path).body("").unwrap()
}

/// Waits for a line in the waypoint's output.
pub(crate) fn line(mesh: &Lone, text: &str) -> String {
    eventually(text, || {
        let output = mesh.waypoint.text();
        output.lines().find(|line| line.contains(text)).map(str::to_owned)
    })
}
