//! Modules from servers and registries, and the other resource that attaches them.

use cairn_tests::{Files, Lone, binary, run};
use http::StatusCode;

use crate::scene::{get, line, plugin, probe, start};

const WASM: &str = "application/wasm";
const SET: &str = "{response_head: {do: set, name: x-version, value: one}}";

/// The plugin of a module that is published at `url`.
fn published(url: &str, config: &str, more: &str) -> String {
    plugin("p", std::path::Path::new("/MODULE"), config, more).replace("file:///MODULE", url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_is_downloaded_once_it_is_there_and_kept_for_the_next_start() {
    let Some(probe) = probe() else { return };
    let mesh = start(&[]).await;
    let files = Files::start(mesh.network.socket(50, 0)).await;
    let url = format!("http://{}/filter.wasm", files.address());
    let open = published(
        &url,
        SET,
        "  failStrategy: FAIL_OPEN\n  imagePullPolicy: IfNotPresent",
    );
    mesh.directory.write("plugin.yaml", &open);
    line(&mesh, "the filter cannot be fetched");
    assert_eq!(mesh.send(get("/")).await.header("x-version"), "");
    files.put("/filter.wasm", WASM, std::fs::read(&probe).unwrap());
    let answer = mesh
        .until("/", |answer| answer.header("x-version") == "one")
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    // Another process with the same cache asks nobody.
    let asked = files.asked().len();
    let elsewhere = |port: u16| mesh.network.socket(31, port).to_string();
    let arguments = ["--listen", &elsewhere(15008), "--admin", &elsewhere(15000)];
    let more = ["--stats", &elsewhere(15020), "--ready", &elsewhere(15021)];
    let another = mesh.another(&[arguments, more].concat());
    another.wait_for_text("filter in force");
    assert_eq!(files.asked().len(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_with_another_checksum_is_not_run() {
    let Some(probe) = probe() else { return };
    let mesh = start(&[]).await;
    let files = Files::start(mesh.network.socket(50, 0)).await;
    files.put("/filter.wasm", WASM, std::fs::read(&probe).unwrap());
    let url = format!("http://{}/filter.wasm", files.address());
    let sum = format!("  sha256: '{}'", "0".repeat(64));
    mesh.directory.write("plugin.yaml", &published(&url, SET, &sum));
    line(&mesh, "where sha256:0000");
    let answer = mesh.send(get("/")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    line(&mesh, "wasm_fail_stream{default/p:missing}");
}

/// The image `filters/probe:1` in the layout of the CNCF, as a registry gives it.
fn publish(files: &Files, module: Vec<u8>) {
    let digest = |bytes: &[u8]| {
        use sha2::Digest as _;
        let sum = sha2::Sha256::digest(bytes);
        let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{sum}")
    };
    let config = b"{}".to_vec();
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": digest(&config), "size": config.len()},
        "layers": [{"mediaType": WASM, "digest": digest(&module), "size": module.len()}],
    });
    let blob = |bytes: Vec<u8>| {
        files.put(
            &format!("/v2/filters/probe/blobs/{}", digest(&bytes)),
            "application/octet-stream",
            bytes,
        );
    };
    blob(config);
    blob(module);
    let kind = "application/vnd.oci.image.manifest.v1+json";
    files.put("/v2/", "application/json", "{}");
    files.put("/v2/filters/probe/manifests/1", kind, manifest.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pulled_with_the_credentials_of_its_secret() {
    let Some(probe) = probe() else { return };
    let registry = Files::start((std::net::Ipv4Addr::LOCALHOST, 0).into()).await;
    let host = registry.address().to_string();
    publish(&registry, std::fs::read(&probe).unwrap());
    // `reader:secret`.
    registry.lock("Basic cmVhZGVyOnNlY3JldA==");
    let plugin = published(
        &format!("oci://{host}/filters/probe:1"),
        SET,
        "  imagePullSecret: registry",
    );
    let mesh = Lone::start_with(&[("plugin.yaml", &plugin)], &["--insecure-registry", &host]).await;
    line(&mesh, "the Secret default/registry is not there");
    line(&mesh, "401");
    assert_eq!(mesh.send(get("/")).await.status, StatusCode::SERVICE_UNAVAILABLE);
    let config = serde_json::json!({"auths": {&*host: {"username": "reader", "password": "secret"}}});
    let secret = format!(
        "
apiVersion: v1
kind: Secret
type: kubernetes.io/dockerconfigjson
metadata: {{name: registry}}
stringData: {{.dockerconfigjson: '{config}'}}
"
    );
    mesh.directory.write("secret.yaml", &secret);
    mesh.until("/", |answer| answer.header("x-version") == "one")
        .await;
    assert!(
        !mesh.waypoint.text().contains("\"secret\""),
        "no log shows a password"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_traffic_extension_attaches_a_filter_beside_a_plugin_of_its_name() {
    let Some(probe) = probe() else { return };
    let extension = format!(
        "
apiVersion: extensions.istio.io/v1alpha1
kind: TrafficExtension
metadata:
  name: p
  annotations: {{filters.cairn.io/grants: 'shared, ticker', filters.cairn.io/outbound: 'app.default.svc.cluster.local:80'}}
spec:
  targetRefs: [{{group: '', kind: Service, name: app}}]
  phase: AUTHN
  wasm:
    url: file://{}
    pluginConfig: {{response_head: {{do: append, name: x-order, value: extension}}}}
",
        probe.display()
    );
    let config = "{response_head: {do: append, name: x-order, value: plugin}}";
    let plugin = plugin("p", &probe, config, "");
    let mesh = start(&[&plugin, &extension]).await;
    let answer = mesh.send(get("/")).await;
    let order: Vec<_> = answer.headers.get_all("x-order").iter().collect();
    assert_eq!(order, ["plugin", "extension"], "{}", answer.status);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_is_reported_and_its_requests_are_refused() {
    let extension = "
apiVersion: extensions.istio.io/v1alpha1
kind: TrafficExtension
metadata: {name: script}
spec:
  targetRefs: [{group: '', kind: Service, name: app}]
  lua: {inlineCode: 'function envoy_on_request(handle) end'}
";
    let mesh = start(&[extension]).await;
    assert_eq!(mesh.send(get("/")).await.status, StatusCode::SERVICE_UNAVAILABLE);
    line(&mesh, "scripts are not run");
    line(&mesh, "wasm_fail_stream{TrafficExtension default/script:missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_for_all_plugins_stand_at_the_gateway_class() {
    let Some(probe) = probe() else { return };
    let class = "
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata:
  name: istio-waypoint
  annotations: {filters.cairn.io/cpu: 700ms, filters.cairn.io/grants: shared}
spec: {controllerName: istio.io/mesh-controller}
";
    let spin = plugin("p", &probe, "{request_head: {do: spin}}", "");
    let mesh = start(&[class, &spin]).await;
    line(&mesh, "grants are given to single plugins only");
    line(&mesh, "filter in force");
    let begin = std::time::Instant::now();
    assert_eq!(mesh.send(get("/")).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(begin.elapsed() >= std::time::Duration::from_millis(700));
    line(&mesh, "wasm_fail_stream{default/p:cpu}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_tell_which_filters_cannot_be_had() {
    let Some(probe) = probe() else { return };
    let good = plugin("good", &probe, SET, "  phase: AUTHN");
    let bad = plugin("bad", &probe, "{configure: error}", "");
    let mesh = start(&[&good, &bad]).await;
    let directory = mesh.directory.path().to_str().unwrap();
    let cairn = binary("cairn");
    let validated = run(&cairn, &["validate", directory]);
    assert_eq!(validated.code, Some(1), "{}", validated.text);
    let said = "WasmPlugin default/bad: spec: the filter cannot be put in force: the module refuses its configuration";
    assert!(validated.text.contains(said), "{}", validated.text);
    let offline = run(&cairn, &["validate", "--offline", directory]);
    assert!(
        !offline.text.contains("cannot be put in force"),
        "{}",
        offline.text
    );
    let explained = run(
        &cairn,
        &["explain", directory, "--from", "default/sleep", "GET", "app/"],
    );
    for said in [
        "WasmPlugin default/good in phase AUTHN sees response heads",
        "WasmPlugin default/bad in phase UNSPECIFIED_PHASE cannot be had: the module refuses its configuration",
        "wasm_fail_stream{default/bad:missing}",
    ] {
        assert!(explained.text.contains(said), "{said}: {}", explained.text);
    }
    assert!(!explained.text.contains("endpoint"), "{}", explained.text);
}
