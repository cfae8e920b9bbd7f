#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
// `json!` values are written in place.
#![allow(clippy::needless_pass_by_value)]

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_config::Problem;
use serde_json::{Value, json};

use super::{DestinationRules, LoadBalancing, TrafficPolicy};

const HOST: &str = "reviews.default.svc.cluster.local";

fn rules(documents: &[Value]) -> (DestinationRules, Vec<Problem>) {
    let rules: Vec<_> = documents
        .iter()
        .map(|document| Arc::new(serde_json::from_value(document.clone()).unwrap()))
        .collect();
    DestinationRules::new(&rules, "istio-system")
}

fn rule(name: &str, namespace: &str, spec: Value) -> Value {
    json!({"metadata": {"name": name, "namespace": namespace}, "spec": spec})
}

fn subset_names(rules: &DestinationRules) -> Vec<String> {
    let policy = rules.find(HOST, "default", "waypoints");
    policy
        .into_iter()
        .flat_map(|policy| policy.subsets())
        .map(|subset| subset.name.clone())
        .collect()
}

#[test]
fn the_most_specific_host_is_taken() {
    let exact = rule(
        "a",
        "default",
        json!({"host": "reviews", "subsets": [{"name": "exact"}]}),
    );
    let near = rule(
        "b",
        "default",
        json!({"host": "*.default.svc.cluster.local", "subsets": [{"name": "near"}]}),
    );
    let far = rule(
        "c",
        "default",
        json!({"host": "*.cluster.local", "subsets": [{"name": "far"}]}),
    );
    assert_eq!(
        subset_names(&rules(&[far.clone(), exact, near.clone()]).0),
        ["exact"]
    );
    assert_eq!(subset_names(&rules(&[far.clone(), near]).0), ["near"]);
    assert_eq!(subset_names(&rules(&[far]).0), ["far"]);
    assert_eq!(subset_names(&rules(&[]).0), Vec::<String>::new());
}

#[test]
fn the_waypoints_namespace_comes_first_and_the_root_namespace_last() {
    let of = |namespace: &str| {
        rule(
            "a",
            namespace,
            json!({"host": HOST, "subsets": [{"name": namespace}]}),
        )
    };
    let (all, _) = rules(&[of("istio-system"), of("default"), of("waypoints"), of("client")]);
    let found = |waypoint: &str| {
        all.find(HOST, "default", waypoint).unwrap().subsets()[0]
            .name
            .clone()
    };
    assert_eq!(found("waypoints"), "waypoints");
    assert_eq!(found("elsewhere"), "default");
    assert_eq!(found("istio-system"), "default");
    let (root, _) = rules(&[of("istio-system"), of("client")]);
    assert_eq!(
        root.find(HOST, "default", "waypoints").unwrap().subsets()[0].name,
        "istio-system"
    );
    assert!(
        rules(&[of("client")])
            .0
            .find(HOST, "default", "waypoints")
            .is_none()
    );
}

#[test]
fn what_is_not_exported_is_passed_over() {
    let private = rule(
        "a",
        "default",
        json!({"host": HOST, "exportTo": ["."], "subsets": [{"name": "private"}]}),
    );
    let public = rule(
        "b",
        "default",
        json!({"host": HOST, "subsets": [{"name": "public"}]}),
    );
    let (all, _) = rules(&[private, public]);
    assert_eq!(subset_names(&all), ["public"]);
    assert_eq!(
        all.find(HOST, "default", "default").unwrap().subsets()[0].name,
        "private"
    );
}

#[test]
fn rules_for_the_same_host_are_merged_oldest_first() {
    let mut old = rule(
        "z",
        "default",
        json!({"host": "reviews", "subsets": [{"name": "v1", "labels": {"version": "v1"}}]}),
    );
    old["metadata"]["creationTimestamp"] = json!("2024-01-01T00:00:00Z");
    let mut new = rule(
        "a",
        "default",
        json!({
            "host": HOST,
            "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}},
            "subsets": [{"name": "v1", "labels": {"version": "other"}}, {"name": "v2"}],
        }),
    );
    new["metadata"]["creationTimestamp"] = json!("2024-01-02T00:00:00Z");
    let (all, problems) = rules(&[new, old]);
    let policy = all.find(HOST, "default", "waypoints").unwrap();
    assert_eq!(policy.subset("v1").unwrap().labels["version"], "v1");
    assert!(policy.subset("v2").is_some() && policy.subset("v3").is_none());
    assert_eq!(policy.load_balancing(None, 80), LoadBalancing::Random);
    assert_eq!(policy.sources.len(), 2);
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0]
            .to_string()
            .contains("DestinationRule default/a: spec.subsets[0].name"),
        "{}",
        problems[0]
    );
}

#[test]
fn subsets_select_by_labels() {
    let (all, _) = rules(&[rule(
        "a",
        "default",
        json!({"host": "reviews", "subsets": [{"name": "v1", "labels": {"version": "v1"}}, {"name": "all"}]}),
    )]);
    let policy = all.find(HOST, "default", "default").unwrap();
    let labels = |version: &str| BTreeMap::from([("version".to_owned(), version.to_owned())]);
    assert!(policy.subset("v1").unwrap().selects(&labels("v1")));
    assert!(!policy.subset("v1").unwrap().selects(&labels("v2")));
    assert!(!policy.subset("v1").unwrap().selects(&BTreeMap::new()));
    assert!(policy.subset("all").unwrap().selects(&BTreeMap::new()));
}

#[test]
fn the_subset_then_the_port_then_the_host_says_how_to_balance() {
    let port = |number: u16, simple: Value| json!({"port": {"number": number}, "loadBalancer": simple});
    let (all, _) = rules(&[rule(
        "a",
        "default",
        json!({
            "host": "reviews",
            "trafficPolicy": {
                "loadBalancer": {"simple": "ROUND_ROBIN"},
                "portLevelSettings": [port(81, json!({"simple": "RANDOM"})), port(82, Value::Null)],
            },
            "subsets": [
                {"name": "own", "trafficPolicy": {
                    "loadBalancer": {"simple": "PASSTHROUGH"},
                    "portLevelSettings": [port(81, json!({"simple": "LEAST_CONN"}))],
                }},
                {"name": "none"},
            ],
        }),
    )]);
    let policy = all.find(HOST, "default", "default").unwrap();
    let balancing = |subset, port| policy.load_balancing(subset, port);
    assert_eq!(balancing(None, 80), LoadBalancing::RoundRobin);
    assert_eq!(balancing(None, 81), LoadBalancing::Random);
    assert_eq!(
        balancing(None, 82),
        LoadBalancing::LeastRequest,
        "a listed port inherits nothing"
    );
    assert_eq!(balancing(Some("own"), 80), LoadBalancing::Passthrough);
    assert_eq!(balancing(Some("own"), 81), LoadBalancing::LeastRequest);
    assert_eq!(balancing(Some("none"), 81), LoadBalancing::Random);
    assert_eq!(balancing(Some("unknown"), 80), LoadBalancing::RoundRobin);
}

#[test]
fn rules_that_cannot_apply_are_pointed_out() {
    let (all, problems) = rules(&[
        rule("a", "default", json!({})),
        rule(
            "b",
            "default",
            json!({"host": "reviews", "workloadSelector": {"matchLabels": {"app": "a"}}}),
        ),
        rule(
            "c",
            "default",
            json!({"host": "reviews", "subsets": [{"name": ""}, {"name": "v1"}]}),
        ),
    ]);
    let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(
        fields,
        ["spec.host", "spec.workloadSelector", "spec.subsets[0].name"]
    );
    assert_eq!(subset_names(&all), ["v1"]);
}

#[test]
fn policies_are_compiled_and_what_is_wrong_is_said_where_it_stands() {
    let (all, problems) = rules(&[rule(
        "a",
        "default",
        json!({
            "host": "reviews",
            "trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": 7, "connectTimeout": "0s"}}},
            "subsets": [
                {"name": "v1"},
                {"name": "v2", "trafficPolicy": {
                    "portLevelSettings": [{"port": {"number": 80}, "outlierDetection": {"maxEjectionPercent": 200}}],
                }},
            ],
        }),
    )]);
    let said: Vec<String> = problems.iter().map(|problem| format!("{problem}")).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].starts_with(
            "error: DestinationRule default/a: spec.trafficPolicy.connectionPool.tcp.connectTimeout: `0s` is shorter"
        ),
        "{}",
        said[0]
    );
    assert_eq!(
        problems[1].field,
        "spec.subsets[1].trafficPolicy.portLevelSettings[0].outlierDetection.maxEjectionPercent"
    );
    let policy = all.find(HOST, "default", "default").unwrap();
    let limit = |policy: &TrafficPolicy| policy.connection_pool.max_connections;
    assert_eq!(limit(&policy.traffic_policy(Some("v1"), 80)), Some(7));
    assert_eq!(limit(&policy.traffic_policy(Some("v2"), 81)), Some(7));
    let listed = policy.traffic_policy(Some("v2"), 80);
    assert_eq!(limit(&listed), None);
    assert_eq!(listed.outlier_detection.unwrap().max_ejection_percent, 10);
}

#[test]
fn of_merged_rules_the_oldest_policy_stays() {
    let of = |name: &str, connections: Option<u32>| {
        let pool = connections.map(|it| json!({"connectionPool": {"tcp": {"maxConnections": it}}}));
        rule(name, "default", json!({"host": "reviews", "trafficPolicy": pool}))
    };
    let (all, problems) = rules(&[of("c", Some(3)), of("b", Some(2)), of("a", None)]);
    assert_eq!(problems, []);
    let policy = all.find(HOST, "default", "default").unwrap();
    assert_eq!(
        policy.traffic_policy(None, 80).connection_pool.max_connections,
        Some(2)
    );
}
