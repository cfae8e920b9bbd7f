use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{HOST, Inputs, document, errors, forward, lines, service};
use crate::compile::compile_tcp;
use crate::head::SourceWorkload;
use crate::tcp::{Connection, TcpAction, TcpRoutes};
use cairn_api::istio::VirtualService;
use cairn_config::Problem;
use std::sync::Arc;

fn written(mut spec: Value) -> VirtualService {
    if spec["hosts"].is_null() {
        spec["hosts"] = json!(["reviews"]);
    }
    document("reviews", "default", spec)
}

fn compiled(spec: Value) -> (Option<TcpRoutes>, Vec<Problem>) {
    compile_tcp(&Inputs {
        service_host: HOST,
        service_namespace: "default",
        waypoint_namespace: "default",
        port: 9080,
        virtual_services: &[Arc::new(written(spec))],
        services: Some(&service),
        ..Inputs::default()
    })
}

fn routes(spec: Value) -> TcpRoutes {
    let (routes, problems) = compiled(spec);
    assert_eq!(lines(&problems), Vec::<String>::new());
    routes.unwrap()
}

fn to(address: &str) -> Connection<'static> {
    Connection {
        destination: address.parse().unwrap(),
        client: "10.9.8.7".parse().unwrap(),
        server_name: None,
        source: None,
    }
}

fn found(routes: &TcpRoutes, connection: &Connection<'_>) -> Option<String> {
    routes.find(connection).map(|route| route.field.clone())
}

#[test]
fn subnets_ports_and_gateways_decide() {
    let routes = routes(json!({"tcp": [
        {"match": [{"destinationSubnets": ["10.0.0.0/8", "127.0.0.5", "fd00::/8"]}], "route": forward()},
        {"match": [{"port": 80}], "route": forward()},
        {"match": [{"gateways": ["edge"]}], "route": forward()},
        {"match": [{"port": 9080, "gateways": ["mesh"], "destinationSubnets": ["127.0.0.0/8"]}], "route": forward()},
    ]}));
    assert_eq!(
        found(&routes, &to("10.1.2.3")).as_deref(),
        Some("spec.tcp[0].match[0]")
    );
    assert_eq!(
        found(&routes, &to("127.0.0.5")).as_deref(),
        Some("spec.tcp[0].match[0]")
    );
    assert_eq!(
        found(&routes, &to("::ffff:10.0.0.1")).as_deref(),
        Some("spec.tcp[0].match[0]")
    );
    assert_eq!(
        found(&routes, &to("fd00::1")).as_deref(),
        Some("spec.tcp[0].match[0]")
    );
    assert_eq!(
        found(&routes, &to("127.0.0.6")).as_deref(),
        Some("spec.tcp[3].match[0]")
    );
    assert_eq!(found(&routes, &to("192.168.0.1")), None);
    assert!(!routes.asks_for_server_name());
}

#[test]
fn the_client_decides() {
    let routes = routes(json!({"tcp": [
        {"match": [{"sourceNamespace": "a", "sourceLabels": {"app": "x"}}], "route": forward()},
        {"match": [{"sourceLabels": {"app": "y"}}], "route": forward()},
    ]}));
    let from = |namespace: &str, app: &str| {
        let labels = BTreeMap::from([("app".to_owned(), app.to_owned())]);
        let connection = Connection {
            source: Some(SourceWorkload {
                labels: &labels,
                namespace,
            }),
            ..to("10.0.0.1")
        };
        found(&routes, &connection)
    };
    assert_eq!(from("a", "x").as_deref(), Some("spec.tcp[0].match[0]"));
    assert_eq!(from("b", "x"), None);
    assert_eq!(from("b", "y").as_deref(), Some("spec.tcp[1].match[0]"));
    assert_eq!(found(&routes, &to("10.0.0.1")), None, "an unknown client");
}

#[test]
fn the_address_of_the_client_decides() {
    let routes = routes(json!({"tcp": [
        {"match": [{"sourceSubnet": "10.1.0.0/16"}], "route": forward()},
        {"match": [{"sourceSubnet": "fd00::1", "destinationSubnets": ["10.0.0.1"]}], "route": forward()},
    ]}));
    let from = |client: &str, to: &str| {
        let connection = Connection {
            client: client.parse().unwrap(),
            ..self::to(to)
        };
        found(&routes, &connection)
    };
    let (first, second) = (Some("spec.tcp[0].match[0]"), Some("spec.tcp[1].match[0]"));
    assert_eq!(from("10.1.2.3", "10.0.0.1").as_deref(), first);
    assert_eq!(from("::ffff:10.1.2.3", "10.0.0.1").as_deref(), first);
    assert_eq!(from("fd00::1", "10.0.0.1").as_deref(), second);
    assert_eq!(from("fd00::1", "10.0.0.2"), None);
    assert_eq!(from("fd00::2", "10.0.0.1"), None);
}

#[test]
fn server_names_decide_before_everything_else() {
    let routes = routes(json!({
        "hosts": ["reviews", "*.example"],
        "tcp": [{"route": forward()}],
        "tls": [
            {"match": [{"sniHosts": ["a.example", HOST]}], "route": forward()},
            {"match": [{"sniHosts": ["*.b.example"]}], "route": forward()},
        ],
    }));
    let named = |name: &'static str| {
        let connection = Connection {
            server_name: Some(name),
            ..to("10.0.0.1")
        };
        found(&routes, &connection)
    };
    assert_eq!(named("a.example").as_deref(), Some("spec.tls[0].match[0]"));
    assert_eq!(named(HOST).as_deref(), Some("spec.tls[0].match[0]"));
    assert_eq!(named("x.y.b.example").as_deref(), Some("spec.tls[1].match[0]"));
    assert_eq!(named("b.example").as_deref(), Some("spec.tcp[0]"));
    assert_eq!(found(&routes, &to("10.0.0.1")).as_deref(), Some("spec.tcp[0]"));
    assert!(routes.asks_for_server_name());
}

#[test]
fn destinations_have_weights() {
    let routes = routes(json!({"tcp": [{"route": [
        {"destination": {"host": "reviews", "subset": "v1"}, "weight": 3},
        {"destination": {"host": "ratings", "port": {"number": 9090}}, "weight": 1},
    ]}]}));
    let TcpAction::Forward(destinations) = &routes.routes()[0].action else {
        panic!("{routes:?}")
    };
    assert_eq!(destinations.pick(2).port, Some(9080));
    assert_eq!(destinations.pick(3).port, Some(9090));
}

#[test]
fn what_does_not_compile_closes_or_is_passed_over() {
    for (spec, field) in [
        (json!({"tcp": [{}]}), "tcp[0].route"),
        (
            json!({"tcp": [{"route": [{}]}]}),
            "tcp[0].route[0].destination.host",
        ),
    ] {
        let expected = format!("error spec.{field}: ");
        let (table, problems) = compiled(spec.clone());
        assert!(lines(&problems)[0].starts_with(&expected), "{problems:?}");
        assert!(matches!(
            table.unwrap().routes()[0].action,
            TcpAction::Broken { .. }
        ));
        assert!(errors(&written(spec))[0].starts_with(&expected));
    }
    for (spec, field) in [
        (
            json!({"tcp": [{"route": forward()}, {"match": [{"destinationSubnets": ["10.0.0.0/40"]}], "route": forward()}]}),
            "tcp[1].match[0].destinationSubnets[0]",
        ),
        (
            json!({"tcp": [{"route": forward()}, {"match": [{"sourceSubnet": "ten"}], "route": forward()}]}),
            "tcp[1].match[0].sourceSubnet",
        ),
        (json!({"tls": [{"route": forward()}]}), "tls[0].match"),
        (
            json!({"tls": [{"match": [{}], "route": forward()}]}),
            "tls[0].match[0].sniHosts",
        ),
        (
            json!({"tls": [{"match": [{"sniHosts": ["a.example"]}], "route": forward()}]}),
            "tls[0].match[0].sniHosts[0]",
        ),
        (
            // Of these some are none of its hosts.
            json!({"hosts": ["reviews", "a.example"], "tls": [{"match": [{"sniHosts": ["*.example"]}], "route": forward()}]}),
            "tls[0].match[0].sniHosts[0]",
        ),
        (
            json!({"hosts": ["*"], "tls": [{"match": [{"sniHosts": ["*", "a*.example"]}], "route": forward()}]}),
            "tls[0].match[0].sniHosts[1]",
        ),
    ] {
        let expected = format!("error spec.{field}: ");
        let (table, problems) = compiled(spec.clone());
        assert!(lines(&problems)[0].starts_with(&expected), "{problems:?}");
        assert!(table.is_none());
        assert!(errors(&written(spec))[0].starts_with(&expected));
    }
}

#[test]
fn what_has_no_effect_is_pointed_out() {
    let (_, problems) = compiled(json!({"tcp": [
        {"match": [{"port": 9080}], "route": forward()},
        {"match": [{"destinationSubnets": ["10.0.0.0/8"]}], "route": forward()},
    ]}));
    let lines = lines(&problems);
    assert!(
        lines[0].starts_with("warning spec.tcp[1].match[0]: no connection to port 9080 gets here"),
        "{lines:?}"
    );
    assert!(compiled(json!({"http": [{"route": forward()}]})).0.is_none());
}

#[test]
fn a_server_name_may_be_part_of_a_host() {
    let (routes, problems) = compiled(json!({
        "hosts": ["reviews", "*.example", "10.0.0.1"],
        "tls": [{"match": [{"sniHosts": ["*.a.example", "B.example", "10.0.0.1"]}], "route": forward()}],
    }));
    let lines = lines(&problems);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with("warning spec.tls[0].match[0].sniHosts[2]: "),
        "{lines:?}"
    );
    assert!(routes.unwrap().asks_for_server_name());
}
