//! Modules that cannot be filters, and filters that replace each other.

use std::path::Path;

use http::StatusCode;

use crate::scene::{get, line, plugin, probe, start};

/// Each is refused with the reason in the log, requests as `failStrategy` says, and nothing else is touched.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_filter_is_said_and_the_strategy_decides() {
    let Some(probe) = probe() else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let component = std::fs::read(&probe).unwrap();
    let core = file("core.wasm", b"\0asm\x01\0\0\0");
    let text = file("text.wasm", b"<html>not found</html>");
    let truncated = file("truncated.wasm", &component[..component.len() / 2]);
    let wrong_sum = format!("  sha256: '{}'", "0".repeat(64));
    for (module, config, more, reason) in [
        (core.as_path(), "{}", "", "is a core module, not a component"),
        (&text, "{}", "", "is no WebAssembly module"),
        (&truncated, "{}", "", "does not compile"),
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
        (&probe, "{}", &*wrong_sum, "where sha256:0000"),
    ] {
        let closed = plugin("bad", module, config, more);
        let mesh = start(&[&closed]).await;
        assert_eq!(
            mesh.send(get("/")).await.status,
            StatusCode::SERVICE_UNAVAILABLE,
            "{reason}"
        );
        line(&mesh, "wasm_fail_stream{default/bad:missing}");
        line(&mesh, reason);
        mesh.directory
            .write("plugin-0.yaml", &format!("{closed}\n  failStrategy: FAIL_OPEN\n"));
        for _ in 0..400 {
            if mesh.send(get("/")).await.status == StatusCode::OK {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(mesh.send(get("/")).await.status, StatusCode::OK, "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_without_its_grants_is_refused_in_words() {
    let Some(probe) = probe() else { return };
    let ungranted =
        plugin("bad", &probe, "{}", "").replace("filters.cairn.io/grants: 'shared, ticker', ", "");
    let mesh = start(&[&ungranted]).await;
    assert_eq!(mesh.send(get("/")).await.status, StatusCode::SERVICE_UNAVAILABLE);
    let said = "imports `cairn:filter/shared@0.1.0`, which the plugin is not granted";
    line(&mesh, said);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_generation_replaces_the_old_and_a_broken_one_does_not() {
    let Some(probe) = probe() else { return };
    let version = |value: &str| {
        let config = format!("{{response_head: {{do: set, name: x-version, value: {value}}}}}");
        plugin("p", &probe, &config, "")
    };
    let mesh = start(&[&version("one")]).await;
    let current = async || {
        let answer = mesh.send(get("/")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.header("x-version").to_owned()
    };
    assert_eq!(current().await, "one");
    mesh.directory.write("plugin-0.yaml", &version("two"));
    let mut seen = Vec::new();
    for _ in 0..400 {
        seen.push(current().await);
        if seen.last().is_some_and(|last| last == "two") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(seen.last().unwrap(), "two");
    assert!(
        seen.iter().all(|version| !version.is_empty()),
        "no request went without: {seen:?}"
    );
    mesh.directory
        .write("plugin-0.yaml", &plugin("p", &probe, "{configure: error}", ""));
    for _ in 0..400 {
        if mesh.waypoint.text().contains("cannot be put in force") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(mesh.waypoint.text().contains("cannot be put in force"));
    assert_eq!(current().await, "two");
    mesh.directory.remove("plugin-0.yaml");
    for _ in 0..400 {
        if current().await.is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the filter of a plugin that is gone is still called");
}
