use serde_json::{Value, json};

use super::{compile_all, errors, forward, found, is_broken, lines, only, problems, reviews, routes};
use crate::matcher::{HeaderField, Matcher};
use crate::text::TextMatch;

fn matching(block: Value) -> Value {
    json!({"match": [block], "route": forward()})
}

fn matcher(block: Value) -> Matcher {
    only(matching(block)).matches.unwrap()
}

#[test]
fn match_blocks_become_routes_in_order() {
    let routes = routes(json!([
        {"name": "a", "match": [{"name": "one", "uri": {"exact": "/1"}}, {"uri": {"exact": "/2"}}], "route": forward()},
        {"name": "b", "route": forward()},
    ]));
    let seen: Vec<(&str, &str)> = routes
        .iter()
        .map(|route| (route.name.as_str(), route.field.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("a.one", "spec.http[0].match[0]"),
            ("a", "spec.http[0].match[1]"),
            ("b", "spec.http[1]")
        ],
    );
    assert!(routes[2].matches.is_none());
}

#[test]
fn blocks_for_other_ports_and_gateways_are_left_out() {
    let routes = routes(json!([
        {"match": [{"port": 80}, {"port": 9080}, {"gateways": ["edge"]}, {"gateways": ["mesh"], "method": {"exact": "GET"}}],
         "route": forward()},
    ]));
    let fields: Vec<&str> = routes.iter().map(|route| route.field.as_str()).collect();
    assert_eq!(fields, ["spec.http[0].match[1]", "spec.http[0].match[3]"]);
}

#[test]
fn a_route_whose_blocks_are_all_left_out_is_no_catch_all() {
    let (table, _) = compile_all(vec![reviews(json!([
        {"match": [{"gateways": ["edge"]}], "route": forward()},
        {"match": [{"uri": {"exact": "/a"}}], "route": forward()},
    ]))]);
    assert_eq!(found(&table.unwrap(), "/b"), None);
}

#[test]
fn an_empty_condition_or_a_star_asks_for_presence() {
    let matcher = matcher(json!({
        "headers": {"X-A": {}, "x-b": {"regex": "*"}, ":authority": {"exact": "a"}},
        "withoutHeaders": {"x-c": {}},
        "queryParams": {"p": {"regex": "*"}},
    }));
    let headers: Vec<(String, bool, bool)> = matcher
        .headers
        .iter()
        .map(|header| {
            (
                format!("{:?}", header.field),
                header.value.is_some(),
                header.negated,
            )
        })
        .collect();
    assert_eq!(
        headers,
        [
            ("Authority".to_owned(), true, false),
            ("Named(\"x-a\")".to_owned(), false, false),
            ("Named(\"x-b\")".to_owned(), false, false),
            ("Named(\"x-c\")".to_owned(), false, true),
        ],
    );
    assert_eq!(matcher.query[0].value, None);
}

#[test]
fn all_kinds_of_conditions_are_kept() {
    let matcher = matcher(json!({
        "uri": {"prefix": "/A"}, "ignoreUriCase": true, "scheme": {"exact": "http"}, "method": {"regex": "GET|PUT"},
        "sourceLabels": {"app": "sleep"}, "sourceNamespace": "default",
    }));
    let path = matcher.path.unwrap();
    assert!(path.ignore_case && path.text == TextMatch::Prefix("/A".into()));
    let fields: Vec<HeaderField> = matcher.headers.into_iter().map(|header| header.field).collect();
    assert_eq!(fields, [HeaderField::Method, HeaderField::Scheme]);
    assert_eq!(matcher.source.namespace.as_deref(), Some("default"));
    assert_eq!(matcher.source.labels, [("app".to_owned(), "sleep".to_owned())]);
}

#[test]
fn a_virtual_service_with_a_match_that_does_not_compile_is_passed_over_as_a_whole() {
    let bad = json!({"regex": "/a("});
    for (block, field) in [
        (json!({"uri": bad}), "uri.regex"),
        (json!({"headers": {"x": bad}}), "headers.x.regex"),
        (json!({"withoutHeaders": {"x": bad}}), "withoutHeaders.x.regex"),
        (json!({"queryParams": {"p": bad}}), "queryParams.p.regex"),
        (json!({"method": bad}), "method.regex"),
        (json!({"headers": {"a b": {}}}), "headers.a b"),
        (json!({"headers": {":path": {}}}), "headers.:path"),
        (
            json!({"headers": {"@request.auth.claims.": {"exact": "a"}}}),
            "headers.@request.auth.claims.",
        ),
        (json!({"uri": {"exact": "/a", "prefix": "/a"}}), "uri"),
        (json!({"uri": {}}), "uri"),
        (json!({"method": {}}), "method"),
        (json!({"uri": bad, "port": 1}), "uri.regex"),
        (json!({"uri": bad, "port": 9080}), "uri.regex"),
    ] {
        let broken = reviews(json!([{"name": "other", "route": forward()}, matching(block)]));
        let mut rest = reviews(json!([{"name": "rest", "route": forward()}]));
        rest.metadata.name = "z".to_owned();
        let (table, problems) = compile_all(vec![broken.clone(), rest]);
        assert_eq!(found(&table.unwrap(), "/").as_deref(), Some("rest"), "{field}");
        let start = format!("error spec.http[1].match[0].{field}: ");
        assert!(
            lines(&problems).iter().any(|line| line.starts_with(&start)),
            "{start} {problems:?}"
        );
        assert!(!errors(&broken).is_empty());
    }
}

#[test]
fn what_never_matches_is_pointed_out() {
    for (block, message) in [
        (
            json!({"uri": {"prefix": "api"}}),
            "warning spec.http[0].match[0].uri: no path begins with `api`",
        ),
        (
            json!({"uri": {"exact": "/a?b=c"}}),
            "warning spec.http[0].match[0].uri: no path is `/a?b=c`: the query is not part of it",
        ),
        (
            json!({"method": {"exact": "get"}}),
            "warning spec.http[0].match[0].method: methods are case-sensitive, and clients send `GET`",
        ),
    ] {
        assert_eq!(problems(matching(block)), [message]);
    }
}

#[test]
fn routes_after_one_that_takes_all_are_pointed_out() {
    for all in [
        json!({}),
        json!({"uri": {"prefix": "/"}}),
        json!({"uri": {"regex": ".*"}}),
    ] {
        let (_, problems) = compile_all(vec![reviews(json!([
            {"match": [{"uri": {"exact": "/a"}}, all], "route": forward()},
            {"route": forward()},
        ]))]);
        assert_eq!(
            lines(&problems),
            ["warning spec.http[1]: no request gets here: spec.http[0].match[1] comes first and takes all"],
        );
    }
}

#[test]
fn what_takes_all_of_one_port_leaves_the_others() {
    let virtual_service = reviews(json!([
        {"match": [{"port": 9080}], "route": forward()},
        {"match": [{"port": 80}], "route": forward()},
    ]));
    assert_eq!(super::check(&virtual_service), []);
    assert_eq!(lines(&compile_all(vec![virtual_service]).1), Vec::<String>::new());
}

#[test]
fn a_route_that_cannot_be_followed_still_matches() {
    let (table, _) = compile_all(vec![reviews(json!([
        {"name": "broken", "match": [{"uri": {"prefix": "/a"}}], "delegate": {"name": "other"}},
        {"name": "rest", "route": forward()},
    ]))]);
    let table = table.unwrap();
    assert_eq!(found(&table, "/a").as_deref(), Some("broken"));
    assert_eq!(found(&table, "/b").as_deref(), Some("rest"));
    assert!(is_broken(&table.routes()[0]) && !is_broken(&table.routes()[1]));
}
