//! Which policies bind where.
//!
//! A waypoint enforces what is attached to it or to what it serves: by `targetRefs` (or `targetRef`) to a Service or ServiceEntry of the
//! policy's namespace, to a Gateway of the policy's namespace, or, from the root namespace, to a GatewayClass. Policies with a selector, and
//! those with neither, are the ztunnels' to enforce; only a waypoint of the 2022 form takes them too.
//!
//! Where a policy contradicts itself, it is taken to select what any of its parts selects, and what it selects is denied.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_api::istio::{Action, AuthorizationPolicy, AuthorizationPolicySpec, PolicyTargetReference};
use cairn_api::meta::{Key, Kind, ObjectRef};
use cairn_config::{BrokenPolicy, Problem};

use crate::compile::{is_dry_run, reference};

mod reference;
mod targets;

use reference::{contradiction, target_kind, target_refs, unsupported_kind};
pub use targets::{Targets, problems};

/// Where traffic goes, as policies see it: one service behind one waypoint, or one workload.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Namespace of the service, or of the workload.
    pub namespace: &'a str,
    /// The service. `None`: the traffic is for the address of a workload.
    pub service: Option<TargetService<'a>>,
    /// The waypoint.
    pub gateway: &'a Key,
    /// The class of the waypoint.
    pub gateway_class: &'a str,
    /// Whether the waypoint has the form of 2022, so that policies without targets bind to it.
    pub legacy: bool,
    /// Labels of each workload that the traffic may reach: the service's endpoints, or the one workload. Only a legacy waypoint needs them.
    pub workloads: &'a [&'a BTreeMap<String, String>],
}

/// A service by its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetService<'a> {
    /// [`Kind::Service`] or [`Kind::ServiceEntry`].
    pub kind: Kind,
    /// Name of the object; its namespace is that of the [`Target`].
    pub name: &'a str,
}

/// Whether a policy binds to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It selects the target in a way that is not valid: the target's traffic is to be denied.
    Invalid {
        /// What is wrong.
        problem: Problem,
    },
}

/// The policies that bind to a target; what [`PolicySet::compile`](crate::PolicySet::compile) takes.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Policies that bind.
    pub policies: Vec<Arc<AuthorizationPolicy>>,
    /// Policies that select the target and cannot be read or are not valid.
    pub broken: Vec<BrokenPolicy>,
    /// What is wrong with the latter's targets.
    pub problems: Vec<Problem>,
}

/// Picks the policies that bind to a target.
#[must_use]
pub fn select<'a>(
    policies: impl IntoIterator<Item = &'a Arc<AuthorizationPolicy>>,
    broken: impl IntoIterator<Item = &'a BrokenPolicy>,
    target: &Target<'_>,
    root_namespace: &str,
) -> Selection {
    let mut selection = Selection::default();
    for policy in policies {
        match applies(policy, target, root_namespace) {
            Binding::Yes => selection.policies.push(Arc::clone(policy)),
            Binding::No => {}
            Binding::Invalid { problem } => {
                // What refuses nothing when it is valid refuses nothing when it is not.
                if is_dry_run(policy) != Some(true) && policy.spec.action != Some(Action::Audit) {
                    selection.broken.push(BrokenPolicy {
                        object: reference(policy),
                        spec: None,
                        reason: problem.message.clone(),
                    });
                }
                selection.problems.push(problem);
            }
        }
    }
    selection.broken.extend(
        broken
            .into_iter()
            .filter(|policy| applies_broken(policy, target, root_namespace))
            .cloned(),
    );
    selection
}

/// Whether a policy binds to a target.
#[must_use]
pub fn applies(policy: &AuthorizationPolicy, target: &Target<'_>, root_namespace: &str) -> Binding {
    Attachment {
        object: &reference(policy),
        spec: &policy.spec,
        target,
        root_namespace,
    }
    .binding()
}

/// Whether a policy that cannot be read selects a target. One whose targets are unknown selects its whole namespace; in the root namespace, everything.
#[must_use]
pub fn applies_broken(policy: &BrokenPolicy, target: &Target<'_>, root_namespace: &str) -> bool {
    // Peer authentication is about connections to workloads, and ztunnels enforce it.
    if policy.object.kind == Kind::PeerAuthentication {
        return false;
    }
    let Some(spec) = &policy.spec else {
        let namespace = &policy.object.namespace;
        return [root_namespace, target.namespace, &target.gateway.namespace].contains(&namespace.as_str());
    };
    let attachment = Attachment {
        object: &policy.object,
        spec,
        target,
        root_namespace,
    };
    attachment.binding() != Binding::No
}

/// One policy and one target.
struct Attachment<'a> {
    object: &'a ObjectRef,
    spec: &'a AuthorizationPolicySpec,
    target: &'a Target<'a>,
    root_namespace: &'a str,
}

impl Attachment<'_> {
    fn binding(&self) -> Binding {
        let attached = target_refs(self.spec).any(|(_, reference)| self.selects(reference));
        let meant = || target_refs(self.spec).find(|(_, reference)| self.may_mean(reference));
        let untargeted = self.spec.target_ref.is_none() && self.spec.target_refs.is_empty();
        let labels = if untargeted || self.spec.selector.is_some() {
            self.by_labels()
        } else {
            Binding::No
        };
        if attached || labels != Binding::No {
            return match contradiction(self.object, self.spec) {
                Some(problem) => Binding::Invalid { problem },
                None if attached => Binding::Yes,
                None => labels,
            };
        }
        match meant() {
            Some((field, reference)) => Binding::Invalid {
                problem: unsupported_kind(self.object, &format!("{field}.kind"), reference),
            },
            None => Binding::No,
        }
    }

    fn selects(&self, reference: &PolicyTargetReference) -> bool {
        let (namespace, target) = (&self.object.namespace, self.target);
        if !reference.namespace.is_empty() && reference.namespace != *namespace {
            return false;
        }
        match target_kind(reference) {
            Some(kind @ (Kind::Service | Kind::ServiceEntry)) => {
                let service = TargetService {
                    kind,
                    name: &reference.name,
                };
                namespace == target.namespace && target.service == Some(service)
            }
            Some(Kind::Gateway) => {
                *namespace == target.gateway.namespace && reference.name == target.gateway.name
            }
            Some(Kind::GatewayClass) => {
                namespace == self.root_namespace && reference.name == target.gateway_class
            }
            _ => false,
        }
    }

    /// Whether a target of a kind that cannot be one has the name of this one, as when its kind or group is misspelt. Someone relies on it.
    fn may_mean(&self, reference: &PolicyTargetReference) -> bool {
        let (namespace, target) = (&self.object.namespace, self.target);
        let here = reference.namespace.is_empty() || reference.namespace == *namespace;
        let service = target
            .service
            .is_some_and(|service| service.name == reference.name);
        let class = reference.kind == Kind::GatewayClass.as_str() && reference.name == target.gateway_class;
        let named = (namespace == target.namespace && service)
            || (*namespace == target.gateway.namespace && reference.name == target.gateway.name)
            || (namespace == self.root_namespace && class);
        target_kind(reference).is_none() && here && named
    }

    /// Whether a policy without targets binds, which it can to a legacy waypoint only.
    fn by_labels(&self) -> Binding {
        let (namespace, target) = (self.object.namespace.as_str(), self.target);
        let root = namespace == self.root_namespace;
        if !target.legacy || !(root || namespace == target.gateway.namespace) {
            return Binding::No;
        }
        let wanted = self.spec.selector.as_ref().map(|selector| &selector.match_labels);
        let Some(wanted) = wanted.filter(|labels| !labels.is_empty()) else {
            return Binding::Yes;
        };
        if !root && namespace != target.namespace {
            return Binding::No;
        }
        let has_all = |labels: &&BTreeMap<String, String>| {
            wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
        };
        let matching = target.workloads.iter().filter(|labels| has_all(labels)).count();
        let allow = self.spec.action.unwrap_or_default() == Action::Allow;
        match matching {
            0 => Binding::No,
            // What is allowed for some must not reach the others by what another policy allows for those.
            _ if allow && matching < target.workloads.len() => Binding::Invalid {
                problem: Problem::error(
                    self.object.clone(),
                    "spec.selector",
                    "selects only some of the workloads of a service; since a waypoint decides before one of them is chosen, all requests to the service are denied",
                    "select all workloads of the service, or attach the policy to the service with targetRefs",
                ),
            },
            _ => Binding::Yes,
        }
    }
}

#[cfg(test)]
mod tests;
