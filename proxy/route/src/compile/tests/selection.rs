use serde_json::{Value, json};

use super::super::select::VirtualServices;
use super::{HOST, compile_all, document, forward, found, lines, reviews};
use std::sync::Arc;

fn named(name: &str, namespace: &str, mut spec: Value) -> cairn_api::istio::VirtualService {
    spec["http"] = json!([{"name": name, "route": [{"destination": {"host": HOST}}]}]);
    document(name, namespace, spec)
}

fn applies(namespace: &str, spec: Value) -> bool {
    let virtual_service = Arc::new(named("a", namespace, spec));
    let chosen = VirtualServices::new(&[Arc::clone(&virtual_service)]).of(HOST, "default", "waypoints");
    let (table, _) = compile_all(vec![(*virtual_service).clone()]);
    assert_eq!(
        table.is_some(),
        !chosen.is_empty(),
        "the index and the selection agree"
    );
    table.is_some()
}

#[test]
fn hosts_are_meant_from_the_namespace_of_the_virtual_service() {
    assert!(applies("default", json!({"hosts": ["reviews"]})));
    assert!(!applies("waypoints", json!({"hosts": ["reviews"]})));
    assert!(applies("waypoints", json!({"hosts": [HOST]})));
    assert!(applies("waypoints", json!({"hosts": ["other", HOST]})));
    assert!(
        !applies("default", json!({"hosts": ["reviews.default"]})),
        "only names without a dot are short"
    );
}

#[test]
fn wildcards_match() {
    assert!(applies("default", json!({"hosts": ["*"]})));
    assert!(applies(
        "default",
        json!({"hosts": ["*.default.svc.cluster.local"]})
    ));
    assert!(!applies(
        "default",
        json!({"hosts": ["*.other.svc.cluster.local"]})
    ));
}

#[test]
fn only_the_namespaces_of_service_and_waypoint_count() {
    assert!(!applies("client", json!({"hosts": [HOST]})));
    assert!(applies("waypoints", json!({"hosts": [HOST]})));
}

#[test]
fn gateways_must_contain_the_mesh() {
    assert!(applies(
        "default",
        json!({"hosts": ["reviews"], "gateways": ["edge", "mesh"]})
    ));
    assert!(!applies(
        "default",
        json!({"hosts": ["reviews"], "gateways": ["edge"]})
    ));
}

#[test]
fn what_is_not_exported_to_the_waypoint_does_not_apply() {
    assert!(!applies(
        "default",
        json!({"hosts": ["reviews"], "exportTo": ["."]})
    ));
    assert!(applies(
        "default",
        json!({"hosts": ["reviews"], "exportTo": ["waypoints"]})
    ));
    assert!(applies(
        "default",
        json!({"hosts": ["reviews"], "exportTo": ["*"]})
    ));
    assert!(applies("waypoints", json!({"hosts": [HOST], "exportTo": ["."]})));
    assert!(applies(
        "default",
        json!({"hosts": ["reviews"], "exportTo": [".", "waypoints"]})
    ));
    for namespace in ["default", "waypoints"] {
        assert!(!applies(namespace, json!({"hosts": [HOST], "exportTo": ["~"]})));
    }
}

#[test]
fn the_oldest_comes_first_then_the_name_then_the_namespace() {
    let all = |name: &str, namespace: &str, created: Option<&str>| {
        let mut all = named(name, namespace, json!({"hosts": [HOST]}));
        all.metadata.creation_timestamp = created.map(str::to_owned);
        all.spec.http[0].name = format!("{namespace}/{name}");
        all
    };
    let (table, problems) = compile_all(vec![
        all("b", "default", Some("2024-01-02T00:00:00Z")),
        all("c", "default", Some("2024-01-01T00:00:00Z")),
        all("a", "waypoints", Some("2024-01-02T00:00:00Z")),
        all("a", "default", Some("2024-01-02T00:00:00Z")),
    ]);
    let order: Vec<String> = table
        .unwrap()
        .routes()
        .iter()
        .map(|route| route.name.clone())
        .collect();
    assert_eq!(order, ["default/c", "default/a", "waypoints/a", "default/b"]);
    assert_eq!(problems.len(), 3, "all but the first are never reached");
    assert!(
        lines(&problems)[0].contains("VirtualService default/c comes first"),
        "{problems:?}"
    );
}

#[test]
fn routes_of_several_virtual_services_are_one_list() {
    let mut first =
        reviews(json!([{"name": "api", "match": [{"uri": {"prefix": "/api"}}], "route": forward()}]));
    first.metadata.name = "a".to_owned();
    let second = reviews(json!([{"name": "rest", "route": forward()}]));
    let (table, problems) = compile_all(vec![second, first]);
    assert_eq!(lines(&problems), Vec::<String>::new());
    let table = table.unwrap();
    assert_eq!(found(&table, "/api/x").as_deref(), Some("api"));
    assert_eq!(found(&table, "/x").as_deref(), Some("rest"));
}

#[test]
fn without_a_route_for_the_port_there_is_no_table() {
    let other = json!([{"match": [{"port": 80}], "route": forward()}]);
    assert!(compile_all(vec![reviews(other.clone())]).0.is_none());
    assert!(compile_all(vec![]).0.is_none());
    let mut rest = reviews(json!([{"name": "rest", "route": forward()}]));
    rest.metadata.name = "z".to_owned();
    let (table, _) = compile_all(vec![reviews(other), rest]);
    assert_eq!(found(&table.unwrap(), "/").as_deref(), Some("rest"));
}
