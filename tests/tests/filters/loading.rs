//! Filters that lack their grants, and filters that replace each other.

use cairn_tests::{Client, Lone};
use http::StatusCode;

use crate::scene::{get, line, metric, plugin, probe, start, under_load};

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

/// Hundreds of generations, under load: no request fails or goes without, and the memory of the old ones comes back.
#[tokio::test(flavor = "multi_thread")]
async fn generations_leave_nothing_behind() {
    let Some(probe) = probe() else { return };
    let version = |number: u32| {
        let config = format!("{{response_head: {{do: set, name: x-version, value: '{number}'}}}}");
        plugin("p", &probe, &config, "")
    };
    let mesh = start(&[&version(0)]).await;
    let reload = async |numbers: std::ops::Range<u32>| {
        for number in numbers {
            mesh.directory.write("plugin-0.yaml", &version(number));
            let mut current = number - 1;
            while current != number {
                let answer = mesh.send(get("/")).await;
                assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
                current = answer.header("x-version").parse().unwrap();
                assert!(
                    current == number || current == number - 1,
                    "{current} while {number} is loaded"
                );
            }
        }
    };
    let many = async |numbers: std::ops::Range<u32>| {
        for begin in numbers.clone().step_by(20) {
            under_load(&mesh, 91, reload(begin..numbers.end.min(begin + 20))).await;
        }
    };
    many(1..100).await;
    let before = mesh.waypoint.memory("VmRSS");
    many(100..400).await;
    let after = mesh.waypoint.memory("VmRSS");
    // One instance that stayed behind with each would be 300 times 64 KiB at least.
    let grown = after.saturating_sub(before);
    assert!(grown < 12 << 20, "{grown} bytes more than {before}");
    let instances = metric(&mesh, "cairn_filter_instances", "p", &[]).await;
    assert!((1.0..=8.0).contains(&instances), "{instances} instances");
}

/// A resource that cannot be read is a filter that cannot be had.
#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_cannot_be_read_lets_nothing_by() {
    let Some(probe) = probe() else { return };
    let good = plugin(
        "gate",
        &probe,
        "{response_head: {do: set, name: x-gate, value: '1'}}",
        "",
    );
    let bad = plugin("gate", &probe, "{}", "  phase: AUTH");
    let mesh = start(&[&bad]).await;
    assert_eq!(mesh.send(get("/")).await.status, StatusCode::SERVICE_UNAVAILABLE);
    line(&mesh, "wasm_fail_stream{default/gate:missing}");
    mesh.directory.write("plugin-0.yaml", &good);
    mesh.until("/", |answer| answer.header("x-gate") == "1").await;
    // What was in force goes on.
    mesh.directory.write("plugin-0.yaml", &bad);
    line(&mesh, "version=3 objects=9 errors=1");
    assert_eq!(mesh.send(get("/")).await.header("x-gate"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waypoint_is_ready_when_it_knows_of_its_filters() {
    let network = cairn_tests::Network::new();
    let silent = tokio::net::TcpListener::bind(network.socket(50, 80))
        .await
        .unwrap();
    let url = format!("url: http://{}/silent.wasm", network.socket(50, 80));
    let written = plugin("silent", std::path::Path::new("/x"), "{}", "").replace("url: file:///x", &url);
    let mesh = Lone::start(&[("plugin.yaml", &written)]).await;
    let (held, _) = silent.accept().await.unwrap();
    let client = Client::from(mesh.network.ip(30));
    let ready = async || {
        let answer = client.get(mesh.network.socket(30, 15021), "/healthz/ready").await;
        answer.unwrap().status
    };
    assert_eq!(ready().await, StatusCode::INTERNAL_SERVER_ERROR);
    drop((held, silent));
    for _ in 0..600 {
        if ready().await == StatusCode::OK {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("it is never ready");
}
