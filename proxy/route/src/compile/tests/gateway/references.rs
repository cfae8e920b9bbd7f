use std::sync::Arc;

use cairn_api::gateway::ReferenceGrant;
use serde_json::{Value, json};

use super::super::{is_broken, lines};
use super::{Mesh, destinations, http_route, object, only, table};
use crate::route::Action;

fn to(backends: Value) -> Value {
    json!({"backendRefs": backends})
}

#[test]
fn backends_are_services_and_host_names_with_their_weights() {
    let route = only(to(json!([
        {"name": "reviews", "port": 9080},
        {"name": "ratings", "port": 9090, "weight": 3},
        {"group": "networking.istio.io", "kind": "Hostname", "name": "ratings.default.svc.cluster.local", "port": 9080, "weight": 0},
    ])));
    let seen: Vec<(String, Option<u16>, u32)> = destinations(&route)
        .into_iter()
        .map(|one| (one.host, one.port, one.weight))
        .collect();
    assert_eq!(
        seen,
        [
            ("reviews.default.svc.cluster.local".to_owned(), Some(9080), 1),
            ("ratings.default.svc.cluster.local".to_owned(), Some(9090), 3),
        ]
    );
}

#[test]
fn rules_without_weight_or_backend_answer_500() {
    let (table, problems) = table(json!([to(
        json!([{"name": "reviews", "port": 9080, "weight": 0}])
    )]));
    assert!(is_broken(&table.routes()[0]));
    assert!(problems.is_empty(), "it may be meant: {problems:?}");
    for rules in [json!([{}]), json!([])] {
        let (table, problems) = super::table(rules);
        assert!(is_broken(&table.routes()[0]));
        assert!(
            problems[0].starts_with("warning spec.rules[0]: the rule has no backend"),
            "{problems:?}"
        );
    }
}

#[test]
fn a_backend_that_is_not_there_costs_its_share() {
    for (backend, field) in [
        (json!({"name": "nobody", "port": 1}), "name"),
        (json!({"name": "reviews", "port": 1}), "port"),
        (json!({"name": "reviews"}), "port"),
        (json!({"kind": "Bucket", "name": "b", "port": 1}), "kind"),
        (
            json!({"group": "networking.istio.io", "kind": "Hostname", "name": "a", "namespace": "x", "port": 1}),
            "namespace",
        ),
        (
            json!({"name": "two", "namespace": "other", "port": 1}),
            "namespace",
        ),
        (
            json!({"name": "reviews", "port": 9080, "filters": [{"type": "URLRewrite", "urlRewrite": {"hostname": "a"}}]}),
            "filters[0].type",
        ),
    ] {
        let (table, problems) = table(json!([to(json!([{"name": "reviews", "port": 9080}, backend]))]));
        let expected = format!("error spec.rules[0].backendRefs[1].{field}: ");
        assert!(problems[0].starts_with(&expected), "{problems:?}");
        let destinations = destinations(&table.routes()[0]);
        assert!(destinations[0].broken.is_none());
        assert!(destinations[1].broken.is_some(), "{destinations:?}");
        assert_eq!(destinations[1].host, "", "whoever does not look reaches nothing");
        let Action::Forward(weighted) = &table.routes()[0].action else {
            panic!("it forwards")
        };
        assert_eq!(weighted.total_weight(), 2);
    }
}

fn grant(from: Value, to: Value) -> Arc<ReferenceGrant> {
    object("g", "other", json!({"from": [from], "to": [to]}))
}

#[test]
fn services_of_other_namespaces_take_a_grant() {
    let from = |kind: &str, namespace: &str| json!({"group": "gateway.networking.k8s.io", "kind": kind, "namespace": namespace});
    let service = json!({"group": "", "kind": "Service"});
    let cases = [
        (vec![grant(from("HTTPRoute", "default"), service.clone())], true),
        (
            vec![grant(
                from("HTTPRoute", "default"),
                json!({"group": "", "kind": "Service", "name": "two"}),
            )],
            true,
        ),
        (
            vec![grant(
                from("HTTPRoute", "default"),
                json!({"group": "", "kind": "Service", "name": "one"}),
            )],
            false,
        ),
        (vec![grant(from("HTTPRoute", "client"), service.clone())], false),
        (vec![grant(from("GRPCRoute", "default"), service.clone())], false),
        (
            vec![grant(
                from("HTTPRoute", "default"),
                json!({"group": "", "kind": "Secret"}),
            )],
            false,
        ),
        (vec![], false),
    ];
    for (grants, granted) in cases {
        let mesh = Mesh {
            http: vec![http_route(
                "a",
                json!([to(json!([{"name": "two", "namespace": "other", "port": 2}]))]),
            )],
            grants,
            ..Mesh::default()
        };
        let (table, problems) = mesh.compile();
        assert_eq!(problems.is_empty(), granted, "{:?}", lines(&problems));
        let [destination] = destinations(&table.unwrap().routes()[0]).try_into().unwrap();
        assert_eq!(destination.broken.is_none(), granted);
    }
    // A grant of another namespace than the Service's permits nothing.
    let elsewhere: Arc<ReferenceGrant> = object(
        "g",
        "default",
        json!({"from": [from("HTTPRoute", "default")], "to": [service]}),
    );
    let mesh = Mesh {
        http: vec![http_route(
            "a",
            json!([to(json!([{"name": "two", "namespace": "other", "port": 2}]))]),
        )],
        grants: vec![elsewhere],
        ..Mesh::default()
    };
    assert_eq!(mesh.compile().1.len(), 1);
}
