//! Modules that cannot be had, or are none: nobody but the plugin's own requests notices.

use std::path::{Path, PathBuf};

use cairn_tests::{Files, Lone};
use http::StatusCode;
use tokio::net::TcpListener;

use crate::scene::{get, line, metric, plugin, probe, start, status, under_load};

/// Sees the declared port only; healthy requests go to the other.
const HERE: &str = "  match: [{ports: [{number: 80}]}]";
const ELSEWHERE: u16 = 91;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// An interface with a handler, and no hooks.
fn another_world() -> Vec<u8> {
    let name = b"wasi:http/incoming-handler@0.2.0";
    let len = u8::try_from(name.len()).unwrap();
    // An instance without exports, exported under the name.
    let export = [&[1, 0, len][..], name, &[5, 0, 0]].concat();
    let section = [&[11, u8::try_from(export.len()).unwrap()][..], &export].concat();
    [&b"\0asm\x0d\0\x01\0\x05\x03\x01\x01\x00"[..], &section].concat()
}

/// Healthy requests pass while those of the plugin `bad` end as its strategy says, with the reason in log, metric and status.
async fn is_refused(mesh: &Lone, reason: &str) {
    under_load(mesh, ELSEWHERE, async {
        for _ in 0..3 {
            assert_eq!(
                mesh.send(get("/")).await.status,
                StatusCode::SERVICE_UNAVAILABLE,
                "{reason}"
            );
        }
    })
    .await;
    line(mesh, " 503 - wasm_fail_stream{default/bad:missing} ");
    line(mesh, reason);
    let missing = metric(
        mesh,
        "cairn_filter_failures_total",
        "bad",
        &[("reason", "missing")],
    )
    .await;
    assert!(missing >= 3.0, "{missing}");
    let failed = metric(mesh, "cairn_filter_load_failures_total", "bad", &[]).await;
    assert!(failed >= 1.0, "{failed}");
    let status = status(mesh, "bad").await;
    assert_eq!(status["status"], "failed");
    assert!(status["reason"].as_str().unwrap().contains(reason), "{status}");
}

/// Each is refused with the reason in the log, requests as `failStrategy` says, and nothing else is touched.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_filter_is_said_and_the_strategy_decides() {
    let Some(probe) = probe() else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let component = std::fs::read(&probe).unwrap();
    let core = file("core.wasm", b"\0asm\x01\0\0\0");
    let text = file("text.wasm", b"<html>not found</html>");
    let truncated = file("truncated.wasm", &component[..component.len() / 2]);
    let empty = file("empty.wasm", b"\0asm\x0d\0\x01\0");
    let other = file("other.wasm", &another_world());
    let large = file("large.wasm", b"");
    std::fs::File::options()
        .write(true)
        .open(&large)
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    let wrong_sum = format!("  sha256: '{}'", "0".repeat(64));
    for (module, config, more, reason) in [
        (core.as_path(), "{}", "", "is a core module, not a component"),
        (&text, "{}", "", "is no WebAssembly module"),
        (&truncated, "{}", "", "does not compile"),
        (
            &empty,
            "{}",
            "",
            "is a component of another world, and exports nothing",
        ),
        (
            &other,
            "{}",
            "",
            "is a component of another world, and exports wasi:http/incoming-handler@0.2.0",
        ),
        (&large, "{}", "", "larger than"),
        (
            Path::new("/nowhere/filter.wasm"),
            "{}",
            "",
            "cannot read /nowhere/filter.wasm",
        ),
        (&probe, "{configure: error}", "", "refuses its configuration"),
        (&probe, "{configure: panic}", "", "does not start"),
        (&probe, "{configure: spin}", "", "does not start"),
        (&probe, "{no_such_field: 1}", "", "refuses its configuration"),
        (&probe, "{define: calls}", "", "of the waypoint's own"),
        (&probe, "'{not JSON'", "", "refuses its configuration"),
        (&probe, "{}", &*wrong_sum, "where sha256:0000"),
    ] {
        let closed = plugin("bad", module, config, &format!("{HERE}\n{more}"));
        let mesh = start(&[&closed]).await;
        is_refused(&mesh, reason).await;
        mesh.directory
            .write("plugin-0.yaml", &format!("{closed}\n  failStrategy: FAIL_OPEN\n"));
        mesh.until("/", |answer| answer.status == StatusCode::OK).await;
    }
}

/// A plugin whose module is the image `filters/bad:1` of a registry.
fn image(host: &str, name: &str, more: &str) -> String {
    let url = format!("oci://{host}/filters/bad:1");
    let plugin = plugin(name, Path::new("/MODULE"), "{}", &format!("{HERE}\n{more}"));
    plugin.replace("file:///MODULE", &url)
}

/// A waypoint that has such a plugin.
async fn pulling(host: &str) -> Lone {
    let plugin = image(host, "bad", "");
    Lone::start_with(&[("plugin-0.yaml", &plugin)], &["--insecure-registry", host]).await
}

async fn registry() -> Files {
    let registry = Files::start((std::net::Ipv4Addr::LOCALHOST, 0).into()).await;
    registry.put("/v2/", "application/json", "{}");
    registry
}

fn manifest(size: u64) -> String {
    let digest = format!("sha256:{}", "1".repeat(64));
    let config = format!("sha256:{}", "2".repeat(64));
    serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": config, "size": 2},
        "layers": [{"mediaType": "application/wasm", "digest": digest, "size": size}],
    })
    .to_string()
}

fn blob() -> String {
    format!("/v2/filters/bad/blobs/sha256:{}", "1".repeat(64))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_a_gigabyte_is_not_read() {
    let registry = registry().await;
    // One that says so, and one that does not.
    for (said, most) in [(1 << 30, 0), (1000, 100 << 20)] {
        registry.put("/v2/filters/bad/manifests/1", MANIFEST, manifest(said));
        registry.pour(&blob(), "application/octet-stream");
        let mesh = pulling(&registry.address().to_string()).await;
        is_refused(&mesh, "larger than").await;
        let poured = registry.poured();
        assert!(poured <= most, "{poured} bytes were read");
        let peak = mesh.waypoint.memory("VmHWM");
        assert!(peak < 512 << 20, "{peak} bytes of memory");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_end_is_not_read_to_its_end() {
    let server = registry().await;
    server.pour("/filter.wasm", "application/wasm");
    let url = format!("http://{}/filter.wasm", server.address());
    let plugin = plugin("bad", Path::new("/MODULE"), "{}", HERE).replace("file:///MODULE", &url);
    let mesh = start(&[&plugin]).await;
    is_refused(&mesh, "larger than").await;
    let (poured, peak) = (server.poured(), mesh.waypoint.memory("VmHWM"));
    assert!(poured < 100 << 20, "{poured} bytes were read");
    assert!(peak < 512 << 20, "{peak} bytes of memory");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_no_module_is_refused() {
    let registry = registry().await;
    let host = registry.address().to_string();
    registry.put("/v2/filters/bad/manifests/1", MANIFEST, "no JSON");
    is_refused(&pulling(&host).await, "filters/bad:1").await;
    // A program in a container, as most images are.
    let container = manifest(5).replace("application/wasm", "application/vnd.oci.image.layer.v1.tar+gzip");
    registry.put("/v2/filters/bad/manifests/1", MANIFEST, container);
    registry.put(&blob(), "application/octet-stream", "hello");
    is_refused(&pulling(&host).await, "filters/bad:1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_wants_credentials_is_named() {
    let registry = registry().await;
    registry.lock("Basic nobody");
    is_refused(&pulling(&registry.address().to_string()).await, "401").await;
}

/// It takes connections, and says nothing. The test ends with its runtime, and this with that.
async fn silent() -> String {
    let silent = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let host = silent.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            held.push(stream);
        }
    });
    host
}

/// Requests wait for a module for a while, and no longer; the attempt ends some time after them.
#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_hangs_holds_up_nobody() {
    let mesh = pulling(&silent().await).await;
    under_load(&mesh, ELSEWHERE, async {
        assert_eq!(mesh.send(get("/")).await.status, StatusCode::SERVICE_UNAVAILABLE);
        let status = status(&mesh, "bad").await;
        assert_eq!(status["status"], "loading", "the request was decided first");
    })
    .await;
    line(&mesh, "was not there within 15s");
    is_refused(&mesh, "was not there within 15s").await;
}

/// All of them together, and not one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_waits_once_for_all_that_it_waits_for() {
    let host = silent().await;
    let plugins =
        ["a", "b", "c", "d", "e", "f", "g", "h"].map(|name| image(&host, name, "  failStrategy: FAIL_OPEN"));
    let files = plugins.each_ref().map(String::as_str);
    let together = files.join("\n---\n");
    let mesh = Lone::start_with(&[("plugins.yaml", &together)], &["--insecure-registry", &host]).await;
    under_load(&mesh, ELSEWHERE, async {
        assert_eq!(mesh.send(get("/")).await.status, StatusCode::OK);
    })
    .await;
}
