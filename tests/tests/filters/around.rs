//! Ways round a filter, and that they are none.

use std::fs;

use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::catalogue::OTHER;
use crate::scene::{annotated, get, line, metric, plugin, posted, probe, start};

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_has_the_filters_of_its_service() {
    let Some(probe) = probe() else { return };
    let config = "{request_head: {do: set, name: x-filtered, value: '1'}}";
    let mesh = start(&[&plugin("service", &probe, config, "")]).await;
    // From now on the waypoint is for workloads too.
    let written = mesh.directory.path().join("mesh.yaml");
    let yaml = fs::read_to_string(&written).unwrap();
    let yaml = yaml
        .replace(
            "metadata: {name: waypoint}",
            "metadata: {name: waypoint, labels: {istio.io/waypoint-for: all}}",
        )
        .replace(
            "istio.io/dataplane-mode: none}",
            "istio.io/dataplane-mode: none, istio.io/use-waypoint: waypoint}",
        );
    mesh.directory.write("mesh.yaml", &yaml);
    let mut reached = false;
    for _ in 0..200 {
        let pod = mesh.network.socket(21, 8080);
        let sent = mesh
            .tunnels
            .send("sleep", mesh.network.ip(11), pod, get("/pod"))
            .await;
        if sent.is_ok_and(|answer| answer.status == StatusCode::OK) {
            reached = true;
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(reached, "the pod can be addressed itself");
    let seen = mesh.v1.seen();
    let seen = seen.iter().find(|seen| seen.target == "/pod").unwrap();
    assert!(seen.headers.contains_key("x-filtered"), "{:?}", seen.headers);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_look_like_http_goes_past_no_filter_that_must_see_it() {
    let Some(probe) = probe() else { return };
    let mesh = start(&[&plugin("must", &probe, "{request_head: {do: next}}", "")]).await;
    let mut listeners = Vec::new();
    for host in [21, 22] {
        listeners.push(TcpListener::bind(mesh.network.socket(host, 8090)).await.unwrap());
    }
    for listener in listeners {
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut word = [0; 4];
                let _ = stream.read_exact(&mut word).await;
                let _ = stream.write_all(&word).await;
            }
        });
    }
    let said = async |port: u16| {
        let opened = mesh
            .tunnels
            .open("sleep", mesh.network.ip(11), mesh.service(port));
        let mut tunnel = opened.await.unwrap();
        tunnel.write_all(b"\x00\x01\x02\x03").await.unwrap();
        let mut answer = Vec::new();
        let _ = tunnel.read_to_end(&mut answer).await;
        answer
    };
    // The port says that it is not HTTP.
    assert_eq!(said(90).await, b"\x00\x01\x02\x03");
    // The port says nothing.
    assert_eq!(said(91).await, b"");
    line(&mesh, "not_http_for_filter{default/must}");
    let open = plugin(
        "must",
        &probe,
        "{request_head: {do: next}}",
        "  failStrategy: FAIL_OPEN",
    );
    mesh.directory.write("plugin-0.yaml", &open);
    let mut carried = Vec::new();
    for _ in 0..100 {
        carried = said(91).await;
        if !carried.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // The backend's own words about what is no HTTP.
    assert!(
        carried.starts_with(b"HTTP/1.1 400"),
        "{}",
        String::from_utf8_lossy(&carried)
    );
}

/// Who says nothing for a while is taken to wait for the server's first word, and is carried.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_open_goes_past_no_filter_that_comes_to_be() {
    let Some(probe) = probe() else { return };
    let attached = |more: &str| plugin("must", &probe, "{request_head: {do: next}}", more);
    let mesh = start(&[&attached("  failStrategy: FAIL_OPEN")]).await;
    let opened = mesh.tunnels.open("sleep", mesh.network.ip(11), mesh.service(91));
    let mut tunnel = opened.await.unwrap();
    let mut carried = false;
    for _ in 0..600 {
        let samples = cairn_tests::samples(mesh.network.socket(30, 15020)).await;
        carried = samples
            .iter()
            .any(|sample| sample.name == "istio_tcp_connections_opened_total");
        if carried {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(carried, "the connection is carried");
    mesh.directory.write("plugin-0.yaml", &attached(""));
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(60), tunnel.read_to_end(&mut rest));
    let _ = ended.await.expect("the connection ends");
    line(&mesh, "not_http_for_filter{default/must}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_a_filter_is_held_against_policies() {
    let Some(probe) = probe() else { return };
    let policy = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: not-called}
spec:
  targetRefs: [{group: '', kind: Service, name: app}]
  action: DENY
  rules: [{to: [{operation: {paths: [/secret]}}]}]
";
    let call = |path: &str, into: &str| {
        format!(
            "{{do: call, target: 'app.default.svc.cluster.local:80', path: {path}, timeout_ms: 5000, into: {into}}}"
        )
    };
    let calls = [
        call("/open", "x-open"),
        call("/secret", "x-secret"),
        call("/x/%2e%2e/secret", "x-round"),
    ];
    let config = format!("{{request_head: {{do: all, actions: [{}]}}}}", calls.join(", "));
    let mesh = start(&[policy, &plugin("calls", &probe, &config, "")]).await;
    let answer = mesh.send(get("/asked")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let seen: Vec<_> = mesh.v1.seen().into_iter().chain(mesh.v2.seen()).collect();
    let mut targets: Vec<_> = seen.iter().map(|seen| &*seen.target).collect();
    targets.sort_unstable();
    assert_eq!(targets, ["/asked", "/open"]);
    let asked = seen.iter().find(|seen| seen.target == "/asked").unwrap();
    for name in ["x-secret", "x-round"] {
        let told = asked.headers[name].to_str().unwrap();
        assert!(told.contains("RBAC: access denied"), "{told}");
    }
}

/// A POST in many chunks, written at once, and the answer.
async fn chunks(mesh: &cairn_tests::Lone, count: usize, size: usize) -> String {
    let opened = mesh.tunnels.open("sleep", mesh.network.ip(11), mesh.service(80));
    let (mut answers, mut tunnel) = tokio::io::split(opened.await.unwrap());
    let mut sent =
        b"POST /many HTTP/1.1\r\nhost: app\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec();
    for _ in 0..count {
        sent.extend_from_slice(format!("{size:x}\r\n{}\r\n", "x".repeat(size)).as_bytes());
    }
    sent.extend_from_slice(b"0\r\n\r\n");
    let mut answer = String::new();
    let (written, read) = tokio::join!(tunnel.write_all(&sent), answers.read_to_string(&mut answer));
    written.unwrap();
    read.unwrap();
    answer
}

/// Each of several filters of one body lets others run while it is at work.
#[tokio::test(flavor = "multi_thread")]
async fn filters_of_one_body_do_not_wait_for_each_other_for_ever() {
    let Some(probe) = probe() else { return };
    let config = "{request_body: {do: work, turns: 3000000}, response_body: {do: work, turns: 3000000}}";
    let plugins = ["one", "two", "three"]
        .map(|name| annotated(&plugin(name, &probe, config, ""), "filters.cairn.io/cpu: 1s"));
    let mesh = start(&[&plugins[0], &plugins[1], &plugins[2]]).await;
    let answers = async { tokio::join!(chunks(&mesh, 200, 700), chunks(&mesh, 200, 700)) };
    let answers = tokio::time::timeout(std::time::Duration::from_secs(120), answers).await;
    let (one, other) = answers.expect("both are answered");
    for answer in [one, other] {
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let echoed = answer.matches('x').count();
        assert!(echoed >= 200 * 700, "{echoed} bytes came back");
    }
}

/// What a filter has to see that has failed on the other side goes on no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_failed_with_the_request_lets_no_response_by() {
    let Some(probe) = probe() else { return };
    let config = "{only_marked: true, request_body: {do: panic}, response_body: {do: replace}}";
    let both = plugin("both", &probe, config, "").replace("name: app}]", "name: other}]");
    let mesh = start(&[&both, OTHER]).await;
    let listener = TcpListener::bind(mesh.network.socket(41, 8080)).await.unwrap();
    // A service that answers before it has been asked for all.
    let (failed, go) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 16];
        let _ = stream.read_exact(&mut head).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
            .await;
        let _ = go.await;
        let _ = stream.write_all(b"6\r\nsecret\r\n0\r\n\r\n").await;
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    });
    let other = mesh.network.socket(15, 80);
    let opened = mesh.tunnels.open("sleep", mesh.network.ip(11), other);
    let mut tunnel = opened.await.unwrap();
    let head = "POST / HTTP/1.1\r\nhost: other\r\nx-probe: request_body,response_body\r\ntransfer-encoding: chunked\r\n\r\n";
    tunnel.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"FIRST\r\n") {
        let mut part = [0; 256];
        let count = tunnel.read(&mut part).await.unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&part[..count]);
    }
    tunnel.write_all(b"3\r\nbad\r\n").await.unwrap();
    line(&mesh, "filter failed: trap");
    let _ = failed.send(());
    let _ = tunnel.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).to_lowercase();
    assert!(!answer.contains("secret"), "{answer}");
}

/// What a filter holds is shown to it again as a whole: not for each of very many small parts.
#[tokio::test(flavor = "multi_thread")]
async fn many_small_parts_are_shown_together() {
    let Some(probe) = probe() else { return };
    let config = "{request_head: {do: hold}, request_body: {do: release}}";
    let hold = plugin("holds", &probe, config, "");
    let mesh = start(&[&hold]).await;
    assert_eq!(
        mesh.send(posted("/one", "", "whole")).await.status,
        StatusCode::OK
    );
    let calls = async || metric(&mesh, "cairn_filter_calls_total", "holds", &[]).await;
    let before = calls().await;
    let answer = chunks(&mesh, 20_000, 1).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with(&"x".repeat(100)), "{answer}");
    let calls = calls().await - before;
    assert!(calls < 2000.0, "{calls} calls");
}
