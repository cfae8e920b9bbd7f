#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::Path;

use super::*;

const MESH: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint, namespace: default}
spec:
  gatewayClassName: istio-waypoint
  addresses: [{type: IPAddress, value: 127.9.0.30}]
  listeners: [{name: mesh, port: 15008, protocol: HBONE}]
---
apiVersion: v1
kind: Service
metadata: {name: a, namespace: default, labels: {istio.io/use-waypoint: waypoint}}
spec: {clusterIP: 127.9.0.10, ports: [{name: http, port: 80}, {name: http-more, port: 81}]}
---
apiVersion: v1
kind: Service
metadata: {name: b, namespace: default, labels: {istio.io/use-waypoint: waypoint}}
spec: {clusterIP: 127.9.0.11, ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: routes, namespace: default}
spec:
  hosts: [a]
  http:
  - match: [{uri: {prefix: /b}}, {uri: {prefix: /c}}]
    route: [{destination: {host: b, port: {number: 80}}}]
  - route: [{destination: {host: a, port: {number: 80}}}]
---
";

fn policy(target: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: only, namespace: default}}
spec: {{targetRefs: [{target}], rules: [{{}}]}}
"
    )
}

/// What a compiler that has compiled the others before says about policies that are passed by.
fn past(compiler: &mut Compiler, policy: &str) -> Vec<String> {
    let state = cairn_config::from_str(&format!("{MESH}{policy}"), Path::new("mesh.yaml"));
    let (_, problems) = compiler.compile(&state);
    let problems = problems.iter().map(ToString::to_string);
    problems.filter(|text| text.contains("do not apply")).collect()
}

#[test]
fn routes_that_lead_past_policies_are_told() {
    let mut compiler = Compiler::new(
        Key::new("default", "waypoint"),
        Arc::new(Dialer::offline()),
        Arc::default(),
    );
    let none: [&str; 0] = [];
    assert_eq!(past(&mut compiler, ""), none);
    let told = past(&mut compiler, &policy("{kind: Service, group: '', name: b}"));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("VirtualService default/routes: spec.http[0].route: policies of b.default.svc.cluster.local do not"),
        "{told:?}"
    );
    let gateway = "{kind: Gateway, group: gateway.networking.k8s.io, name: waypoint}";
    for target in ["{kind: Service, group: '', name: a}", gateway] {
        assert_eq!(past(&mut compiler, &policy(target)), none, "{target}");
    }
}
