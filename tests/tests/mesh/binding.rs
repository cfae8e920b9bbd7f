//! What goes through a waypoint, and what does not; and that nothing goes round one.

use cairn_tests::{Answer, Backend, Client, Mesh};
use http::{Request, StatusCode};

use crate::scene::{self, BARE, POD, SERVICE, SLEEP, WAYPOINT};

/// Whether the call came from a waypoint's address and its answer from a waypoint.
fn through_waypoint(mesh: &Mesh, backend: &Backend, answer: &Answer) -> bool {
    let from = backend.last().peer.ip();
    let through = from == mesh.network.ip(WAYPOINT);
    assert!(
        through || from == mesh.network.ip(SLEEP),
        "the call came from {from}"
    );
    assert_eq!(answer.header("server") == "istio-envoy", through, "{answer:?}");
    through
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_a_waypoint_is_reached_straight() {
    let mesh = scene::start(&[]);
    let backend = Backend::start(mesh.network.socket(POD, 8080), "app").await;
    let _waypoint = mesh.waypoint("waypoint");
    let answer = mesh.get(SLEEP, mesh.network.socket(BARE, 80), "/").await.unwrap();
    assert!(!through_waypoint(&mesh, &backend, &answer));
    let line = mesh.line(&[("direction", "outbound")]);
    assert_eq!(line.field("dst.workload"), Some("app"), "{line:?}");
    assert_eq!(
        line.field("dst.service"),
        Some("bare.default.svc.cluster.local"),
        "{line:?}"
    );
    let answer = mesh
        .get(SLEEP, mesh.network.socket(SERVICE, 80), "/")
        .await
        .unwrap();
    assert!(
        through_waypoint(&mesh, &backend, &answer),
        "the one with a waypoint is not"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_namespace_names_the_waypoint_and_a_service_opts_out() {
    let namespace = "
apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {istio.io/use-waypoint: waypoint}}
";
    let mesh = scene::start(&[("namespace.yaml", namespace)]);
    let backend = Backend::start(mesh.network.socket(POD, 8080), "app").await;
    let _waypoint = mesh.waypoint("waypoint");
    let bare = mesh.network.socket(BARE, 80);
    let answer = mesh.get(SLEEP, bare, "/").await.unwrap();
    assert!(
        through_waypoint(&mesh, &backend, &answer),
        "the label of the namespace counts"
    );

    let opted_out = scene::APP.replace(
        "{name: bare}",
        "{name: bare, labels: {istio.io/use-waypoint: none}}",
    );
    mesh.directory.write("mesh.yaml", &opted_out);
    let straight = |outcome: &anyhow::Result<Answer>| matches!(outcome, Ok(answer) if answer.header("server").is_empty());
    let answer = mesh.until(SLEEP, bare, "/", straight).await.unwrap();
    assert!(!through_waypoint(&mesh, &backend, &answer));
    let answer = mesh
        .get(SLEEP, mesh.network.socket(SERVICE, 80), "/")
        .await
        .unwrap();
    assert!(
        through_waypoint(&mesh, &backend, &answer),
        "the other service does not opt out"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waypoint_that_is_down_is_not_gone_round() {
    let mesh = scene::start(&[]);
    let backend = Backend::start(mesh.network.socket(POD, 8080), "app").await;
    let service = mesh.network.socket(SERVICE, 80);
    mesh.ready();
    assert!(
        mesh.get(SLEEP, service, "/").await.is_err(),
        "it has not been started"
    );
    let line = mesh.line(&[("direction", "outbound"), ("dst.workload", "waypoint")]);
    assert_eq!(line.level, "error");
    assert!(line.field("error").unwrap().contains("refused"), "{line:?}");

    let waypoint = mesh.waypoint("waypoint");
    assert_eq!(
        mesh.get(SLEEP, service, "/").await.unwrap().status,
        StatusCode::OK
    );
    assert_eq!(backend.seen().len(), 1);

    // Killed, as by a crash: the connection between ztunnel and waypoint breaks under the hands of both.
    drop(waypoint);
    for _ in 0..5 {
        assert!(mesh.get(SLEEP, service, "/").await.is_err(), "it is gone");
    }
    let straight = mesh.get(SLEEP, mesh.network.socket(BARE, 80), "/").await.unwrap();
    assert_eq!(straight.status, StatusCode::OK, "what does not need it goes on");
    assert_eq!(backend.seen().len(), 2, "nothing has come past the waypoint");

    let _waypoint = mesh.waypoint("waypoint");
    assert_eq!(
        mesh.get(SLEEP, service, "/").await.unwrap().status,
        StatusCode::OK
    );
    let failed = mesh.samples().await;
    let labels = [
        ("reporter", "source"),
        ("response_flags", "CONNECT"),
        ("source_workload", "sleep"),
    ];
    let failed: f64 = failed
        .iter()
        .filter(|sample| sample.is("istio_tcp_connections_failed_total", &labels))
        .map(|sample| sample.value)
        .sum();
    assert_eq!(failed, 6.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waypoint_that_nobody_wrote_is_not_gone_round() {
    let missing = scene::APP.replace(
        "{istio.io/use-waypoint: waypoint}",
        "{istio.io/use-waypoint: later}",
    );
    let mesh = Mesh::start(&[("mesh.yaml", &missing)]);
    let backend = Backend::start(mesh.network.socket(POD, 8080), "app").await;
    let service = mesh.network.socket(SERVICE, 80);
    mesh.ready();
    mesh.ztunnel
        .wait_for_text("there is no Gateway default/later: traffic is refused");
    assert!(mesh.get(SLEEP, service, "/").await.is_err());
    let line = mesh.line(&[("direction", "outbound")]);
    assert_eq!(
        line.field("error"),
        Some("waypoint default/later is not available"),
        "{line:?}"
    );
    assert!(backend.seen().is_empty());

    let gateway = "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: later}
spec:
  gatewayClassName: istio-waypoint
  addresses: [{type: IPAddress, value: NET.31}]
  listeners: [{name: mesh, port: 15008, protocol: HBONE}]
";
    mesh.directory.write("later.yaml", gateway);
    let _waypoint = mesh.waypoint("later");
    mesh.until(SLEEP, service, "/", |outcome| outcome.is_ok())
        .await
        .unwrap();
    assert_eq!(backend.last().peer.ip(), mesh.network.ip(31));
}

/// Gateways that serve what is sent to the pod itself, too: of 2022, and of today.
const WHOLE_POD: [(&str, &str); 2] = [
    (
        "2022",
        "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint, annotations: {istio.io/service-account: app}}
spec:
  gatewayClassName: istio-mesh
  addresses: [{type: IPAddress, value: NET.30}]
",
    ),
    (
        "today",
        "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint, labels: {istio.io/waypoint-for: all}}
spec:
  gatewayClassName: istio-waypoint
  addresses: [{type: IPAddress, value: NET.30}]
  listeners: [{name: mesh, port: 15008, protocol: HBONE}]
---
apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {istio.io/use-waypoint: waypoint}}
",
    ),
];

const NO_ADMIN: &str = r#"
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-admin}
spec:
  targetRefs: [{group: "", kind: Service, name: app}]
  action: DENY
  rules: [{to: [{operation: {paths: [/admin]}}]}]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn calling_the_pod_itself_does_not_go_round_its_waypoint() {
    for (form, gateway) in WHOLE_POD {
        let documents = scene::APP.split("---");
        let kept: Vec<&str> = documents.filter(|one| !one.contains("kind: Gateway")).collect();
        let unlabelled = kept
            .join("---")
            .replace(", labels: {istio.io/use-waypoint: waypoint}", "");
        let files = [
            ("mesh.yaml", unlabelled.as_str()),
            ("gateway.yaml", gateway),
            ("policy.yaml", NO_ADMIN),
        ];
        let mesh = Mesh::start(&files);
        let backend = Backend::start(mesh.network.socket(POD, 8080), "app").await;
        let waypoint = mesh.waypoint("waypoint");
        for name in ["app", &mesh.network.ip(POD).to_string()] {
            let port = if name == "app" { 80 } else { 8080 };
            let call = async |path: &str| {
                let stream = mesh.client(SLEEP).socks5(mesh.socks5(), name, port).await?;
                let mut sender = Client::over(stream).await?;
                Client::exchange(&mut sender, name, Request::get(path).body("")?).await
            };
            let answer = call("/").await.unwrap();
            assert_eq!(answer.status, StatusCode::OK, "{form}, {name}");
            assert!(through_waypoint(&mesh, &backend, &answer), "{form}, {name}");
            let seen = backend.seen().len();
            let answer = call("/admin").await.unwrap();
            assert_eq!(
                (answer.status, answer.body.as_str()),
                (StatusCode::FORBIDDEN, "RBAC: access denied"),
                "{form}, {name}"
            );
            assert_eq!(backend.seen().len(), seen, "{form}, {name}");
        }
        drop(waypoint);
        let seen = backend.seen().len();
        let pod = mesh.network.ip(POD).to_string();
        assert!(
            mesh.client(SLEEP)
                .socks5(mesh.socks5(), &pod, 8080)
                .await
                .is_err(),
            "{form}"
        );
        assert_eq!(backend.seen().len(), seen, "{form}");
    }
}
