#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use cairn_mesh::{Snapshot, controllers};

use super::resolve;

const MESH: &str = "
apiVersion: v1
kind: Pod
metadata: {name: caller, namespace: one}
status: {podIP: 127.0.20.1}
---
apiVersion: v1
kind: Pod
metadata: {name: server, namespace: two, labels: {app: server}}
status: {podIP: 127.0.20.2}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: one}
spec: {clusterIP: 127.0.10.1, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: two}
spec: {clusterIP: 127.0.10.2, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: peers, namespace: two}
spec: {clusterIP: None, selector: {app: server}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: nobody, namespace: two}
spec: {clusterIP: None, selector: {app: nobody}, ports: [{port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside, namespace: two}
spec:
  hosts: [api.example.com]
  addresses: [127.0.10.3]
  ports: [{number: 80, name: tcp, protocol: TCP}]
  resolution: STATIC
  endpoints: [{address: 127.0.90.1}]
";

#[test]
fn names_mean_what_they_mean_in_a_cluster() {
    let mut state = cairn_config::from_str(MESH, "mesh.yaml".as_ref());
    state.objects = controllers::complete(&state.objects).into();
    let (mesh, _) = Snapshot::compile(&state);
    let caller = mesh.workload_by_ip("127.0.20.1".parse().unwrap()).unwrap();
    for (host, address) in [
        ("web", Some("127.0.10.1:80")),
        ("web.one", Some("127.0.10.1:80")),
        ("web.two", Some("127.0.10.2:80")),
        ("web.two.svc", Some("127.0.10.2:80")),
        ("Web.Two.svc.cluster.local.", Some("127.0.10.2:80")),
        ("peers.two", Some("127.0.20.2:80")),
        ("nobody.two", None),
        ("peers", None),
        ("api.example.com", Some("127.0.10.3:80")),
        ("example.com", None),
        ("127.0.0.9", Some("127.0.0.9:80")),
        ("::1", Some("[::1]:80")),
        ("", None),
        (".", None),
        ("web..", None),
    ] {
        let expected = address.map(|address| address.parse().unwrap());
        assert_eq!(resolve(&mesh, caller, host, 80), expected, "{host:?}");
    }
}
