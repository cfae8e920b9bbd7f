//! What has been compiled for one waypoint, as requests read it.
//!
//! A [`Plans`] is immutable and swapped whole. Everything that can be decided when the configuration changes has been:
//! a route leads straight to its clusters, a cluster to its endpoints, an endpoint to its connections.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cairn_authz::PolicySet;
use cairn_balance::{Balancer, Endpoint, Policy, Tiers};
use cairn_dns::Host;
use cairn_ext_authz::Provider;
use cairn_identity::SpiffeId;
use cairn_jwt::Requirements;
use cairn_mesh::{AppProtocol, Service, Snapshot, Waypoint, Workload};
use cairn_route::rewrite::PathRewrite;
use cairn_route::{
    Action, Connection, Cors, Destination, EndpointMark, Fault, HeaderOperations, Mirror, Retry, Route,
    RouteTable, SessionPersistence, TcpAction, TcpRoutes,
};
use cairn_telemetry::traffic::{Interned, ServiceLabels};

use crate::access_log::Format;
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::files::Files;
use crate::plugin::{Attached, PluginSpec};
use crate::upstream::Upstream;

/// Everything that this waypoint knows, of one version of the configuration.
pub struct Plans {
    /// The version of the configuration.
    pub version: u64,
    pub(crate) mesh: Snapshot,
    /// This waypoint; `None` when its Gateway does not exist (any more): it then serves nothing.
    pub(crate) waypoint: Option<Arc<Waypoint>>,
    pub(crate) services: HashMap<Arc<str>, Arc<ServicePlan>>,
    /// The workloads that may be addressed through this waypoint, by uid.
    pub(crate) workloads: HashMap<Arc<str>, WorkloadPlan>,
    /// Address and port of a workload → what the services of this waypoint are behind which it stands there.
    pub(crate) stands: HashMap<SocketAddr, Stand>,
    /// The filters of what is addressed to a workload where it stands behind no service, in their order.
    pub(crate) filters: Arc<[Attached]>,
    /// The authorization servers that policies name, by the name of the provider. One that is not here cannot be asked.
    pub(crate) externals: HashMap<String, External>,
    /// The services that filters may call, by host and port.
    pub(crate) outbound: HashMap<String, Callee>,
    /// The plugins that bind to anything of this waypoint.
    pub(crate) plugins: Vec<Arc<PluginSpec>>,
    /// When requests are sent again whose route says nothing about that.
    pub(crate) retry: Retry,
    /// The names that are to be kept resolved.
    pub(crate) names: Vec<Host>,
    /// Something about names is not known yet that will be soon.
    pub(crate) unsettled: bool,
    /// The files that certificates were read from: with them, plans change.
    pub(crate) files: Files,
    /// None: no access log.
    pub(crate) access_log: Option<Format>,
}

/// One service of the waypoint.
pub(crate) struct ServicePlan {
    pub(crate) service: Arc<Service>,
    pub(crate) labels: Interned<ServiceLabels>,
    pub(crate) policies: Arc<PolicySet>,
    /// What tokens have to be.
    pub(crate) requirements: Arc<Requirements>,
    pub(crate) ports: Vec<Arc<PortPlan>>,
}

/// The policies of a service, and the destination that they are asked about.
#[derive(Clone)]
pub(crate) struct BoundPolicies {
    pub(crate) set: Arc<PolicySet>,
    pub(crate) requirements: Arc<Requirements>,
    pub(crate) destination: SocketAddr,
}

/// What a workload is, at one of its addresses and ports, to whoever could have addressed a service instead.
#[derive(Clone)]
pub(crate) struct Stand {
    /// Of every service behind which it stands there.
    pub(crate) policies: Arc<[BoundPolicies]>,
    pub(crate) protocol: AppProtocol,
    /// Of all these services, in their order.
    pub(crate) filters: Arc<[Attached]>,
}

/// A workload that a peer has addressed. Going past a service goes past neither its policies nor its filters.
#[derive(Clone)]
pub(crate) struct Reached {
    /// Of the workload itself.
    pub(crate) own: BoundPolicies,
    pub(crate) stand: Stand,
}

/// An authorization server, and the way to it.
pub(crate) struct External {
    pub(crate) provider: Arc<Provider>,
    pub(crate) cluster: Arc<Cluster>,
    /// Where the server's service is.
    pub(crate) address: SocketAddr,
    /// What every check says beside.
    pub(crate) fields: HeaderOperations,
}

/// A service that filters may call, as the waypoint.
pub(crate) struct Callee {
    pub(crate) cluster: Arc<Cluster>,
    /// What policies take for the destination.
    pub(crate) address: SocketAddr,
    /// A filter can do no more than any other client.
    pub(crate) policies: PolicySet,
}

/// One workload that may be addressed itself.
pub(crate) struct WorkloadPlan {
    /// Its traffic belongs to this waypoint, whoever sends it; else only callers in the waypoint's scope may.
    pub(crate) bound: bool,
    pub(crate) policies: Arc<PolicySet>,
    pub(crate) requirements: Arc<Requirements>,
}

/// One port of a service.
pub(crate) struct PortPlan {
    pub(crate) port: u16,
    pub(crate) protocol: AppProtocol,
    /// None: no VirtualService applies, everything goes to `default`.
    table: Option<RouteTable>,
    /// In the order of the table.
    routes: Vec<Arc<RoutePlan>>,
    pub(crate) default: Arc<RoutePlan>,
    /// None: connections that are not HTTP go where `default` leads.
    pub(crate) connections: Option<ConnectionRoutes>,
    /// In their order.
    pub(crate) filters: Arc<[Attached]>,
}

/// Where connections go that are not HTTP, or are not looked at as HTTP.
pub(crate) struct ConnectionRoutes {
    pub(crate) routes: TcpRoutes,
    /// For each of them, in their order, the clusters of its destinations.
    pub(crate) clusters: Vec<Vec<Option<Arc<Cluster>>>>,
}

/// A route with the clusters that it leads to.
pub(crate) struct RoutePlan {
    pub(crate) name: Arc<str>,
    /// None for the default route.
    pub(crate) route: Option<Arc<Route>>,
    /// What the route says of retries, else the mesh.
    pub(crate) retry: Retry,
    /// In the order of the route's destinations; the default route has one.
    pub(crate) clusters: Vec<Option<Arc<Cluster>>>,
    /// In the order of the route's mirrors.
    pub(crate) mirror_clusters: Vec<Option<Arc<Cluster>>>,
    /// The endpoints that sessions of the route may name.
    pub(crate) sessions: HashMap<EndpointMark, Session>,
}

/// Where a session leads.
pub(crate) struct Session {
    /// The place of its destination among those of the route.
    pub(crate) destination: usize,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) endpoint: Arc<Endpoint<Upstream>>,
}

impl Plans {
    /// Whether the peer may reach the service through this waypoint.
    pub(crate) fn may_use(&self, service: &Service, peer: &SpiffeId) -> bool {
        self.waypoint
            .as_deref()
            .is_some_and(|waypoint| self.mesh.may_use(waypoint, service, peer))
    }

    /// The plan of a service that may be reached through this waypoint.
    pub(crate) fn service(&self, id: &str) -> Option<&Arc<ServicePlan>> {
        self.services.get(id)
    }

    /// What binds what `peer` sends to a workload at `address`; `None`: this waypoint does not lead there.
    pub(crate) fn reach(&self, uid: &Arc<str>, address: SocketAddr, peer: &SpiffeId) -> Option<Reached> {
        let workload = self.workloads.get(uid)?;
        let scope = self.waypoint.as_ref()?.legacy.as_ref();
        if !workload.bound && !scope.is_some_and(|scope| scope.includes(peer)) {
            return None;
        }
        let own = BoundPolicies {
            set: Arc::clone(&workload.policies),
            requirements: Arc::clone(&workload.requirements),
            destination: address,
        };
        let stand = self.stands.get(&address).cloned();
        Some(Reached {
            own,
            stand: stand.unwrap_or_else(|| Stand {
                policies: Arc::default(),
                protocol: AppProtocol::Unknown,
                filters: Arc::clone(&self.filters),
            }),
        })
    }

    /// Fills `stands` from the services.
    pub(crate) fn index_workloads(&mut self) {
        if self.workloads.is_empty() {
            return;
        }
        let mut behind: HashMap<SocketAddr, Vec<(BoundPolicies, &Arc<PortPlan>)>> = HashMap::new();
        for plan in self.services.values() {
            for endpoint in &plan.service.endpoints {
                for (service_port, port) in &endpoint.ports {
                    let Some(port_plan) = plan.port(*service_port) else {
                        continue;
                    };
                    // Policies see the port that a caller of the service would have used, and its first address.
                    let vip = plan.service.vips.first();
                    for address in &endpoint.workload.addresses {
                        let bound = BoundPolicies {
                            set: Arc::clone(&plan.policies),
                            requirements: Arc::clone(&plan.requirements),
                            destination: SocketAddr::new(*vip.unwrap_or(address), *service_port),
                        };
                        let address = SocketAddr::new(address.to_canonical(), *port);
                        behind.entry(address).or_default().push((bound, port_plan));
                    }
                }
            }
        }
        let stands = behind.into_iter();
        self.stands = stands
            .map(|(address, services)| (address, Stand::new(services)))
            .collect();
    }
}

impl Stand {
    fn new(services: Vec<(BoundPolicies, &Arc<PortPlan>)>) -> Stand {
        let mut protocols = services.iter().map(|(_, port)| port.protocol);
        let first = protocols.next().unwrap_or(AppProtocol::Unknown);
        let mut filters: Vec<Attached> = Vec::new();
        for attached in services.iter().flat_map(|(_, port)| port.filters.iter()) {
            if filters
                .iter()
                .all(|known| known.spec.object != attached.spec.object)
            {
                filters.push(attached.clone());
            }
        }
        filters.sort_by(|one, other| one.spec.order().cmp(&other.spec.order()));
        Stand {
            protocol: if protocols.all(|protocol| protocol == first) {
                first
            } else {
                AppProtocol::Unknown
            },
            filters: filters.into(),
            policies: services.into_iter().map(|(policies, _)| policies).collect(),
        }
    }
}

impl ServicePlan {
    pub(crate) fn port(&self, number: u16) -> Option<&Arc<PortPlan>> {
        self.ports.iter().find(|port| port.port == number)
    }
}

impl PortPlan {
    /// `routes` are those of `table`, in its order.
    pub(crate) fn new(
        port: u16,
        protocol: AppProtocol,
        table: Option<(RouteTable, Vec<Arc<RoutePlan>>)>,
        default: Arc<RoutePlan>,
        filters: Arc<[Attached]>,
    ) -> PortPlan {
        let (table, routes) = table.unzip();
        PortPlan {
            port,
            protocol,
            table,
            routes: routes.unwrap_or_default(),
            default,
            connections: None,
            filters,
        }
    }

    pub(crate) fn with_connections(mut self, connections: Option<ConnectionRoutes>) -> PortPlan {
        self.connections = connections;
        self
    }

    /// The first route that matches; `None` when there are routes and none does.
    pub(crate) fn find(&self, head: &cairn_route::RequestHead<'_>) -> Option<&Arc<RoutePlan>> {
        match &self.table {
            None => Some(&self.default),
            Some(table) => self.routes.get(table.position(head)?),
        }
    }

    /// All routes that have been written for this port.
    pub(crate) fn routes(&self) -> &[Arc<RoutePlan>] {
        &self.routes
    }
}

impl ConnectionRoutes {
    /// The cluster of a connection that drew `random`; `None`: no route matches it.
    pub(crate) fn cluster(
        &self,
        connection: &Connection<'_>,
        random: u64,
    ) -> Option<Result<&Arc<Cluster>, Failure>> {
        let place = self.routes.position(connection)?;
        let TcpAction::Forward(destinations) = &self.routes.routes().get(place)?.action else {
            return Some(Err(Failure::BrokenRoute));
        };
        let picked = destinations.pick(random);
        let place_of = destinations.iter().position(|one| std::ptr::eq(one, picked));
        let cluster = place_of.and_then(|of| self.clusters.get(place)?.get(of)?.as_ref());
        Some(cluster.ok_or(Failure::ClusterNotFound))
    }
}

impl RoutePlan {
    /// The way to one workload that was addressed itself.
    pub(crate) fn direct(upstream: Upstream, address: SocketAddr, retry: &Retry) -> RoutePlan {
        let name = format!("inbound-vip|{}|direct|{}", address.port(), address.ip());
        let endpoints = vec![Arc::new(Endpoint::new(upstream))];
        let endpoints = Tiers::flat(endpoints, None, Balancer::new(Policy::Random));
        let cluster = Cluster::new(name.into(), AppProtocol::Unknown, endpoints, false);
        RoutePlan {
            name: "default".into(),
            route: None,
            retry: retry.clone(),
            clusters: vec![Some(Arc::new(cluster))],
            mirror_clusters: Vec::new(),
            sessions: HashMap::new(),
        }
    }

    /// Whether every endpoint is this workload as it is now.
    pub(crate) fn leads_to(&self, workload: &Workload) -> bool {
        self.clusters
            .iter()
            .flatten()
            .flat_map(|cluster| cluster.endpoints())
            .all(|endpoint| {
                let known = &endpoint.data.workload;
                known.uid == workload.uid
                    && known.identity == workload.identity
                    && known.protocol == workload.protocol
            })
    }

    pub(crate) fn fault(&self) -> Option<&Fault> {
        self.route.as_ref()?.fault.as_ref()
    }

    /// None: the default route, which forwards.
    pub(crate) fn action(&self) -> Option<&Action> {
        self.route.as_ref().map(|route| &route.action)
    }

    /// The destination at a place.
    pub(crate) fn destination(&self, place: usize) -> Option<&Destination> {
        match self.action()? {
            Action::Forward(all) => all.iter().nth(place),
            _ => None,
        }
    }

    /// How sessions stay with their endpoint.
    pub(crate) fn session(&self) -> Option<&SessionPersistence> {
        self.route.as_ref()?.session.as_ref()
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.route.as_ref()?.timeout
    }

    pub(crate) fn cors(&self) -> Option<&Cors> {
        self.route.as_ref()?.cors.as_ref()
    }

    /// None, rather than none of them.
    pub(crate) fn mirrors(&self) -> Option<&[Mirror]> {
        let mirrors = self.route.as_ref()?.mirrors.as_slice();
        (!mirrors.is_empty()).then_some(mirrors)
    }

    pub(crate) fn rewrite(&self) -> Option<&PathRewrite> {
        self.route.as_ref()?.rewrite.as_ref()
    }

    pub(crate) fn response_headers(&self) -> Option<&HeaderOperations> {
        self.route.as_ref().map(|route| &route.response_headers)
    }

    /// The cluster of a destination of this route; of the default route without one.
    pub(crate) fn cluster(&self, destination: Option<&Destination>) -> Option<&Arc<Cluster>> {
        let place = match (self.action(), destination) {
            (Some(Action::Forward(all)), Some(picked)) => {
                all.iter().position(|one| std::ptr::eq(one, picked))?
            }
            _ => 0,
        };
        self.clusters.get(place)?.as_ref()
    }
}
