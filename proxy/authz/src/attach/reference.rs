//! How a policy names its targets.

use cairn_api::istio::{AuthorizationPolicySpec, PolicyTargetReference};
use cairn_api::meta::{Kind, ObjectRef};
use cairn_config::Problem;

/// Most targets that one policy may have.
const MAX_TARGETS: usize = 16;

/// The targets of a policy, with the fields in which they stand.
pub(super) fn target_refs(
    spec: &AuthorizationPolicySpec,
) -> impl Iterator<Item = (String, &PolicyTargetReference)> {
    let many = spec
        .target_refs
        .iter()
        .enumerate()
        .map(|(index, target)| (format!("spec.targetRefs[{index}]"), target));
    many.chain(
        spec.target_ref
            .iter()
            .map(|target| ("spec.targetRef".to_owned(), target)),
    )
}

/// The kind of a target, if policies can have targets of that kind.
pub(super) fn target_kind(target: &PolicyTargetReference) -> Option<Kind> {
    let group = if target.group == "core" { "" } else { &target.group };
    let kinds = [
        Kind::Service,
        Kind::ServiceEntry,
        Kind::Gateway,
        Kind::GatewayClass,
    ];
    kinds
        .into_iter()
        .find(|kind| kind.as_str() == target.kind && kind.group() == group)
}

/// What is wrong with the way in which a policy names its targets, each by itself apart.
pub(super) fn contradiction(object: &ObjectRef, spec: &AuthorizationPolicySpec) -> Option<Problem> {
    let ways = [
        spec.selector.is_some(),
        spec.target_ref.is_some(),
        !spec.target_refs.is_empty(),
    ];
    if ways.into_iter().filter(|way| *way).count() > 1 {
        return Some(Problem::error(
            object.clone(),
            "spec",
            "only one of selector, targetRef and targetRefs may be set; the policy denies all that any of them selects",
            "keep targetRefs for what a waypoint enforces, selector for what ztunnels enforce",
        ));
    }
    if spec.target_refs.len() > MAX_TARGETS {
        return Some(Problem::error(
            object.clone(),
            "spec.targetRefs",
            format!(
                "{} targets, and there may be {MAX_TARGETS}; the policy denies all that they select",
                spec.target_refs.len()
            ),
            "split the policy",
        ));
    }
    None
}

pub(super) fn unsupported_kind(object: &ObjectRef, field: &str, target: &PolicyTargetReference) -> Problem {
    let group = if target.group.is_empty() {
        "the core group"
    } else {
        &target.group
    };
    Problem::error(
        object.clone(),
        field,
        format!(
            "the kind {} of {group} cannot be a target; what has the name {} in the namespace is denied",
            target.kind, target.name
        ),
        "write Service, ServiceEntry (group networking.istio.io), Gateway or GatewayClass (group gateway.networking.k8s.io)",
    )
}
