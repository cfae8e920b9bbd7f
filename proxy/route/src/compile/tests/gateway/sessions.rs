use std::time::Duration;

use serde_json::{Value, json};

use super::super::{is_broken, lines};
use super::{Mesh, backend, grpc_route, http_route, only, table};
use crate::session::{Carrier, SessionPersistence};

fn session(written: Value) -> SessionPersistence {
    let route = only(json!({"backendRefs": backend(), "sessionPersistence": written}));
    route.session.unwrap()
}

fn cookie(name: &str, permanent: bool) -> Carrier {
    Carrier::Cookie {
        name: name.to_owned(),
        permanent,
    }
}

#[test]
fn sessions_are_carried_by_cookies_and_headers() {
    let written = session(json!({"sessionName": "cart"}));
    assert_eq!(
        (written.carrier, written.absolute, written.idle),
        (cookie("cart", false), None, None)
    );
    let header = session(json!({"type": "Header", "sessionName": "X-Cart", "idleTimeout": "10s"}));
    assert_eq!(header.carrier, Carrier::Header("x-cart".parse().unwrap()));
    assert_eq!(header.idle, Some(Duration::from_secs(10)));
    let permanent = session(json!({
        "type": "Cookie", "sessionName": "cart", "absoluteTimeout": "1h", "idleTimeout": "0s",
        "cookieConfig": {"lifetimeType": "Permanent"},
    }));
    assert_eq!(permanent.carrier, cookie("cart", true));
    assert_eq!(
        (permanent.absolute, permanent.idle),
        (Some(Duration::from_secs(3600)), None)
    );
    let short = session(json!({"sessionName": "cart", "cookieConfig": {"lifetimeType": "Session"}}));
    assert_eq!(short.carrier, cookie("cart", false));
    assert_eq!(only(json!({"backendRefs": backend()})).session, None);
}

#[test]
fn calls_have_sessions_too() {
    let rule =
        json!({"backendRefs": backend(), "sessionPersistence": {"type": "Header", "sessionName": "x"}});
    let mesh = Mesh {
        grpc: vec![grpc_route("g", json!([rule]))],
        ..Mesh::default()
    };
    let (table, problems) = mesh.compile();
    assert_eq!(lines(&problems), Vec::<String>::new());
    assert!(table.unwrap().routes()[0].session.is_some());
}

#[test]
fn rules_without_a_name_for_it_have_one_each() {
    let names = |rules: Value| {
        let mesh = Mesh {
            http: vec![http_route("a", rules.clone()), http_route("b", rules)],
            ..Mesh::default()
        };
        let table = mesh.compile().0.unwrap();
        let names = table
            .routes()
            .iter()
            .map(|route| match &route.session.as_ref().unwrap().carrier {
                Carrier::Cookie { name, .. } => name.clone(),
                Carrier::Header(name) => name.to_string(),
            });
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    };
    let rule = |kind: &str| json!({"backendRefs": backend(), "sessionPersistence": {"type": kind}});
    let cookies = names(json!([rule("Cookie"), rule("Cookie")]));
    assert_eq!(cookies, names(json!([rule("Header"), rule("Header")])));
    assert!(
        cookies.iter().all(|name| name.starts_with("cairn-session-")),
        "{cookies:?}"
    );
    let mut different = cookies.clone();
    different.dedup();
    assert_eq!((different.len(), &different), (4, &cookies));
}

#[test]
fn what_cannot_be_meant_answers_500() {
    let long = "a".repeat(129);
    for (written, field) in [
        (json!({"sessionName": "a b"}), "sessionName"),
        (json!({"sessionName": ""}), "sessionName"),
        (json!({"sessionName": "a;b", "type": "Header"}), "sessionName"),
        (json!({"sessionName": long}), "sessionName"),
        (
            json!({"cookieConfig": {"lifetimeType": "Permanent"}}),
            "absoluteTimeout",
        ),
        (
            json!({"absoluteTimeout": "0s", "cookieConfig": {"lifetimeType": "Permanent"}}),
            "absoluteTimeout",
        ),
        (
            json!({"type": "Header", "cookieConfig": {"lifetimeType": "Session"}}),
            "cookieConfig",
        ),
    ] {
        let (table, problems) = table(json!([{"backendRefs": backend(), "sessionPersistence": written}]));
        assert!(is_broken(&table.routes()[0]), "{written}");
        let expected = format!("error spec.rules[0].sessionPersistence.{field}: ");
        assert!(problems[0].starts_with(&expected), "{problems:?}");
    }
}
