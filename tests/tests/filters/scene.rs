//! A waypoint with filters that do as they are told.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cairn_tests::{Client, Lone, component, eventually, samples};
use http::{Request, StatusCode};
use serde_json::Value;

/// Longer than anything that a filter does may keep a request.
const IN_TIME: Duration = Duration::from_secs(30);

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

/// A waypoint whose service has these plugins, all of them loaded, or known not to be loadable.
pub(crate) async fn start(plugins: &[&str]) -> Lone {
    let files: Vec<_> = (0..)
        .map(|number| format!("plugin-{number}.yaml"))
        .zip(plugins)
        .collect();
    let files: Vec<_> = files
        .iter()
        .map(|(name, plugin)| (name.as_str(), **plugin))
        .collect();
    let mesh = Lone::start(&files).await;
    let has_filter =
        |file: &&&str| file.contains("kind: WasmPlugin") || file.contains("kind: TrafficExtension");
    let wanted = plugins.iter().filter(has_filter).count();
    for _ in 0..600 {
        let filters = filters(&mesh).await;
        if filters.len() == wanted && filters.iter().all(|filter| filter["status"] != "loading") {
            return mesh;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the filters are not loaded");
}

/// A GET of `path` that wants the probe to act at these hooks.
pub(crate) fn marked(path: &str, hooks: &str) -> Request<&'static str> {
    Request::get(path).header("x-probe", hooks).body("").unwrap()
}

/// As [`marked`], a POST.
pub(crate) fn posted<'a>(path: &str, hooks: &str, body: &'a str) -> Request<&'a str> {
    Request::post(path).header("x-probe", hooks).body(body).unwrap()
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

/// A plugin with more annotations.
pub(crate) fn annotated(plugin: &str, more: &str) -> String {
    plugin.replace("annotations: {", &format!("annotations: {{{more}, "))
}

/// Does what is bad while healthy requests go to a port of the service, of which none may fail. What is bad must end in time.
pub(crate) async fn under_load<T>(mesh: &Lone, port: u16, bad: impl Future<Output = T>) -> T {
    let over = AtomicBool::new(false);
    let healthy = async || {
        let mut left = 5;
        while left > 0 || !over.load(Ordering::Relaxed) {
            left -= i32::from(left > 0);
            let answer = tokio::time::timeout(IN_TIME, mesh.try_send(port, get("/healthy"))).await;
            let answer = answer.expect("a healthy request ends in time").unwrap();
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
            assert!(answer.body.starts_with("backend v"), "{}", answer.body);
        }
    };
    let bad = async {
        let ended = tokio::time::timeout(IN_TIME, bad).await;
        over.store(true, Ordering::Relaxed);
        ended.expect("what is bad ends in time")
    };
    tokio::join!(bad, healthy(), healthy(), healthy()).0
}

/// A metric of the plugin `default/NAME`, with more labels; 0 when it is not there.
pub(crate) async fn metric(mesh: &Lone, name: &str, plugin: &str, more: &[(&str, &str)]) -> f64 {
    let plugin = format!("default/{plugin}");
    let labels = [&[("plugin", &*plugin)], more].concat();
    let samples = samples(mesh.network.socket(30, 15020)).await;
    let found = samples.iter().find(|sample| sample.is(name, &labels));
    found.map_or(0.0, |sample| sample.value)
}

/// How many hooks of a plugin have failed for a reason.
pub(crate) async fn failures(mesh: &Lone, plugin: &str, reason: &str) -> f64 {
    metric(mesh, "cairn_filter_failures_total", plugin, &[("reason", reason)]).await
}

async fn filters(mesh: &Lone) -> Vec<Value> {
    let client = Client::from(mesh.network.ip(30));
    let dump = client.get(mesh.network.socket(30, 15000), "/config_dump").await;
    let dump: Value = serde_json::from_str(&dump.unwrap().body).unwrap();
    dump["filters"].as_array().unwrap().clone()
}

/// What the waypoint says of the plugin `default/NAME`.
pub(crate) async fn status(mesh: &Lone, plugin: &str) -> Value {
    let filters = filters(mesh).await;
    let found = filters
        .iter()
        .find(|filter| filter["plugin"] == format!("default/{plugin}"));
    found.expect("the plugin is known").clone()
}
