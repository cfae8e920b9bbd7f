//! How policies name their targets.

use cairn_api::istio::{
    Action, AuthorizationPolicy, PolicyTargetReference, RequestAuthentication, WorkloadSelector,
};
use cairn_api::meta::{Kind, ObjectRef};
use cairn_config::{BrokenPolicy, Problem};

use crate::compile::{is_dry_run, reference};

/// Most targets that one policy may have.
const MAX_TARGETS: usize = 16;

/// A policy of either kind, as far as it says where it binds.
#[derive(Clone, Debug)]
pub(super) struct Aim<'a> {
    pub(super) object: ObjectRef,
    pub(super) selector: Option<&'a WorkloadSelector>,
    target_ref: Option<&'a PolicyTargetReference>,
    target_refs: &'a [PolicyTargetReference],
    /// Whether something may pass by it, so that it must not bind to more than it selects.
    pub(super) grants: bool,
    /// Whether something may be refused by it, so that what it selects is denied where it is not valid.
    pub(super) refuses: bool,
}

impl<'a> From<&'a AuthorizationPolicy> for Aim<'a> {
    fn from(policy: &'a AuthorizationPolicy) -> Aim<'a> {
        let spec = &policy.spec;
        Aim {
            object: reference(policy),
            selector: spec.selector.as_ref(),
            target_ref: spec.target_ref.as_ref(),
            target_refs: &spec.target_refs,
            grants: spec.action.unwrap_or_default() == Action::Allow,
            refuses: is_dry_run(policy) != Some(true) && spec.action != Some(Action::Audit),
        }
    }
}

impl<'a> From<&'a RequestAuthentication> for Aim<'a> {
    fn from(policy: &'a RequestAuthentication) -> Aim<'a> {
        let spec = &policy.spec;
        Aim {
            object: ObjectRef::from_key(Kind::RequestAuthentication, &policy.metadata.key()),
            selector: spec.selector.as_ref(),
            target_ref: spec.target_ref.as_ref(),
            target_refs: &spec.target_refs,
            // Who has a token that it accepts is somebody to other policies.
            grants: true,
            refuses: true,
        }
    }
}

impl<'a> Aim<'a> {
    /// Of a policy that cannot be read. `None`: that cannot be read either.
    pub(super) fn of_broken(policy: &'a BrokenPolicy) -> Option<Aim<'a>> {
        let spec = policy.spec.as_ref()?;
        Some(Aim {
            object: policy.object.clone(),
            selector: spec.selector.as_ref(),
            target_ref: spec.target_ref.as_ref(),
            target_refs: &spec.target_refs,
            grants: true,
            refuses: true,
        })
    }

    /// The targets, with the fields in which they stand.
    pub(super) fn targets(&self) -> impl Iterator<Item = (String, &'a PolicyTargetReference)> + use<'a> {
        let many = self
            .target_refs
            .iter()
            .enumerate()
            .map(|(index, target)| (format!("spec.targetRefs[{index}]"), target));
        let one = self.target_ref.into_iter();
        many.chain(one.map(|target| ("spec.targetRef".to_owned(), target)))
    }

    pub(super) fn has_targets(&self) -> bool {
        self.target_ref.is_some() || !self.target_refs.is_empty()
    }

    /// What is wrong with the way in which the policy names its targets, each by itself apart.
    pub(super) fn contradiction(&self) -> Option<Problem> {
        let ways = [
            self.selector.is_some(),
            self.target_ref.is_some(),
            !self.target_refs.is_empty(),
        ];
        if ways.into_iter().filter(|way| *way).count() > 1 {
            return Some(Problem::error(
                self.object.clone(),
                "spec",
                "only one of selector, targetRef and targetRefs may be set; the policy denies all that any of them selects",
                match self.object.kind {
                    Kind::RequestAuthentication => "keep targetRefs, by which waypoints enforce it",
                    _ => "keep targetRefs for what a waypoint enforces, selector for what ztunnels enforce",
                },
            ));
        }
        if self.target_refs.len() > MAX_TARGETS {
            return Some(Problem::error(
                self.object.clone(),
                "spec.targetRefs",
                format!(
                    "{} targets, and there may be {MAX_TARGETS}; the policy denies all that they select",
                    self.target_refs.len()
                ),
                "split the policy",
            ));
        }
        None
    }
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
