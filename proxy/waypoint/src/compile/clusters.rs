//! From a route's destinations to the endpoints behind them.

use std::sync::Arc;

use cairn_balance::Endpoint;
use cairn_config::Problem;
use cairn_mesh::AppProtocol;
use cairn_route::{Action, ClientTls, Destination, LoadBalancing, Route, TcpAction, TcpRoutes};

use super::memory::Memory;
use super::{Found, Shared, balancing};
use crate::cluster::Cluster;
use crate::plan::{ConnectionRoutes, RoutePlan};
use crate::upstream::Upstreams;

/// Makes the clusters of one service's routes.
pub(super) struct Clusters<'a, 'b> {
    pub(super) shared: &'a Shared<'b>,
    pub(super) upstreams: &'a mut Upstreams,
    pub(super) memory: &'a mut Memory,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Clusters<'_, '_> {
    /// The plan of a route; adds the hosts that it leads to.
    pub(super) fn route(&mut self, route: &Arc<Route>, hosts: &mut Vec<String>) -> Arc<RoutePlan> {
        let clusters = match &route.action {
            Action::Forward(destinations) => {
                hosts.extend(destinations.iter().map(|destination| destination.host.clone()));
                destinations
                    .iter()
                    .map(|destination| self.destination(destination))
                    .collect()
            }
            _ => Vec::new(),
        };
        let mirrors = route.mirrors.iter().map(|mirror| &mirror.destination);
        hosts.extend(mirrors.clone().map(|destination| destination.host.clone()));
        let mirror_clusters = mirrors.map(|destination| self.destination(destination)).collect();
        Arc::new(RoutePlan {
            name: route.name.as_str().into(),
            route: Some(Arc::clone(route)),
            retry: route.retry.clone().unwrap_or_else(|| self.shared.retry.clone()),
            clusters,
            mirror_clusters,
        })
    }

    /// The plan of routes of connections; adds the hosts that they lead to.
    pub(super) fn connections(&mut self, routes: TcpRoutes, hosts: &mut Vec<String>) -> ConnectionRoutes {
        let clusters = routes.routes().iter().map(|route| match &route.action {
            TcpAction::Forward(destinations) => {
                hosts.extend(destinations.iter().map(|destination| destination.host.clone()));
                destinations
                    .iter()
                    .map(|destination| self.destination(destination))
                    .collect()
            }
            TcpAction::Broken { .. } => Vec::new(),
        });
        ConnectionRoutes {
            clusters: clusters.collect(),
            routes,
        }
    }

    fn destination(&mut self, destination: &Destination) -> Option<Arc<Cluster>> {
        if destination.broken.is_some() {
            return None;
        }
        self.of(&destination.host, destination.port, destination.subset.as_deref())
    }

    /// The cluster of a host's port and subset; `None` when the mesh has no such host, port or subset, or
    /// when nothing may be sent there.
    pub(super) fn of(&mut self, host: &str, port: Option<u16>, subset: Option<&str>) -> Option<Arc<Cluster>> {
        let wanted = (host.to_owned(), port, subset.map(str::to_owned));
        if let Some(made) = self.memory.made(&wanted) {
            return made;
        }
        let cluster = self.make(host, port, subset);
        self.memory.keep(wanted, cluster.clone());
        cluster
    }

    fn make(&mut self, host: &str, port: Option<u16>, subset: Option<&str>) -> Option<Arc<Cluster>> {
        let Found { service, policy, .. } = self.shared.find(host);
        let service = service?;
        let port = service.port(port?)?;
        let chosen = match subset {
            Some(name) => Some(policy.as_ref()?.subset(name)?),
            None => None,
        };
        let traffic = policy
            .as_ref()
            .map(|policy| policy.traffic_policy(subset, port.number));
        let traffic = traffic.unwrap_or_default();
        let keeping = balancing::keeping(&traffic.connection_pool);
        if let Some(ClientTls::Originate(_) | ClientTls::Unusable) = &traffic.tls {
            let source = policy.iter().flat_map(|policy| policy.sources.first());
            self.problems.extend(source.map(|source| {
                Problem::error(
                    source.clone(),
                    "spec.trafficPolicy.tls",
                    format!("TLS of its own is not spoken to endpoints by this version, so nothing is sent to {host}"),
                    "leave out `tls`: what endpoints of the mesh get is encrypted by the mesh",
                )
            }));
            return None;
        }
        let learns = traffic.outlier_detection.is_some() || traffic.load_balancer.warmup.is_some();
        let kind = if port.protocol == AppProtocol::Tcp || port.protocol == AppProtocol::Tls {
            "tcp"
        } else {
            "http"
        };
        let suffix = subset.map(|name| format!("/{name}")).unwrap_or_default();
        let name = format!("inbound-vip|{}|{kind}{suffix}|{}", port.number, service.hostname);
        let name: Arc<str> = name.into();
        let endpoints = service
            .usable_endpoints(port.number)
            .filter(|endpoint| chosen.is_none_or(|subset| subset.selects(&endpoint.workload.labels)))
            .filter_map(|endpoint| {
                let waypoint = &self.shared.waypoint.key;
                let leg = self
                    .shared
                    .mesh
                    .to_endpoint(waypoint, &service, port.number, endpoint);
                let upstream = self.upstreams.get(&endpoint.workload, leg, keeping)?;
                let standing = learns.then(|| self.memory.standing(&name, &upstream));
                let weight = endpoint.workload.capacity;
                Some(Arc::new(match standing {
                    Some(standing) => Endpoint::with_standing(upstream, weight, standing),
                    None => Endpoint::with_weight(upstream, weight),
                }))
            })
            .collect::<Vec<_>>();
        if traffic.load_balancer.simple == LoadBalancing::Passthrough {
            let source = policy.iter().flat_map(|policy| policy.sources.first());
            self.problems.extend(source.map(|source| {
                Problem::unsupported(
                    source.clone(),
                    "spec.trafficPolicy.loadBalancer.simple",
                    "PASSTHROUGH is treated as LEAST_REQUEST: clients address the service, not one of its endpoints",
                    "name LEAST_REQUEST, ROUND_ROBIN or RANDOM",
                )
            }));
        }
        let own = self.shared.place.as_ref();
        let endpoints = balancing::arranged(endpoints, &traffic, own);
        let breaker = balancing::limits(&traffic).map(|limits| self.memory.breaker(&name, limits));
        let hash_key = traffic.load_balancer.consistent_hash.map(|hash| hash.key);
        let cluster = Cluster::new(
            name,
            port.protocol,
            endpoints,
            traffic.load_balancer.warmup.is_some(),
        );
        let cluster = cluster.hashed_by(hash_key).limited_by(breaker);
        Some(Arc::new(cluster.spoken_by(&traffic.connection_pool)))
    }
}
