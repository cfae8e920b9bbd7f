mod connections;
mod filters;
mod matching;
mod oracle;
mod references;
mod sessions;
mod status;
mod unreadable;

use std::sync::Arc;

use cairn_api::gateway::{GrpcRoute, HttpRoute, ReferenceGrant};
use cairn_config::Problem;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{HOST, Inputs, compile, document, forward, is_broken, lines, service};
use crate::compile::GatewayRoutes;
use crate::destination::Destination;
use crate::head::RequestHead;
use crate::route::{Action, Route};
use crate::table::RouteTable;
use cairn_api::meta::{Kind, ObjectRef};

fn object<T: DeserializeOwned>(name: &str, namespace: &str, spec: Value) -> Arc<T> {
    let document = json!({"metadata": {"name": name, "namespace": namespace}, "spec": spec});
    Arc::new(serde_json::from_value(document).unwrap())
}

fn parent() -> Value {
    json!([{"group": "", "kind": "Service", "name": "reviews"}])
}

fn http_route(name: &str, rules: Value) -> Arc<HttpRoute> {
    object(name, "default", json!({"parentRefs": parent(), "rules": rules}))
}

fn grpc_route(name: &str, rules: Value) -> Arc<GrpcRoute> {
    object(name, "default", json!({"parentRefs": parent(), "rules": rules}))
}

fn backend() -> Value {
    json!([{"name": "reviews", "port": 9080}])
}

/// A rule to `reviews`, by its name.
fn rule(name: &str, matches: Value) -> Value {
    json!({"name": name, "matches": matches, "backendRefs": backend()})
}

#[derive(Default)]
struct Mesh {
    http: Vec<Arc<HttpRoute>>,
    grpc: Vec<Arc<GrpcRoute>>,
    grants: Vec<Arc<ReferenceGrant>>,
}

impl Mesh {
    fn compile(&self) -> (Option<RouteTable>, Vec<Problem>) {
        self.compile_with(&Inputs::default())
    }

    fn compile_with(&self, more: &Inputs<'_>) -> (Option<RouteTable>, Vec<Problem>) {
        compile(&Inputs {
            service_host: HOST,
            service_namespace: "default",
            waypoint_namespace: "default",
            port: 9080,
            http_routes: &self.http,
            grpc_routes: &self.grpc,
            reference_grants: &self.grants,
            services: Some(&service),
            ..*more
        })
    }
}

/// The table of one HTTPRoute, and what is said of it.
fn table(rules: Value) -> (RouteTable, Vec<String>) {
    let mesh = Mesh {
        http: vec![http_route("a", rules)],
        ..Mesh::default()
    };
    let (table, problems) = mesh.compile();
    (table.unwrap(), lines(&problems))
}

/// The only route of an HTTPRoute that is as it should be.
fn only(rule: Value) -> Route {
    let (table, problems) = table(json!([rule]));
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(table.routes().len(), 1);
    Route::clone(&table.routes()[0])
}

fn destinations(route: &Route) -> Vec<Destination> {
    let Action::Forward(destinations) = &route.action else {
        panic!("{route:?}")
    };
    destinations.iter().cloned().collect()
}

/// The name of the route that is found for a request, `POST /a?b=c`, with these fields.
fn found(table: &RouteTable, request: &str, fields: &[(&'static str, &'static str)]) -> Option<String> {
    let (method, target) = request.split_once(' ').unwrap();
    let (path, query) = target
        .split_once('?')
        .map_or((target, None), |(path, query)| (path, Some(query)));
    let fields = fields.iter();
    let headers: HeaderMap = fields
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
    let head = RequestHead {
        method,
        path,
        query,
        authority: "reviews",
        scheme: "http",
        headers: &headers,
        noted: &[],
        token: None,
        source: None,
    };
    let name = table.find(&head).map(|route| route.name.clone());
    assert_eq!(name, table.find_naive(&head).map(|route| route.name.clone()));
    name
}

#[test]
fn routes_of_the_service_and_port_are_attached() {
    let attached = |parents: Value| {
        let route = object(
            "a",
            "default",
            json!({"parentRefs": parents, "rules": [rule("r", json!([]))]}),
        );
        let mesh = Mesh {
            http: vec![route],
            ..Mesh::default()
        };
        let named = Inputs {
            port_name: Some("http"),
            ..Inputs::default()
        };
        mesh.compile_with(&named).0.is_some()
    };
    assert!(attached(parent()));
    assert!(attached(
        json!([{"group": "core", "kind": "Service", "name": "reviews", "namespace": "default", "port": 9080}])
    ));
    assert!(attached(
        json!([{"group": "", "kind": "Service", "name": "reviews", "sectionName": "http"}])
    ));
    assert!(!attached(
        json!([{"group": "", "kind": "Service", "name": "reviews", "sectionName": "grpc"}])
    ));
    assert!(!attached(
        json!([{"group": "", "kind": "Service", "name": "reviews", "port": 80}])
    ));
    assert!(!attached(
        json!([{"group": "", "kind": "Service", "name": "ratings"}])
    ));
    assert!(
        !attached(json!([{"kind": "Service", "name": "reviews"}])),
        "of the Gateway API's group"
    );
    assert!(!attached(json!([{"name": "reviews"}])), "a Gateway");
    assert!(!attached(json!([])));
}

#[test]
fn routes_of_a_service_entry_name_the_object() {
    let parents = json!([{"group": "networking.istio.io", "kind": "ServiceEntry", "name": "books"}]);
    let route: Arc<HttpRoute> = object(
        "a",
        "default",
        json!({"parentRefs": parents, "rules": [rule("r", json!([]))]}),
    );
    let entry = ObjectRef::new(Kind::ServiceEntry, "default", "books");
    let index = GatewayRoutes::new(&[Arc::clone(&route)], &[]);
    assert_eq!(index.http(&entry), [Arc::clone(&route)]);
    assert!(index.grpc(&entry).is_empty());
    assert!(
        index
            .http(&ObjectRef::new(Kind::Service, "default", "books"))
            .is_empty()
    );
    let mesh = Mesh {
        http: vec![route],
        ..Mesh::default()
    };
    let of = |origin: &ObjectRef| {
        let inputs = Inputs {
            origin: Some(origin),
            ..Inputs::default()
        };
        mesh.compile_with(&inputs).0.is_some()
    };
    assert!(of(&entry));
    assert!(!of(&ObjectRef::new(Kind::ServiceEntry, "default", "other")));
    assert!(mesh.compile().0.is_none());
}

#[test]
fn a_route_for_the_clients_of_its_namespace_is_not_acted_on() {
    let parents = json!([{"group": "", "kind": "Service", "name": "reviews", "namespace": "default"}]);
    let mesh = Mesh {
        http: vec![object(
            "a",
            "client",
            json!({"parentRefs": parents, "rules": [rule("r", json!([]))]}),
        )],
        ..Mesh::default()
    };
    let (table, problems) = mesh.compile();
    assert!(table.is_none());
    let lines = lines(&problems);
    assert!(
        lines[0].starts_with("unsupported spec.parentRefs[0]: "),
        "{lines:?}"
    );
}

#[test]
fn routes_of_the_gateway_api_go_before_virtual_services() {
    let virtual_services = [Arc::new(document(
        "v",
        "default",
        json!({"hosts": ["reviews"], "http": [{"name": "v", "route": forward()}]}),
    ))];
    let mesh = Mesh {
        http: vec![http_route(
            "a",
            json!([rule("a", json!([{"path": {"value": "/a"}}]))]),
        )],
        ..Mesh::default()
    };
    let inputs = Inputs {
        virtual_services: &virtual_services,
        ..Inputs::default()
    };
    let (table, problems) = mesh.compile_with(&inputs);
    let table = table.unwrap();
    assert_eq!(found(&table, "GET /a", &[]).as_deref(), Some("a"));
    assert_eq!(
        found(&table, "GET /b", &[]),
        None,
        "404, as the specification has it"
    );
    let [problem] = problems.as_slice() else {
        panic!("{problems:?}")
    };
    assert_eq!(problem.object.as_ref().unwrap().kind, Kind::VirtualService);
    assert!(
        problem.message.contains("such as HTTPRoute default/a"),
        "{problem}"
    );
    // On another port nothing is attached.
    let elsewhere = object(
        "a",
        "default",
        json!({"parentRefs": [{"group": "", "kind": "Service", "name": "reviews", "port": 80}], "rules": [rule("a", json!([]))]}),
    );
    let mesh = Mesh {
        http: vec![elsewhere],
        ..Mesh::default()
    };
    let (table, problems) = mesh.compile_with(&inputs);
    assert_eq!(found(&table.unwrap(), "GET /b", &[]).as_deref(), Some("v"));
    assert!(problems.is_empty());
}

#[test]
fn rules_have_names_of_their_own_or_of_their_places() {
    let (table, _) = table(json!([
        {"backendRefs": backend(), "matches": [{"path": {"type": "Exact", "value": "/a"}}, {"path": {"type": "Exact", "value": "/b"}}]},
        rule("own", json!([])),
    ]));
    assert_eq!(found(&table, "GET /b", &[]).as_deref(), Some("default.a.0"));
    assert_eq!(found(&table, "GET /c", &[]).as_deref(), Some("own"));
    let fields: Vec<&str> = table.routes().iter().map(|route| route.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "spec.rules[0].matches[0]",
            "spec.rules[0].matches[1]",
            "spec.rules[1]"
        ]
    );
    assert_eq!(
        table.routes()[0].source,
        ObjectRef::new(Kind::HttpRoute, "default", "a")
    );
}

#[test]
fn timeouts_and_retries_are_as_istio_takes_them() {
    let route = |more: Value| {
        let mut rule = rule("r", json!([]));
        for (key, value) in more.as_object().unwrap() {
            rule[key] = value.clone();
        }
        only(rule)
    };
    let seconds = |duration: Option<std::time::Duration>| duration.map(|duration| duration.as_secs());
    let none = route(json!({"timeouts": {"request": "0s"}}));
    assert_eq!((none.timeout, none.retry), (None, None));
    let request = route(json!({"timeouts": {"request": "10s"}}));
    assert_eq!(seconds(request.timeout), Some(10));
    // The mesh's retries do not follow upon a timeout.
    let attempt = route(json!({"timeouts": {"request": "10s", "backendRequest": "2s"}}));
    assert_eq!((seconds(attempt.timeout), attempt.retry), (Some(2), None));
    let retried = route(json!({
        "timeouts": {"request": "10s", "backendRequest": "2s"},
        "retry": {"codes": [503, 429], "attempts": 4, "backoff": "1s"},
    }));
    let retry = retried.retry.unwrap();
    assert_eq!(seconds(retried.timeout), Some(10));
    assert_eq!(seconds(retry.per_try_timeout), Some(2));
    assert_eq!((retry.attempts, retry.backoff.as_secs()), (4, 1));
    assert!(retry.instead_of(http::StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new()));
    assert!(!retry.instead_of(http::StatusCode::BAD_GATEWAY, &HeaderMap::new()));
    assert!(retry.after(crate::retry::Lost::Connect));
    assert_eq!(route(json!({"retry": {}})).retry.unwrap().attempts, 2);
    assert_eq!(
        route(json!({"retry": {"attempts": 0}})).retry.unwrap().attempts,
        0
    );
    let (bad, problems) = table(json!([{"retry": {"codes": [200]}, "backendRefs": backend()}]));
    assert!(is_broken(&bad.routes()[0]));
    assert!(
        problems[0].starts_with("error spec.rules[0].retry.codes[0]: "),
        "{problems:?}"
    );
    let (_, problems) =
        table(json!([{"timeouts": {"request": "1s", "backendRequest": "2s"}, "backendRefs": backend()}]));
    assert!(
        problems[0].starts_with("warning spec.rules[0].timeouts.backendRequest: "),
        "{problems:?}"
    );
}
