//! Policies of ztunnels: on connections, at the destination.

use cairn_tests::{Backend, Echo};
use http::StatusCode;

use crate::flow::Talk;
use crate::scene::{self, BARE, NOTSLEEP, POD, SERVICE, SLEEP};

/// What `principal` sends to pod `app` is refused.
fn deny(principal: &str) -> String {
    format!(
        "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: deny}}
spec:
  selector: {{matchLabels: {{app: app}}}}
  action: DENY
  rules: [{{from: [{{source: {{principals: [cluster.local/ns/default/sa/{principal}]}}}}]}}]
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selector_policy_is_enforced_at_the_destination() {
    let mesh = scene::start(&[("deny.yaml", &deny("notsleep"))]);
    let backend = Backend::start(mesh.network.socket(POD, 8080), "app").await;
    mesh.ready();
    let bare = mesh.network.socket(BARE, 80);
    assert_eq!(mesh.get(SLEEP, bare, "/").await.unwrap().status, StatusCode::OK);
    assert!(mesh.get(NOTSLEEP, bare, "/").await.is_err());
    assert_eq!(backend.seen().len(), 1);
    let line = mesh.line(&[("direction", "inbound"), ("src.workload", "notsleep")]);
    assert_eq!(line.level, "error");
    let error = "connection closed due to policy rejection: explicitly denied by: default/deny";
    assert_eq!(line.field("error"), Some(error));
    let line = mesh.line(&[("direction", "outbound"), ("src.workload", "notsleep")]);
    assert!(
        line.field("error").unwrap().contains("401 Unauthorized"),
        "{line:?}"
    );
    let failed = mesh.samples().await;
    for reporter in ["source", "destination"] {
        let labels = [
            ("reporter", reporter),
            ("response_flags", "DENY"),
            ("source_workload", "notsleep"),
        ];
        let found = failed
            .iter()
            .find(|sample| sample.is("istio_tcp_connections_failed_total", &labels));
        assert_eq!(
            found.map(|sample| sample.value),
            Some(1.0),
            "{reporter}: {failed:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_admits_only_its_waypoint_cannot_be_reached_otherwise() {
    let only = r#"
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: only-waypoint}
spec:
  selector: {matchLabels: {app: app}}
  rules: [{from: [{source: {principals: [cluster.local/ns/default/sa/waypoint]}}]}]
"#;
    let mesh = scene::start(&[("only.yaml", only)]);
    let backend = Backend::start(mesh.network.socket(POD, 8080), "app").await;
    let _waypoint = mesh.waypoint("waypoint");
    let answer = mesh
        .get(SLEEP, mesh.network.socket(SERVICE, 80), "/")
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert!(mesh.get(SLEEP, mesh.network.socket(BARE, 80), "/").await.is_err());
    let pod = mesh.network.ip(POD).to_string();
    assert!(
        mesh.client(SLEEP)
            .socks5(mesh.socks5(), &pod, 8080)
            .await
            .is_err()
    );
    assert_eq!(backend.seen().len(), 1);
    let line = mesh.line(&[("direction", "inbound"), ("src.workload", "sleep")]);
    assert!(
        line.field("error")
            .unwrap()
            .contains("allow policies exist, but none allowed"),
        "{line:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_behind_the_waypoint_is_an_error_of_the_upstream() {
    let mesh = scene::start(&[("deny.yaml", &deny("waypoint"))]);
    let backend = Backend::start(mesh.network.socket(POD, 8080), "app").await;
    let waypoint = mesh.waypoint("waypoint");
    let answer = mesh
        .get(SLEEP, mesh.network.socket(SERVICE, 80), "/")
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(backend.seen().is_empty());
    waypoint.wait_for_text("503 U");
    let line = mesh.line(&[("direction", "inbound"), ("src.workload", "waypoint")]);
    assert!(line.field("error").unwrap().contains("default/deny"), "{line:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_cannot_be_read_denies_what_it_selects_and_nothing_else() {
    let broken = r#"
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: broken}
spec:
  selector: {matchLabels: {app: app}}
  action: DENY
  rules: [{from: [{source: {ipBlocks: [10.0.0.0/99]}}]}]
"#;
    let other = r#"
apiVersion: v1
kind: Service
metadata: {name: other}
spec: {clusterIP: NET.14, selector: {app: other}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: other, labels: {app: other}}
spec: {serviceAccountName: other}
status: {podIP: NET.22}
"#;
    let mesh = scene::start(&[("other.yaml", other), ("broken.yaml", broken)]);
    let app = Backend::start(mesh.network.socket(POD, 8080), "app").await;
    let _other = Backend::start(mesh.network.socket(22, 8080), "other").await;
    mesh.ready();
    mesh.ztunnel.wait_for_text("10.0.0.0/99");
    let bare = mesh.network.socket(BARE, 80);
    assert!(mesh.get(SLEEP, bare, "/").await.is_err());
    assert!(app.seen().is_empty());
    let answer = mesh.get(SLEEP, mesh.network.socket(14, 80), "/").await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "the other pod is not selected");
    mesh.directory.remove("broken.yaml");
    mesh.until(SLEEP, bare, "/", |outcome| outcome.is_ok())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_changes_closes_the_connections_that_it_forbids() {
    let mesh = scene::start(&[]);
    let echo = Echo::start(mesh.network.socket(POD, 8090)).await;
    mesh.ready();
    let bare = mesh.network.socket(BARE, 90);
    // What is refused at once may be reset before the connection is seen to be made.
    let connect = async |host| mesh.client(host).connect(bare).await.map(Talk::new);
    let mut sleep = connect(SLEEP).await.unwrap();
    sleep.say("hello").await.unwrap();
    let mut notsleep = connect(NOTSLEEP).await.unwrap();
    notsleep.say("hello").await.unwrap();
    assert_eq!(
        echo.peers()
            .iter()
            .map(std::net::SocketAddr::ip)
            .collect::<Vec<_>>(),
        [mesh.network.ip(SLEEP), mesh.network.ip(NOTSLEEP)],
        "the application sees who calls"
    );

    mesh.directory.write("deny.yaml", &deny("notsleep"));
    notsleep.is_closed().await;
    let line = mesh.line(&[("direction", "inbound"), ("src.workload", "notsleep")]);
    assert_eq!(
        line.field("error"),
        Some("connection closed due to policy change"),
        "{line:?}"
    );
    assert_eq!(line.level, "error");
    sleep.say("still here").await.unwrap();
    if let Ok(mut again) = connect(NOTSLEEP).await {
        again.is_closed().await;
    }

    mesh.directory.remove("deny.yaml");
    let mut allowed = None;
    for _ in 0..600 {
        if let Ok(mut talk) = connect(NOTSLEEP).await
            && talk.say("again").await.is_ok()
        {
            allowed = Some(talk);
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(allowed.is_some(), "without the policy it is let in again");
    sleep.say("all the time").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_changes_closes_the_connections_through_a_waypoint_that_it_forbids() {
    let mesh = scene::start(&[]);
    let _echo = Echo::start(mesh.network.socket(POD, 8090)).await;
    let _waypoint = mesh.waypoint("waypoint");
    let mut talk = Talk::new(
        mesh.client(SLEEP)
            .connect(mesh.network.socket(SERVICE, 90))
            .await
            .unwrap(),
    );
    talk.say("hello").await.unwrap();
    mesh.directory.write("deny.yaml", &deny("waypoint"));
    talk.is_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_is_not_captured_is_kept_out_where_mutual_tls_is_strict() {
    let outside = r#"
apiVersion: v1
kind: Pod
metadata: {name: outside, labels: {app: outside, istio.io/dataplane-mode: none}}
status: {podIP: NET.15}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default}
spec: {mtls: {mode: STRICT}}
"#;
    let mesh = scene::start(&[("outside.yaml", outside)]);
    let backend = Backend::start(mesh.network.socket(POD, 8080), "app").await;
    mesh.ready();
    let bare = mesh.network.socket(BARE, 80);
    assert!(mesh.get(15, bare, "/").await.is_err());
    assert!(backend.seen().is_empty());
    assert_eq!(mesh.get(SLEEP, bare, "/").await.unwrap().status, StatusCode::OK);
}
