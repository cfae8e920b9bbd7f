//! From a route's destinations to the endpoints behind them.

use std::sync::Arc;

use cairn_balance::{Balancer, Endpoint, Policy};
use cairn_config::Problem;
use cairn_mesh::AppProtocol;
use cairn_route::{Action, Destination, LoadBalancing, Route};

use super::{Found, Shared};
use crate::plan::{Cluster, RoutePlan};
use crate::upstream::Upstreams;

/// Makes the clusters of one service's routes.
pub(super) struct Clusters<'a, 'b> {
    pub(super) shared: &'a Shared<'b>,
    pub(super) upstreams: &'a mut Upstreams,
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
        Arc::new(RoutePlan {
            name: route.name.as_str().into(),
            route: Some(Arc::clone(route)),
            clusters,
        })
    }

    fn destination(&mut self, destination: &Destination) -> Option<Arc<Cluster>> {
        self.of(&destination.host, destination.port, destination.subset.as_deref())
    }

    /// The cluster of a host's port and subset; `None` when the mesh has no such host, port or subset.
    pub(super) fn of(&mut self, host: &str, port: Option<u16>, subset: Option<&str>) -> Option<Arc<Cluster>> {
        let Found { service, policy, .. } = self.shared.find(host);
        let service = service?;
        let port = service.port(port?)?;
        let chosen = match subset {
            Some(name) => Some(policy.as_ref()?.subset(name)?),
            None => None,
        };
        let endpoints = service
            .usable_endpoints(port.number)
            .filter(|endpoint| chosen.is_none_or(|subset| subset.selects(&endpoint.workload.labels)))
            .filter_map(|endpoint| {
                let waypoint = &self.shared.waypoint.key;
                let leg = self
                    .shared
                    .mesh
                    .to_endpoint(waypoint, &service, port.number, endpoint);
                let upstream = self.upstreams.get(&endpoint.workload, leg)?;
                Some(Arc::new(Endpoint::with_weight(
                    upstream,
                    endpoint.workload.capacity,
                )))
            })
            .collect::<Vec<_>>();
        let balancing = policy
            .as_ref()
            .map(|policy| policy.load_balancing(subset, port.number))
            .unwrap_or_default();
        let balancing = match balancing {
            LoadBalancing::LeastRequest => Policy::default(),
            LoadBalancing::RoundRobin => Policy::RoundRobin,
            LoadBalancing::Random => Policy::Random,
            LoadBalancing::Passthrough => {
                self.problems.extend(policy.iter().flat_map(|policy| policy.sources.first()).map(|source| {
                    Problem::unsupported(
                        source.clone(),
                        "spec.trafficPolicy.loadBalancer.simple",
                        "PASSTHROUGH is treated as LEAST_REQUEST: clients address the service, not one of its endpoints",
                        "name LEAST_REQUEST, ROUND_ROBIN or RANDOM",
                    )
                }));
                Policy::default()
            }
        };
        let kind = if port.protocol == AppProtocol::Tcp || port.protocol == AppProtocol::Tls {
            "tcp"
        } else {
            "http"
        };
        let subset = subset.map(|name| format!("/{name}")).unwrap_or_default();
        Some(Arc::new(Cluster {
            name: format!("inbound-vip|{}|{kind}{subset}|{}", port.number, service.hostname).into(),
            protocol: port.protocol,
            balancer: Balancer::for_endpoints(balancing, &endpoints),
            endpoints,
        }))
    }
}
