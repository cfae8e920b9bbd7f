#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::Path;

use cairn_config::State;
use cairn_mesh::controllers;

use super::*;

fn wanted(yaml: &str) -> Wanted {
    let objects = controllers::complete(&cairn_config::from_str(yaml, Path::new("mesh.yaml")).objects);
    let (mesh, _) = Snapshot::compile(&State::from_objects(objects.clone()));
    Wanted::of(&objects, &mesh)
}

#[test]
fn samples_run_on_their_ports() {
    let wanted = wanted(
        r"
apiVersion: v1
kind: Pod
metadata: {name: hello}
spec:
  containers:
  - image: docker.io/istio/examples-helloworld-v1
status: {podIP: 127.0.20.1}
---
apiVersion: v1
kind: Pod
metadata: {name: httpbin}
spec:
  containers:
  - image: docker.io/mccutchen/go-httpbin
    ports: [{containerPort: 8080}, {containerPort: 9999, protocol: UDP}, {containerPort: 8081}]
status: {podIP: 127.0.20.2}
",
    );
    let addresses: Vec<_> = wanted.apps.keys().map(ToString::to_string).collect();
    assert_eq!(
        addresses,
        ["127.0.20.1:5000", "127.0.20.2:8080", "127.0.20.2:8081"]
    );
    assert!(wanted.callers.is_empty());
}

#[test]
fn other_pods_are_places_to_call_from() {
    let wanted = wanted(
        r"
apiVersion: v1
kind: Pod
metadata: {name: sleep}
spec:
  containers: [{image: docker.io/curlimages/curl}]
status: {podIP: 127.0.20.3}
---
apiVersion: v1
kind: Pod
metadata: {name: job}
spec:
  containers: [{image: docker.io/istio/examples-helloworld-v1}]
status: {podIP: 127.0.20.4, phase: Succeeded}
",
    );
    assert!(wanted.apps.is_empty());
    assert_eq!(wanted.callers.len(), 1);
    assert_eq!(
        wanted.callers[&Key::new("default", "sleep")].to_string(),
        "127.0.20.3"
    );
}

#[test]
fn every_gateway_of_a_waypoint_class_is_a_waypoint() {
    let wanted = wanted(
        r"
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: namespace}
spec:
  gatewayClassName: istio-mesh
  addresses: [{value: 127.0.30.1}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ingress}
spec:
  gatewayClassName: istio
  listeners: [{name: http, port: 80, protocol: HTTP}]
",
    );
    assert_eq!(wanted.waypoints.len(), 1);
    let place = &wanted.waypoints[&Key::new("default", "namespace")];
    assert_eq!(place.address.to_string(), "127.0.30.1:15008");
    assert_eq!(
        place.identity.as_str(),
        "spiffe://cluster.local/ns/default/sa/default-waypoint"
    );
}
