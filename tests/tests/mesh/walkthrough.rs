//! The walkthrough of 2022, with its manifests as they are.

use std::time::{Duration, Instant};

use cairn_tests::{Answer, Backend, Client, Exclusive, Mesh};
use http::{Request, StatusCode};

/// No listener, no address, no label: the annotation says whom the waypoint is for.
const GATEWAY: &str = r#"
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: Gateway
metadata:
  name: sleep
  annotations:
    istio.io/service-account: sleep
spec:
  gatewayClassName: istio-mesh
"#;

const VIRTUAL_SERVICE: &str = r#"
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata:
  name: helloworld
spec:
  hosts:
  - helloworld
  http:
  - match:
    - uri:
        exact: /hello
    fault:
      delay:
        percentage:
          value: 100
        fixedDelay: 5s
    route:
    - destination:
        host: helloworld
  - route:
    - destination:
        host: helloworld
"#;

const SERVICE: &str = r#"
apiVersion: v1
kind: Service
metadata:
  name: helloworld
  labels:
    app: helloworld
    service: helloworld
spec:
  ports:
  - port: 5000
    name: http
  selector:
    app: helloworld
"#;

/// What is not in the manifests: who is there.
const PODS: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: helloworld-v1, labels: {app: helloworld, version: v1}}
spec: {serviceAccountName: default, containers: [{name: helloworld, ports: [{containerPort: 5000}]}]}
status: {podIP: NET.21}
---
apiVersion: v1
kind: Pod
metadata: {name: sleep, labels: {app: sleep}}
spec: {serviceAccountName: sleep}
status: {podIP: NET.11}
---
apiVersion: v1
kind: Pod
metadata: {name: notsleep, labels: {app: notsleep}}
spec: {serviceAccountName: notsleep}
status: {podIP: NET.12}
"#;

/// What is delayed takes at least this long.
const DELAY: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_sleep_to_hello_take_five_seconds_and_no_others_do() {
    // Service and waypoint have addresses that the mesh gives them, the same on every run.
    let _addresses = Exclusive::take().await;
    let mesh = Mesh::start(&[
        ("gateway.yaml", GATEWAY),
        ("virtual-service.yaml", VIRTUAL_SERVICE),
        ("service.yaml", SERVICE),
        ("pods.yaml", PODS),
    ]);
    let backend = Backend::start(mesh.network.socket(21, 5000), "v1").await;
    let waypoint = mesh.waypoint("sleep");
    let identity = "spiffe://cluster.local/ns/default/sa/sleep-waypoint";
    assert!(waypoint.text().contains(identity), "{}", waypoint.text());

    let (sleep, notsleep) = (mesh.client(11), mesh.client(12));
    let (slow, took) = call(&mesh, sleep, "/hello").await;
    assert_eq!(
        (slow.status, slow.body.as_str()),
        (StatusCode::OK, "backend v1: ")
    );
    assert!(took >= DELAY, "{took:?}");
    let waypoint_ip = backend.last().peer.ip();
    assert_ne!(
        waypoint_ip,
        mesh.network.ip(11),
        "the call went through the waypoint"
    );

    let (fast, took) = call(&mesh, sleep, "/hello/again").await;
    assert_eq!(fast.status, StatusCode::OK);
    assert!(took < DELAY, "{took:?}");
    assert_eq!(
        backend.last().peer.ip(),
        waypoint_ip,
        "it goes there with every path"
    );

    let (fast, took) = call(&mesh, notsleep, "/hello").await;
    assert_eq!(fast.status, StatusCode::OK);
    assert!(took < DELAY, "{took:?}");
    assert_eq!(
        backend.last().peer.ip(),
        mesh.network.ip(12),
        "notsleep's calls go straight"
    );
    assert_eq!(fast.header("server"), "", "and no waypoint has a hand in them");
}

/// Calls helloworld by its name, as the walkthrough does.
async fn call(mesh: &Mesh, client: Client, path: &str) -> (Answer, Duration) {
    let begin = Instant::now();
    let stream = client.socks5(mesh.socks5(), "helloworld", 5000).await.unwrap();
    let mut sender = Client::over(stream).await.unwrap();
    let request = Request::get(path).body("").unwrap();
    let answer = Client::exchange(&mut sender, "helloworld:5000", request)
        .await
        .unwrap();
    (answer, begin.elapsed())
}
