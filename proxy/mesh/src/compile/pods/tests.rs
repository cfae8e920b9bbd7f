#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use crate::testing::{mesh, raw};
use crate::workload::{Tunnel, WorkloadType};

#[test]
fn a_pod_becomes_a_workload() {
    let mesh = raw("
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {topology.kubernetes.io/region: eu, topology.kubernetes.io/zone: eu-1, topology.istio.io/subzone: rack}}
---
apiVersion: v1
kind: Namespace
metadata: {name: istio-system, labels: {topology.istio.io/network: net1}}
---
apiVersion: v1
kind: Pod
metadata:
  name: reviews-7f-x
  namespace: shop
  labels: {app: reviews, version: v2, pod-template-hash: 7f}
  annotations: {ambient.istio.io/redirection: enabled}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: reviews-7f, controller: true}]
spec:
  serviceAccountName: bookinfo-reviews
  nodeName: n1
  containers: [{name: a, ports: [{name: http, containerPort: 9080}, {name: dns, containerPort: 53, protocol: UDP}]}]
  initContainers:
  - {name: once, ports: [{name: gone, containerPort: 1}]}
  - {name: beside, restartPolicy: Always, ports: [{name: side, containerPort: 2}]}
status: {podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}], podIP: 10.0.0.1, phase: Running, conditions: [{type: Ready, status: 'True'}]}
");
    mesh.expect_problems(&[]);
    let workload = mesh.pod("shop/reviews-7f-x");
    assert_eq!(
        workload
            .addresses
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["10.0.0.1", "fd00::1"]
    );
    assert_eq!(
        workload.identity.to_string(),
        "spiffe://cluster.local/ns/shop/sa/bookinfo-reviews"
    );
    assert_eq!(
        (workload.workload_name.as_str(), workload.workload_type),
        ("reviews", WorkloadType::Deployment)
    );
    assert_eq!(
        (
            workload.canonical_name.as_str(),
            workload.canonical_revision.as_str()
        ),
        ("reviews", "v2")
    );
    assert_eq!(
        (workload.app.as_str(), workload.version.as_str()),
        ("reviews", "v2")
    );
    assert_eq!(
        (workload.cluster_id.as_str(), workload.network.as_str()),
        ("Kubernetes", "net1")
    );
    let place = &workload.locality;
    assert_eq!(
        [&place.region, &place.zone, &place.subzone, &workload.node],
        ["eu", "eu-1", "rack", "n1"]
    );
    assert_eq!(workload.protocol, Tunnel::Hbone);
    assert!(workload.healthy);
    let ports: Vec<(&str, u16)> = workload
        .ports
        .iter()
        .map(|port| (port.name.as_str(), port.number))
        .collect();
    assert_eq!(ports, [("http", 9080), ("side", 2)]);
    let found = mesh
        .snapshot
        .workload_by_ip("::ffff:10.0.0.1".parse().unwrap())
        .unwrap();
    assert_eq!(found.uid, workload.uid);
}

#[test]
fn owners() {
    let cases = [
        ("", "", ("p", WorkloadType::Pod)),
        (
            "kind: ReplicaSet, name: web-7f",
            "pod-template-hash: 7f",
            ("web", WorkloadType::Deployment),
        ),
        (
            "kind: ReplicaSet, name: by-hand",
            "",
            ("by-hand", WorkloadType::Pod),
        ),
        (
            "kind: Deployment, name: web",
            "",
            ("web", WorkloadType::Deployment),
        ),
        ("kind: StatefulSet, name: db", "", ("db", WorkloadType::Pod)),
        ("kind: Job, name: backup", "", ("backup", WorkloadType::Job)),
        (
            "kind: Job, name: backup-28000000",
            "",
            ("backup", WorkloadType::CronJob),
        ),
        ("kind: Job, name: backup-7", "", ("backup-7", WorkloadType::Job)),
    ];
    for (owner, labels, (name, kind)) in cases {
        let owners = if owner.is_empty() {
            String::new()
        } else {
            format!("{{{owner}}}")
        };
        let mesh = mesh(&format!(
            "
apiVersion: v1
kind: Pod
metadata: {{name: p, labels: {{{labels}}}, ownerReferences: [{owners}]}}
"
        ));
        let workload = mesh.pod("default/p");
        assert_eq!(
            (workload.workload_name.as_str(), workload.workload_type),
            (name, kind),
            "{owner}"
        );
        assert_eq!(
            (
                workload.canonical_name.as_str(),
                workload.canonical_revision.as_str()
            ),
            (name, "latest")
        );
    }
}

#[test]
fn names_of_telemetry() {
    let cases = [
        ("app: a, version: v1", ["a", "v1", "a", "v1"]),
        (
            "app: a, app.kubernetes.io/name: b, app.kubernetes.io/version: v2",
            ["b", "v2", "a", "v2"],
        ),
        (
            "app: a, service.istio.io/canonical-name: c, service.istio.io/canonical-revision: v3",
            ["c", "v3", "a", "v3"],
        ),
        ("app: ''", ["p", "latest", "p", "latest"]),
    ];
    for (labels, expected) in cases {
        let mesh = mesh(&format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, labels: {{{labels}}}}}\n"
        ));
        let pod = mesh.pod("default/p");
        assert_eq!(
            [
                &pod.canonical_name,
                &pod.canonical_revision,
                &pod.app,
                &pod.version
            ],
            expected,
            "{labels}"
        );
    }
}

#[test]
fn which_pods_count() {
    let pod = |metadata: &str, spec: &str, status: &str| {
        raw(&format!(
            "
apiVersion: v1
kind: Pod
metadata: {{name: p{metadata}}}
spec: {{{spec}}}
status: {{{status}}}
"
        ))
    };
    let count = |status: &str| pod("", "", status).snapshot.workloads().count();
    assert_eq!(count("podIP: 10.0.0.1"), 1);
    assert_eq!(count("podIP: 10.0.0.1, phase: Pending"), 1);
    assert_eq!(count("podIP: 10.0.0.1, phase: Succeeded"), 0);
    assert_eq!(count("podIP: 10.0.0.1, phase: Failed"), 0);
    assert_eq!(count(""), 0);
    let wrong = pod("", "", "podIP: here");
    wrong.expect_problems(&["Pod default/p: status.podIP: `here` is not an IP address"]);

    let ready = "podIP: 10.0.0.1, conditions: [{type: Ready, status: 'True'}]";
    assert!(pod("", "", ready).pod("default/p").healthy);
    assert!(!pod("", "", "podIP: 10.0.0.1").pod("default/p").healthy);
    assert!(
        !pod(", deletionTimestamp: '2026-01-01T00:00:00Z'", "", ready)
            .pod("default/p")
            .healthy
    );
    assert_eq!(pod("", "", ready).pod("default/p").protocol, Tunnel::None);
    let native = pod(", labels: {networking.istio.io/tunnel: http}", "", ready);
    assert_eq!(native.pod("default/p").protocol, Tunnel::Hbone);
    // The address of a node does not tell its pods apart.
    let host = pod("", "hostNetwork: true", ready);
    assert_eq!(host.snapshot.workload_by_ip("10.0.0.1".parse().unwrap()), None);
    assert!(host.pod("default/p").host_network);
}

#[test]
fn an_address_belongs_to_one() {
    let mesh = mesh(
        "
apiVersion: v1
kind: Pod
metadata: {name: a}
status: {podIP: 127.0.20.1}
---
apiVersion: v1
kind: Pod
metadata: {name: b}
status: {podIP: 127.0.20.1}
---
apiVersion: v1
kind: Pod
metadata: {name: c}
status: {podIP: 127.0.10.1}
---
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {clusterIP: 127.0.10.1, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: b}
spec: {clusterIP: 127.0.10.1, ports: [{port: 80}]}
",
    );
    mesh.expect_problems(&[
        "Pod default/b: status.podIP: 127.0.20.1 belongs to Pod default/a already",
        "Pod default/c: status.podIP: 127.0.10.1 belongs to Service default/a already",
        "Service default/b: spec.clusterIP: 127.0.10.1 belongs to Service default/a already",
    ]);
    assert_eq!(
        mesh.snapshot
            .services_at("127.0.10.1".parse().unwrap())
            .next()
            .unwrap()
            .name,
        "a"
    );
    assert_eq!(
        mesh.snapshot
            .workload_by_ip("127.0.20.1".parse().unwrap())
            .unwrap()
            .name,
        "a"
    );
}
