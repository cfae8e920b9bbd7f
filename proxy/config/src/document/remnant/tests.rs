#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::Path;
use std::sync::Arc;

use cairn_api::meta::Key;
use serde_json::{Value, json};

use crate::objects::Objects;
use crate::store::from_str;

fn objects(text: &str) -> Arc<Objects> {
    let state = from_str(text, Path::new("a.yaml"));
    assert!(state.report.has_errors(), "{text}");
    state.objects
}

/// What a namespace with this in its metadata is bound to.
fn bound(metadata: &str) -> Option<String> {
    let objects = objects(&format!(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: n\n{metadata}\n"
    ));
    let labels = &objects.namespaces[&Key::new("", "n")].metadata.labels;
    labels.get("istio.io/use-waypoint").cloned()
}

#[test]
fn labels_of_namespaces_outlive_what_is_wrong() {
    let cases = [
        ("  labels: {istio.io/use-waypoint: wp, version: 1}", Some("wp")),
        (
            "  labels: {istio.io/use-waypoint: wp}\n  annotations: [a]",
            Some("wp"),
        ),
        (
            "  labels: {istio.io/use-waypoint: wp}\nkind: Namespace",
            Some("wp"),
        ),
        ("  labels: {a: [1]}", None),
        ("  labels: {a: b, a: c}", None),
        // Nobody can tell what they say.
        ("  labels: {istio.io/use-waypoint: [wp]}", Some("(unreadable)")),
        (
            "  labels: {istio.io/use-waypoint: wp, istio.io/use-waypoint: wq}",
            Some("(unreadable)"),
        ),
        ("  labels: [istio.io/use-waypoint]", Some("(unreadable)")),
        ("  labels: {a: b}\n  labels: {c: d}", Some("(unreadable)")),
        ("  labels: {<<: 5}", Some("(unreadable)")),
        // No YAML.
        ("  labels: {istio.io/use-waypoint: wp", Some("(unreadable)")),
        (
            "  labels: {\"istio.io/use\\u002dwaypoint\": wp",
            Some("(unreadable)"),
        ),
        ("  labels: {a: b", None),
    ];
    for (metadata, expected) in cases {
        assert_eq!(bound(metadata).as_deref(), expected, "{metadata}");
    }
}

#[test]
fn services_keep_their_addresses_and_nothing_to_reach() {
    let service = |text: &str| {
        let text = format!("apiVersion: v1\nkind: Service\nmetadata: {{name: s}}\n{text}\n");
        let spec = objects(&text).services[&Key::new("default", "s")].spec.clone();
        assert!(spec.ports.is_empty() && spec.selector.is_empty());
        spec.cluster_ips
    };
    let address = ["10.0.0.1".to_owned()];
    assert_eq!(
        service("spec: {clusterIP: 10.0.0.1, selector: {a: b}, ports: 1}"),
        address
    );
    assert_eq!(
        service("spec: {clusterIP: [10.0.0.1], ports: [{port: 80}]}"),
        address
    );
    assert_eq!(
        service("spec: {clusterIP: 10.0.0.1, ports: [{port: 80}]"),
        address
    );
    let entry = |text: &str| {
        let head = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: s}\n";
        let spec = objects(&format!("{head}{text}\n")).service_entries[&Key::new("default", "s")]
            .spec
            .clone();
        assert!(spec.endpoints.is_empty());
        (spec.hosts.join(" "), spec.addresses.join(" "))
    };
    assert_eq!(
        entry("spec: {hosts: a.example, addresses: 240.0.0.1, endpoints: [{address: 10.0.0.9}]}"),
        ("a.example".to_owned(), "240.0.0.1".to_owned())
    );
    assert_eq!(
        entry("spec: {hosts: [a.example], addresses: [10.0.0.0/8], ports: [}"),
        ("(unreadable) default/s".to_owned(), "10.0.0.0/8".to_owned())
    );
}

#[test]
fn gateways_keep_class_and_purpose() {
    let gateway = |labels: &str, spec: &str| {
        let head = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n";
        let text = format!(
            "{head}metadata: {{name: g, annotations: {{istio.io/service-account: a}}, labels: {labels}}}\nspec: {spec}\n"
        );
        let gateway = Arc::clone(&objects(&text).gateways[&Key::new("default", "g")]);
        let purpose = gateway.metadata.labels.get("istio.io/waypoint-for").cloned();
        let account = gateway
            .metadata
            .annotations
            .contains_key("istio.io/service-account");
        (
            gateway.spec.gateway_class_name.clone(),
            purpose.unwrap_or_default(),
            account,
        )
    };
    let expected = |class: &str, purpose: &str, account| (class.to_owned(), purpose.to_owned(), account);
    let all = "{istio.io/waypoint-for: all}";
    assert_eq!(
        gateway("{}", "{gatewayClassName: istio-mesh, listeners: 1}"),
        expected("istio-mesh", "", true)
    );
    assert_eq!(
        gateway(all, "{gatewayClassName: [c]}"),
        expected("(unreadable)", "all", true)
    );
    assert_eq!(
        gateway("5", "{gatewayClassName: c}"),
        expected("c", "(unreadable)", true)
    );
    assert_eq!(
        gateway(all, "{gatewayClassName: istio-mesh, listeners: ["),
        expected("istio-mesh", "(unreadable)", false)
    );
    assert_eq!(gateway("{}", "["), expected("(unreadable)", "", false));
}

/// What a document that cannot be read leaves of an object of this kind, as JSON.
fn left(kind: &str, spec: &str) -> Option<Value> {
    let text = format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: {kind}\nmetadata: {{name: r}}\nspec: {spec}\n"
    );
    let objects = objects(&text);
    let key = Key::new("default", "r");
    match kind {
        "HTTPRoute" => objects.http_routes.get(&key).map(|object| json!(object.spec)),
        "GRPCRoute" => objects.grpc_routes.get(&key).map(|object| json!(object.spec)),
        "TCPRoute" => objects.tcp_routes.get(&key).map(|object| json!(object.spec)),
        "TLSRoute" => objects.tls_routes.get(&key).map(|object| json!(object.spec)),
        _ => objects
            .backend_tls_policies
            .get(&key)
            .map(|object| json!(object.spec)),
    }
}

#[test]
fn routes_keep_their_parents_and_lead_nowhere() {
    let rules = json!([{"backendRefs": [{"name": "(unreadable)"}]}]);
    let parents = "parentRefs: [{group: '', kind: Service, name: s, sectionName: http, port: 80}]";
    let whole = json!([{"group": "", "kind": "Service", "name": "s", "sectionName": "http", "port": 80}]);
    for kind in ["HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute"] {
        assert_eq!(
            left(kind, &format!("{{{parents}, rules: 5}}")),
            Some(json!({"parentRefs": whole, "rules": rules})),
            "{kind}"
        );
        // A port that is none narrows nothing.
        let parents = "parentRefs: [{group: core, kind: Service, name: s, port: many}]";
        assert_eq!(
            left(kind, &format!("{{{parents}}}")),
            Some(json!({"parentRefs": [{"group": "core", "kind": "Service", "name": "s"}], "rules": rules}))
        );
        // Nobody knows what these are for.
        for spec in [
            "{parentRefs: 1}",
            "{parentRefs: [1]}",
            "{rules: 1}",
            "5",
            "{parentRefs: [{name: s}], parentRefs: [{name: t}]}",
            "{parentRefs: [{name: s, name: t}]}",
            &format!("{{{parents}"),
        ] {
            assert_eq!(left(kind, spec), None, "{kind} {spec}");
        }
    }
    let names = left(
        "TLSRoute",
        "{parentRefs: [{name: s}], hostnames: [a.example], rules: 1}",
    )
    .unwrap();
    assert_eq!(names["hostnames"], json!(["a.example"]));
    let names = left(
        "TLSRoute",
        "{parentRefs: [{name: s}], hostnames: [[a]], rules: 1}",
    )
    .unwrap();
    assert_eq!(names.get("hostnames"), None, "all names");
}

#[test]
fn tls_policies_keep_their_targets_and_trust_nobody() {
    let of = |spec: &str| left("BackendTLSPolicy", spec).unwrap();
    assert_eq!(
        of("{targetRefs: [{group: core, kind: Service, name: s, sectionName: https}], validation: 1}"),
        json!({"targetRefs": [{"group": "core", "kind": "Service", "name": "s", "sectionName": "https"}]})
    );
    let all = json!({"targetRefs": [{"kind": "Service", "name": "(unreadable)"}]});
    for spec in ["{targetRefs: 1}", "{validation: 1}", "5", "{targetRefs: ["] {
        assert_eq!(of(spec), all, "{spec}");
    }
}
