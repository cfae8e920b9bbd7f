//! Waypoints of the 2022 form on both sides of a call.

use cairn_tests::{Backend, Mesh};
use http::StatusCode;

use crate::scene::SLEEP;

/// `sleep` sends through its waypoint; of the two pods behind `app` one is guarded by another.
const MESH: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "accessLogFile: /dev/stdout"}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: sender, annotations: {istio.io/service-account: sleep}}
spec:
  gatewayClassName: istio-mesh
  addresses: [{type: IPAddress, value: NET.30}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: guard, annotations: {istio.io/service-account: guarded}}
spec:
  gatewayClassName: istio-mesh
  addresses: [{type: IPAddress, value: NET.31}]
---
apiVersion: v1
kind: Service
metadata: {name: app}
spec: {clusterIP: NET.10, selector: {app: app}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: guarded, labels: {app: app, guarded: "yes"}}
spec: {serviceAccountName: guarded}
status: {podIP: NET.21}
---
apiVersion: v1
kind: Pod
metadata: {name: open, labels: {app: app, guarded: "no"}}
spec: {serviceAccountName: open}
status: {podIP: NET.22}
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
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-admin}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: guard}]
  action: DENY
  rules: [{to: [{operation: {paths: [/admin]}}]}]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_waypoint_of_the_caller_does_not_go_round_that_of_the_endpoint() {
    let mesh = Mesh::start(&[("mesh.yaml", MESH)]);
    let guarded = Backend::start(mesh.network.socket(21, 8080), "guarded").await;
    let open = Backend::start(mesh.network.socket(22, 8080), "open").await;
    let (_sender, _guard) = (mesh.waypoint("sender"), mesh.waypoint("guard"));
    let service = mesh.network.socket(10, 80);
    for caller in [12, SLEEP] {
        for _ in 0..40 {
            let answer = mesh.get(caller, service, "/admin").await.unwrap();
            assert!(
                answer.status == StatusCode::FORBIDDEN || answer.body == "backend open: ",
                "{caller}: {answer:?}"
            );
        }
        assert!(!open.seen().is_empty());
        assert!(guarded.seen().is_empty(), "{caller}: {:?}", guarded.last());
    }
}
