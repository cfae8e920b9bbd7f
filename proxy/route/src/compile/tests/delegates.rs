use std::sync::Arc;

use cairn_api::istio::VirtualService;
use cairn_config::Problem;
use serde_json::{Value, json};

use super::super::select::VirtualServices;
use super::{HOST, compile_all, document, errors, forward, found, is_broken, reviews};
use crate::route::{Action, Route};
use crate::table::RouteTable;

fn delegate(name: &str, namespace: &str, http: Value) -> VirtualService {
    document(name, namespace, json!({"http": http}))
}

fn to(subset: &str) -> Value {
    json!([{"destination": {"host": HOST, "subset": subset}}])
}

/// The routes of `roots` with one delegate, `teams/api`.
fn with_delegate(roots: Value, routes: Value) -> (RouteTable, Vec<Problem>) {
    let (table, problems) = compile_all(vec![reviews(roots), delegate("api", "teams", routes)]);
    (table.unwrap(), problems)
}

fn lines(problems: &[Problem]) -> Vec<String> {
    problems
        .iter()
        .map(|problem| {
            let object = problem.object.as_ref().unwrap();
            format!(
                "{} {}/{} {}: {}",
                problem.severity, object.namespace, object.name, problem.field, problem.message
            )
        })
        .collect()
}

fn named() -> Value {
    json!({"name": "api", "namespace": "teams"})
}

fn at<'a>(table: &'a RouteTable, field: &str) -> &'a Route {
    table.routes().iter().find(|route| route.field == field).unwrap()
}

#[test]
fn routes_of_the_delegate_take_the_place_of_the_route() {
    let (table, problems) = with_delegate(
        json!([
            {"name": "root", "match": [{"name": "all", "uri": {"prefix": "/api"}}], "delegate": named()},
            {"name": "rest", "route": forward()},
        ]),
        json!([
            {"name": "v1", "match": [{"name": "old", "uri": {"prefix": "/api/v1"}}], "route": to("v1")},
            {"match": [{"method": {"exact": "POST"}}], "directResponse": {"status": 405}},
        ]),
    );
    assert_eq!(lines(&problems), Vec::<String>::new());
    assert_eq!(found(&table, "/api/v1/x").as_deref(), Some("root-v1.all-old"));
    assert_eq!(found(&table, "/api/v2").as_deref(), Some("rest"));
    let post = &table.routes()[1];
    assert!(matches!(post.action, Action::DirectResponse(_)));
    assert_eq!(
        (post.name.as_str(), post.source.name.as_str()),
        ("root.all", "api")
    );
    assert_eq!(post.field, "spec.http[1].match[0]");
    let matcher = post.matches.as_ref().unwrap();
    assert!(matcher.path.is_some(), "the root's path is asked for");
    assert_eq!(matcher.headers.len(), 1);
}

#[test]
fn a_route_without_matches_has_those_of_the_root() {
    let (table, _) = with_delegate(
        json!([{"match": [{"uri": {"prefix": "/a"}}, {"uri": {"prefix": "/b"}}], "delegate": named()}]),
        json!([{"name": "all", "route": to("v1")}]),
    );
    assert_eq!(table.routes().len(), 2);
    assert_eq!(found(&table, "/b").as_deref(), Some("all"));
    assert_eq!(found(&table, "/c"), None);
    assert_eq!(table.routes()[1].field, "spec.http[0]");
}

#[test]
fn what_the_delegate_leaves_out_comes_from_the_root() {
    let (table, problems) = with_delegate(
        json!([{
            "delegate": named(),
            "timeout": "3s",
            "rewrite": {"uri": "/root"},
            "mirror": {"host": "ratings", "port": {"number": 9080}},
            "headers": {"request": {"set": {"x-root": "1"}}},
            "corsPolicy": {"allowOrigins": [{"exact": "http://a"}]},
        }]),
        json!([
            {"match": [{"uri": {"prefix": "/own"}}], "timeout": "1s", "rewrite": {"uri": "/leaf"}, "route": to("v1")},
            {"route": to("v2")},
        ]),
    );
    assert_eq!(lines(&problems), Vec::<String>::new());
    let own = at(&table, "spec.http[0].match[0]");
    let rest = at(&table, "spec.http[1]");
    assert_eq!(own.timeout.unwrap().as_secs(), 1);
    assert_eq!(rest.timeout.unwrap().as_secs(), 3);
    assert!(format!("{:?}", own.rewrite).contains("/leaf"));
    assert!(format!("{:?}", rest.rewrite).contains("/root"));
    assert!(rest.cors.is_some());
    // Short names are of the namespace of the object that they are written in.
    assert_eq!(
        rest.mirrors[0].destination.host,
        "ratings.default.svc.cluster.local"
    );
    let Action::Forward(destinations) = &rest.action else {
        panic!("{rest:?}")
    };
    assert!(!destinations.pick(0).request_headers.is_empty());
}

#[test]
fn problems_are_of_the_object_that_they_are_written_in() {
    let (table, problems) = with_delegate(
        json!([{"delegate": named(), "retries": {"attempts": -1}}]),
        json!([
            {"match": [{"uri": {"prefix": "/a"}}], "fault": {"abort": {"httpStatus": 9}}, "route": to("v1")},
            {"retries": {"attempts": 1}, "route": [{"destination": {"host": "nobody"}}]},
        ]),
    );
    let lines = lines(&problems);
    let starts = |start: &str| lines.iter().any(|line| line.starts_with(start));
    assert!(
        starts("error default/reviews spec.http[0].retries.attempts: "),
        "{lines:?}"
    );
    assert!(
        starts("error teams/api spec.http[0].fault.abort.httpStatus: "),
        "{lines:?}"
    );
    assert!(
        starts(
            "error teams/api spec.http[1].route[0].destination.host: there is no service `nobody.teams.svc"
        ),
        "{lines:?}"
    );
    assert!(is_broken(at(&table, "spec.http[0].match[0]")));
    assert!(!is_broken(at(&table, "spec.http[1]")));
}

#[test]
fn a_delegate_that_cannot_be_had_is_answered_500_and_passes_nothing_on() {
    let root = json!([{"name": "root", "match": [{"uri": {"prefix": "/api"}}], "delegate": named()}, {"name": "rest", "route": forward()}]);
    let hosted = document(
        "api",
        "teams",
        json!({"hosts": ["a.example"], "http": [{"route": forward()}]}),
    );
    let hidden = document(
        "api",
        "teams",
        json!({"exportTo": ["."], "http": [{"route": forward()}]}),
    );
    let nowhere = document(
        "api",
        "teams",
        json!({"exportTo": ["~"], "http": [{"route": forward()}]}),
    );
    let broken = delegate(
        "api",
        "teams",
        json!([{"match": [{"uri": {"regex": "["}}], "route": forward()}]),
    );
    let beyond = delegate(
        "api",
        "teams",
        json!([{"match": [{"uri": {"prefix": "/other"}}], "route": forward()}]),
    );
    let empty = delegate("api", "teams", json!([]));
    for (case, said) in [
        (None, "there is no VirtualService teams/api without hosts"),
        (Some(hosted), "has hosts of its own"),
        (Some(hidden), "is not exported to default"),
        (Some(nowhere), "is not exported to default"),
        (Some(broken), "has no route that can be taken"),
        (Some(beyond), "has no route that can be taken"),
        (Some(empty), "has no route that can be taken"),
    ] {
        let all = [Some(reviews(root.clone())), case]
            .into_iter()
            .flatten()
            .collect();
        let (table, problems) = compile_all(all);
        let table = table.unwrap();
        assert_eq!(found(&table, "/api/x").as_deref(), Some("root"), "{said}");
        assert!(is_broken(&table.routes()[0]), "{said}");
        assert_eq!(found(&table, "/x").as_deref(), Some("rest"));
        let lines = lines(&problems);
        let told = lines.iter().any(|line| {
            line.starts_with("error default/reviews spec.http[0].delegate: ") && line.contains(said)
        });
        assert!(told, "{said}: {lines:?}");
    }
}

#[test]
fn exported_delegates_are_taken() {
    for export in [json!(["*"]), json!(["default"]), json!([])] {
        let api = document(
            "api",
            "teams",
            json!({"exportTo": export, "http": [{"name": "leaf", "route": to("v1")}]}),
        );
        let (table, problems) = compile_all(vec![reviews(json!([{"delegate": named()}])), api]);
        assert_eq!(lines(&problems), Vec::<String>::new());
        assert_eq!(found(&table.unwrap(), "/").as_deref(), Some("leaf"));
    }
}

#[test]
fn a_delegate_has_no_delegates() {
    let nested = delegate("api", "teams", json!([{"delegate": {"name": "more"}}]));
    assert!(errors(&nested)[0].contains("a delegate cannot have delegates itself"));
    let (table, problems) = compile_all(vec![reviews(json!([{"delegate": named()}])), nested]);
    assert!(is_broken(&table.unwrap().routes()[0]));
    assert!(lines(&problems)[0].starts_with("error teams/api spec.http[0].delegate: "));
}

#[test]
fn a_route_with_a_delegate_leads_nowhere_itself() {
    let root = reviews(json!([{"delegate": named(), "route": forward()}]));
    assert!(errors(&root)[0].contains("leads nowhere itself"));
    assert_eq!(
        errors(&reviews(json!([{"delegate": named()}]))),
        Vec::<String>::new()
    );
    let (table, _) = compile_all(vec![
        root,
        delegate("api", "teams", json!([{"route": forward()}])),
    ]);
    assert!(is_broken(&table.unwrap().routes()[0]));
}

/// Whether a block of a delegate is taken under one of the root.
fn fits(root: Value, leaf: Value) -> bool {
    let (table, problems) = with_delegate(
        json!([{"match": [root], "delegate": named()}]),
        json!([{"match": [leaf], "route": to("v1")}]),
    );
    let taken = !is_broken(&table.routes()[0]);
    assert_eq!(taken, problems.is_empty(), "{problems:?}");
    taken
}

#[test]
fn matches_must_lie_within_those_of_the_root() {
    let uri = |kind: &str, text: &str| json!({"uri": {kind: text}});
    assert!(fits(uri("prefix", "/a"), uri("prefix", "/a/b")));
    assert!(fits(uri("prefix", "/a"), uri("exact", "/ab")));
    assert!(!fits(uri("prefix", "/a/b"), uri("prefix", "/a")));
    assert!(fits(uri("exact", "/a"), uri("exact", "/a")));
    assert!(!fits(uri("exact", "/a"), uri("exact", "/b")));
    assert!(!fits(uri("exact", "/a"), uri("prefix", "/a")));
    assert!(!fits(uri("regex", "/a.*"), uri("exact", "/ab")));
    assert!(!fits(uri("prefix", "/a"), uri("regex", "/a.*")));
    assert!(fits(
        uri("prefix", "/a"),
        json!({"headers": {"x": {"regex": "1|2"}}})
    ));
    assert!(!fits(
        json!({"headers": {"x": {"exact": "1"}}}),
        json!({"headers": {"x": {"exact": "2"}}})
    ));
    assert!(!fits(
        json!({"uri": {"prefix": "/a"}, "ignoreUriCase": true}),
        uri("prefix", "/a")
    ));
    assert!(!fits(
        json!({"queryParams": {"p": {"exact": "1"}}}),
        json!({"queryParams": {"p": {"exact": "2"}}})
    ));
    assert!(!fits(
        json!({"withoutHeaders": {"x": {"exact": "1"}}}),
        json!({"withoutHeaders": {"x": {"exact": "2"}}})
    ));
    assert!(!fits(
        json!({"sourceNamespace": "a"}),
        json!({"sourceNamespace": "b"})
    ));
    assert!(!fits(
        json!({"sourceLabels": {"app": "a"}}),
        json!({"sourceLabels": {"app": "b"}})
    ));
    assert!(fits(
        json!({"sourceLabels": {"app": "a"}}),
        json!({"sourceLabels": {"tier": "b"}})
    ));
    assert!(fits(json!({"port": 9080}), json!({"port": 9080})));
}

#[test]
fn the_index_brings_the_delegates_along() {
    let root = Arc::new(reviews(json!([{"delegate": named()}])));
    let api = Arc::new(delegate("api", "teams", json!([{"route": forward()}])));
    let other = Arc::new(delegate("other", "teams", json!([{"route": forward()}])));
    let index = VirtualServices::new(&[other, Arc::clone(&api), Arc::clone(&root)]);
    let chosen = index.of(HOST, "default", "waypoints");
    assert_eq!(chosen, [root, api]);
}
