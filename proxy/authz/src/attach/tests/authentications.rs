//! RequestAuthentication. That it binds as AuthorizationPolicy does is asserted where that is.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value
)]

use cairn_api::istio::AuthorizationPolicySpec;

use super::*;
use crate::policy_set::{CompileOptions, PolicySet, check_authentication};
use crate::verdict::Verdict;

/// With the selector and the targets of another policy.
pub(super) fn policy(namespace: &str, like: &AuthorizationPolicySpec) -> Arc<RequestAuthentication> {
    let mut policy = RequestAuthentication::clone(&named(namespace, "p", json!({})));
    policy.spec.selector.clone_from(&like.selector);
    policy.spec.target_ref.clone_from(&like.target_ref);
    policy.spec.target_refs.clone_from(&like.target_refs);
    Arc::new(policy)
}

fn named(namespace: &str, name: &str, spec: Value) -> Arc<RequestAuthentication> {
    let document = json!({"metadata": {"name": name, "namespace": namespace}, "spec": spec});
    Arc::new(serde_json::from_value(document).unwrap())
}

fn created(policy: &Arc<RequestAuthentication>, time: &str) -> Arc<RequestAuthentication> {
    let mut policy = RequestAuthentication::clone(policy);
    policy.metadata.creation_timestamp = Some(time.to_owned());
    Arc::new(policy)
}

fn to_reviews() -> Value {
    json!({"targetRef": reference("", "Service", "reviews")})
}

fn selected(policies: &[Arc<RequestAuthentication>]) -> Selection<RequestAuthentication> {
    let gateway = Key::new("bookinfo", "wp");
    let target = Target {
        namespace: "bookinfo",
        service: Some(TargetService {
            kind: Kind::Service,
            name: "reviews",
        }),
        gateway: &gateway,
        gateway_class: "istio-waypoint",
        legacy: false,
        workloads: &[],
    };
    select_authentications(policies, &target, ROOT)
}

#[test]
fn the_oldest_comes_first() {
    let to_gateway = json!({"targetRef": reference("gateway.networking.k8s.io", "Gateway", "wp")});
    let to_class =
        json!({"targetRef": reference("gateway.networking.k8s.io", "GatewayClass", "istio-waypoint")});
    let policies = [
        created(&named("bookinfo", "a", to_reviews()), "2026-01-03T00:00:00Z"),
        created(&named(ROOT, "c", to_class), "2026-01-02T00:00:00Z"),
        created(&named("bookinfo", "d", to_gateway), "2026-01-02T00:00:00Z"),
        created(&named("bookinfo", "b", to_reviews()), "2026-01-02T00:00:00Z"),
        created(&named("bookinfo", "e", to_reviews()), "2026-01-01T00:00:00Z"),
        named("other", "f", to_reviews()),
    ];
    let selection = selected(&policies);
    let names: Vec<&str> = selection
        .policies
        .iter()
        .map(|policy| &*policy.metadata.name)
        .collect();
    assert_eq!(names, ["e", "b", "d", "c", "a"]);
    assert!(selection.broken.is_empty() && selection.problems.is_empty());
}

#[test]
fn contradictory_targets_deny_what_any_of_them_selects() {
    let mut both = to_reviews();
    both["selector"] = json!({"matchLabels": {"app": "x"}});
    let selection = selected(&[named("bookinfo", "both", both)]);
    assert!(selection.policies.is_empty());
    assert_eq!(selection.problems[0].field, "spec");
    let (set, _) = PolicySet::compile(&[], &selection.broken, &CompileOptions::default());
    let call = crate::fixtures::Call::default();
    let Verdict::Deny(denial) = set.evaluate(&call.request()) else {
        panic!("passed")
    };
    assert_eq!(
        &*denial.details,
        "rbac_access_denied_matched_policy[ns[bookinfo]-RequestAuthentication[both]]"
    );
    let words =
        "ns[bookinfo]-RequestAuthentication[both] is broken and denies what it selects: only one of selector";
    assert!(denial.to_string().starts_with(words), "{denial}");
    let steps = set.explain(&call.request());
    assert!(
        steps[0]
            .to_string()
            .starts_with("RequestAuthentication bookinfo/both (DENY): is broken")
    );
}

#[test]
fn those_that_cannot_be_read_are_denied_by_the_policy_set() {
    let key = Key::new("infra", "wp");
    let target = Target {
        namespace: "bookinfo",
        service: None,
        gateway: &key,
        gateway_class: "istio-waypoint",
        legacy: false,
        workloads: &[],
    };
    let unreadable = broken(Kind::RequestAuthentication, "bookinfo", None);
    let selection = select([], [&unreadable], &target, ROOT);
    assert_eq!(selection.broken, [unreadable]);
}

#[test]
fn a_check_covers_targets_and_rules() {
    let checked = |spec: Value| -> Vec<(Severity, String)> {
        let existing = Targets {
            services: [Key::new("bookinfo", "reviews")].into(),
            ..Targets::default()
        };
        let policy = named("bookinfo", "p", spec);
        check_authentication(&policy, &existing, &CompileOptions::default())
            .into_iter()
            .map(|problem| (problem.severity, problem.field))
            .collect()
    };
    let rules = json!([{"issuer": "i", "jwks": "nonsense"}]);
    let field = |severity, field: &str| (severity, field.to_owned());
    assert_eq!(
        checked(json!({"targetRef": reference("", "Service", "ratings"), "jwtRules": rules})),
        [
            field(Severity::Error, "spec.targetRef.name"),
            field(Severity::Error, "spec.jwtRules[0].jwks")
        ]
    );
    let fetched = json!([{"issuer": "i", "jwksUri": "https://issuer.example/keys"}]);
    let mut good = to_reviews();
    good["jwtRules"] = fetched;
    assert_eq!(checked(good.clone()), []);
    good["targetRef"] = json!(null);
    assert_eq!(checked(good), [field(Severity::Warning, "spec")]);
}
