//! Which plugins see the requests of a service.
//!
//! By `targetRefs` to a Service or ServiceEntry of the plugin's namespace, to a Gateway of it, from the root namespace to
//! a GatewayClass; and without any reference, from the root namespace or the waypoint's, to everything that the waypoint serves.
//! A `selector` means sidecars and binds nothing here.

use std::sync::Arc;

use cairn_api::istio::{PolicyTargetReference, WasmPlugin};
use cairn_api::meta::{Key, Kind};
use cairn_config::Problem;

use super::slot::Slot;
use super::spec::{PluginSpec, object};

/// A plugin in the chain of a port.
#[derive(Clone)]
pub(crate) struct Attached {
    pub(crate) spec: Arc<PluginSpec>,
    pub(crate) slot: Arc<Slot>,
}

/// Something that plugins can be bound to.
pub(crate) struct Target<'a> {
    pub(crate) namespace: &'a str,
    /// Kind and name; none for what is addressed without a service.
    pub(crate) service: Option<(Kind, &'a str)>,
    pub(crate) gateway: &'a Key,
    pub(crate) gateway_class: &'a str,
    pub(crate) root_namespace: &'a str,
}

/// Whether a plugin binds to a target.
pub(crate) fn bind(plugin: &WasmPlugin, target: &Target<'_>) -> bool {
    let namespace = &*plugin.metadata.namespace;
    if plugin.spec.selector.is_some() {
        return false;
    }
    let mut references = references(plugin).peekable();
    if references.peek().is_none() {
        return namespace == target.root_namespace || namespace == target.gateway.namespace;
    }
    references.any(|reference| {
        let here = reference.namespace.is_empty() || reference.namespace == namespace;
        here && refers(reference, namespace, target)
    })
}

fn refers(reference: &PolicyTargetReference, namespace: &str, target: &Target<'_>) -> bool {
    let name = &*reference.name;
    match (&*reference.group, &*reference.kind) {
        ("" | "core", "Service") => {
            namespace == target.namespace && target.service == Some((Kind::Service, name))
        }
        ("networking.istio.io", "ServiceEntry") => {
            namespace == target.namespace && target.service == Some((Kind::ServiceEntry, name))
        }
        ("gateway.networking.k8s.io", "Gateway") => {
            namespace == target.gateway.namespace && name == target.gateway.name
        }
        ("gateway.networking.k8s.io", "GatewayClass") => {
            namespace == target.root_namespace && name == target.gateway_class
        }
        _ => false,
    }
}

fn references(plugin: &WasmPlugin) -> impl Iterator<Item = &PolicyTargetReference> {
    plugin.spec.target_refs.iter().chain(&plugin.spec.target_ref)
}

/// What is wrong with how a plugin says what it is for.
pub(crate) fn check(plugin: &WasmPlugin) -> Vec<Problem> {
    let mut problems = Vec::new();
    if plugin.spec.selector.is_some() {
        problems.push(Problem::warning(
            object(plugin),
            "spec.selector",
            "means sidecars: no waypoint runs this filter",
            "name a Service or Gateway in targetRefs",
        ));
    }
    for (index, reference) in references(plugin).enumerate() {
        let known = matches!(
            (&*reference.group, &*reference.kind),
            ("" | "core", "Service")
                | ("networking.istio.io", "ServiceEntry")
                | ("gateway.networking.k8s.io", "Gateway" | "GatewayClass")
        );
        if !known {
            problems.push(Problem::error(
                object(plugin),
                format!("spec.targetRefs[{index}]"),
                format!(
                    "`{}` of group `{}` is nothing that a filter can be bound to",
                    reference.kind, reference.group
                ),
                "name a Service, ServiceEntry, Gateway or GatewayClass, with its group",
            ));
        }
    }
    problems
}
