use cairn_api::meta::ObjectRef;
use serde_json::{Value, json};

use super::super::{KnownService, service};
use super::{backend, grpc_route, http_route, object, rule};
use crate::compile::{RouteScope, grpc_route_status, http_route_status, tcp_route_status, tls_route_status};
use crate::condition::ParentStatus;

fn declared(object: &ObjectRef) -> Option<KnownService> {
    service(&format!("{}.{}.svc.cluster.local", object.name, object.namespace))
}

fn scope() -> RouteScope<'static> {
    RouteScope {
        parent: &declared,
        services: &service,
        reference_grants: &[],
    }
}

/// `Accepted True Accepted` for each condition of each parent.
fn said(status: &[ParentStatus]) -> Vec<Vec<String>> {
    let conditions = status.iter().map(|parent| {
        let conditions = parent.conditions.iter();
        conditions
            .map(|one| format!("{} {} {}", one.type_, one.status, one.reason))
            .collect()
    });
    conditions.collect()
}

fn of(namespace: &str, parents: Value, rules: Value) -> Vec<Vec<String>> {
    let route = object("a", namespace, json!({"parentRefs": parents, "rules": rules}));
    said(&http_route_status(&route, &scope()))
}

const ACCEPTED: &str = "Accepted True Accepted";
const RESOLVED: &str = "ResolvedRefs True ResolvedRefs";

#[test]
fn each_parent_has_its_own_status() {
    let parent = |name: &str| json!({"group": "", "kind": "Service", "name": name});
    let mut other_port = parent("reviews");
    other_port["port"] = json!(1);
    let parents = json!([parent("reviews"), parent("nobody"), other_port, {"name": "a-gateway"}]);
    assert_eq!(
        of("default", parents, json!([rule("r", json!([]))])),
        [
            vec![ACCEPTED, RESOLVED],
            vec!["Accepted False NoMatchingParent", RESOLVED],
            vec!["Accepted False NoMatchingParent", RESOLVED],
        ]
    );
    let parents = json!([{"group": "", "kind": "Service", "name": "reviews", "namespace": "default"}]);
    let rules = json!([{"backendRefs": [{"name": "two", "port": 1}]}]);
    assert_eq!(
        of("other", parents, rules),
        [vec!["Accepted False UnsupportedValue", RESOLVED]]
    );
}

#[test]
fn references_are_resolved_or_it_is_said_why_not() {
    let resolved = |backend: Value| {
        let route = http_route("a", json!([{"backendRefs": [backend]}]));
        let [parent] = http_route_status(&route, &scope()).try_into().unwrap();
        let condition = parent.conditions[1].clone();
        (condition.reason, condition.message)
    };
    assert_eq!(
        resolved(json!({"name": "nobody", "port": 1})),
        (
            "BackendNotFound".to_owned(),
            "there is no service `nobody.default.svc.cluster.local`".to_owned()
        )
    );
    assert_eq!(
        resolved(json!({"kind": "Bucket", "name": "b", "port": 1})).0,
        "InvalidKind"
    );
    assert_eq!(
        resolved(json!({"name": "two", "namespace": "other", "port": 1})).0,
        "RefNotPermitted"
    );
    assert_eq!(
        resolved(json!({"name": "reviews", "port": 9080})).0,
        "ResolvedRefs"
    );
}

#[test]
fn a_route_is_refused_when_all_its_rules_are() {
    let bad = json!({"backendRefs": backend(), "filters": [{"type": "ExtensionRef"}]});
    let good = rule("r", json!([]));
    let parents = super::parent();
    assert_eq!(
        of("default", parents.clone(), json!([bad])),
        [vec!["Accepted False UnsupportedValue", RESOLVED]]
    );
    assert_eq!(
        of("default", parents, json!([bad, good])),
        [vec![ACCEPTED, RESOLVED, "PartiallyInvalid True UnsupportedValue"]]
    );
}

#[test]
fn calls_have_a_status_too() {
    let route = grpc_route("g", json!([rule("r", json!([{"method": {}}]))]));
    assert_eq!(
        said(&grpc_route_status(&route, &scope())),
        [vec!["Accepted False UnsupportedValue", RESOLVED]]
    );
}

#[test]
fn connections_have_a_status_too() {
    let spec = |more: Value| {
        let mut spec = json!({"parentRefs": super::parent(), "rules": [{"backendRefs": backend()}]});
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        spec
    };
    let tcp = |more: Value| said(&tcp_route_status(&object("a", "default", spec(more)), &scope()));
    let tls = |more: Value| said(&tls_route_status(&object("a", "default", spec(more)), &scope()));
    assert_eq!(tcp(json!({})), [vec![ACCEPTED, RESOLVED]]);
    assert_eq!(
        tls(json!({"hostnames": ["a.example"]})),
        [vec![ACCEPTED, RESOLVED]]
    );
    assert_eq!(
        tcp(json!({"parentRefs": [{"group": "", "kind": "Service", "name": "nobody"}]})),
        [vec!["Accepted False NoMatchingParent", RESOLVED]]
    );
    assert_eq!(
        tls(json!({"rules": [{"backendRefs": [{"name": "two", "namespace": "other", "port": 1}]}]})),
        [vec![ACCEPTED, "ResolvedRefs False RefNotPermitted"]]
    );
    assert_eq!(
        tls(json!({"hostnames": ["*"]})),
        [vec!["Accepted False UnsupportedValue", RESOLVED]]
    );
    let bad = json!({"backendRefs": [{"name": "reviews", "port": 9080, "weight": -1}]});
    assert_eq!(
        tcp(json!({"rules": [{"backendRefs": backend()}, bad]})),
        [vec![ACCEPTED, RESOLVED, "PartiallyInvalid True UnsupportedValue"]]
    );
}
