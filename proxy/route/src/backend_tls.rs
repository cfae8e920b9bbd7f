//! TLS towards the endpoints of services, as BackendTLSPolicies want it.
//!
//! What a DestinationRule says in `tls` for the same host and port goes before, as in Istio; a policy fills in where none does.
//! The two differ in the name: the `hostname` of a policy is sent as the server name *and* must be among the names of the
//! certificate, unless the policy lists others, while a DestinationRule's `sni` is only sent, and names are compared only
//! to its `subjectAltNames`.

mod trust;
mod validation;

use std::collections::{BTreeMap, BTreeSet};

use cairn_api::gateway::{BackendTlsPolicy, ParentReference, PolicyTarget};
use cairn_api::meta::{Condition, Key, Kind, ObjectRef};
use cairn_config::{Objects, Problem, UNREADABLE};

use crate::condition::{ParentStatus, condition};
use crate::rules::ClientTls;
use validation::Validated;

/// How TLS is spoken to the endpoints of one service and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendTls {
    /// How. [`ClientTls::Originate`], or [`ClientTls::Unusable`] when it cannot be known what was meant.
    pub tls: ClientTls,
    /// The policy that says so.
    pub source: ObjectRef,
}

/// All BackendTLSPolicies, by the services that they are for.
#[derive(Debug, Clone, Default)]
pub struct BackendTlsPolicies {
    /// By namespace and name of the service, then by the name of the port; `None`: all ports that no policy names.
    services: BTreeMap<Key, BTreeMap<Option<String>, BackendTls>>,
    /// Namespaces of policies of which it is not known what they are for.
    namespaces: BTreeMap<String, BackendTls>,
    statuses: BTreeMap<ObjectRef, Vec<ParentStatus>>,
}

/// What of a status says that a target is not taken.
struct Refusal {
    reason: &'static str,
    message: String,
    field: &'static str,
    hint: &'static str,
}

impl BackendTlsPolicies {
    /// Compiles the policies among `objects`, with the authorities and the services that they name. Of several for the same service
    /// and port the oldest is taken; of the same age, the first in the alphabet of namespaces and names.
    pub fn new(objects: &Objects) -> (BackendTlsPolicies, Vec<Problem>) {
        let mut all = BackendTlsPolicies::default();
        let mut problems = Vec::new();
        let mut policies: Vec<&BackendTlsPolicy> =
            objects.backend_tls_policies.values().map(AsRef::as_ref).collect();
        // Stable: they come in the order of their namespaces and names.
        policies.sort_by(|one, other| {
            let created = |policy: &BackendTlsPolicy| policy.metadata.creation_timestamp.clone();
            created(one).cmp(&created(other))
        });
        for policy in policies {
            all.add(policy, objects, &mut problems);
        }
        (all, problems)
    }

    /// How TLS is spoken to the endpoints of a service for its port of this name. `None`: no policy says that it is.
    pub fn find(&self, namespace: &str, service: &str, port_name: &str) -> Option<&BackendTls> {
        let sections = self.services.get(&Key::new(namespace, service));
        let section = |name: Option<String>| sections?.get(&name);
        section(Some(port_name.to_owned()))
            .or_else(|| section(None))
            .or_else(|| self.namespaces.get(namespace))
    }

    /// What is to be said of a policy for each of its targets.
    pub fn status(&self, policy: &ObjectRef) -> &[ParentStatus] {
        self.statuses.get(policy).map(Vec::as_slice).unwrap_or_default()
    }

    fn add(&mut self, policy: &BackendTlsPolicy, objects: &Objects, problems: &mut Vec<Problem>) {
        let namespace = policy.metadata.namespace.as_str();
        let object = ObjectRef::from_key(Kind::BackendTlsPolicy, &policy.metadata.key());
        let validated = Validated::new(policy, &object, objects, problems);
        let tls = BackendTls {
            tls: validated.tls.clone(),
            source: object.clone(),
        };
        for name in policy.spec.options.keys() {
            problems.push(Problem::unsupported(
                object.clone(),
                format!("spec.options.{name}"),
                "no option is known here; it has no effect",
                "leave it out",
            ));
        }
        if policy.spec.target_refs.is_empty() {
            problems.push(Problem::error(
                object.clone(),
                "spec.targetRefs",
                "the policy is for nothing",
                "name a Service of its namespace",
            ));
        }
        let mut own = BTreeSet::new();
        let mut statuses = Vec::new();
        for (place, target) in policy.spec.target_refs.iter().enumerate() {
            let section = given(target.section_name.as_deref());
            // Named twice, it is as well as named once.
            let again = !own.insert((target.name.clone(), section.clone()));
            let refused = match sound(target, namespace, objects) {
                Err(refused) => Some(refused),
                Ok(()) if again => None,
                Ok(()) if target.name == UNREADABLE => {
                    self.namespaces
                        .entry(namespace.to_owned())
                        .or_insert_with(|| tls.clone());
                    None
                }
                Ok(()) => {
                    let sections = self
                        .services
                        .entry(Key::new(namespace, target.name.as_str()))
                        .or_default();
                    let taken = sections.get(&section).map(conflict);
                    sections.entry(section).or_insert_with(|| tls.clone());
                    taken
                }
            };
            if let Some(refused) = &refused {
                problems.push(Problem::error(
                    object.clone(),
                    format!("spec.targetRefs[{place}]{}", refused.field),
                    refused.message.as_str(),
                    refused.hint,
                ));
            }
            statuses.push(ParentStatus {
                parent: reference(target),
                conditions: conditions(refused, &validated),
            });
        }
        self.statuses.insert(object, statuses);
    }
}

/// Whether the target is there.
fn sound(target: &PolicyTarget, namespace: &str, objects: &Objects) -> Result<(), Refusal> {
    let not_found = |field: &'static str, message: String, hint: &'static str| {
        Err(Refusal {
            reason: "TargetNotFound",
            message,
            field,
            hint,
        })
    };
    if !matches!(target.group.as_str(), "" | "core") || target.kind != Kind::Service.as_str() {
        let message = format!("`{}` of group `{}` cannot be a target", target.kind, target.group);
        return not_found(".kind", message, "name a Service, with `group: \"\"`");
    }
    if target.name == UNREADABLE {
        return Ok(());
    }
    let Some(service) = objects.services.get(&Key::new(namespace, target.name.as_str())) else {
        let message = format!("there is no Service {namespace}/{}", target.name);
        return not_found(".name", message, "name a Service of the policy's namespace");
    };
    match given(target.section_name.as_deref()) {
        Some(name) if !service.spec.ports.iter().any(|port| port.name == name) => {
            let message = format!("Service {namespace}/{} has no port called `{name}`", target.name);
            not_found(".sectionName", message, "write the name of one of its ports")
        }
        _ => Ok(()),
    }
}

fn conflict(earlier: &BackendTls) -> Refusal {
    Refusal {
        reason: "Conflicted",
        message: format!(
            "{} is for the same service and port, and goes before",
            earlier.source
        ),
        field: "",
        hint: "keep one of the two",
    }
}

fn conditions(refused: Option<Refusal>, validated: &Validated) -> Vec<Condition> {
    let accepted = match (refused, &validated.refused) {
        (Some(refused), _) => condition("Accepted", false, refused.reason, refused.message),
        (None, Some((reason, message))) => condition("Accepted", false, reason, message.clone()),
        (None, None) => condition("Accepted", true, "Accepted", String::new()),
    };
    let resolved = match &validated.unresolved {
        Some((reason, message)) => condition("ResolvedRefs", false, reason, message.clone()),
        None => condition("ResolvedRefs", true, "ResolvedRefs", String::new()),
    };
    vec![accepted, resolved]
}

fn reference(target: &PolicyTarget) -> ParentReference {
    ParentReference {
        group: Some(target.group.clone()),
        kind: Some(target.kind.clone()),
        name: target.name.clone(),
        section_name: given(target.section_name.as_deref()),
        ..ParentReference::default()
    }
}

fn given(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests;
