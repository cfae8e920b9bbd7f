#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use serde_json::{Value as Json, json};

use super::*;
use crate::objects::Resource;
use crate::path::{Step, render};
use crate::yaml::parse;

fn fields_of(kind: Kind, spec: &str) -> Vec<String> {
    let text = format!("spec: {spec}");
    let root = parse(&text).unwrap().root.unwrap();
    uncovered(kind, &root)
        .into_iter()
        .map(|found| found.field)
        .collect()
}

#[test]
fn rows_name_real_fields() {
    for kind in Kind::ALL {
        for row in fields(*kind).unwrap_or_default() {
            let path = row.split('=').next().unwrap();
            let leaf = path
                .split('.')
                .rev()
                .fold(json!({}), |inner, part| match part.strip_suffix("[]") {
                    Some(name) => json!({ name: [inner] }),
                    None => json!({ part: inner }),
                });
            let unknown = Resource::decode(*kind, leaf).unknown;
            let unknown: Vec<String> = unknown.iter().map(|path| render(path)).collect();
            assert_eq!(unknown, Vec::<String>::new(), "{kind}: {row}");
        }
    }
}

#[test]
fn every_kind_of_istio_and_of_the_gateway_api_has_a_table() {
    for kind in Kind::ALL {
        let ours = kind.group().ends_with("istio.io") || kind.group() == "gateway.networking.k8s.io";
        assert_eq!(fields(*kind).is_some(), ours, "{kind}");
    }
}

#[test]
fn what_is_acted_on_is_not_reported() {
    let spec = "{hosts: [a], gateways: [mesh], http: [{name: n, match: [{uri: {prefix: /}, headers: {x: {exact: y}}}], \
                route: [{destination: {host: a, subset: v1, port: {number: 80}}, weight: 1}], timeout: 1s, \
                fault: {delay: {fixedDelay: 1s, percentage: {value: 1}}, abort: {httpStatus: 503}}}]}";
    assert_eq!(fields_of(Kind::VirtualService, spec), Vec::<String>::new());
    assert_eq!(
        fields_of(
            Kind::AuthorizationPolicy,
            "{rules: [{from: [{source: {principals: [a]}}]}]}"
        ),
        Vec::<String>::new()
    );
    assert_eq!(
        fields_of(
            Kind::Gateway,
            "{listeners: [{allowedRoutes: {namespaces: {from: All}}}]}"
        ),
        Vec::<String>::new()
    );
}

#[test]
fn the_topmost_field_that_is_not_acted_on_is_reported() {
    let spec = "{tls: [{}], http: [{retries: {attempts: 1, retryRemoteLocalities: true}}, {mirror: {host: a}, fault: {delay: {exponentialDelay: 1s}}}], tcp: [{match: [{sourceSubnet: a}]}]}";
    let found = [
        "spec.tls",
        "spec.http[0].retries.retryRemoteLocalities",
        "spec.http[1].fault.delay.exponentialDelay",
        "spec.tcp[0].match[0].sourceSubnet",
    ];
    assert_eq!(fields_of(Kind::VirtualService, spec), found);
    let spec = "{host: a, trafficPolicy: {loadBalancer: {simple: RANDOM, warmup: {}, zoneAwareLbSetting: {}}, tls: {mode: SIMPLE}}, subsets: [{name: a, trafficPolicy: {tunnel: {}}}]}";
    let found = [
        "spec.trafficPolicy.loadBalancer.zoneAwareLbSetting",
        "spec.trafficPolicy.tls",
        "spec.subsets[0].trafficPolicy.tunnel",
    ];
    assert_eq!(fields_of(Kind::DestinationRule, spec), found);
    assert_eq!(
        fields_of(Kind::Gateway, "{listeners: [{allowedRoutes: {kinds: []}}]}"),
        ["spec.listeners[0].allowedRoutes.kinds"]
    );
}

#[test]
fn a_field_that_is_null_is_not_there() {
    assert_eq!(
        fields_of(Kind::VirtualService, "{exportTo: ~}"),
        Vec::<String>::new()
    );
}

#[test]
fn a_row_may_cover_one_value_only() {
    assert_eq!(
        fields_of(Kind::ServiceEntry, "{resolution: STATIC}"),
        Vec::<String>::new()
    );
    let root = parse("spec: {resolution: DNS}").unwrap().root.unwrap();
    let found = uncovered(Kind::ServiceEntry, &root);
    assert_eq!(
        found,
        [Uncovered {
            field: "spec.resolution".to_owned(),
            instead: vec!["NONE", "STATIC"]
        }]
    );
}

#[test]
fn a_kind_without_rows_is_reported_once_and_kubernetes_never() {
    assert_eq!(fields_of(Kind::Telemetry, "{tracing: []}"), ["spec"]);
    assert_eq!(fields_of(Kind::Service, "{anything: 1}"), Vec::<String>::new());
}

#[test]
fn slips_are_recognised_in_their_place() {
    let key = |name: &str| Step::Key(name.to_owned());
    let within = |name: &str| [key("spec"), key("http"), Step::Index(3), key(name)];
    assert_eq!(similar(Kind::VirtualService, &within("tiemout")), Some("timeout"));
    assert_eq!(
        similar(Kind::VirtualService, &within("direct_response")),
        Some("directResponse")
    );
    assert_eq!(similar(Kind::VirtualService, &within("somethingElse")), None);
    assert_eq!(
        similar(Kind::VirtualService, &[key("spec"), key("timeout")]),
        None
    );
    assert_eq!(similar(Kind::Service, &within("x")), None);
}

#[test]
fn distances_are_edits() {
    for (a, b, expected) in [
        ("", "", 0),
        ("abc", "", 3),
        ("", "abc", 3),
        ("kitten", "sitting", 3),
        ("same", "same", 0),
    ] {
        assert_eq!(distance(a, b), expected, "{a} {b}");
    }
}

#[test]
fn unknown_fields_are_noticed() {
    // `rows_name_real_fields` would prove nothing if unknown fields went unnoticed.
    let unknown = Resource::decode(Kind::VirtualService, json!({"spec": {"nothing": Json::Null}})).unknown;
    assert_eq!(unknown.len(), 1);
}
