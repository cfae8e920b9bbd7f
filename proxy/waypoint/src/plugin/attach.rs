//! Which plugins see the requests of a service.
//!
//! By `targetRefs` to a Service or ServiceEntry of the plugin's namespace, to a Gateway of it, from the root namespace to
//! a GatewayClass; and without any reference, from the root namespace or the waypoint's, to everything that the waypoint serves.
//! A `selector` means sidecars and binds nothing here.

use std::sync::Arc;

use cairn_api::istio::PolicyTargetReference;
use cairn_api::meta::{Key, Kind};

use super::slot::Slot;
use super::spec::PluginSpec;
use super::written::Written;

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
pub(crate) fn bind(plugin: &Written, target: &Target<'_>) -> bool {
    let namespace = &*plugin.object.namespace;
    if plugin.selects {
        return false;
    }
    if plugin.targets.is_empty() {
        return namespace == target.root_namespace || namespace == target.gateway.namespace;
    }
    plugin.targets.iter().any(|reference| {
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
