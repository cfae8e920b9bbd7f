//! Routes of the Gateway API against the specification, read literally: of all matches that a request satisfies, the one that
//! goes before the others.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_api::gateway::{HttpRoute, HttpRouteMatch, PathMatchType};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::{Mesh, backend, http_route};
use crate::head::RequestHead;
use crate::table::RouteTable;

const PATHS: [&str; 8] = ["/", "/a", "/a", "/a", "/a/", "/a/b", "/ab", "/a/b/c"];

#[derive(Debug, Clone)]
struct Request {
    method: &'static str,
    path: &'static str,
    fields: BTreeMap<&'static str, &'static str>,
    query: BTreeMap<&'static str, &'static str>,
}

fn pairs() -> impl Strategy<Value = BTreeMap<&'static str, &'static str>> {
    // Mostly of one value, so that requests satisfy several matches that differ in number only.
    btree_map(
        select(vec!["x", "y"]),
        select(vec!["1", "1", "1", "1", "2"]),
        0..=2,
    )
}

fn requests() -> impl Strategy<Value = Request> {
    (
        select(vec!["GET", "POST"]),
        select(PATHS.to_vec()),
        pairs(),
        pairs(),
    )
        .prop_map(|(method, path, fields, query)| Request {
            method,
            path,
            fields,
            query,
        })
}

fn matches() -> impl Strategy<Value = Value> {
    let path = prop_oneof![
        3 => (select(vec!["Exact", "PathPrefix"]), select(PATHS.to_vec())),
        1 => (Just("RegularExpression"), select(vec!["/a.*", "/[ab]", "/a/b"])),
    ];
    let listed = |pairs: BTreeMap<&str, &str>| -> Vec<Value> {
        let pairs = pairs.into_iter();
        pairs
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect()
    };
    let method = option::weighted(0.3, select(vec!["GET", "POST"]));
    (option::weighted(0.8, path), method, pairs(), pairs()).prop_map(move |(path, method, fields, query)| {
        let mut written = json!({"headers": listed(fields), "queryParams": listed(query)});
        if let Some((kind, value)) = path {
            written["path"] = json!({"type": kind, "value": value});
        }
        if let Some(method) = method {
            written["method"] = json!(method);
        }
        written
    })
}

fn routes() -> impl Strategy<Value = Vec<Arc<HttpRoute>>> {
    let created = option::of(select(vec!["2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z"]));
    let rules = vec(vec(matches(), 0..4), 1..6);
    vec((created, rules), 1..=3).prop_map(|routes| {
        let routes = routes.into_iter().zip(["b", "a", "c"]);
        let written = routes.map(|((created, rules), name)| {
            let rules: Vec<Value> = rules
                .into_iter()
                .map(|matches| json!({"matches": matches, "backendRefs": backend()}))
                .collect();
            let mut route = (*http_route(name, json!(rules))).clone();
            route.metadata.creation_timestamp = created.map(str::to_owned);
            Arc::new(route)
        });
        written.collect()
    })
}

fn satisfies(request: &Request, written: &HttpRouteMatch) -> bool {
    let path = written.path.clone().unwrap_or_default();
    let value = path.value.unwrap_or_else(|| "/".to_owned());
    let on_path = match path.type_.unwrap_or_default() {
        PathMatchType::Exact => request.path == value,
        PathMatchType::PathPrefix => {
            let segments: Vec<&str> = value.trim_end_matches('/').split('/').collect();
            let found: Vec<&str> = request.path.split('/').collect();
            found.starts_with(&segments)
        }
        PathMatchType::RegularExpression => {
            let whole = regex::Regex::new(&format!("^(?:{value})$")).unwrap();
            whole.is_match(request.path)
        }
    };
    let has = |pairs: &BTreeMap<&str, &str>, name: &str, value: &str| pairs.get(name) == Some(&value);
    on_path
        && written
            .method
            .is_none_or(|method| method.as_str() == request.method)
        && written
            .headers
            .iter()
            .all(|one| has(&request.fields, &one.name, &one.value))
        && written
            .query_params
            .iter()
            .all(|one| has(&request.query, &one.name, &one.value))
}

/// What the specification compares, the winner lowest.
fn order<'a>(route: &'a HttpRoute, written: &HttpRouteMatch) -> impl Ord + use<'a> {
    let path = written.path.clone().unwrap_or_default();
    let value = path.value.unwrap_or_else(|| "/".to_owned());
    let kind = match path.type_.unwrap_or_default() {
        PathMatchType::Exact => (0, Reverse(0)),
        PathMatchType::PathPrefix => (1, Reverse(value.trim_end_matches('/').len().max(1))),
        PathMatchType::RegularExpression => (2, Reverse(value.len())),
    };
    (
        kind,
        written.method.is_none(),
        Reverse(written.headers.len()),
        Reverse(written.query_params.len()),
        route.metadata.creation_timestamp.as_deref(),
        route.metadata.key().to_string(),
    )
}

/// The route and the field of the match that wins.
fn expected(routes: &[Arc<HttpRoute>], request: &Request) -> Option<(String, String)> {
    let mut all = Vec::new();
    for route in routes {
        for (number, rule) in route.spec.rules.iter().enumerate() {
            let field = format!("spec.rules[{number}]");
            if rule.matches.is_empty() {
                all.push((route, HttpRouteMatch::default(), field));
                continue;
            }
            for (place, written) in rule.matches.iter().enumerate() {
                all.push((route, written.clone(), format!("{field}.matches[{place}]")));
            }
        }
    }
    let satisfied = all
        .into_iter()
        .filter(|(_, written, _)| satisfies(request, written));
    // Of equals, `min_by` takes the first: the rule and the match that is written first.
    let winner = satisfied
        .min_by(|(route, written, _), (other, more, _)| order(route, written).cmp(&order(other, more)));
    winner.map(|(route, _, field)| (route.metadata.name.clone(), field))
}

fn found(table: &RouteTable, request: &Request) -> Option<(String, String)> {
    let fields = request.fields.iter();
    let headers: HeaderMap = fields
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
    let pairs: Vec<String> = request
        .query
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let query = pairs.join("&");
    let head = RequestHead {
        method: request.method,
        path: request.path,
        query: Some(&query),
        authority: "reviews",
        scheme: "http",
        headers: &headers,
        noted: &[],
        token: None,
        source: None,
    };
    table
        .find(&head)
        .map(|route| (route.source.name.clone(), route.field.clone()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_winner_is_the_one_of_the_specification(routes in routes(), requests in vec(requests(), 20)) {
        let mesh = Mesh { http: routes, ..Mesh::default() };
        let table = mesh.compile().0.unwrap();
        for request in &requests {
            prop_assert_eq!(found(&table, request), expected(&mesh.http, request), "{:?}", request);
        }
    }
}
