#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;
use crate::yaml::parse;

fn fields_of(kind: Kind, spec: &str) -> Vec<String> {
    let text = format!("spec: {spec}");
    let root = parse(&text).unwrap().root.unwrap();
    uncovered(kind, &root)
        .into_iter()
        .map(|found| found.field)
        .collect()
}

/// The rows of a kind that are about a field, with those of single values.
fn rows_of(kind: Kind, field: &str) -> Vec<&'static str> {
    let rows = TABLES[&kind].iter().map(|(row, _)| row.as_str());
    let about = |row: &&str| {
        let path = row.split('=').next().unwrap();
        let rest = field.strip_prefix(path);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[', '{']))
    };
    rows.filter(about).collect()
}

#[test]
fn every_field_that_the_types_read_has_exactly_one_row() {
    let mut wrong = Vec::new();
    for (kind, fields) in FIELDS.iter() {
        for path in fields {
            let rows = rows_of(*kind, &path.field);
            let of_values: Vec<&str> = rows
                .iter()
                .filter_map(|row| Some(row.split_once('=')?.1))
                .collect();
            let right = if of_values.is_empty() {
                rows.len() == 1
            } else {
                let mut expected = path.values.to_vec();
                let mut named = of_values;
                expected.sort_unstable();
                named.sort_unstable();
                rows.len() == named.len() && named == expected
            };
            if !right {
                wrong.push(format!("{kind} {}: {rows:?}", path.field));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "each of these needs one row in proxy/config/src/support/rows (or one for each of its values):\n{}",
        wrong.join("\n")
    );
    assert!(FIELDS.values().map(Vec::len).sum::<usize>() > 500);
}

#[test]
fn every_row_is_about_a_field() {
    for (kind, rows) in TABLES.iter() {
        for (row, _) in rows {
            let fields = FIELDS[kind].iter();
            let covered = fields.filter(|path| rows_of(*kind, &path.field).contains(&row.as_str()));
            assert!(
                covered.count() > 0,
                "{kind}: {row} is about no field of the types"
            );
        }
    }
}

#[test]
fn what_is_said_of_a_field_fits_into_a_table() {
    let said = TABLES
        .values()
        .flatten()
        .map(|(row, support)| (row.as_str(), *support));
    for (row, support) in said.chain(rows::UNREAD.iter().copied()) {
        if let Support::Differently(why) | Support::NotApplicable(why) = support {
            assert!(
                !why.is_empty() && !why.contains(['|', '\n']) && !why.ends_with('.'),
                "{row}: {why}"
            );
        }
    }
}

#[test]
fn every_kind_that_is_not_read_is_named_once() {
    let mut known: Vec<String> = Kind::not_read()
        .map(|(group, kind)| format!("{kind}.{group}"))
        .collect();
    let mut named: Vec<String> = rows::UNREAD.iter().map(|(kind, _)| (*kind).to_owned()).collect();
    known.sort_unstable();
    named.sort_unstable();
    assert_eq!(named, known);
}

#[test]
fn the_page_in_the_repository_is_the_one_of_these_tables() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compatibility.md");
    assert!(
        std::fs::read_to_string(path).is_ok_and(|written| written == page()),
        "docs/compatibility.md is not what the tables say; renew it with\n\n    cargo run -- compatibility > docs/compatibility.md\n"
    );
}

#[test]
fn the_page_names_every_field() {
    let page = page();
    for (kind, fields) in FIELDS.iter() {
        let (_, part) = page.split_once(&format!("\n## {kind}\n")).unwrap();
        let part = part.split("\n## ").next().unwrap();
        for path in fields {
            let last = path.field.rsplit('.').next().unwrap();
            let is_named = [".", "`"].iter().any(|before| {
                [".", "`", "[", "{", ":"]
                    .iter()
                    .any(|after| part.contains(&format!("{before}{last}{after}")))
            });
            assert!(is_named, "{kind}: {}", path.field);
        }
    }
}

#[test]
fn every_kind_of_istio_and_of_the_gateway_api_has_a_table() {
    for kind in Kind::ALL {
        let ours = kind.group().ends_with("istio.io") || kind.group() == "gateway.networking.k8s.io";
        assert_eq!(has_table(*kind), ours, "{kind}");
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
    let spec = "{tls: [{}], http: [{match: [{statPrefix: a, port: 1}]}, {mirror: {host: a}, fault: {delay: {exponentialDelay: 1s}}}]}";
    let found = [
        "spec.http[0].match[0].statPrefix",
        "spec.http[1].fault.delay.exponentialDelay",
    ];
    assert_eq!(fields_of(Kind::VirtualService, spec), found);
    let spec = "{host: a, trafficPolicy: {loadBalancer: {simple: RANDOM, warmup: {}, zoneAwareLbSetting: {}}, tls: {mode: SIMPLE}}, subsets: [{name: a, trafficPolicy: {loadBalancer: {backendUtilization: {}, zoneAwareLbSetting: {}}}}]}";
    let found = [
        "spec.trafficPolicy.loadBalancer.zoneAwareLbSetting",
        "spec.subsets[0].trafficPolicy.loadBalancer.zoneAwareLbSetting",
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
    let root = parse("spec: {resolution: OTHER}").unwrap().root.unwrap();
    let found = uncovered(Kind::ServiceEntry, &root);
    assert_eq!(
        found,
        [Uncovered {
            field: "spec.resolution".to_owned(),
            instead: vec!["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"],
            why: None,
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
fn a_slip_below_a_name_that_the_author_chose_is_recognised() {
    let key = |name: &str| Step::Key(name.to_owned());
    let http = [
        key("spec"),
        key("http"),
        Step::Index(0),
        key("match"),
        Step::Index(0),
    ];
    let header = [key("headers"), key("x-user"), key("exakt")];
    let path: Vec<Step> = http.into_iter().chain(header).collect();
    assert_eq!(similar(Kind::VirtualService, &path), Some("exact"));
}

#[test]
fn it_is_said_why_a_field_is_not_meant_to_act() {
    let root = parse("spec: {tls: {}, infrastructure: {}}")
        .unwrap()
        .root
        .unwrap();
    let found = uncovered(Kind::Gateway, &root);
    assert_eq!(found.len(), 2);
    assert!(found[0].why.unwrap().contains("a waypoint takes tunnels"));
    assert_eq!(found[1].why, None);
}

#[test]
fn a_kind_acts_when_one_of_its_fields_does() {
    assert!(acts(Kind::VirtualService));
    assert!(!acts(Kind::Telemetry));
    assert!(!acts(Kind::Pod));
}
