use std::sync::Arc;

use serde_json::{Value, json};

use super::super::is_broken;
use super::{Mesh, backend, found, grpc_route, http_route, rule, table};

fn path(kind: &str, value: &str) -> Value {
    json!([{"path": {"type": kind, "value": value}}])
}

#[test]
fn prefixes_end_between_segments() {
    for prefix in ["/foo", "/foo/"] {
        let (table, _) = table(json!([rule("r", path("PathPrefix", prefix))]));
        for (target, matches) in [
            ("/foo", true),
            ("/foo/", true),
            ("/foo/bar", true),
            ("/foobar", false),
            ("/fo", false),
            ("/FOO", false),
        ] {
            assert_eq!(
                found(&table, &format!("GET {target}"), &[]).is_some(),
                matches,
                "{target}"
            );
        }
    }
    let (all, _) = table(json!([{"name": "r", "backendRefs": backend(), "matches": [{}]}]));
    assert!(found(&all, "GET /whatever", &[]).is_some());
    assert!(all.routes()[0].is_catch_all());
}

#[test]
fn all_conditions_of_a_match_must_hold_and_one_match_suffices() {
    let (table, problems) = table(json!([rule(
        "r",
        json!([
            {
                "path": {"type": "RegularExpression", "value": "/[a-z]+"},
                "method": "POST",
                "headers": [{"name": "X-User", "value": "ann"}, {"name": "x-user", "value": "ignored"},
                            {"name": "x-n", "type": "RegularExpression", "value": "[0-9]+"}],
                "queryParams": [{"name": "p", "value": "1"}, {"name": "p", "value": "2"},
                                {"name": "q", "type": "RegularExpression", "value": "a|b"}],
            },
            {"path": {"type": "Exact", "value": "/exact"}},
        ])
    )]));
    assert!(problems.is_empty(), "{problems:?}");
    let fields = [("x-user", "ann"), ("x-n", "12")];
    assert!(found(&table, "POST /abc?p=1&q=b", &fields).is_some());
    assert!(found(&table, "GET /abc?p=1&q=b", &fields).is_none());
    assert!(found(&table, "POST /abc?p=2&q=b", &fields).is_none());
    assert!(found(&table, "POST /abc?p=1&q=ab", &fields).is_none());
    assert!(found(&table, "POST /a9?p=1&q=b", &fields).is_none());
    assert!(found(&table, "POST /abc?p=1&q=b", &[("x-user", "ann"), ("x-n", "x")]).is_none());
    assert!(found(&table, "GET /exact", &[]).is_some());
    assert!(found(&table, "GET /exact/", &[]).is_none());
}

#[test]
fn the_more_specific_match_goes_first_whatever_the_order() {
    let rules = [
        rule("all", json!([{"path": {"type": "PathPrefix", "value": "/"}}])),
        rule("regex", path("RegularExpression", "/a/b/c/d/.*")),
        rule("short", path("PathPrefix", "/a")),
        rule("long", path("PathPrefix", "/a/b")),
        rule("exact", path("Exact", "/a/b/x")),
        rule("method", json!([{"path": {"value": "/a/b"}, "method": "POST"}])),
        rule(
            "one",
            json!([{"path": {"value": "/a/b"}, "headers": [{"name": "x", "value": "1"}]}]),
        ),
        rule(
            "two",
            json!([{"path": {"value": "/a/b"}, "headers": [{"name": "x", "value": "1"}, {"name": "y", "value": "1"}]}]),
        ),
        rule(
            "query",
            json!([{"path": {"value": "/a/b"}, "queryParams": [{"name": "p", "value": "1"}]}]),
        ),
    ];
    for reversed in [false, true] {
        let mut rules = rules.to_vec();
        if reversed {
            rules.reverse();
        }
        let (table, _) = table(json!(rules));
        let is = |request: &str, fields: &[(&'static str, &'static str)], name: &str| {
            assert_eq!(found(&table, request, fields).as_deref(), Some(name), "{request}");
        };
        is("GET /x", &[], "all");
        is("GET /a/x", &[], "short");
        is("GET /a/b/y", &[], "long");
        // An expression comes after every prefix, as in Istio.
        is("GET /a/b/c/d/e", &[], "long");
        is("POST /a/b/x", &[("x", "1"), ("y", "1")], "exact");
        is("POST /a/b/y?p=1", &[("x", "1"), ("y", "1")], "method");
        is("GET /a/b/y?p=1", &[("x", "1"), ("y", "1")], "two");
        is("GET /a/b/y?p=1", &[("x", "1")], "one");
        is("GET /a/b/y?p=1", &[], "query");
    }
}

#[test]
fn between_equals_the_older_route_goes_first_then_the_name_then_the_rule() {
    let named = |name: &str, created: Option<&str>| {
        let mut route = (*http_route(name, json!([rule(name, json!([])), rule("later", json!([]))]))).clone();
        route.metadata.creation_timestamp = created.map(str::to_owned);
        Arc::new(route)
    };
    let first = |routes: Vec<Arc<cairn_api::gateway::HttpRoute>>| {
        let mesh = Mesh {
            http: routes,
            ..Mesh::default()
        };
        let table = mesh.compile().0.unwrap();
        found(&table, "GET /", &[]).unwrap()
    };
    let (old, new) = (Some("2024-01-01T00:00:00Z"), Some("2024-02-01T00:00:00Z"));
    assert_eq!(first(vec![named("a", new), named("b", old)]), "b");
    assert_eq!(first(vec![named("b", old), named("a", old)]), "a");
    assert_eq!(first(vec![named("b", None), named("a", None)]), "a");
}

#[test]
fn calls_are_matched_by_service_and_method() {
    let call = |name: &str, method: Value| rule(name, json!([{"method": method}]));
    let mesh = Mesh {
        grpc: vec![grpc_route(
            "g",
            json!([
                call("method", json!({"method": "Say.Hello"})),
                call(
                    "pattern",
                    json!({"type": "RegularExpression", "service": "a\\..*|b", "method": "Get.*"})
                ),
                call("service", json!({"service": "helloworld.Greeter"})),
                call(
                    "both",
                    json!({"service": "helloworld.Greeter", "method": "SayHello"})
                ),
                rule("headers", json!([{"headers": [{"name": "x", "value": "1"}]}])),
                rule("rest", json!([])),
            ]),
        )],
        ..Mesh::default()
    };
    let (table, problems) = mesh.compile();
    let table = table.unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    let is = |path: &str, name: &str| {
        let fields: &[(&str, &str)] = if name == "headers" { &[("x", "1")] } else { &[] };
        let found = found(&table, &format!("POST {path}"), fields);
        assert_eq!(found.as_deref(), Some(name), "{path}");
    };
    is("/helloworld.Greeter/SayHello", "both");
    is("/helloworld.Greeter/SayHelloAgain", "service");
    is("/helloworld.GreeterToo/SayHello", "rest");
    is("/x/y", "headers");
}

/// A rule for all calls goes before expressions, which the specification ranks by what they name.
#[test]
fn calls_by_expression_are_found_where_nothing_is_more_specific() {
    let call = |name: &str, method: Value| rule(name, json!([{"method": method}]));
    let mesh = Mesh {
        grpc: vec![grpc_route(
            "g",
            json!([
                call("method", json!({"method": "Say.Hello"})),
                call(
                    "pattern",
                    json!({"type": "RegularExpression", "service": "a\\..*|b", "method": "Get.*"})
                ),
            ]),
        )],
        ..Mesh::default()
    };
    let table = mesh.compile().0.unwrap();
    let name = |path: &str| found(&table, &format!("POST {path}"), &[]);
    assert_eq!(name("/any.Service/Say.Hello").as_deref(), Some("method"));
    assert_eq!(name("/any.Service/SayxHello"), None, "a name is no expression");
    assert_eq!(name("/a.b/GetIt").as_deref(), Some("pattern"));
    assert_eq!(name("/b/Get").as_deref(), Some("pattern"));
    assert_eq!(name("/b/Put"), None);
}

#[test]
fn what_a_match_that_does_not_compile_may_have_matched_is_answered_500() {
    let (table, problems) = table(json!([
        rule("open", path("PathPrefix", "/open")),
        rule(
            "bad",
            json!([{"path": {"type": "RegularExpression", "value": "/admin["}, "headers": [{"name": "x", "value": "1"}]},
                           {"path": {"type": "Exact", "value": "/good"}}])
        ),
    ]));
    assert!(
        problems[0].starts_with("error spec.rules[1].matches[0].path.value: "),
        "{problems:?}"
    );
    let with = [("x", "1")];
    assert_eq!(found(&table, "GET /admin1", &with).as_deref(), Some("bad"));
    assert_eq!(found(&table, "GET /admin1", &[]), None);
    assert_eq!(found(&table, "GET /open", &with).as_deref(), Some("open"));
    let route = |field: &str| table.routes().iter().find(|route| route.field == field).unwrap();
    assert!(is_broken(route("spec.rules[1].matches[0]")));
    assert!(!is_broken(route("spec.rules[1].matches[1]")));
}
