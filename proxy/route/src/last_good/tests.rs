#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
// `json!` values are written in place.
#![allow(clippy::needless_pass_by_value)]

use std::sync::Arc;

use cairn_api::istio::VirtualService;
use cairn_api::meta::{Key, Kind, ObjectRef};
use cairn_config::{Objects, Severity};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{LastGood, LastGoodRoutes};

fn version(http: Value) -> Arc<VirtualService> {
    let document =
        json!({"metadata": {"name": "a", "namespace": "default"}, "spec": {"hosts": ["a"], "http": http}});
    Arc::new(serde_json::from_value(document).unwrap())
}

fn good(status: u32) -> Arc<VirtualService> {
    version(json!([{"directResponse": {"status": status}}]))
}

fn bad() -> Arc<VirtualService> {
    version(json!([{"match": [{"uri": {"regex": "("}}], "directResponse": {"status": 200}}]))
}

#[test]
fn the_last_version_without_errors_stays_in_force() {
    let (first, broken, second) = (good(200), bad(), good(201));
    let mut last_good = LastGood::default();
    assert_eq!(last_good.admit([&first]), (vec![Arc::clone(&first)], vec![]));

    let (admitted, problems) = last_good.admit([&broken]);
    assert!(Arc::ptr_eq(&admitted[0], &first));
    assert_eq!(
        problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
            .count(),
        2
    );
    assert!(
        problems
            .iter()
            .any(|problem| problem.message.contains("not in force"))
    );

    let (again, same) = last_good.admit([&broken]);
    assert!(Arc::ptr_eq(&again[0], &first));
    assert_eq!(same, problems, "what is unchanged says the same as before");

    assert_eq!(last_good.admit([&second]), (vec![second], vec![]));
}

#[test]
fn what_never_was_right_comes_as_it_is() {
    let broken = bad();
    let (admitted, problems) = LastGood::default().admit([&broken]);
    assert!(Arc::ptr_eq(&admitted[0], &broken));
    assert!(
        !problems
            .iter()
            .any(|problem| problem.message.contains("not in force"))
    );
}

#[test]
fn what_is_deleted_is_forgotten() {
    let (first, broken) = (good(200), bad());
    let mut last_good = LastGood::default();
    last_good.admit([&first]);
    last_good.admit([]);
    assert!(Arc::ptr_eq(&last_good.admit([&broken]).0[0], &broken));
}

/// A route of this kind to `reviews`, with this in place of its rules' good parts.
fn route<T: DeserializeOwned>(spec: Value) -> (Key, Arc<T>) {
    let mut document = json!({"metadata": {"name": "a", "namespace": "default"}, "spec": spec});
    document["spec"]["parentRefs"] = json!([{"group": "", "kind": "Service", "name": "reviews"}]);
    (
        Key::new("default", "a"),
        Arc::new(serde_json::from_value(document).unwrap()),
    )
}

/// One route of each kind, all of which are right or all wrong. Their backends are not there, which is no error of theirs.
fn routes(right: bool) -> Objects {
    let backends = json!([{"kind": "Bucket", "name": "nobody", "namespace": "other"}]);
    let weight = if right { 1 } else { -1 };
    let expression = if right { "a" } else { "(" };
    let matched = json!([{"path": {"type": "RegularExpression", "value": expression}}]);
    let method = json!([{"method": {"type": "RegularExpression", "service": expression}}]);
    let weighted = json!([{"backendRefs": [{"name": "nobody", "weight": weight}]}]);
    let names = if right {
        json!(["a.example"])
    } else {
        json!(["a.example", "*"])
    };
    Objects {
        http_routes: [route(
            json!({"rules": [{"matches": matched, "backendRefs": backends}]}),
        )]
        .into(),
        grpc_routes: [route(
            json!({"rules": [{"matches": method, "backendRefs": backends}]}),
        )]
        .into(),
        tcp_routes: [route(json!({"rules": weighted}))].into(),
        tls_routes: [route(
            json!({"rules": [{"backendRefs": backends}], "hostnames": names}),
        )]
        .into(),
        ..Objects::default()
    }
}

#[test]
fn routes_of_the_gateway_api_stay_in_force_too() {
    let parent = ObjectRef::new(Kind::Service, "default", "reviews");
    let key = Key::new("default", "a");
    let (right, wrong) = (routes(true), routes(false));
    let mut last_good = LastGoodRoutes::default();
    let (_, problems) = last_good.admit(&right);
    assert_eq!(problems, vec![]);
    for _ in 0..2 {
        let (index, problems) = last_good.admit(&wrong);
        assert!(Arc::ptr_eq(&index.http(&parent)[0], &right.http_routes[&key]));
        assert!(Arc::ptr_eq(&index.grpc(&parent)[0], &right.grpc_routes[&key]));
        assert!(Arc::ptr_eq(&index.tcp(&parent)[0], &right.tcp_routes[&key]));
        assert!(Arc::ptr_eq(&index.tls(&parent)[0], &right.tls_routes[&key]));
        for kind in [Kind::HttpRoute, Kind::GrpcRoute, Kind::TcpRoute, Kind::TlsRoute] {
            let object = ObjectRef::new(kind, "default", "a");
            let own: Vec<_> = problems
                .iter()
                .filter(|problem| problem.object.as_ref() == Some(&object))
                .collect();
            assert_eq!(own[0].severity, Severity::Error, "{own:?}");
            assert!(own.last().unwrap().message.contains("is not in force"), "{own:?}");
            let of_backend = |problem: &str| problem.contains("backendRefs") && !problem.contains("weight");
            assert!(!own.iter().any(|problem| of_backend(&problem.field)), "{own:?}");
        }
    }
    let mut fresh = LastGoodRoutes::default();
    let (index, _) = fresh.admit(&wrong);
    assert!(Arc::ptr_eq(&index.http(&parent)[0], &wrong.http_routes[&key]));
}
