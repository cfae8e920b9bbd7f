#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::Path;

use super::*;

const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {clusterIP: 127.0.10.1, selector: {app: reviews}, ports: [{name: http, port: 9080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: reviews, labels: {app: reviews}}
spec: {containers: [{ports: [{containerPort: 9080}]}]}
status: {podIP: 127.0.20.1}
";

const WAYPOINT: &str = "
---
apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {istio.io/use-waypoint: waypoint}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint}
spec:
  gatewayClassName: istio-waypoint
  addresses: [{value: 127.0.30.1}]
  listeners: [{name: mesh, port: 15008, protocol: HBONE}]
";

const ROUTES: &str = "
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http: [{route: [{destination: {host: reviews}}]}]
";

const POLICY: &str = "
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers}
spec:
  targetRefs: [{group: '', kind: Service, name: reviews}]
  rules: [{to: [{operation: {methods: [GET]}}]}]
";

fn report_of(texts: &[&str]) -> Report {
    let state = cairn_config::from_str(&texts.concat(), Path::new("mesh.yaml"));
    report(&mesh::complete(state), &Trials::default())
}

#[test]
fn routes_and_policies_behind_a_waypoint_are_in_order() {
    let report = report_of(&[SERVICE, WAYPOINT, ROUTES, POLICY]);
    assert!(report.is_empty(), "{report}");
    assert_eq!(summary(6, &report), "6 objects, nothing wrong");
}

#[test]
fn routes_of_a_service_without_waypoint_are_reported() {
    let report = report_of(&[SERVICE, ROUTES]).to_string();
    let expected = "mesh.yaml:18: warning: VirtualService default/reviews: spec.hosts: applies to nothing: \
                    reviews.default.svc.cluster.local is bound to no waypoint";
    assert!(report.starts_with(expected), "{report}");
}

#[test]
fn routes_of_an_unknown_service_are_reported() {
    let report = report_of(&[
        &SERVICE.replace("name: reviews", "name: ratings"),
        WAYPOINT,
        ROUTES,
    ]);
    let report = report.to_string();
    assert!(
        report.contains("the mesh has no service reviews.default.svc.cluster.local"),
        "{report}"
    );
}

#[test]
fn a_policy_that_nobody_enforces_is_an_error() {
    let report = report_of(&[SERVICE, POLICY]);
    assert!(report.has_errors());
    let text = report.to_string();
    assert!(
        text.contains("Service default/reviews is bound to no waypoint, so nobody enforces this policy"),
        "{text}"
    );
    assert_eq!(summary(3, &report), "3 objects, 1 error");
}

#[test]
fn a_policy_for_a_service_that_is_not_there_is_an_error() {
    let report = report_of(&[WAYPOINT, POLICY]);
    assert!(report.has_errors());
    assert!(report.to_string().contains("does not exist"), "{report}");
}

#[test]
fn rules_are_checked_wherever_they_bind() {
    let broken = POLICY.replace("methods: [GET]", "paths: ['/a/{*}/b{**}c']");
    let report = report_of(&[SERVICE, &broken]);
    assert!(report.count(Severity::Error) > 1, "{report}");
}

#[test]
fn a_filter_that_is_attached_to_nothing_is_an_error() {
    let filter = |target: &str| {
        format!(
            "
---
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {{name: gate}}
spec: {{url: 'file:///gate.wasm', targetRefs: [{target}]}}
"
        )
    };
    for (objects, target, said) in [
        (
            vec![SERVICE, WAYPOINT],
            "{group: '', kind: Service, name: reviews}",
            "",
        ),
        (
            vec![SERVICE, WAYPOINT],
            "{group: '', kind: Service, name: review}",
            "Service default/review does not exist, so the filter sees nothing by this",
        ),
        (
            vec![SERVICE],
            "{group: '', kind: Service, name: reviews}",
            "Service default/reviews is bound to no waypoint",
        ),
        (
            vec![SERVICE, WAYPOINT],
            "{group: '', kind: Service, name: reviews, namespace: other}",
            "is in another namespace",
        ),
        (
            vec![WAYPOINT],
            "{group: gateway.networking.k8s.io, kind: GatewayClass, name: istio-waypoint}",
            "is a target from the root namespace only",
        ),
    ] {
        let filter = filter(target);
        let texts: Vec<&str> = objects.into_iter().chain([&*filter]).collect();
        let report = report_of(&texts).to_string();
        let told = report.contains("spec.targetRefs[0].name");
        assert!(
            told != said.is_empty() && report.contains(said),
            "{target}: {report}"
        );
    }
}
