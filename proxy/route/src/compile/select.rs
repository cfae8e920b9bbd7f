//! Which VirtualServices apply to a service, and in which order.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cairn_api::istio::{Delegate, VirtualService};
use cairn_api::meta::Key;

use crate::host;

/// The pseudo-gateway that stands for all traffic inside the mesh.
pub(super) const MESH: &str = "mesh";

/// VirtualServices by host, for compiling thousands of services without looking at each
/// VirtualService for each.
#[derive(Debug, Clone, Default)]
pub struct VirtualServices {
    exact: HashMap<String, Vec<Arc<VirtualService>>>,
    /// Those with a wildcard among their hosts.
    wildcards: Vec<Arc<VirtualService>>,
    /// Those without hosts.
    delegates: HashMap<Key, Arc<VirtualService>>,
}

impl VirtualServices {
    /// Indexes `all`.
    pub fn new(all: &[Arc<VirtualService>]) -> VirtualServices {
        let mut index = VirtualServices::default();
        for virtual_service in all {
            let hosts = hosts(virtual_service);
            if hosts.is_empty() {
                let key = virtual_service.metadata.key();
                index.delegates.insert(key, Arc::clone(virtual_service));
                continue;
            }
            if hosts.iter().any(|host| host::wildcard_suffix(host).is_some()) {
                index.wildcards.push(Arc::clone(virtual_service));
                continue;
            }
            for host in hosts {
                let entry = index.exact.entry(host).or_default();
                if !entry.iter().any(|known| Arc::ptr_eq(known, virtual_service)) {
                    entry.push(Arc::clone(virtual_service));
                }
            }
        }
        index
    }

    /// Those that apply to the service on a waypoint of `waypoint_namespace`, in order; after them the delegates that
    /// they name.
    pub fn of(
        &self,
        host: &str,
        service_namespace: &str,
        waypoint_namespace: &str,
    ) -> Vec<Arc<VirtualService>> {
        let exact: Vec<&Arc<VirtualService>> = if host::wildcard_suffix(host).is_some() {
            self.exact
                .iter()
                .filter(|(name, _)| host::overlap(name, host))
                .flat_map(|(_, all)| all)
                .collect()
        } else {
            self.exact.get(host).into_iter().flatten().collect()
        };
        let mut chosen: Vec<Arc<VirtualService>> = exact
            .into_iter()
            .chain(&self.wildcards)
            .filter(|all| applies(all, host, service_namespace, waypoint_namespace))
            .cloned()
            .collect();
        sort(&mut chosen);
        chosen.dedup_by(|left, right| Arc::ptr_eq(left, right));
        let named: BTreeSet<Key> = chosen.iter().flat_map(|one| delegates(one)).collect();
        chosen.extend(named.iter().filter_map(|key| self.delegates.get(key)).cloned());
        chosen
    }
}

/// Whether it applies: it lies in the service's namespace or the waypoint's, is for traffic inside the
/// mesh, and names the host.
pub(super) fn applies(
    virtual_service: &VirtualService,
    service_host: &str,
    service_namespace: &str,
    waypoint_namespace: &str,
) -> bool {
    let namespace = virtual_service.metadata.namespace.as_str();
    let spec = &virtual_service.spec;
    (namespace == service_namespace || namespace == waypoint_namespace)
        && host::is_exported(&spec.export_to, namespace, waypoint_namespace)
        && is_for_mesh(&spec.gateways)
        && hosts(virtual_service)
            .iter()
            .any(|host| host::overlap(host, service_host))
}

/// The delegates that the routes of `virtual_service` name.
fn delegates(virtual_service: &VirtualService) -> impl Iterator<Item = Key> {
    let namespace = &virtual_service.metadata.namespace;
    let delegates = virtual_service.spec.http.iter();
    delegates
        .filter_map(|route| route.delegate.as_ref())
        .map(|delegate| delegate_key(delegate, namespace))
}

/// What `delegate` names in a VirtualService of `namespace`.
pub(super) fn delegate_key(delegate: &Delegate, namespace: &str) -> Key {
    let namespace = match delegate.namespace.as_str() {
        "" => namespace,
        written => written,
    };
    Key::new(namespace, delegate.name.as_str())
}

/// Whether traffic inside the mesh is meant. No gateway means it.
pub(super) fn is_for_mesh(gateways: &[String]) -> bool {
    gateways.is_empty() || gateways.iter().any(|gateway| gateway == MESH)
}

/// Istio's order: the oldest first; of the same age, by name and then namespace.
pub(super) fn sort(virtual_services: &mut [Arc<VirtualService>]) {
    virtual_services.sort_by(|left, right| {
        let order = |all: &VirtualService| {
            let meta = &all.metadata;
            (
                meta.creation_timestamp.clone(),
                meta.name.clone(),
                meta.namespace.clone(),
            )
        };
        order(left).cmp(&order(right))
    });
}

fn hosts(virtual_service: &VirtualService) -> Vec<String> {
    let namespace = &virtual_service.metadata.namespace;
    virtual_service
        .spec
        .hosts
        .iter()
        .map(|host| host::qualified(host, namespace))
        .collect()
}
