use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::super::is_broken;
use super::{backend, destinations, only, table};
use crate::cors::CrossOrigin;
use crate::head::RequestHead;
use crate::route::{Action, Route};
use crate::template::Facts;
use crate::template::testing::facts;
use crate::{redirect, rewrite};

fn with(filters: Value) -> Value {
    json!({"filters": filters, "backendRefs": backend()})
}

fn head<'a>(path: &'a str, headers: &'a HeaderMap) -> RequestHead<'a> {
    RequestHead {
        method: "GET",
        path,
        query: Some("q=1"),
        authority: "reviews:9080",
        scheme: "http",
        headers,
        noted: &[],
        token: None,
        source: None,
    }
}

fn operated(route: &Route, fields: &[(&'static str, &'static str)]) -> Vec<String> {
    let facts = Facts {
        route_name: "r",
        ..facts()
    };
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.insert(*name, HeaderValue::from_static(value));
    }
    destinations(route)[0]
        .request_headers
        .apply_to_request(&mut headers, &facts);
    let mut written: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    written.sort();
    written
}

#[test]
fn header_modifiers_of_rule_and_backend_are_merged() {
    let modifier = |set: Value| json!({"type": "RequestHeaderModifier", "requestHeaderModifier": set});
    let route = only(json!({
        "filters": [modifier(json!({
            "set": [{"name": "X-Set", "value": "1"}, {"name": "x-set", "value": "ignored"}, {"name": "Host", "value": "other"}],
            "add": [{"name": "x-add", "value": "100%"}, {"name": "x-port", "value": "%DOWNSTREAM_LOCAL_PORT%"}],
            "remove": ["x-gone"],
        }))],
        "backendRefs": [{"name": "reviews", "port": 9080, "filters": [modifier(json!({"set": [{"name": "x-own", "value": "2"}]}))]}],
    }));
    assert_eq!(
        operated(&route, &[("x-gone", "1"), ("x-set", "0")]),
        ["x-add: 100%", "x-own: 2", "x-port: 9080", "x-set: 1"]
    );
    assert_eq!(destinations(&route)[0].authority.as_ref().unwrap(), "other");
    let response = only(with(json!([
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"remove": ["x"]}}
    ])));
    assert!(!response.response_headers.is_empty());
    assert!(destinations(&response)[0].request_headers.is_empty());
}

fn rewritten(prefix: Option<&str>, replacement: Value, path: &str) -> String {
    let mut rule = with(json!([{"type": "URLRewrite", "urlRewrite": {"path": replacement}}]));
    if let Some(prefix) = prefix {
        rule["matches"] = json!([{"path": {"type": "PathPrefix", "value": prefix}}]);
    }
    let route = only(rule);
    let headers = HeaderMap::new();
    rewrite::apply(route.rewrite.as_ref().unwrap(), &head(path, &headers))
        .unwrap()
        .to_string()
}

#[test]
fn prefixes_are_replaced_between_slashes() {
    // The table of the specification: path, prefix, replacement, result.
    for (path, prefix, replacement, result) in [
        ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
        ("/foo", "/foo", "/xyz", "/xyz"),
        ("/foo/", "/foo", "/xyz", "/xyz/"),
        ("/foo/bar", "/foo", "", "/bar"),
        ("/foo/", "/foo", "", "/"),
        ("/foo", "/foo", "", "/"),
        ("/foo/", "/foo", "/", "/"),
        ("/foo", "/foo", "/", "/"),
        ("/bar", "/", "/xyz", "/xyz/bar"),
        ("/bar", "/", "/", "/bar"),
    ] {
        let replacement = json!({"type": "ReplacePrefixMatch", "replacePrefixMatch": replacement});
        assert_eq!(
            rewritten(Some(prefix), replacement, path),
            format!("{result}?q=1"),
            "{path} {prefix}"
        );
    }
    let replacement = json!({"type": "ReplacePrefixMatch", "replacePrefixMatch": "/xyz"});
    assert_eq!(rewritten(None, replacement, "/bar"), "/xyz/bar?q=1");
    let full = json!({"type": "ReplaceFullPath", "replaceFullPath": "/one"});
    assert_eq!(rewritten(Some("/foo"), full, "/foo/bar"), "/one?q=1");
}

#[test]
fn a_host_is_rewritten_for_every_backend() {
    let route = only(with(
        json!([{"type": "URLRewrite", "urlRewrite": {"hostname": "a.example"}}]),
    ));
    assert_eq!(destinations(&route)[0].authority.as_ref().unwrap(), "a.example");
    assert!(route.rewrite.is_none());
}

fn location(redirect: Value) -> (u16, String) {
    let route = only(json!({
        "matches": [{"path": {"value": "/foo"}}],
        "filters": [{"type": "RequestRedirect", "requestRedirect": redirect}],
    }));
    let Action::Redirect(redirect) = &route.action else {
        panic!("{route:?}")
    };
    let headers = HeaderMap::new();
    (
        redirect.status.as_u16(),
        redirect::location(redirect, &head("/foo/bar", &headers)),
    )
}

#[test]
fn redirects_say_where() {
    let to = |redirect: Value| location(redirect).1;
    assert_eq!(location(json!({"hostname": "a.example"})).0, 302);
    assert_eq!(
        to(json!({"hostname": "a.example"})),
        "http://a.example:9080/foo/bar?q=1"
    );
    assert_eq!(to(json!({"scheme": "https"})), "https://reviews/foo/bar?q=1");
    assert_eq!(
        to(json!({"scheme": "https", "port": 8443})),
        "https://reviews:8443/foo/bar?q=1"
    );
    assert_eq!(to(json!({"port": 80})), "http://reviews/foo/bar?q=1");
    assert_eq!(
        to(json!({"scheme": "https", "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/x/"}})),
        "https://reviews/x/bar?q=1"
    );
    assert_eq!(
        location(
            json!({"scheme": "https", "statusCode": 301, "path": {"type": "ReplaceFullPath", "replaceFullPath": "/y"}})
        ),
        (301, "https://reviews/y?q=1".to_owned())
    );
}

#[test]
fn mirrors_get_their_shares_and_a_missing_one_is_left_out() {
    let mirror = |mirror: Value| json!({"type": "RequestMirror", "requestMirror": mirror});
    let to = json!({"name": "ratings", "port": 9080});
    let route = only(with(json!([
        mirror(json!({"backendRef": to})),
        mirror(json!({"backendRef": to, "percent": 5})),
        mirror(json!({"backendRef": to, "fraction": {"numerator": 1, "denominator": 1000}})),
        mirror(json!({"backendRef": to, "fraction": {"numerator": 2}})),
        mirror(json!({"backendRef": to, "percent": 0})),
    ])));
    let shares: Vec<String> = route
        .mirrors
        .iter()
        .map(|mirror| mirror.share.to_string())
        .collect();
    assert_eq!(shares, ["100 %", "5 %", "0.1 %", "2 %"]);
    assert_eq!(
        route.mirrors[0].destination.host,
        "ratings.default.svc.cluster.local"
    );
    let (table, problems) = table(json!([with(json!([mirror(
        json!({"backendRef": {"name": "nobody", "port": 1}})
    ),]))]));
    assert!(
        problems[0].starts_with("error spec.rules[0].filters[0].requestMirror.backendRef.name: "),
        "{problems:?}"
    );
    let route = &table.routes()[0];
    assert!(!is_broken(route));
    assert!(route.mirrors.is_empty());
}

#[test]
fn cross_origin_rules_answer_preflights_of_all() {
    let route = only(with(json!([{"type": "CORS", "cors": {
        "allowOrigins": ["https://a.example", "https://*.b.example"],
        "allowMethods": ["GET", "*"],
        "allowCredentials": true,
    }}])));
    let judge = |method: &str, origin: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert("origin", HeaderValue::from_static(origin));
        headers.insert("access-control-request-method", HeaderValue::from_static("PUT"));
        route.cors.as_ref().unwrap().judge(method, &headers)
    };
    let CrossOrigin::Preflight(fields) = judge("OPTIONS", "https://x.y.b.example") else {
        panic!("it is answered")
    };
    assert_eq!(fields["access-control-allow-methods"], "PUT");
    assert_eq!(fields["access-control-max-age"], "5");
    assert!(matches!(
        judge("OPTIONS", "https://c.example"),
        CrossOrigin::Preflight(_)
    ));
    assert!(matches!(
        judge("GET", "https://a.example"),
        CrossOrigin::Allowed(_)
    ));
    for other in [
        "https://b.example",
        "https://xb.example",
        "http://x.b.example",
        "https://x.b.example.evil",
    ] {
        assert_eq!(judge("GET", other), CrossOrigin::Untouched, "{other}");
    }
}

#[test]
fn a_filter_that_cannot_be_acted_on_answers_500() {
    let rewrite = json!({"type": "URLRewrite", "urlRewrite": {"hostname": "a"}});
    for (filters, field) in [
        (
            json!([{"type": "ExtensionRef", "extensionRef": {"group": "a", "kind": "b", "name": "c"}}]),
            ".filters[0].extensionRef",
        ),
        (json!([{"type": "CORS"}]), ".filters[0]"),
        (json!([{}]), ".filters[0].type"),
        (json!([rewrite, rewrite]), ".filters[1].type"),
        (
            json!([rewrite, {"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}]),
            ".filters",
        ),
        (
            json!([{"type": "RequestRedirect", "requestRedirect": {"statusCode": 200}}]),
            ".filters[0].requestRedirect.statusCode",
        ),
        (
            json!([{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/a b"}}}]),
            ".filters[0].urlRewrite.path.replaceFullPath",
        ),
        (
            json!([{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "a b", "value": "1"}]}}]),
            ".filters[0].requestHeaderModifier.set[0]",
        ),
    ] {
        let (table, problems) = table(json!([with(filters)]));
        let expected = format!("error spec.rules[0]{field}: ");
        assert!(
            problems.iter().any(|line| line.starts_with(&expected)),
            "{expected} {problems:?}"
        );
        assert!(is_broken(&table.routes()[0]), "{expected}");
    }
    let mut exact = with(
        json!([{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/x"}}}]),
    );
    exact["matches"] = json!([{"path": {"type": "Exact", "value": "/a"}}]);
    let (table, problems) = table(json!([exact]));
    assert!(
        problems[0].contains("only a prefix that is matched can be replaced"),
        "{problems:?}"
    );
    assert!(is_broken(&table.routes()[0]));
}
