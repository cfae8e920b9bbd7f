//! The compiled mesh, as one immutable value.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use cairn_api::meta::Key;
use cairn_identity::SpiffeId;
use ipnet::IpNet;

use crate::l4::Policies;
use crate::service::{Origin, Service};
use crate::settings::MeshSettings;
use crate::waypoint::Waypoint;
use crate::workload::{Tunnel, Workload};

/// Everything that a proxy of the mesh has to know, compiled and indexed; it never changes.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The settings of the whole mesh.
    pub mesh: MeshSettings,
    workloads: BTreeMap<Arc<str>, Arc<Workload>>,
    workloads_by_ip: HashMap<IpAddr, Arc<Workload>>,
    services: Vec<Arc<Service>>,
    services_by_vip: HashMap<IpAddr, Vec<Arc<Service>>>,
    /// The longest prefix first.
    services_by_range: Vec<(IpNet, Arc<Service>)>,
    services_by_host: HashMap<Arc<str>, Vec<Arc<Service>>>,
    services_by_workload: HashMap<Arc<str>, Vec<Arc<Service>>>,
    services_by_waypoint: HashMap<Key, Vec<Arc<Service>>>,
    waypoints: BTreeMap<Key, Arc<Waypoint>>,
    l4: Policies,
}

/// What a [`Snapshot`] is put together from, whoever compiled it.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// The settings of the whole mesh.
    pub mesh: MeshSettings,
    /// The workloads. Of two that claim one address, a captured Pod is preferred, then any Pod, then anything captured,
    /// then the earlier one.
    pub workloads: Vec<Arc<Workload>>,
    /// The services. Of two that claim one address or host name a Kubernetes Service precedes any ServiceEntry; and else a client
    /// sees that of its own namespace, or the earlier one.
    pub services: Vec<Arc<Service>>,
    /// The waypoints.
    pub waypoints: Vec<Waypoint>,
    /// The policies, resolved for these workloads.
    pub l4: Policies,
}

impl Snapshot {
    /// Indexes compiled parts.
    #[must_use]
    pub fn assemble(parts: Parts) -> Snapshot {
        let mut snapshot = Snapshot {
            mesh: parts.mesh,
            l4: parts.l4,
            ..Snapshot::default()
        };
        snapshot.waypoints = parts
            .waypoints
            .into_iter()
            .map(|w| (w.key.clone(), Arc::new(w)))
            .collect();
        snapshot.index_workloads(parts.workloads);
        snapshot.index_services(parts.services);
        snapshot
    }

    /// The workload that answers on this address. Workloads that share their node's address are not found by it.
    #[must_use]
    pub fn workload_by_ip(&self, ip: IpAddr) -> Option<&Arc<Workload>> {
        self.workloads_by_ip.get(&ip.to_canonical())
    }

    /// The workload of this uid.
    #[must_use]
    pub fn workload(&self, uid: &str) -> Option<&Arc<Workload>> {
        self.workloads.get(uid)
    }

    /// Every workload, by uid.
    pub fn workloads(&self) -> impl Iterator<Item = &Arc<Workload>> {
        self.workloads.values()
    }

    /// The service of this virtual address for a client of `namespace`, among those that it sees: an exact address counts before
    /// any range, a longer range before a shorter one, a Service of Kubernetes before a ServiceEntry, and then one of the
    /// client's own namespace before others. Istio's ztunnel asks for the namespace first; but nobody may take an address
    /// away from what is guarded there, not even for themselves.
    #[must_use]
    pub fn service_at(&self, ip: IpAddr, namespace: &str) -> Option<&Arc<Service>> {
        let ip = ip.to_canonical();
        match self.services_by_vip.get(&ip) {
            // What others cannot see of an address does not make it one of a range.
            Some(exact) => seen(exact.iter(), namespace),
            None => {
                let mut lengths = self.in_ranges(ip).map(|(length, _)| length).collect::<Vec<_>>();
                lengths.dedup();
                lengths.into_iter().find_map(|wanted| {
                    let alike = self.in_ranges(ip).filter(move |(length, _)| *length == wanted);
                    seen(alike.map(|(_, service)| service), namespace)
                })
            }
        }
    }

    /// Every service of this virtual address, whoever sees it: those of the exact address, else those of ranges that hold it.
    pub fn services_at(&self, ip: IpAddr) -> impl Iterator<Item = &Arc<Service>> {
        let ip = ip.to_canonical();
        let exact = self.services_by_vip.get(&ip);
        let ranges = exact.is_none().then(|| self.in_ranges(ip));
        let ranges = ranges.into_iter().flatten().map(|(_, service)| service);
        exact.into_iter().flatten().chain(ranges)
    }

    /// The services that have this very virtual address.
    pub(crate) fn services_exactly_at(&self, ip: IpAddr) -> &[Arc<Service>] {
        self.services_by_vip
            .get(&ip.to_canonical())
            .map_or(&[], Vec::as_slice)
    }

    /// The longest first.
    fn in_ranges(&self, ip: IpAddr) -> impl Iterator<Item = (u8, &Arc<Service>)> + Clone {
        let ranges = self.services_by_range.iter();
        ranges
            .filter(move |(range, _)| range.contains(&ip))
            .map(|(range, service)| (range.prefix_len(), service))
    }

    /// The service of this fully qualified host name, in whatever case, for a client of `namespace`: of those that it sees one of
    /// its own namespace, else the first.
    #[must_use]
    pub fn service_named(&self, host: &str, namespace: &str) -> Option<&Arc<Service>> {
        seen(self.named(host).iter(), namespace)
    }

    /// Every service of this host name, whoever sees it.
    pub fn services_named(&self, host: &str) -> impl Iterator<Item = &Arc<Service>> {
        self.named(host).iter()
    }

    fn named(&self, host: &str) -> &[Arc<Service>] {
        let exact = self.services_by_host.get(host);
        let found = exact.or_else(|| self.services_by_host.get(host.to_ascii_lowercase().as_str()));
        found.map_or(&[], Vec::as_slice)
    }

    /// Every service, by namespace and name.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.iter()
    }

    /// The services that have this workload among their endpoints.
    pub fn services_of_workload(&self, workload: &Workload) -> impl Iterator<Item = &Arc<Service>> {
        self.services_by_workload.get(&workload.uid).into_iter().flatten()
    }

    /// The services that a waypoint takes traffic for: those bound to it, and for one of the 2022 form also every
    /// service without a waypoint of its own, for the calls of the workloads in its scope
    /// (see [`Snapshot::may_use`]).
    pub fn services_of_waypoint(&self, key: &Key) -> impl Iterator<Item = &Arc<Service>> {
        let outbound = self
            .waypoints
            .get(key)
            .is_some_and(|waypoint| waypoint.legacy.is_some());
        let bound = self.services_by_waypoint.get(key).into_iter().flatten();
        bound.chain(
            self.services
                .iter()
                .filter(move |service| outbound && service.waypoint.is_none()),
        )
    }

    /// Whether `peer` may reach `service` through `waypoint`: anyone may when the service is bound to it, and those in
    /// its scope when the service has no waypoint and the Gateway is of the 2022 form.
    ///
    /// A waypoint has to ask, or it would lend its own identity to callers that it does not serve.
    #[must_use]
    pub fn may_use(&self, waypoint: &Waypoint, service: &Service, peer: &SpiffeId) -> bool {
        match &service.waypoint {
            Some(key) => *key == waypoint.key,
            None => waypoint.legacy.as_ref().is_some_and(|scope| scope.includes(peer)),
        }
    }

    /// The workloads that are bound to this waypoint for traffic that is addressed to themselves.
    pub fn workloads_of_waypoint<'a>(&'a self, key: &'a Key) -> impl Iterator<Item = &'a Arc<Workload>> {
        self.workloads
            .values()
            .filter(move |workload| workload.waypoint.as_ref() == Some(key))
    }

    /// The waypoint of this Gateway.
    #[must_use]
    pub fn waypoint(&self, key: &Key) -> Option<&Arc<Waypoint>> {
        self.waypoints.get(key)
    }

    /// Every waypoint, by namespace and name.
    pub fn waypoints(&self) -> impl Iterator<Item = &Arc<Waypoint>> {
        self.waypoints.values()
    }

    /// The L4 policies.
    #[must_use]
    pub fn l4(&self) -> &Policies {
        &self.l4
    }

    fn index_workloads(&mut self, workloads: Vec<Arc<Workload>>) {
        for workload in workloads {
            if !workload.host_network {
                for address in &workload.addresses {
                    let slot = self.workloads_by_ip.entry(address.to_canonical());
                    let kept = slot.or_insert_with(|| Arc::clone(&workload));
                    if rank(&workload) > rank(kept) {
                        *kept = Arc::clone(&workload);
                    }
                }
            }
            self.workloads
                .entry(Arc::clone(&workload.uid))
                .or_insert(workload);
        }
    }

    fn index_services(&mut self, mut services: Vec<Arc<Service>>) {
        services.sort_by_key(|service| service.origin == Origin::ServiceEntry);
        for service in &services {
            for vip in &service.vips {
                let at = self.services_by_vip.entry(vip.to_canonical()).or_default();
                at.push(Arc::clone(service));
            }
            for range in &service.cidr_vips {
                self.services_by_range.push((*range, Arc::clone(service)));
            }
            let named = self.services_by_host.entry(Arc::clone(&service.hostname));
            named.or_default().push(Arc::clone(service));
            for endpoint in &service.endpoints {
                let of_workload = self
                    .services_by_workload
                    .entry(Arc::clone(&endpoint.workload.uid))
                    .or_default();
                of_workload.push(Arc::clone(service));
            }
            if let Some(key) = &service.waypoint {
                self.services_by_waypoint
                    .entry(key.clone())
                    .or_default()
                    .push(Arc::clone(service));
            }
        }
        self.services_by_range
            .sort_by_key(|(range, _)| std::cmp::Reverse(range.prefix_len()));
        services
            .sort_by(|a, b| (&a.namespace, &a.name, &a.hostname).cmp(&(&b.namespace, &b.name, &b.hostname)));
        self.services = services;
    }
}

/// Of services that one name or address may mean, the one that a client of `namespace` means: `services` are in their order.
fn seen<'a>(services: impl Iterator<Item = &'a Arc<Service>>, namespace: &str) -> Option<&'a Arc<Service>> {
    let seen = services.filter(|service| service.exported.includes(namespace));
    // Of equals the first is taken.
    seen.min_by_key(|service| {
        (
            service.origin == Origin::ServiceEntry,
            service.namespace != namespace,
        )
    })
}

/// Who gets an address that several workloads claim: the greatest.
fn rank(workload: &Workload) -> (bool, bool) {
    (
        workload.uid.contains("//Pod/"),
        workload.protocol == Tunnel::Hbone,
    )
}
