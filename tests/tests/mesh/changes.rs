//! Edits while requests flow.

use std::time::{Duration, Instant};

use cairn_tests::Backend;
use http::StatusCode;

use crate::flow::{Call, Flow};
use crate::scene::{self, POD, SERVICE, SLEEP};

/// How long a change may take to be live. It takes a tenth of a second; this leaves room for a machine that is busy.
const LIVE: Duration = Duration::from_secs(5);
/// How long each policy is left alone.
const WHILE: Duration = Duration::from_millis(700);

fn allow(account: &str) -> String {
    format!(
        r#"
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: allow}}
spec:
  targetRefs: [{{group: "", kind: Service, name: app}}]
  action: ALLOW
  rules: [{{from: [{{source: {{principals: [cluster.local/ns/default/sa/{account}]}}}}]}}]
"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_edited_while_requests_flow() {
    let mesh = scene::start(&[("allow.yaml", &allow("sleep"))]);
    let backend = Backend::start(mesh.network.socket(POD, 8080), "app").await;
    let _waypoint = mesh.waypoint("waypoint");
    let flow = Flow::start(mesh.client(SLEEP), mesh.network.socket(SERVICE, 80));
    flow.until(StatusCode::OK).await;

    let mut edits = Vec::new();
    for (account, expected) in [
        ("notsleep", StatusCode::FORBIDDEN),
        ("sleep", StatusCode::OK),
        ("notsleep", StatusCode::FORBIDDEN),
    ] {
        tokio::time::sleep(WHILE).await;
        edits.push((Instant::now(), expected));
        mesh.directory.write("allow.yaml", &allow(account));
        flow.until(expected).await;
    }
    tokio::time::sleep(WHILE).await;
    let calls = flow.stop().await;
    assert!(calls.len() > 100, "{} calls only", calls.len());
    let lost: Vec<&Call> = calls.iter().filter(|call| call.outcome.is_err()).collect();
    assert!(
        lost.is_empty(),
        "{} of {} calls were lost: {:#?}",
        lost.len(),
        calls.len(),
        lost[0]
    );
    for call in &calls {
        let answer = call.outcome.as_ref().unwrap();
        let expected = if answer.status == StatusCode::OK {
            "backend app: "
        } else {
            "RBAC: access denied"
        };
        assert_eq!(answer.body, expected, "{answer:?}");
        assert!(
            matches!(answer.status, StatusCode::OK | StatusCode::FORBIDDEN),
            "{answer:?}"
        );
    }

    let mut before = StatusCode::OK;
    let mut live_at = calls[0].sent;
    for (number, (edited, expected)) in edits.iter().enumerate() {
        // What was sent since the last edit was live and answered before this one has the verdict in between.
        let settled = calls
            .iter()
            .filter(|call| call.sent > live_at && call.done < *edited);
        for call in settled {
            assert_eq!(call.status(), Some(before), "edit {number}: {call:?}");
        }
        let first = calls
            .iter()
            .filter(|call| call.done > *edited && call.status() == Some(*expected));
        let live = first.map(|call| call.done).min().unwrap();
        assert!(
            live - *edited < LIVE,
            "edit {number} was live after {:?}",
            live - *edited
        );
        (before, live_at) = (*expected, live);
    }
    let last = calls.iter().filter(|call| call.sent > live_at);
    assert!(last.clone().count() > 10);
    for call in last {
        assert_eq!(call.status(), Some(before), "{call:?}");
    }
    let answered = calls
        .iter()
        .filter(|call| call.status() == Some(StatusCode::OK))
        .count();
    assert_eq!(
        backend.seen().len(),
        answered,
        "the application has seen what was let through, and nothing else"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn services_and_pods_come_and_go_while_requests_flow() {
    let mesh = scene::start(&[]);
    let _backend = Backend::start(mesh.network.socket(POD, 8080), "app").await;
    let _second = Backend::start(mesh.network.socket(22, 8080), "second").await;
    let _waypoint = mesh.waypoint("waypoint");
    let pod = r#"
apiVersion: v1
kind: Pod
metadata: {name: second, labels: {app: app, version: v2}}
spec: {serviceAccountName: app}
status: {podIP: NET.22}
---
apiVersion: v1
kind: Service
metadata: {name: second}
spec: {clusterIP: NET.16, selector: {version: v2}, ports: [{name: http, port: 80, targetPort: 8080}]}
"#;
    let service = mesh.network.socket(SERVICE, 80);
    let flow = Flow::start(mesh.client(SLEEP), service);
    flow.until(StatusCode::OK).await;
    for round in 0..3 {
        mesh.directory.write("second.yaml", pod);
        let by_second = |outcome: &anyhow::Result<cairn_tests::Answer>| matches!(outcome, Ok(answer) if answer.body.starts_with("backend second"));
        mesh.until(SLEEP, service, "/", by_second).await.unwrap();
        mesh.directory.remove("second.yaml");
        // The captured address goes when the ztunnel has followed, the pod when the waypoint has.
        let gone = mesh
            .until(SLEEP, mesh.network.socket(16, 80), "/", Result::is_err)
            .await;
        assert!(gone.is_err(), "round {round}");
    }
    let calls = flow.stop().await;
    for call in &calls {
        assert_eq!(call.status(), Some(StatusCode::OK), "{call:?}");
    }
}
