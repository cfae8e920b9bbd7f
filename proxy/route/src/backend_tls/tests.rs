#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
// `json!` values are written in place.
#![allow(clippy::needless_pass_by_value)]

use std::sync::Arc;

use cairn_api::meta::{Key, Kind, ObjectRef};
use cairn_config::{Objects, UNREADABLE};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::BackendTlsPolicies;
use crate::rules::{ClientTls, TlsOrigination, Trust};

/// A SEQUENCE of nothing, which is as much of a certificate as is looked at here.
const PEM: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";

fn read<T: DeserializeOwned>(name: &str, mut document: Value) -> (Key, Arc<T>) {
    document["metadata"]["name"] = json!(name);
    document["metadata"]["namespace"] = json!("shop");
    (
        Key::new("shop", name),
        Arc::new(serde_json::from_value(document).unwrap()),
    )
}

/// A namespace with the Services `cart` (ports `http` and `https`) and `pay` (`https`), and authorities.
fn objects(policies: Vec<(&str, Value)>) -> Objects {
    let mut objects = Objects::default();
    for (name, ports) in [
        (
            "cart",
            json!([{"name": "http", "port": 80}, {"name": "https", "port": 443}]),
        ),
        ("pay", json!([{"name": "https", "port": 443}])),
    ] {
        objects
            .services
            .extend([read(name, json!({"spec": {"ports": ports}}))]);
    }
    objects.config_maps.extend([
        read("authorities", json!({"data": {"ca.crt": PEM}})),
        read("more", json!({"data": {"ca.crt": format!("# ours\n{PEM}")}})),
        read("other-key", json!({"data": {"ca.pem": PEM}})),
        read("no-certificate", json!({"data": {"ca.crt": "hello"}})),
        read(
            "half",
            json!({"data": {"ca.crt": format!("{PEM}-----BEGIN CERTIFICATE-----\nMAA=\n")}}),
        ),
        read(
            "not-base64",
            json!({"data": {"ca.crt": PEM.replace("MAA=", "M*A=")}}),
        ),
    ]);
    objects.secrets.extend([
        read("plain", json!({"stringData": {"ca.crt": PEM}})),
        read("coded", json!({"data": {"ca.crt": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1BQT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="}})),
    ]);
    for (name, document) in policies {
        objects.backend_tls_policies.extend([read(name, document)]);
    }
    objects
}

fn target(name: &str) -> Value {
    json!({"group": "", "kind": "Service", "name": name})
}

fn section(name: &str, port: &str) -> Value {
    json!({"group": "", "kind": "Service", "name": name, "sectionName": port})
}

fn system(hostname: &str) -> Value {
    json!({"wellKnownCACertificates": "System", "hostname": hostname})
}

fn policy(targets: Value, validation: Value) -> Value {
    json!({"spec": {"targetRefs": targets, "validation": validation}})
}

fn lines(objects: &Objects) -> (BackendTlsPolicies, Vec<String>) {
    let (policies, problems) = BackendTlsPolicies::new(objects);
    let line = |problem: &cairn_config::Problem| {
        let object = problem.object.as_ref().unwrap();
        format!(
            "{} {} {}: {}",
            problem.severity, object.name, problem.field, problem.message
        )
    };
    (policies, problems.iter().map(line).collect())
}

/// `Accepted True Accepted` for each condition of each target of a policy.
fn said(policies: &BackendTlsPolicies, name: &str) -> Vec<String> {
    let object = ObjectRef::new(Kind::BackendTlsPolicy, "shop", name);
    let conditions = policies.status(&object).iter().map(|target| {
        let conditions = target.conditions.iter();
        let conditions: Vec<String> = conditions
            .map(|one| format!("{} {} {}", one.type_, one.status, one.reason))
            .collect();
        format!("{}: {}", target.parent.name, conditions.join(", "))
    });
    conditions.collect()
}

const GOOD: &str = "Accepted True Accepted, ResolvedRefs True ResolvedRefs";

/// What one policy for `cart` with this `validation` makes of it, what is said of it, and its status.
fn of(validation: Value) -> (ClientTls, Vec<String>, String) {
    let objects = objects(vec![("p", policy(json!([target("cart")]), validation))]);
    let (policies, lines) = lines(&objects);
    let found = policies.find("shop", "cart", "http").unwrap();
    assert_eq!(found.source, ObjectRef::new(Kind::BackendTlsPolicy, "shop", "p"));
    (found.tls.clone(), lines, said(&policies, "p").remove(0))
}

fn originate(validation: Value) -> TlsOrigination {
    let (tls, problems, status) = of(validation);
    assert_eq!((problems, status), (vec![], format!("cart: {GOOD}")));
    let ClientTls::Originate(origination) = tls else {
        panic!("{tls:?}")
    };
    origination
}

#[test]
fn the_host_name_is_sent_and_held_against_the_certificate() {
    let origination = originate(system("Cart.Example"));
    assert_eq!(
        origination,
        TlsOrigination {
            client: None,
            trust: Trust::System { revoked: None },
            subject_alt_names: vec!["cart.example".to_owned()],
            sni: Some("cart.example".to_owned()),
        }
    );
    // Other names take its place, and it is only sent.
    let mut validation = system("cart.example");
    validation["subjectAltNames"] = json!([
        {"type": "Hostname", "hostname": "*.cart.example"},
        {"type": "URI", "uri": "spiffe://cluster.local/ns/shop/sa/cart"},
    ]);
    let origination = originate(validation);
    assert_eq!(
        origination.subject_alt_names,
        ["*.cart.example", "spiffe://cluster.local/ns/shop/sa/cart"]
    );
    assert_eq!(origination.sni.as_deref(), Some("cart.example"));
}

#[test]
fn authorities_come_from_config_maps_and_secrets() {
    let named = |references: Value| {
        let validation = json!({"caCertificateRefs": references, "hostname": "cart.example"});
        let Trust::Pem(text) = originate(validation).trust else {
            panic!()
        };
        text.matches("MAA=").count()
    };
    let map = |name: &str| json!({"group": "", "kind": "ConfigMap", "name": name});
    assert_eq!(named(json!([map("authorities")])), 1);
    assert_eq!(named(json!([map("authorities"), map("more")])), 2);
    assert_eq!(
        named(json!([{"group": "core", "kind": "Secret", "name": "plain"}])),
        1
    );
    assert_eq!(
        named(json!([{"group": "", "kind": "Secret", "name": "coded"}])),
        1
    );
}

#[test]
fn authorities_that_are_not_there_are_not_trusted() {
    let map = |name: &str| json!({"group": "", "kind": "ConfigMap", "name": name});
    let bucket = json!({"group": "", "kind": "Bucket", "name": "b"});
    for (reference, reason) in [
        (map("nobody"), "InvalidCACertificateRef"),
        (map("other-key"), "InvalidCACertificateRef"),
        (map("no-certificate"), "InvalidCACertificateRef"),
        (map("half"), "InvalidCACertificateRef"),
        (map("not-base64"), "InvalidCACertificateRef"),
        (bucket, "InvalidKind"),
    ] {
        let alone = json!({"caCertificateRefs": [reference], "hostname": "cart.example"});
        let (tls, problems, status) = of(alone);
        assert_eq!(tls, ClientTls::Unusable, "{reference}");
        assert!(
            problems[0].starts_with("error p spec.validation.caCertificateRefs[0]: "),
            "{problems:?}"
        );
        let expected = format!("cart: Accepted False NoValidCACertificate, ResolvedRefs False {reason}");
        assert_eq!(status, expected);
        // The others stay.
        let both = json!({"caCertificateRefs": [reference, map("authorities")], "hostname": "cart.example"});
        let (tls, problems, status) = of(both);
        assert!(matches!(tls, ClientTls::Originate(_)), "{reference}");
        assert_eq!(problems.len(), 1);
        assert_eq!(
            status,
            format!("cart: Accepted True Accepted, ResolvedRefs False {reason}")
        );
    }
}

#[test]
fn what_cannot_be_understood_sends_nothing() {
    let with = |field: &str, value: Value| {
        let mut validation = system("cart.example");
        validation[field] = value;
        validation
    };
    let name = |name: Value| with("subjectAltNames", json!([name]));
    let map = json!([{"group": "", "kind": "ConfigMap", "name": "authorities"}]);
    for (validation, field) in [
        (json!(null), ""),
        (json!({"hostname": "cart.example"}), ""),
        (with("caCertificateRefs", map), ""),
        (
            with("wellKnownCACertificates", json!("Mozilla")),
            ".wellKnownCACertificates",
        ),
        (with("hostname", json!("")), ".hostname"),
        (with("hostname", json!("*.example")), ".hostname"),
        (with("hostname", json!("10.0.0.1")), ".hostname"),
        (with("hostname", json!("a b")), ".hostname"),
        (name(json!({"hostname": "a"})), ".subjectAltNames[0]"),
        (
            name(json!({"type": "Hostname", "uri": "a://b"})),
            ".subjectAltNames[0]",
        ),
        (
            name(json!({"type": "Hostname", "hostname": "a", "uri": "a://b"})),
            ".subjectAltNames[0]",
        ),
        (
            name(json!({"type": "Hostname", "hostname": "*"})),
            ".subjectAltNames[0]",
        ),
        (name(json!({"type": "URI", "uri": "b"})), ".subjectAltNames[0]"),
    ] {
        let (tls, problems, status) = of(validation.clone());
        assert_eq!(tls, ClientTls::Unusable, "{validation}");
        let expected = format!("error p spec.validation{field}: ");
        assert!(problems[0].starts_with(&expected), "{validation}: {problems:?}");
        assert!(status.starts_with("cart: Accepted False Invalid"), "{status}");
    }
}

#[test]
fn a_port_that_is_named_goes_before_all_ports() {
    let objects = objects(vec![
        (
            "all",
            policy(json!([target("cart"), target("cart")]), system("all.example")),
        ),
        (
            "one",
            policy(
                json!([section("cart", "https"), section("pay", "https")]),
                system("one.example"),
            ),
        ),
    ]);
    let (policies, problems) = lines(&objects);
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(
        said(&policies, "all"),
        [format!("cart: {GOOD}"), format!("cart: {GOOD}")]
    );
    let source = |namespace: &str, service: &str, port: &str| {
        let found = policies.find(namespace, service, port);
        found.map(|found| found.source.name.as_str())
    };
    assert_eq!(source("shop", "cart", "http"), Some("all"));
    assert_eq!(source("shop", "cart", "https"), Some("one"));
    assert_eq!(source("shop", "pay", "https"), Some("one"));
    assert_eq!(source("shop", "pay", "http"), None);
    assert_eq!(source("other", "cart", "http"), None);
}

#[test]
fn of_several_the_oldest_is_taken() {
    let created = |time: &str, hostname: &str| {
        let mut document = policy(json!([target("cart"), target("pay")]), system(hostname));
        document["metadata"] = json!({"creationTimestamp": time});
        document
    };
    let objects = objects(vec![
        ("a", created("2024-02-01T00:00:00Z", "a.example")),
        ("b", created("2024-01-01T00:00:00Z", "b.example")),
        ("c", created("2024-01-01T00:00:00Z", "c.example")),
        ("d", policy(json!([section("pay", "https")]), system("d.example"))),
    ]);
    let (policies, problems) = lines(&objects);
    assert_eq!(policies.find("shop", "cart", "http").unwrap().source.name, "b");
    assert_eq!(
        policies.find("shop", "pay", "https").unwrap().source.name,
        "d",
        "its own"
    );
    let conflict = "Accepted False Conflicted, ResolvedRefs True ResolvedRefs";
    assert_eq!(
        said(&policies, "a"),
        [format!("cart: {conflict}"), format!("pay: {conflict}")]
    );
    assert_eq!(
        said(&policies, "b"),
        [format!("cart: {GOOD}"), format!("pay: {GOOD}")]
    );
    assert_eq!(
        said(&policies, "c"),
        [format!("cart: {conflict}"), format!("pay: {conflict}")]
    );
    assert_eq!(said(&policies, "d"), [format!("pay: {GOOD}")]);
    assert!(
        problems[0].starts_with("error c spec.targetRefs[0]: BackendTLSPolicy shop/b is for the same"),
        "{problems:?}"
    );
}

#[test]
fn targets_are_services_of_the_namespace() {
    for (target, field) in [
        (target("nobody"), ".name"),
        (section("cart", "grpc"), ".sectionName"),
        (
            json!({"kind": "ServiceEntry", "group": "networking.istio.io", "name": "cart"}),
            ".kind",
        ),
        (
            json!({"kind": "Service", "group": "gateway.networking.k8s.io", "name": "cart"}),
            ".kind",
        ),
    ] {
        let (policies, problems) = lines(&objects(vec![("p", policy(json!([target]), system("a")))]));
        assert_eq!(policies.find("shop", "cart", "http"), None);
        let expected = format!("error p spec.targetRefs[0]{field}: ");
        assert!(problems[0].starts_with(&expected), "{problems:?}");
        let status = said(&policies, "p").remove(0);
        assert!(status.contains("Accepted False TargetNotFound"), "{status}");
    }
    let (_, problems) = lines(&objects(vec![("p", policy(json!([]), system("a")))]));
    assert!(
        problems[0].starts_with("error p spec.targetRefs: "),
        "{problems:?}"
    );
}

#[test]
fn options_have_no_effect_and_that_is_told() {
    let mut document = policy(json!([target("cart")]), system("a.example"));
    document["spec"]["options"] = json!({"example.com/cipher": "strong"});
    let (policies, problems) = lines(&objects(vec![("p", document)]));
    assert!(
        problems[0].starts_with("unsupported p spec.options.example.com/cipher: "),
        "{problems:?}"
    );
    assert_eq!(said(&policies, "p"), [format!("cart: {GOOD}")]);
}

#[test]
fn a_policy_whose_targets_nobody_knows_is_for_its_whole_namespace() {
    let objects = objects(vec![
        ("a", policy(json!([target(UNREADABLE)]), json!(null))),
        (
            "b",
            policy(json!([section("cart", "https")]), system("b.example")),
        ),
    ]);
    let (policies, problems) = lines(&objects);
    assert!(problems[0].starts_with("error a spec.validation"), "{problems:?}");
    let tls = |namespace: &str, service: &str, port: &str| {
        let found = policies.find(namespace, service, port);
        found.map(|found| found.tls.clone())
    };
    assert_eq!(tls("shop", "pay", "https"), Some(ClientTls::Unusable));
    assert_eq!(tls("shop", "cart", "http"), Some(ClientTls::Unusable));
    assert!(matches!(
        tls("shop", "cart", "https"),
        Some(ClientTls::Originate(_))
    ));
    assert_eq!(tls("other", "cart", "http"), None);
}
