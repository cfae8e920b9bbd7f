//! Which policies bind where: AuthorizationPolicy and RequestAuthentication alike.
//!
//! A waypoint enforces what is attached to it or to what it serves: by `targetRefs` (or `targetRef`) to a Service or ServiceEntry of the
//! policy's namespace, to a Gateway of the policy's namespace, or, from the root namespace, to a GatewayClass. Policies with a selector, and
//! those with neither, are the ztunnels' to enforce as far as they can; only a waypoint of the 2022 form takes them too.
//!
//! Where a policy contradicts itself, it is taken to select what any of its parts selects, and what it selects is denied.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_api::istio::{AuthorizationPolicy, PolicyTargetReference, RequestAuthentication};
use cairn_api::meta::{Key, Kind};
use cairn_config::{BrokenPolicy, Problem};

mod reference;
mod targets;

use reference::{Aim, target_kind, unsupported_kind};
pub use targets::{Targets, authentication_problems, problems};

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

/// The policies that bind to a target; what [`PolicySet::compile`](crate::PolicySet::compile) takes, and of the other kind what
/// [`Requirements::compile`](cairn_jwt::Requirements::compile) does.
#[derive(Clone, Debug)]
pub struct Selection<P = AuthorizationPolicy> {
    /// Policies that bind.
    pub policies: Vec<Arc<P>>,
    /// Policies that select the target and cannot be read or are not valid.
    pub broken: Vec<BrokenPolicy>,
    /// What is wrong with the latter's targets.
    pub problems: Vec<Problem>,
}

impl<P> Default for Selection<P> {
    fn default() -> Selection<P> {
        Selection {
            policies: vec![],
            broken: vec![],
            problems: vec![],
        }
    }
}

/// Picks the policies that bind to a target, and those of any kind that cannot be read.
#[must_use]
pub fn select<'a>(
    policies: impl IntoIterator<Item = &'a Arc<AuthorizationPolicy>>,
    broken: impl IntoIterator<Item = &'a BrokenPolicy>,
    target: &Target<'_>,
    root_namespace: &str,
) -> Selection {
    let mut selection = pick(policies, target, root_namespace);
    selection.broken.extend(
        broken
            .into_iter()
            .filter(|policy| applies_broken(policy, target, root_namespace))
            .cloned(),
    );
    selection
}

/// Picks those that bind to a target, the oldest first. The broken ones among them are for the target's [`PolicySet`](crate::PolicySet) to
/// deny; those that cannot be read [`select`] has already.
#[must_use]
pub fn select_authentications<'a>(
    policies: impl IntoIterator<Item = &'a Arc<RequestAuthentication>>,
    target: &Target<'_>,
    root_namespace: &str,
) -> Selection<RequestAuthentication> {
    let mut selection = pick(policies, target, root_namespace);
    selection.policies.sort_by(|a, b| {
        let age = |policy: &RequestAuthentication| {
            let metadata = &policy.metadata;
            (metadata.creation_timestamp.clone(), metadata.key())
        };
        age(a).cmp(&age(b))
    });
    selection
}

fn pick<'a, P: 'a>(
    policies: impl IntoIterator<Item = &'a Arc<P>>,
    target: &Target<'_>,
    root_namespace: &str,
) -> Selection<P>
where
    Aim<'a>: From<&'a P>,
{
    let mut selection = Selection::default();
    for policy in policies {
        let aim = Aim::from(&**policy);
        match binding(&aim, target, root_namespace) {
            Binding::Yes => selection.policies.push(Arc::clone(policy)),
            Binding::No => {}
            Binding::Invalid { problem } => {
                if aim.refuses {
                    selection.broken.push(BrokenPolicy {
                        object: aim.object,
                        spec: None,
                        reason: problem.message.clone(),
                    });
                }
                selection.problems.push(problem);
            }
        }
    }
    selection
}

/// Whether a policy binds to a target.
#[must_use]
pub fn applies(policy: &AuthorizationPolicy, target: &Target<'_>, root_namespace: &str) -> Binding {
    binding(&Aim::from(policy), target, root_namespace)
}

/// Whether a policy that cannot be read selects a target. One whose targets are unknown selects its whole namespace; in the root namespace, everything.
#[must_use]
pub fn applies_broken(policy: &BrokenPolicy, target: &Target<'_>, root_namespace: &str) -> bool {
    // Peer authentication is about connections to workloads, and ztunnels enforce it.
    if policy.object.kind == Kind::PeerAuthentication {
        return false;
    }
    let Some(aim) = Aim::of_broken(policy) else {
        let namespace = &policy.object.namespace;
        return [root_namespace, target.namespace, &target.gateway.namespace].contains(&namespace.as_str());
    };
    binding(&aim, target, root_namespace) != Binding::No
}

fn binding(aim: &Aim<'_>, target: &Target<'_>, root_namespace: &str) -> Binding {
    let attachment = Attachment {
        aim,
        target,
        root_namespace,
    };
    attachment.binding()
}

/// One policy and one target.
struct Attachment<'a> {
    aim: &'a Aim<'a>,
    target: &'a Target<'a>,
    root_namespace: &'a str,
}

impl Attachment<'_> {
    fn binding(&self) -> Binding {
        let aim = self.aim;
        let attached = aim.targets().any(|(_, reference)| self.selects(reference));
        let meant = || aim.targets().find(|(_, reference)| self.may_mean(reference));
        let labels = if aim.selector.is_some() || !aim.has_targets() {
            self.by_labels()
        } else {
            Binding::No
        };
        if attached || labels != Binding::No {
            return match aim.contradiction() {
                Some(problem) => Binding::Invalid { problem },
                None if attached => Binding::Yes,
                None => labels,
            };
        }
        match meant() {
            Some((field, reference)) => Binding::Invalid {
                problem: unsupported_kind(&aim.object, &format!("{field}.kind"), reference),
            },
            None => Binding::No,
        }
    }

    fn selects(&self, reference: &PolicyTargetReference) -> bool {
        let (namespace, target) = (&self.aim.object.namespace, self.target);
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
        let (namespace, target) = (&self.aim.object.namespace, self.target);
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
        let (namespace, target) = (self.aim.object.namespace.as_str(), self.target);
        let root = namespace == self.root_namespace;
        if !target.legacy || !(root || namespace == target.gateway.namespace) {
            return Binding::No;
        }
        let wanted = self.aim.selector.map(|selector| &selector.match_labels);
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
        match matching {
            0 => Binding::No,
            // What is allowed for some must not reach the others by what another policy allows for those.
            _ if self.aim.grants && matching < target.workloads.len() => Binding::Invalid {
                problem: Problem::error(
                    self.aim.object.clone(),
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
