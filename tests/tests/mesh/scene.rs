//! The mesh that most tests are in.

use cairn_tests::Mesh;

/// Services `app` with a waypoint and `bare` without one, both in front of pod `app`; clients `sleep` and `notsleep`.
pub(crate) const APP: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "accessLogFile: /dev/stdout"}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint}
spec:
  gatewayClassName: istio-waypoint
  addresses: [{type: IPAddress, value: NET.30}]
  listeners: [{name: mesh, port: 15008, protocol: HBONE}]
---
apiVersion: v1
kind: Service
metadata: {name: app, labels: {istio.io/use-waypoint: waypoint}}
spec:
  clusterIP: NET.10
  selector: {app: app}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 90, targetPort: 8090}]
---
apiVersion: v1
kind: Service
metadata: {name: bare}
spec:
  clusterIP: NET.13
  selector: {app: app}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 90, targetPort: 8090}]
---
apiVersion: v1
kind: Pod
metadata: {name: app, labels: {app: app, version: v1}}
spec: {serviceAccountName: app}
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

/// The pod that calls.
pub(crate) const SLEEP: u8 = 11;
/// The other one.
pub(crate) const NOTSLEEP: u8 = 12;
/// The pod that is called.
pub(crate) const POD: u8 = 21;
/// Where the waypoint is.
pub(crate) const WAYPOINT: u8 = 30;
/// Service `app`, which has a waypoint.
pub(crate) const SERVICE: u8 = 10;
/// Service `bare`, which has none.
pub(crate) const BARE: u8 = 13;

/// A ztunnel on that mesh and `files`; the waypoint is the test's.
pub(crate) fn start(files: &[(&str, &str)]) -> Mesh {
    let mut all = vec![("mesh.yaml", APP)];
    all.extend(files);
    Mesh::start(&all)
}
