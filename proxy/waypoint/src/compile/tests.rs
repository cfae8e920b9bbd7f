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
        Arc::new(crate::names::Names::offline()),
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
    let connections = "
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: connections, namespace: default}
spec:
  hosts: [a]
  tcp: [{route: [{destination: {host: b, port: {number: 80}}}]}]
";
    let guarded = policy("{kind: Service, group: '', name: b}");
    let told = past(&mut compiler, &format!("{guarded}{connections}"));
    assert_eq!(told.len(), 2, "{told:?}");
    let place = "VirtualService default/connections: spec.tcp[0].route: policies of b.default";
    assert!(told.iter().any(|text| text.contains(place)), "{told:?}");
    let gateway = "{kind: Gateway, group: gateway.networking.k8s.io, name: waypoint}";
    for target in ["{kind: Service, group: '', name: a}", gateway] {
        assert_eq!(past(&mut compiler, &policy(target)), none, "{target}");
    }
}

fn filter(namespace: &str, name: &str, more: &str) -> String {
    format!(
        "apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{url: 'file:///nowhere.wasm'{more}}}
---
"
    )
}

/// The names under which the filters of service `a` note things, in their order, and what is said of names.
fn names(plugins: &[String]) -> (Vec<String>, Vec<String>) {
    let mut compiler = Compiler::new(
        Key::new("default", "waypoint"),
        Arc::new(Dialer::offline()),
        Arc::default(),
        Arc::new(crate::names::Names::offline()),
        Arc::default(),
    );
    let state = cairn_config::from_str(&format!("{MESH}{}", plugins.concat()), Path::new("mesh.yaml"));
    let (plans, problems) = compiler.compile(&state);
    let port = plans.services["Service default/a/a.default.svc.cluster.local"]
        .port(80)
        .unwrap();
    let names = port.filters.iter().map(|attached| attached.spec.name.clone());
    let problems = problems.iter().map(ToString::to_string);
    (
        names.collect(),
        problems.filter(|text| text.contains("pluginName")).collect(),
    )
}

#[test]
fn no_filter_notes_under_the_name_of_another() {
    let alone = ", pluginName: gate, targetRefs: [{kind: Service, group: '', name: a}]";
    let elsewhere = ", pluginName: gate, targetRefs: [{kind: Service, group: '', name: b}]";
    let none: [&str; 0] = [];
    let (found, said) = names(&[
        filter("default", "one", alone),
        filter("default", "two", elsewhere),
    ]);
    assert_eq!(
        (found, said),
        (vec!["gate".to_owned()], none.map(str::to_owned).to_vec())
    );
    // The mesh's own has its name, whichever comes first.
    let first = ", pluginName: gate, phase: AUTHN, targetRefs: [{kind: Service, group: '', name: a}]";
    let (found, said) = names(&[
        filter("default", "own", first),
        filter("istio-system", "gate", ""),
        filter("default", "slash", ", pluginName: default/own"),
    ]);
    assert_eq!(found, ["default/own", "gate", "default/slash"]);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].contains(
            "WasmPlugin default/own: spec.pluginName: `gate` is the name of WasmPlugin istio-system/gate too"
        ),
        "{said:?}"
    );
}
