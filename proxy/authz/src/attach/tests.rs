#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value
)]

use cairn_api::istio::Action;
use cairn_api::meta::ObjectRef;
use cairn_config::Severity;
use serde_json::{Value, json};

use super::*;

mod authentications;

const ROOT: &str = "istio-system";

fn policy(namespace: &str, spec: Value) -> Arc<AuthorizationPolicy> {
    let document = json!({"metadata": {"name": "p", "namespace": namespace}, "spec": spec});
    Arc::new(serde_json::from_value(document).unwrap())
}

fn reference(group: &str, kind: &str, name: &str) -> Value {
    json!({"group": group, "kind": kind, "name": name})
}

fn labels(version: &str) -> BTreeMap<String, String> {
    [("app", "reviews"), ("version", version)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// `Yes`, `No` or `Invalid` for the service `reviews` of `bookinfo` behind the waypoint `infra/wp` (`bookinfo/wp` if `local`).
fn bind(namespace: &str, spec: Value, change: impl Fn(&mut Target<'_>)) -> &'static str {
    let (infra, local) = (Key::new("infra", "wp"), Key::new("bookinfo", "wp"));
    let (v1, v2) = (labels("v1"), labels("v2"));
    let workloads = [&v1, &v2];
    let mut target = Target {
        namespace: "bookinfo",
        service: Some(TargetService {
            kind: Kind::Service,
            name: "reviews",
        }),
        gateway: &infra,
        gateway_class: "istio-mesh",
        legacy: false,
        workloads: &workloads,
    };
    change(&mut target);
    if target.legacy && target.gateway == &infra {
        target.gateway = &local;
    }
    let policy = policy(namespace, spec);
    let binding = applies(&policy, &target, ROOT);
    // What is attached in the same way binds in the same way.
    if policy.spec.action.is_none() {
        let tokens = authentications::policy(namespace, &policy.spec);
        let selection = select_authentications([&tokens], &target, ROOT);
        let expected = match &binding {
            Binding::Yes => (1, 0, 0),
            Binding::No => (0, 0, 0),
            Binding::Invalid { .. } => (0, 1, 1),
        };
        let found = (
            selection.policies.len(),
            selection.broken.len(),
            selection.problems.len(),
        );
        assert_eq!(found, expected, "{tokens:?}");
    }
    match binding {
        Binding::Yes => "Yes",
        Binding::No => "No",
        Binding::Invalid { problem } => {
            assert_eq!(problem.severity, Severity::Error);
            "Invalid"
        }
    }
}

fn modern(_: &mut Target<'_>) {}

fn legacy(target: &mut Target<'_>) {
    target.legacy = true;
}

#[test]
fn targets_of_every_kind() {
    let gateway = "gateway.networking.k8s.io";
    let cases = [
        ("bookinfo", reference("", "Service", "reviews"), "Yes"),
        ("bookinfo", reference("core", "Service", "reviews"), "Yes"),
        ("bookinfo", reference("", "Service", "ratings"), "No"),
        ("infra", reference("", "Service", "reviews"), "No"),
        (ROOT, reference("", "Service", "reviews"), "No"),
        (
            "bookinfo",
            reference("networking.istio.io", "ServiceEntry", "reviews"),
            "No",
        ),
        ("infra", reference(gateway, "Gateway", "wp"), "Yes"),
        ("infra", reference(gateway, "Gateway", "other"), "No"),
        ("bookinfo", reference(gateway, "Gateway", "wp"), "No"),
        (ROOT, reference(gateway, "GatewayClass", "istio-mesh"), "Yes"),
        (ROOT, reference(gateway, "GatewayClass", "other"), "No"),
        ("bookinfo", reference(gateway, "GatewayClass", "istio-mesh"), "No"),
    ];
    for (namespace, target, expected) in cases {
        let many = json!({"targetRefs": [reference("", "Service", "unrelated"), target]});
        assert_eq!(bind(namespace, many, modern), expected, "{namespace} {target}");
        assert_eq!(
            bind(namespace, json!({"targetRef": target}), modern),
            expected,
            "{namespace} {target}"
        );
    }
}

#[test]
fn a_service_entry_and_a_service_are_different_targets() {
    let entry = json!({"targetRef": reference("networking.istio.io", "ServiceEntry", "reviews")});
    let external = |target: &mut Target<'_>| {
        target.service = Some(TargetService {
            kind: Kind::ServiceEntry,
            name: "reviews",
        });
    };
    assert_eq!(bind("bookinfo", entry, external), "Yes");
    assert_eq!(
        bind(
            "bookinfo",
            json!({"targetRef": reference("", "Service", "reviews")}),
            external
        ),
        "No"
    );
}

#[test]
fn traffic_to_workloads_has_only_the_policies_of_its_gateway() {
    let workload = |target: &mut Target<'_>| target.service = None;
    let gateway = reference("gateway.networking.k8s.io", "Gateway", "wp");
    assert_eq!(bind("infra", json!({"targetRef": gateway}), workload), "Yes");
    assert_eq!(
        bind(
            "bookinfo",
            json!({"targetRef": reference("", "Service", "reviews")}),
            workload
        ),
        "No"
    );
}

#[test]
fn targets_of_other_namespaces_are_ignored() {
    let other = json!({"targetRefs": [{"kind": "Service", "name": "reviews", "namespace": "bookinfo"}]});
    assert_eq!(bind("infra", other.clone(), modern), "No");
    assert_eq!(bind("bookinfo", other, modern), "Yes");
    let elsewhere = json!({"targetRefs": [{"kind": "Service", "name": "reviews", "namespace": "infra"}]});
    assert_eq!(bind("bookinfo", elsewhere, modern), "No");
}

#[test]
fn contradictions_deny_what_any_part_selects() {
    let service = reference("", "Service", "reviews");
    let selector = json!({"matchLabels": {"app": "reviews"}});
    let other = reference("", "Service", "other");
    let selected_by_both = json!({"targetRef": service, "selector": {"matchLabels": {"app": "x"}}});
    assert_eq!(bind("bookinfo", selected_by_both, modern), "Invalid");
    assert_eq!(
        bind(
            "bookinfo",
            json!({"targetRef": other, "selector": selector}),
            modern
        ),
        "No"
    );
    assert_eq!(
        bind(
            "bookinfo",
            json!({"targetRef": other, "selector": selector}),
            legacy
        ),
        "Invalid"
    );
    assert_eq!(
        bind(
            "bookinfo",
            json!({"targetRef": other, "targetRefs": [service]}),
            modern
        ),
        "Invalid"
    );
    let mut many = vec![other; 16];
    many.push(service);
    assert_eq!(bind("bookinfo", json!({"targetRefs": &many[1..]}), modern), "Yes");
    assert_eq!(bind("bookinfo", json!({"targetRefs": many}), modern), "Invalid");
    assert_eq!(bind("bookinfo", json!({"targetRefs": &many[..16]}), modern), "No");
}

#[test]
fn a_misspelt_kind_denies_what_has_the_name() {
    for target in [
        reference("", "Sevice", "reviews"),
        reference("v1", "Service", "reviews"),
        reference("gateway.networking.k8s.io", "HTTPRoute", "reviews"),
    ] {
        assert_eq!(
            bind("bookinfo", json!({"targetRef": target}), modern),
            "Invalid",
            "{target}"
        );
        assert_eq!(
            bind("infra", json!({"targetRef": target}), modern),
            "No",
            "{target}"
        );
    }
    assert_eq!(
        bind(
            "infra",
            json!({"targetRef": reference("", "Gateway", "wp")}),
            modern
        ),
        "Invalid"
    );
    assert_eq!(
        bind(
            "bookinfo",
            json!({"targetRef": reference("", "Gateway", "wp")}),
            modern
        ),
        "No"
    );
    assert_eq!(
        bind(
            ROOT,
            json!({"targetRef": reference("", "GatewayClass", "istio-mesh")}),
            modern
        ),
        "Invalid"
    );
    assert_eq!(
        bind(
            "infra",
            json!({"targetRef": reference("", "GatewayClass", "istio-mesh")}),
            modern
        ),
        "No"
    );
    // A valid target that selects binds as it is; another that is not valid is reported, not punished.
    let one_good =
        json!({"targetRefs": [reference("", "Service", "reviews"), reference("", "Sevice", "reviews")]});
    assert_eq!(bind("bookinfo", one_good, modern), "Yes");
}

#[test]
fn policies_without_targets_bind_to_legacy_waypoints_only() {
    for spec in [
        json!({}),
        json!({"selector": {}}),
        json!({"selector": {"matchLabels": {"app": "reviews"}}}),
    ] {
        for namespace in ["bookinfo", ROOT] {
            assert_eq!(bind(namespace, spec.clone(), modern), "No", "{spec}");
            assert_eq!(bind(namespace, spec.clone(), legacy), "Yes", "{spec}");
        }
        assert_eq!(bind("infra", spec, legacy), "No");
    }
    let other = json!({"selector": {"matchLabels": {"app": "ratings"}}});
    assert_eq!(bind("bookinfo", other, legacy), "No");
    let none = |target: &mut Target<'_>| (target.legacy, target.workloads) = (true, &[]);
    assert_eq!(
        bind(
            "bookinfo",
            json!({"selector": {"matchLabels": {"app": "reviews"}}}),
            none
        ),
        "No"
    );
}

#[test]
fn a_legacy_waypoint_serves_other_namespaces_too() {
    let abroad = |target: &mut Target<'_>| (target.legacy, target.namespace) = (true, "elsewhere");
    assert_eq!(bind("bookinfo", json!({}), abroad), "Yes");
    assert_eq!(bind("elsewhere", json!({}), abroad), "No");
    let selector = json!({"selector": {"matchLabels": {"app": "reviews"}}});
    assert_eq!(bind("bookinfo", selector.clone(), abroad), "No");
    assert_eq!(bind(ROOT, selector, abroad), "Yes");
}

#[test]
fn an_allow_policy_for_some_workloads_denies_the_service() {
    let some = json!({"matchLabels": {"version": "v1"}});
    assert_eq!(bind("bookinfo", json!({"selector": some}), legacy), "Invalid");
    assert_eq!(
        bind("bookinfo", json!({"selector": some, "action": "DENY"}), legacy),
        "Yes"
    );
}

fn broken(kind: Kind, namespace: &str, spec: Option<Value>) -> BrokenPolicy {
    BrokenPolicy {
        object: ObjectRef::new(kind, namespace, "p"),
        spec: spec.map(|spec| serde_json::from_value(spec).unwrap()),
        reason: "unreadable".to_owned(),
    }
}

#[test]
fn policies_that_cannot_be_read() {
    let key = Key::new("infra", "wp");
    let target = Target {
        namespace: "bookinfo",
        service: Some(TargetService {
            kind: Kind::Service,
            name: "reviews",
        }),
        gateway: &key,
        gateway_class: "istio-mesh",
        legacy: false,
        workloads: &[],
    };
    let kind = Kind::AuthorizationPolicy;
    for (namespace, expected) in [
        ("bookinfo", true),
        ("infra", true),
        (ROOT, true),
        ("other", false),
    ] {
        assert_eq!(
            applies_broken(&broken(kind, namespace, None), &target, ROOT),
            expected,
            "{namespace}"
        );
    }
    let service = json!({"targetRef": reference("", "Service", "reviews")});
    assert!(applies_broken(
        &broken(kind, "bookinfo", Some(service.clone())),
        &target,
        ROOT
    ));
    assert!(applies_broken(
        &broken(Kind::RequestAuthentication, "bookinfo", Some(service.clone())),
        &target,
        ROOT
    ));
    assert!(!applies_broken(
        &broken(kind, "infra", Some(service)),
        &target,
        ROOT
    ));
    assert!(!applies_broken(
        &broken(Kind::PeerAuthentication, "bookinfo", None),
        &target,
        ROOT
    ));
    // With its selection known to be by labels, the ztunnels deny it.
    assert!(!applies_broken(
        &broken(kind, "bookinfo", Some(json!({}))),
        &target,
        ROOT
    ));
    assert!(applies_broken(
        &broken(kind, "infra", Some(json!({}))),
        &Target {
            legacy: true,
            ..target
        },
        ROOT
    ));

    let bound = policy(
        "bookinfo",
        json!({"targetRef": reference("", "Service", "reviews")}),
    );
    let free = policy(
        "bookinfo",
        json!({"targetRef": reference("", "Service", "ratings")}),
    );
    let misspelt = policy(
        "bookinfo",
        json!({"targetRef": reference("", "Sevice", "reviews")}),
    );
    let mut rehearsed = AuthorizationPolicy::clone(&misspelt);
    rehearsed
        .metadata
        .annotations
        .insert("istio.io/dry-run".to_owned(), "true".to_owned());
    let mut audited = AuthorizationPolicy::clone(&misspelt);
    audited.spec.action = Some(Action::Audit);
    let unreadable = [broken(kind, "bookinfo", None), broken(kind, "other", None)];
    let selection = select(
        &[bound.clone(), free, misspelt, rehearsed.into(), audited.into()],
        &unreadable,
        &target,
        ROOT,
    );
    assert_eq!(selection.policies, [bound]);
    assert_eq!(selection.problems.len(), 3);
    let reasons: Vec<&str> = selection
        .broken
        .iter()
        .map(|policy| policy.reason.as_str())
        .collect();
    assert_eq!(reasons.len(), 2);
    assert!(
        reasons[0].contains("Sevice") && reasons[1] == "unreadable",
        "{reasons:?}"
    );
}

#[test]
fn targets_that_do_not_exist_or_cannot_be_are_told() {
    let gateway = "gateway.networking.k8s.io";
    let existing = Targets {
        services: [Key::new("bookinfo", "reviews")].into(),
        service_entries: [Key::new("bookinfo", "external")].into(),
        gateways: [Key::new("bookinfo", "wp")].into(),
        gateway_classes: ["istio-mesh".to_owned()].into(),
    };
    let told = |namespace: &str, spec: Value| -> Vec<(String, String)> {
        let found = problems(&policy(namespace, spec), &existing, ROOT);
        found
            .into_iter()
            .map(|problem| (problem.field, problem.message))
            .collect()
    };
    let good = json!({"targetRefs": [
        reference("", "Service", "reviews"), reference("networking.istio.io", "ServiceEntry", "external"), reference(gateway, "Gateway", "wp"),
    ]});
    assert_eq!(told("bookinfo", good), []);
    assert_eq!(
        told(
            ROOT,
            json!({"targetRef": reference(gateway, "GatewayClass", "istio-mesh")})
        ),
        []
    );
    assert_eq!(told("bookinfo", json!({})), []);
    let cases = [
        (
            reference("", "Service", "ratings"),
            "spec.targetRefs[0].name",
            "Service bookinfo/ratings does not exist",
        ),
        (
            reference(gateway, "Gateway", "reviews"),
            "spec.targetRefs[0].name",
            "Gateway bookinfo/reviews does not exist",
        ),
        (
            reference(gateway, "GatewayClass", "istio-mesh"),
            "spec.targetRefs[0]",
            "only from the root namespace",
        ),
        (
            reference("", "Sevice", "reviews"),
            "spec.targetRefs[0].kind",
            "cannot be a target",
        ),
        (
            json!({"kind": "Service", "name": "reviews", "namespace": "x"}),
            "spec.targetRefs[0].namespace",
            "own namespace",
        ),
    ];
    for (target, field, message) in cases {
        let found = told("bookinfo", json!({"targetRefs": [target]}));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].0 == field && found[0].1.contains(message), "{found:?}");
    }
    let twice = told(
        "bookinfo",
        json!({"selector": {}, "targetRef": reference("", "Service", "reviews")}),
    );
    assert_eq!(twice[0].0, "spec");
    let seventeen = vec![reference("", "Service", "reviews"); 17];
    assert_eq!(
        told("bookinfo", json!({"targetRefs": seventeen}))[0].0,
        "spec.targetRefs"
    );
}

#[test]
fn a_policy_with_the_name_of_another_denies_what_it_targets() {
    let one = |service: &str| {
        format!(
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: p, namespace: bookinfo}}\n\
             spec: {{targetRefs: [{{kind: Service, name: {service}}}], rules: [{{}}]}}\n---\n"
        )
    };
    let text = format!("{}{}", one("reviews"), one("ratings"));
    let objects = cairn_config::from_str(&text, std::path::Path::new("p.yaml")).objects;
    let gateway = Key::new("infra", "wp");
    let selection = |name| {
        let target = Target {
            namespace: "bookinfo",
            service: Some(TargetService {
                kind: Kind::Service,
                name,
            }),
            gateway: &gateway,
            gateway_class: "istio-waypoint",
            legacy: false,
            workloads: &[],
        };
        let policies = objects.authorization_policies.values();
        let selection = select(policies, objects.broken_policies.values(), &target, ROOT);
        (selection.policies.len(), selection.broken.len())
    };
    assert_eq!(selection("reviews"), (1, 0));
    assert_eq!(selection("ratings"), (0, 1));
    assert_eq!(selection("details"), (0, 0));
}
