#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
// `json!` values are written in place.
#![allow(clippy::needless_pass_by_value)]

mod actions;
mod crossing;
mod delegates;
mod destinations;
mod gateway;
mod matching;
mod selection;
mod tcp;

use std::sync::Arc;

use cairn_api::istio::VirtualService;
use cairn_config::{Problem, Severity};
use http::HeaderMap;
use serde_json::{Value, json};

use super::{Inputs, KnownService, check, compile};
use crate::head::RequestHead;
use crate::route::{Action, Route};
use crate::rules::DestinationRules;
use crate::table::RouteTable;

const HOST: &str = "reviews.default.svc.cluster.local";

/// A VirtualService for `reviews` with these routes.
fn reviews(http: Value) -> VirtualService {
    document("reviews", "default", json!({"hosts": ["reviews"], "http": http}))
}

fn document(name: &str, namespace: &str, spec: Value) -> VirtualService {
    serde_json::from_value(json!({"metadata": {"name": name, "namespace": namespace}, "spec": spec})).unwrap()
}

/// The services of a small mesh: reviews has one port, ratings two.
fn service(host: &str) -> Option<KnownService> {
    let (namespace, ports) = match host {
        HOST => ("default", vec![9080]),
        "ratings.default.svc.cluster.local" => ("default", vec![9080, 9090]),
        "two.other.svc.cluster.local" => ("other", vec![1, 2]),
        _ => return None,
    };
    Some(KnownService {
        namespace: namespace.to_owned(),
        ports,
    })
}

fn compile_all(virtual_services: Vec<VirtualService>) -> (Option<RouteTable>, Vec<Problem>) {
    let virtual_services: Vec<Arc<VirtualService>> = virtual_services.into_iter().map(Arc::new).collect();
    let rule = json!({
        "metadata": {"name": "reviews", "namespace": "default"},
        "spec": {"host": "reviews", "subsets": [{"name": "v1"}, {"name": "v2"}]},
    });
    let (rules, _) =
        DestinationRules::new(&[Arc::new(serde_json::from_value(rule).unwrap())], "istio-system");
    compile(&Inputs {
        service_host: HOST,
        service_namespace: "default",
        waypoint_namespace: "waypoints",
        port: 9080,
        virtual_services: &virtual_services,
        services: Some(&service),
        rules: Some(&rules),
        ..Inputs::default()
    })
}

/// The routes of a VirtualService that is as it should be.
fn routes(http: Value) -> Vec<Arc<Route>> {
    let (table, problems) = compile_all(vec![reviews(http)]);
    assert_eq!(lines(&problems), Vec::<String>::new());
    table.unwrap().routes().to_vec()
}

/// The only route of a VirtualService with one.
fn only(route: Value) -> Route {
    let routes = routes(json!([route]));
    assert_eq!(routes.len(), 1);
    Route::clone(&routes[0])
}

/// What compiling says of one route, severity and field first.
fn problems(route: Value) -> Vec<String> {
    lines(&compile_all(vec![reviews(json!([route]))]).1)
}

fn lines(problems: &[Problem]) -> Vec<String> {
    problems
        .iter()
        .map(|problem| format!("{} {}: {}", problem.severity, problem.field, problem.message))
        .collect()
}

fn errors(virtual_service: &VirtualService) -> Vec<String> {
    let mut problems = check(virtual_service);
    problems.retain(|problem| problem.severity == Severity::Error);
    lines(&problems)
}

/// The route to `reviews` and nothing else.
fn forward() -> Value {
    json!([{"destination": {"host": "reviews"}}])
}

fn found(table: &RouteTable, path: &str) -> Option<String> {
    let headers = HeaderMap::new();
    let head = RequestHead {
        method: "GET",
        path,
        query: None,
        authority: "reviews",
        scheme: "http",
        headers: &headers,
        noted: &[],
        token: None,
        source: None,
    };
    assert_eq!(
        table.find(&head).map(|route| &route.field),
        table.find_naive(&head).map(|route| &route.field),
    );
    table.find(&head).map(|route| route.name.clone())
}

fn is_broken(route: &Route) -> bool {
    matches!(route.action, Action::Broken { .. })
}
