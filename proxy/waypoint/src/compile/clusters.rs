//! From a route's destinations to the endpoints behind them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use cairn_api::istio::Resolution;
use cairn_balance::Endpoint;
use cairn_config::Problem;
use cairn_dns::Host;
use cairn_mesh::{AppProtocol, Endpoint as MeshEndpoint, Service};
use cairn_route::{Action, Destination, EndpointMark, LoadBalancing, Route, TcpAction, TcpRoutes};

use super::memory::Memory;
use super::{Shared, balancing};
use crate::beyond::{Beyond, Lead, is_outside};
use crate::cluster::Cluster;
use crate::plan::{ConnectionRoutes, RoutePlan, Session};
use crate::upstream::{Keeping, Upstream, Upstreams};

/// Makes the clusters of one service's routes.
pub(super) struct Clusters<'a, 'b> {
    pub(super) shared: &'a Shared<'b>,
    /// Whose routes they are; none for what filters call.
    pub(super) viewer: Option<&'a Arc<Service>>,
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
        let clusters: Vec<Option<Arc<Cluster>>> = clusters;
        let sessions = match &route.session {
            None => HashMap::new(),
            Some(_) => sessions(&clusters),
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
            sessions,
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
        let service = self.shared.meant(&destination.host, self.viewer)?;
        self.of(service, destination.port, destination.subset.as_deref())
    }

    /// The cluster of a service's port and subset; `None` when it has no such port or subset, or when nothing may be sent there.
    pub(super) fn of(
        &mut self,
        service: &Arc<Service>,
        port: Option<u16>,
        subset: Option<&str>,
    ) -> Option<Arc<Cluster>> {
        let wanted = (Arc::clone(&service.id), port, subset.map(str::to_owned));
        if let Some(made) = self.memory.made(&wanted) {
            return made;
        }
        let cluster = self.make(service, port, subset);
        self.memory.keep(wanted, cluster.clone());
        cluster
    }

    fn make(
        &mut self,
        service: &Arc<Service>,
        port: Option<u16>,
        subset: Option<&str>,
    ) -> Option<Arc<Cluster>> {
        let found = self.shared.find(&service.hostname, Some(service));
        let policy = &found.policy;
        let port = service.port(port?)?;
        let chosen = match subset {
            Some(name) => Some(policy.as_ref()?.subset(name)?),
            None => None,
        };
        let traffic = policy
            .as_ref()
            .map(|policy| policy.traffic_policy(subset, port.number));
        let traffic = traffic.unwrap_or_default();
        let sources = policy.as_ref().map_or(&[][..], |policy| &policy.sources);
        let layers = self.shared.layers(service, port, &traffic, sources, self.memory);
        let layers = match layers {
            Ok(layers) => layers,
            Err(problem) => {
                self.problems.extend(problem);
                return None;
            }
        };
        let keeping = &balancing::keeping(&traffic.connection_pool, layers);
        let utilization = balancing::utilization(&traffic.load_balancer);
        let learns = traffic.outlier_detection.is_some()
            || traffic.load_balancer.warmup.is_some()
            || utilization.is_some();
        let kind = if port.protocol == AppProtocol::Tcp || port.protocol == AppProtocol::Tls {
            "tcp"
        } else {
            "http"
        };
        let suffix = subset.map(|name| format!("/{name}")).unwrap_or_default();
        let name = format!("inbound-vip|{}|{kind}{suffix}|{}", port.number, service.hostname);
        let name: Arc<str> = name.into();
        // Others may have the host name too.
        let known: Arc<str> = format!("{name} of {}", service.id).into();
        let selected =
            |endpoint: &MeshEndpoint| chosen.is_none_or(|subset| subset.selects(&endpoint.workload.labels));
        let beyond = self.beyond(&known, service, port.number, keeping, selected);
        let mut upstreams: Vec<Upstream> = Vec::new();
        let mut names = Vec::new();
        for endpoint in service.usable_endpoints(port.number).filter(|it| selected(it)) {
            let (waypoint, mesh) = (&self.shared.waypoint.key, self.shared.mesh);
            let leg = mesh.to_endpoint(waypoint, service, port.number, endpoint);
            upstreams.extend(self.upstreams.get(&endpoint.workload, leg, keeping));
        }
        if service.resolution == Resolution::Dns {
            for (host, endpoint) in named(service, port.number).filter(|(_, it)| selected(it)) {
                let port = endpoint.ports.get(&port.number).copied().unwrap_or(port.number);
                let (mesh, on_loopback) = (self.shared.mesh, self.upstreams.dialer().is_on_loopback());
                let addresses = self.shared.names.known(&host).addresses.into_iter();
                let addresses =
                    addresses.filter(|ip| !service.external || is_outside(mesh, *ip, on_loopback));
                let addresses = addresses.map(|ip| SocketAddr::new(ip, port));
                let workload = &endpoint.workload;
                upstreams.extend(addresses.map(|address| self.upstreams.named(workload, address, keeping)));
                names.push(host);
            }
        }
        let endpoints = upstreams.into_iter().map(|upstream| {
            let standing = learns.then(|| self.memory.standing(&known, &upstream));
            let weight = upstream.workload.capacity;
            Arc::new(match standing {
                Some(standing) => Endpoint::with_standing(upstream, weight, standing),
                None => Endpoint::with_weight(upstream, weight),
            })
        });
        let endpoints = endpoints.collect();
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
        let endpoints = balancing::arranged(endpoints, &traffic, own, self.shared.locality.as_ref());
        let breaker = balancing::limits(&traffic).map(|limits| self.memory.breaker(&known, limits));
        let hash_key = traffic.load_balancer.consistent_hash.map(|hash| hash.key);
        let cluster = Cluster::new(
            name,
            port.protocol,
            endpoints,
            traffic.load_balancer.warmup.is_some(),
        );
        let cluster = cluster.hashed_by(hash_key).limited_by(breaker);
        let cluster = cluster.weighed_by(utilization.filter(|_| beyond.is_none()));
        let cluster = cluster.spoken_by(&traffic.connection_pool);
        Some(Arc::new(cluster.leading_to(beyond).named(names)))
    }

    /// Where the endpoints are of a service that does not list them.
    fn beyond(
        &mut self,
        name: &Arc<str>,
        service: &Service,
        port: u16,
        keeping: &Keeping,
        selected: impl Fn(&MeshEndpoint) -> bool,
    ) -> Option<Arc<Beyond>> {
        let names = &self.shared.names;
        let targets = service
            .named_endpoints(port)
            .map(|(name, endpoint)| (Arc::clone(name), endpoint.ports.clone()));
        let key = format!("{:?} {:?}", service.resolution, targets.collect::<Vec<_>>());
        let (lead, workload) = match service.resolution {
            Resolution::Static | Resolution::Dns => return None,
            Resolution::None => (
                Lead::Address(Arc::clone(&service.id)),
                Arc::new(self.shared.mesh.stand_in(service)),
            ),
            Resolution::DnsRoundRobin => {
                let (host, endpoint) = named(service, port).find(|(_, endpoint)| selected(endpoint))?;
                let port = endpoint.ports.get(&port).copied().unwrap_or(port);
                (
                    Lead::Name(Arc::clone(names), host, port),
                    Arc::clone(&endpoint.workload),
                )
            }
            Resolution::DynamicDns => {
                let mut endpoints = service.named_endpoints(port);
                let (_, endpoint) = endpoints.find(|(_, endpoint)| selected(endpoint))?;
                let port = endpoint.ports.get(&port).copied().unwrap_or(port);
                let suffix = service.hostname.trim_start_matches('*').to_owned();
                (
                    Lead::Own(Arc::clone(names), suffix, port),
                    Arc::clone(&endpoint.workload),
                )
            }
        };
        let dialer = self.upstreams.dialer();
        let beyond = || Beyond::new(lead, dialer, &workload, keeping, service.external);
        Some(
            self.memory
                .beyond((Arc::clone(name), key, keeping.clone()), beyond),
        )
    }
}

/// The endpoints that sessions may name, each with the place of its destination.
fn sessions(clusters: &[Option<Arc<Cluster>>]) -> HashMap<EndpointMark, Session> {
    let of = |(destination, cluster): (usize, &Option<Arc<Cluster>>)| {
        let cluster = cluster.as_ref()?;
        let endpoints = cluster.endpoints().map(|endpoint| {
            let session = Session {
                destination,
                cluster: Arc::clone(cluster),
                endpoint: Arc::clone(endpoint),
            };
            (cluster.mark(&endpoint.data), session)
        });
        Some(endpoints.collect::<Vec<_>>())
    };
    clusters.iter().enumerate().filter_map(of).flatten().collect()
}

/// The endpoints of a service that are known by name.
fn named(service: &Service, port: u16) -> impl Iterator<Item = (Host, &MeshEndpoint)> {
    let named = service.named_endpoints(port);
    named.filter_map(|(name, endpoint)| Some((name.parse().ok()?, endpoint)))
}
