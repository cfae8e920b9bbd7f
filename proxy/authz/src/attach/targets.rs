//! Targets that exist, and what is wrong with those that a policy names.

use std::collections::BTreeSet;

use cairn_api::istio::{AuthorizationPolicy, RequestAuthentication};
use cairn_api::meta::{Key, Kind};
use cairn_config::{Objects, Problem};

use super::reference::{Aim, target_kind, unsupported_kind};

/// What policies may be attached to.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// Services.
    pub services: BTreeSet<Key>,
    /// Service entries.
    pub service_entries: BTreeSet<Key>,
    /// Gateways.
    pub gateways: BTreeSet<Key>,
    /// Gateway classes, by name: those that are declared and those that a gateway has.
    pub gateway_classes: BTreeSet<String>,
}

impl Targets {
    /// The targets among the objects of a mesh.
    #[must_use]
    pub fn of(objects: &Objects) -> Targets {
        let declared = objects.gateway_classes.keys().map(|key| key.name.clone());
        let used = objects
            .gateways
            .values()
            .map(|gateway| gateway.spec.gateway_class_name.clone());
        Targets {
            services: objects.services.keys().cloned().collect(),
            service_entries: objects.service_entries.keys().cloned().collect(),
            gateways: objects.gateways.keys().cloned().collect(),
            gateway_classes: declared.chain(used).collect(),
        }
    }

    fn contain(&self, kind: Kind, key: &Key) -> bool {
        match kind {
            Kind::Service => self.services.contains(key),
            Kind::ServiceEntry => self.service_entries.contains(key),
            Kind::Gateway => self.gateways.contains(key),
            Kind::GatewayClass => self.gateway_classes.contains(&key.name),
            _ => false,
        }
    }
}

/// What is wrong with the targets of a policy, wherever it is meant to bind.
#[must_use]
pub fn problems(policy: &AuthorizationPolicy, existing: &Targets, root_namespace: &str) -> Vec<Problem> {
    of(&Aim::from(policy), existing, root_namespace)
}

/// The same of a RequestAuthentication.
#[must_use]
pub fn authentication_problems(
    policy: &RequestAuthentication,
    existing: &Targets,
    root_namespace: &str,
) -> Vec<Problem> {
    let aim = Aim::from(policy);
    let mut problems = of(&aim, existing, root_namespace);
    if !aim.has_targets() {
        problems.push(Problem::warning(
            aim.object,
            "spec",
            "has no targetRefs, so that only waypoints of the 2022 form enforce it",
            "attach it with targetRefs to the Service, or to the Gateway of the waypoint",
        ));
    }
    problems
}

fn of(aim: &Aim<'_>, existing: &Targets, root_namespace: &str) -> Vec<Problem> {
    let object = &aim.object;
    let mut problems: Vec<Problem> = aim.contradiction().into_iter().collect();
    for (field, target) in aim.targets() {
        let error =
            |field: String, message: String, hint: &str| Problem::error(object.clone(), field, message, hint);
        if !target.namespace.is_empty() && target.namespace != object.namespace {
            problems.push(error(
                format!("{field}.namespace"),
                format!(
                    "a target is in the policy's own namespace, {}; this one is ignored",
                    object.namespace
                ),
                "move the policy to the namespace of its target",
            ));
            continue;
        }
        let Some(kind) = target_kind(target) else {
            problems.push(unsupported_kind(object, &format!("{field}.kind"), target));
            continue;
        };
        if kind == Kind::GatewayClass && object.namespace != root_namespace {
            problems.push(error(
                field,
                format!("a GatewayClass is a target only from the root namespace, {root_namespace}; this one is ignored"),
                "move the policy there, or attach it to a Gateway",
            ));
        } else if !existing.contain(kind, &Key::new(object.namespace.as_str(), target.name.as_str())) {
            let place = if kind.is_cluster_scoped() {
                String::new()
            } else {
                format!("{}/", object.namespace)
            };
            problems.push(error(
                format!("{field}.name"),
                format!(
                    "{kind} {place}{} does not exist, so the policy protects nothing by this",
                    target.name
                ),
                "correct the name, or add the object",
            ));
        }
    }
    problems
}
