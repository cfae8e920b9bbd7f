use std::sync::Arc;

use cairn_api::gateway::{ReferenceGrant, TcpRoute, TlsRoute};
use cairn_api::meta::{Kind, ObjectRef};
use cairn_config::Problem;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::super::{HOST, document, forward, lines, service};
use super::{object, parent};
use crate::compile::{GatewayRoutes, Inputs, compile_tcp};
use crate::tcp::{Connection, TcpAction, TcpRoutes};

fn tcp(name: &str, rules: Value) -> Arc<TcpRoute> {
    object(name, "default", json!({"parentRefs": parent(), "rules": rules}))
}

fn tls(name: &str, hostnames: Value, rules: Value) -> Arc<TlsRoute> {
    object(
        name,
        "default",
        json!({"parentRefs": parent(), "hostnames": hostnames, "rules": rules}),
    )
}

fn to(name: &str) -> Value {
    json!([{"backendRefs": [{"name": name, "port": 9080}]}])
}

#[derive(Default)]
struct Mesh {
    tcp: Vec<Arc<TcpRoute>>,
    tls: Vec<Arc<TlsRoute>>,
    grants: Vec<Arc<ReferenceGrant>>,
}

impl Mesh {
    fn compile(&self) -> (Option<TcpRoutes>, Vec<Problem>) {
        self.compile_with(&Inputs::default())
    }

    fn compile_with(&self, more: &Inputs<'_>) -> (Option<TcpRoutes>, Vec<Problem>) {
        compile_tcp(&Inputs {
            service_host: HOST,
            service_namespace: "default",
            waypoint_namespace: "default",
            port: 9080,
            tcp_routes: &self.tcp,
            tls_routes: &self.tls,
            reference_grants: &self.grants,
            services: Some(&service),
            ..*more
        })
    }

    /// The routes, when nothing is wrong.
    fn routes(&self) -> TcpRoutes {
        let (routes, problems) = self.compile();
        assert_eq!(lines(&problems), Vec::<String>::new());
        routes.unwrap()
    }
}

fn to_name(server_name: Option<&str>) -> Connection<'_> {
    Connection {
        client: "127.0.0.1".parse().unwrap(),
        destination: "10.0.0.1".parse().unwrap(),
        server_name,
        source: None,
    }
}

/// Where a connection with this server name goes: the route's name, or `closed`.
fn found(routes: &TcpRoutes, name: Option<&str>) -> Option<String> {
    let route = routes.find(&to_name(name))?;
    Some(match &route.action {
        TcpAction::Forward(_) => route.source.name.clone(),
        TcpAction::Broken { .. } => "closed".to_owned(),
    })
}

#[test]
fn connections_are_led_by_server_name_and_then_by_port() {
    let mesh = Mesh {
        tcp: vec![tcp("rest", to("reviews"))],
        tls: vec![
            tls("wide", json!(["*.example"]), to("reviews")),
            tls("deep", json!(["*.a.example", "x.example"]), to("ratings")),
            tls("exact", json!(["B.a.example"]), to("reviews")),
        ],
        ..Mesh::default()
    };
    let routes = mesh.routes();
    for (name, expected) in [
        (Some("b.a.example"), "exact"),
        (Some("c.a.example"), "deep"),
        (Some("d.c.a.example"), "deep"),
        (Some("x.example"), "deep"),
        (Some("a.example"), "wide"),
        (Some("other.test"), "rest"),
        (None, "rest"),
    ] {
        assert_eq!(found(&routes, name).as_deref(), Some(expected), "{name:?}");
    }
    assert!(routes.asks_for_server_name());
    assert_eq!(routes.routes()[0].field, "spec.rules[0]");
    let plain = Mesh {
        tcp: vec![tcp("rest", to("reviews"))],
        ..Mesh::default()
    };
    assert!(!plain.routes().asks_for_server_name());
    assert!(Mesh::default().compile().0.is_none());
}

#[test]
fn a_name_that_no_route_is_for_is_closed() {
    let mesh = Mesh {
        tls: vec![tls("a", json!(["a.example"]), to("reviews"))],
        ..Mesh::default()
    };
    let routes = mesh.routes();
    assert_eq!(found(&routes, Some("a.example")).as_deref(), Some("a"));
    assert_eq!(found(&routes, Some("b.example")).as_deref(), Some("closed"));
    assert_eq!(
        found(&routes, None),
        None,
        "no TLS, or no name: the service itself"
    );
    // Without host names a route is for all of them.
    let mesh = Mesh {
        tls: vec![
            tls("all", json!([]), to("reviews")),
            tls("a", json!(["a.example"]), to("reviews")),
        ],
        ..Mesh::default()
    };
    let routes = mesh.routes();
    assert_eq!(found(&routes, Some("a.example")).as_deref(), Some("a"));
    assert_eq!(found(&routes, Some("b.example")).as_deref(), Some("all"));
    assert_eq!(found(&routes, None), None);
}

#[test]
fn routes_attach_to_services_service_entries_and_their_ports() {
    let attached = |parent: Value, more: &Inputs<'_>| {
        let spec = |rules: Value| json!({"parentRefs": [{"name": "a-gateway"}, parent], "rules": rules});
        let mesh = Mesh {
            tcp: vec![object("a", "default", spec(to("reviews")))],
            ..Mesh::default()
        };
        let by_name = Mesh {
            tls: vec![object("a", "default", spec(to("reviews")))],
            ..Mesh::default()
        };
        let (is_there, other) = (mesh.compile_with(more).0, by_name.compile_with(more).0);
        assert_eq!(is_there.is_some(), other.is_some());
        is_there.is_some()
    };
    let named = Inputs {
        port_name: Some("tcp"),
        ..Inputs::default()
    };
    let service = |more: Value| {
        let mut parent = json!({"group": "", "kind": "Service", "name": "reviews"});
        for (key, value) in more.as_object().unwrap() {
            parent[key] = value.clone();
        }
        parent
    };
    assert!(attached(service(json!({})), &named));
    assert!(attached(
        service(json!({"port": 9080, "sectionName": "tcp"})),
        &named
    ));
    assert!(!attached(service(json!({"sectionName": "http"})), &named));
    assert!(!attached(service(json!({"port": 80})), &named));
    assert!(!attached(service(json!({"name": "ratings"})), &named));
    let entry = ObjectRef::new(Kind::ServiceEntry, "default", "books");
    let of_entry = Inputs {
        origin: Some(&entry),
        ..Inputs::default()
    };
    let parent = json!({"group": "networking.istio.io", "kind": "ServiceEntry", "name": "books"});
    assert!(attached(parent.clone(), &of_entry));
    assert!(!attached(parent, &named));

    let (one, other) = (tcp("a", to("reviews")), tls("b", json!([]), to("reviews")));
    let index = GatewayRoutes::default().with_connections(&[Arc::clone(&one)], &[Arc::clone(&other)]);
    let reviews = ObjectRef::new(Kind::Service, "default", "reviews");
    assert_eq!(
        (index.tcp(&reviews), index.tls(&reviews)),
        (&[one][..], &[other][..])
    );
    assert!(index.tcp(&entry).is_empty() && index.tls(&entry).is_empty());
}

#[test]
fn a_route_for_the_clients_of_its_namespace_is_not_acted_on() {
    let parents = json!([{"group": "", "kind": "Service", "name": "reviews", "namespace": "default"}]);
    let mesh = Mesh {
        tcp: vec![object(
            "a",
            "client",
            json!({"parentRefs": parents, "rules": to("reviews")}),
        )],
        ..Mesh::default()
    };
    let (routes, problems) = mesh.compile();
    assert!(routes.is_none());
    assert!(
        lines(&problems)[0].starts_with("unsupported spec.parentRefs[0]: "),
        "{problems:?}"
    );
}

#[test]
fn the_oldest_comes_first_and_the_others_are_told() {
    let created = |name: &str, time: &str| {
        let mut route = (*tcp(name, to("reviews"))).clone();
        route.metadata.creation_timestamp = Some(time.to_owned());
        Arc::new(route)
    };
    let mesh = Mesh {
        tcp: vec![
            created("a", "2024-02-01T00:00:00Z"),
            created("c", "2024-01-01T00:00:00Z"),
            created("b", "2024-01-01T00:00:00Z"),
        ],
        tls: vec![
            tls("y", json!(["a.example"]), to("reviews")),
            tls("x", json!(["a.example", "b.example"]), to("ratings")),
        ],
        ..Mesh::default()
    };
    let (routes, problems) = mesh.compile();
    let routes = routes.unwrap();
    assert_eq!(found(&routes, None).as_deref(), Some("b"));
    assert_eq!(found(&routes, Some("a.example")).as_deref(), Some("x"));
    let said: Vec<String> = problems
        .iter()
        .map(|problem| format!("{} {}", problem.object.as_ref().unwrap().name, problem.message))
        .collect();
    assert_eq!(
        said,
        [
            "y no connection to port 9080 of `a.example` gets here: TLSRoute default/x spec.rules[0] comes first",
            "c no connection to port 9080 gets here: TCPRoute default/b spec.rules[0] comes first",
            "a no connection to port 9080 gets here: TCPRoute default/b spec.rules[0] comes first",
        ]
    );
    // Within one route too.
    let rules = json!([to("reviews")[0], to("ratings")[0]]);
    let mesh = Mesh {
        tcp: vec![tcp("a", rules)],
        ..Mesh::default()
    };
    let (routes, problems) = mesh.compile();
    assert_eq!(routes.unwrap().routes().len(), 1);
    assert!(
        lines(&problems)[0].starts_with("warning spec.rules[1]: "),
        "{problems:?}"
    );
}

#[test]
fn backends_have_weights_and_those_that_are_not_there_their_share() {
    let mesh = |backends: Value, grants: Vec<Arc<ReferenceGrant>>| Mesh {
        tcp: vec![tcp("a", json!([{"backendRefs": backends}]))],
        grants,
        ..Mesh::default()
    };
    let shares = |mesh: &Mesh| {
        let (routes, problems) = mesh.compile();
        let routes = routes.unwrap();
        let TcpAction::Forward(destinations) = &routes.routes()[0].action else {
            panic!("{routes:?}")
        };
        let seen: Vec<(String, u32, bool)> = destinations
            .iter()
            .map(|one| (one.host.clone(), one.weight, one.broken.is_some()))
            .collect();
        (seen, lines(&problems))
    };
    let (seen, problems) = shares(&mesh(
        json!([
            {"name": "reviews", "port": 9080, "weight": 3},
            {"name": "nobody", "port": 1},
            {"name": "two", "namespace": "other", "port": 1, "weight": 2},
        ]),
        vec![],
    ));
    assert_eq!(
        seen,
        [
            (HOST.to_owned(), 3, false),
            (String::new(), 1, true),
            (String::new(), 2, true)
        ]
    );
    assert!(
        problems[0].starts_with("error spec.rules[0].backendRefs[1].name: "),
        "{problems:?}"
    );
    assert!(
        problems[1].starts_with("error spec.rules[0].backendRefs[2].namespace: "),
        "{problems:?}"
    );
    let grant = |kind: &str| {
        let from = json!([{"group": "gateway.networking.k8s.io", "kind": kind, "namespace": "default"}]);
        let to = json!([{"group": "", "kind": "Service"}]);
        object::<ReferenceGrant>("g", "other", json!({"from": from, "to": to}))
    };
    let other = json!([{"name": "two", "namespace": "other", "port": 1}]);
    let (seen, problems) = shares(&mesh(other.clone(), vec![grant("TCPRoute")]));
    assert_eq!(seen, [("two.other.svc.cluster.local".to_owned(), 1, false)]);
    assert!(problems.is_empty());
    let (seen, _) = shares(&mesh(other, vec![grant("HTTPRoute")]));
    assert!(seen[0].2, "for routes of another kind");
}

#[test]
fn what_leads_nowhere_closes() {
    for (rules, problem) in [
        (
            json!([]),
            "warning spec.rules[0]: the rule has no backend, so its connections are closed",
        ),
        (
            json!([{}]),
            "warning spec.rules[0]: the rule has no backend, so its connections are closed",
        ),
        (
            json!([{"backendRefs": [{"name": "reviews", "port": 9080, "weight": 0}]}]),
            "",
        ),
        (
            json!([{"backendRefs": [{"name": "reviews", "port": 9080, "weight": -1}]}]),
            "error spec.rules[0].backendRefs[0].weight: a weight cannot be negative",
        ),
    ] {
        let mesh = Mesh {
            tcp: vec![tcp("a", rules.clone())],
            ..Mesh::default()
        };
        let (routes, problems) = mesh.compile();
        assert_eq!(
            found(&routes.unwrap(), None).as_deref(),
            Some("closed"),
            "{rules}"
        );
        assert_eq!(lines(&problems).first().map_or("", String::as_str), problem);
    }
    // What is no name leads nobody; the others do.
    for name in ["*", "a.*.b", "*a.example", "", "10.0.0.1", "a..b", "-a.b", "a b"] {
        let mesh = Mesh {
            tls: vec![tls("a", json!(["a.example", name]), to("reviews"))],
            ..Mesh::default()
        };
        let (routes, problems) = mesh.compile();
        let routes = routes.unwrap();
        assert!(
            lines(&problems)[0].starts_with("error spec.hostnames[1]: "),
            "{problems:?}"
        );
        assert_eq!(found(&routes, Some("a.example")).as_deref(), Some("a"));
        assert_eq!(found(&routes, Some("x.example")).as_deref(), Some("closed"));
    }
}

#[test]
fn routes_of_the_gateway_api_go_before_virtual_services() {
    let spec = json!({
        "hosts": ["reviews"],
        "tcp": [{"route": forward()}],
        "tls": [{"match": [{"sniHosts": [HOST]}], "route": forward()}],
    });
    let virtual_services = [Arc::new(document("v", "default", spec))];
    let inputs = Inputs {
        virtual_services: &virtual_services,
        ..Inputs::default()
    };
    let (routes, problems) = Mesh::default().compile_with(&inputs);
    assert_eq!(found(&routes.unwrap(), None).as_deref(), Some("v"));
    assert!(problems.is_empty());
    let mesh = Mesh {
        tls: vec![tls("a", json!(["a.example"]), to("reviews"))],
        ..Mesh::default()
    };
    let (routes, problems) = mesh.compile_with(&inputs);
    let routes = routes.unwrap();
    assert_eq!(found(&routes, Some(HOST)).as_deref(), Some("closed"));
    assert_eq!(found(&routes, None), None);
    let lines = lines(&problems);
    for (line, field) in lines.iter().zip(["spec.tls", "spec.tcp"]) {
        assert!(line.starts_with(&format!("warning {field}: ")), "{line}");
        assert!(line.ends_with("such as TLSRoute default/a"), "{line}");
    }
    assert_eq!(lines.len(), 2);
}

const NAMES: [&str; 7] = [
    "*.example",
    "a.example",
    "*.a.example",
    "b.a.example",
    "*.b.a.example",
    "example",
    "*.c",
];

fn routes() -> impl Strategy<Value = Vec<Arc<TlsRoute>>> {
    let created = option::of(select(vec!["2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z"]));
    vec((created, vec(select(NAMES.to_vec()), 0..4)), 1..=3).prop_map(|routes| {
        let routes = routes.into_iter().zip(["b", "a", "c"]);
        let routes = routes.map(|((created, names), name)| {
            let mut route = (*tls(name, json!(names), to("reviews"))).clone();
            route.metadata.creation_timestamp = created.map(str::to_owned);
            Arc::new(route)
        });
        routes.collect()
    })
}

/// The winner, as the specification has it: of the names that fit, an exact one, then the one with most labels.
fn expected(routes: &[Arc<TlsRoute>], name: &str) -> Option<String> {
    let all = routes.iter().flat_map(|route| {
        let written = route.spec.hostnames.clone();
        let every = written.is_empty().then(|| "*".to_owned());
        written
            .into_iter()
            .chain(every)
            .map(move |written| (route, written))
    });
    let fits = |written: &str| match written.strip_prefix('*') {
        Some(rest) => name.ends_with(rest),
        None => name == written,
    };
    let winner = all
        .filter(|(_, written)| fits(written))
        .min_by_key(|(route, written)| {
            (
                written.starts_with('*'),
                std::cmp::Reverse(written.split('.').count()),
                route.metadata.creation_timestamp.clone(),
                route.metadata.name.clone(),
            )
        });
    winner.map(|(route, _)| route.metadata.name.clone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_winner_is_the_one_of_the_specification(
        routes in routes(),
        names in vec("((a|b|c)\\.){0,3}(example|c|test)", 10),
    ) {
        let mesh = Mesh { tls: routes, ..Mesh::default() };
        let table = mesh.compile().0.unwrap();
        for name in &names {
            let expected = expected(&mesh.tls, name).unwrap_or_else(|| "closed".to_owned());
            prop_assert_eq!(found(&table, Some(name)), Some(expected), "{}", name);
        }
    }
}
