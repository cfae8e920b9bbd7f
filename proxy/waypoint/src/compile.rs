//! From objects to [`Plans`], off the data path.
//!
//! Each service's plan is compiled from its own [`Inputs`]; a service whose inputs are as they were keeps its plan.

mod balancing;
mod clusters;
mod externals;
mod layers;
mod memory;
mod outbound;
mod plugins;
mod policies;
mod settings;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use cairn_api::gateway::{self, GrpcRoute, HttpRoute, ReferenceGrant};
use cairn_api::istio::{AuthorizationPolicy, RequestAuthentication, Resolution, VirtualService};
use cairn_api::meta::{Key, Kind, ObjectRef};
use cairn_authz::{CompileOptions, PolicySet};
use cairn_config::{BrokenPolicy, Problem, Severity, State};
use cairn_dial::Fingerprint;
use cairn_jwt::Requirements;
use cairn_mesh::{AppProtocol, Locality, MeshSettings, Origin, Service, ServicePort, Snapshot, Waypoint};
use cairn_route::{
    BackendTls, BackendTlsPolicies, DestinationRules, GatewayRoutes, HostPolicy, Inputs as RouteInputs,
    KnownService, LastGood, LastGoodRoutes, LocalityPreference, Retry, RouteTable, TcpRoutes,
    VirtualServices,
};

use crate::files::{Files, ReadFiles};
use crate::labels;
use crate::names::{Name, Names};
use crate::plan::{Plans, PortPlan, RoutePlan, ServicePlan};
use crate::plugin::{PluginSpec, Slots};
use crate::tokens::Tokens;
use crate::upstream::{Dialer, Upstreams};

/// Compiles one version of the configuration after the other for one waypoint.
pub(crate) struct Compiler {
    gateway: Key,
    upstreams: Upstreams,
    memory: memory::Memory,
    last_good: LastGood,
    last_good_routes: LastGoodRoutes,
    compiled: HashMap<Arc<str>, Compiled>,
    slots: Arc<Slots>,
    names: Arc<Names>,
    tokens: Arc<Tokens>,
}

/// A plan with all that it was made from and all that was wrong with that.
struct Compiled {
    inputs: Inputs,
    destinations: Vec<Arc<Found>>,
    plan: Arc<ServicePlan>,
    problems: Vec<Problem>,
}

/// What belongs to one service.
#[derive(PartialEq)]
struct Inputs {
    service: Arc<Service>,
    virtual_services: Vec<Arc<VirtualService>>,
    http_routes: Vec<Arc<HttpRoute>>,
    grpc_routes: Vec<Arc<GrpcRoute>>,
    tcp_routes: Vec<Arc<gateway::TcpRoute>>,
    tls_routes: Vec<Arc<gateway::TlsRoute>>,
    /// There if there are routes that may need them.
    reference_grants: Vec<Arc<ReferenceGrant>>,
    policies: Vec<Arc<AuthorizationPolicy>>,
    authentications: Vec<Arc<RequestAuthentication>>,
    broken: Vec<BrokenPolicy>,
    settings: Arc<MeshSettings>,
    place: Option<(Locality, BTreeMap<String, String>)>,
    plugins: Vec<Arc<PluginSpec>>,
}

/// A host that routes lead to, as the mesh knows it.
#[derive(PartialEq)]
struct Found {
    host: String,
    service: Option<Arc<Service>>,
    /// The waypoints of its endpoints, which may stand between.
    guards: Vec<Arc<Waypoint>>,
    policy: Option<HostPolicy>,
    /// It is a service of the same waypoint, and policies name it as their target.
    guarded: bool,
    /// The names of its endpoints.
    names: Vec<Name>,
    /// What TLS towards its endpoints is built from.
    secrets: Vec<Option<Fingerprint>>,
    backend_tls: Vec<BackendTls>,
}

/// What all services of one version share.
struct Shared<'a> {
    state: &'a State,
    mesh: &'a Snapshot,
    waypoint: &'a Waypoint,
    settings: Arc<MeshSettings>,
    virtual_services: VirtualServices,
    gateway_routes: GatewayRoutes,
    retry: Retry,
    /// Where this waypoint runs.
    place: Option<(Locality, BTreeMap<String, String>)>,
    reference_grants: Vec<Arc<ReferenceGrant>>,
    rules: DestinationRules,
    options: CompileOptions,
    plugins: plugins::Plugins<'a>,
    /// Namespace, kind and name of whatever policies name as their target.
    targets: BTreeSet<(&'a str, &'a str, &'a str)>,
    names: Arc<Names>,
    backend_tls: BackendTlsPolicies,
    /// The files that certificates were read from.
    files: RefCell<ReadFiles>,
    /// What has been looked at already, by the service's id.
    found: RefCell<HashMap<Arc<str>, Arc<Found>>>,
    /// Nothing is served.
    offline: bool,
    /// Which endpoints the mesh prefers.
    locality: Option<LocalityPreference>,
}

/// Compiles the waypoint `gateway` without serving it, to explain and to validate.
pub fn compile(state: &State, gateway: &Key) -> (Plans, Vec<Problem>) {
    let dialer = Arc::new(Dialer::offline());
    let names = Arc::new(Names::offline());
    Compiler::new(gateway.clone(), dialer, Arc::default(), names, Arc::default()).compile(state)
}

impl Compiled {
    /// Nothing was missing that may have come since.
    fn is_whole(&self) -> bool {
        let mut problems = self.problems.iter();
        problems.all(|problem| problem.severity != Severity::Error)
    }
}

impl Compiler {
    pub(crate) fn new(
        gateway: Key,
        dialer: Arc<Dialer>,
        slots: Arc<Slots>,
        names: Arc<Names>,
        tokens: Arc<Tokens>,
    ) -> Compiler {
        Compiler {
            gateway,
            upstreams: Upstreams::new(dialer),
            memory: memory::Memory::default(),
            last_good: LastGood::default(),
            last_good_routes: LastGoodRoutes::default(),
            compiled: HashMap::new(),
            slots,
            names,
            tokens,
        }
    }

    /// The plans of `state`, and what is wrong in it.
    pub(crate) fn compile(&mut self, state: &State) -> (Plans, Vec<Problem>) {
        let (mesh, mut problems) = Snapshot::compile(state);
        let access_log = settings::access_log(&mesh.mesh, &mut problems);
        let (virtual_services, found) = self.last_good.admit(state.objects.virtual_services.values());
        problems.extend(found);
        let (gateway_routes, found) = self.last_good_routes.admit(&state.objects);
        problems.extend(found);
        let rules: Vec<_> = state.objects.destination_rules.values().cloned().collect();
        let (rules, found) = DestinationRules::new(&rules, &mesh.mesh.root_namespace);
        problems.extend(found);

        let (retry, found) = settings::mesh_retry(&mesh.mesh);
        problems.extend(found);
        let mut plans = Plans {
            retry,
            version: state.version,
            waypoint: mesh.waypoint(&self.gateway).cloned(),
            services: HashMap::new(),
            workloads: HashMap::new(),
            stands: HashMap::new(),
            filters: Arc::default(),
            outbound: HashMap::new(),
            externals: HashMap::new(),
            plugins: Vec::new(),
            access_log,
            mesh,
            names: Vec::new(),
            unsettled: false,
            files: Files::default(),
        };
        let mut before = std::mem::take(&mut self.compiled);
        self.memory.begin();
        if let Some(waypoint) = &plans.waypoint {
            let services: Vec<_> = plans.mesh.services_of_waypoint(&waypoint.key).collect();
            let root_namespace = &plans.mesh.mesh.root_namespace;
            let (plugins, found) = plugins::Plugins::of(state, waypoint, root_namespace, &services);
            problems.extend(found);
            let (backend_tls, found) = BackendTlsPolicies::new(&state.objects);
            problems.extend(found);
            let shared = Shared {
                plugins,
                state,
                mesh: &plans.mesh,
                waypoint,
                settings: Arc::new(plans.mesh.mesh.clone()),
                virtual_services: VirtualServices::new(&virtual_services),
                gateway_routes,
                retry: plans.retry.clone(),
                place: self.place(&plans.mesh, waypoint),
                reference_grants: state.objects.reference_grants.values().cloned().collect(),
                rules,
                options: policies::options(&plans.mesh.mesh),
                targets: policies::targets(state),
                names: Arc::clone(&self.names),
                backend_tls,
                files: RefCell::default(),
                found: RefCell::default(),
                offline: self.upstreams.dialer().is_offline(),
                locality: settings::mesh_locality(&plans.mesh.mesh, &mut problems),
            };
            for service in services {
                let compiled = self.service(service, &shared, before.remove(&service.id));
                problems.extend(compiled.problems.iter().cloned());
                plans
                    .services
                    .insert(Arc::clone(&service.id), Arc::clone(&compiled.plan));
                self.compiled.insert(Arc::clone(&service.id), compiled);
            }
            plans.filters = plugins::chain(&shared.plugins.of_target(None), None, &self.slots);
            plans.plugins = shared.plugins.bound(&plans.services, &plans.filters);
            plans.outbound = self.outbound(&shared, &plans.plugins, &mut problems);
            plans.externals = self.externals(&shared, &mut problems);
            let callees = plans.outbound.keys().filter_map(|target| target.rsplit_once(':'));
            let callees = callees.flat_map(|(host, _)| shared.find(host, None).names.clone());
            let found = self.compiled.values().flat_map(|compiled| &compiled.destinations);
            let names: HashSet<Name> = found
                .flat_map(|found| found.names.clone())
                .chain(callees)
                .collect();
            let files = shared.files.take().into_iter();
            plans.files = files.map(|(path, (stamp, _))| (path, stamp)).collect();
            plans.unsettled = names.iter().any(|name| !name.asked);
            plans.names = names.into_iter().map(|name| name.host).collect();
            let (workloads, found) = shared.workloads(&self.tokens.ring);
            plans.workloads = workloads;
            problems.extend(found);
        }
        plans.index_workloads();
        self.upstreams.sweep();
        self.memory.sweep();
        (plans, problems)
    }

    fn place(&self, mesh: &Snapshot, waypoint: &Waypoint) -> Option<(Locality, BTreeMap<String, String>)> {
        let address = self.upstreams.source().or(waypoint.address)?;
        let own = mesh.workload_by_ip(address)?;
        Some((own.locality.clone(), own.labels.clone()))
    }

    fn service(&mut self, service: &Arc<Service>, shared: &Shared<'_>, before: Option<Compiled>) -> Compiled {
        let (inputs, mut problems) = shared.inputs(service);
        if let Some(before) = before
            && before.inputs == inputs
            && before.is_whole()
            && before
                .destinations
                .iter()
                .all(|found| shared.find(&found.host, Some(service)) == *found)
        {
            return before;
        }
        let (policies, found) = PolicySet::compile(&inputs.policies, &inputs.broken, &shared.options);
        problems.extend(found);
        let http = |port: &ServicePort| {
            matches!(
                port.protocol,
                AppProtocol::Http | AppProtocol::Http2 | AppProtocol::Grpc
            )
        };
        if !service.ports.iter().all(http) {
            problems.extend(policies.problems_of_connections());
        }
        let (requirements, found) = Requirements::compile(&inputs.authentications, &self.tokens.ring);
        problems.extend(found);
        let mut hosts = vec![service.hostname.to_string()];
        let mut told = HashSet::new();
        let mut ports = Vec::with_capacity(service.ports.len());
        for port in &service.ports {
            let (table, found) = shared.routes(&inputs, port);
            problems.extend(found);
            let mut clusters = clusters::Clusters {
                shared,
                viewer: Some(service),
                upstreams: &mut self.upstreams,
                memory: &mut self.memory,
                problems: &mut problems,
            };
            let default = Arc::new(RoutePlan {
                name: "default".into(),
                route: None,
                retry: shared.retry.clone(),
                clusters: vec![clusters.of(service, Some(port.number), None)],
                mirror_clusters: Vec::new(),
                sessions: HashMap::new(),
            });
            let table = table.map(|table| {
                let routes = table
                    .routes()
                    .iter()
                    .map(|route| clusters.route(route, &mut hosts))
                    .collect();
                let past = table
                    .routes()
                    .iter()
                    .flat_map(|route| shared.past_policies(service, route));
                // Each match of a route, and each port, says it again.
                let new = past.filter(|problem| told.insert(problem.clone()));
                clusters.problems.extend(new);
                (table, routes)
            });
            let (connections, found) = shared.connection_routes(&inputs, port);
            clusters.problems.extend(found);
            let connections = connections.map(|routes| {
                let past = routes.routes().iter();
                let past = past.flat_map(|route| shared.past_policies_of_connections(service, route));
                let new = past.filter(|problem| told.insert(problem.clone()));
                clusters.problems.extend(new);
                clusters.connections(routes, &mut hosts)
            });
            let plan = PortPlan::new(
                port.number,
                port.protocol,
                table,
                default,
                plugins::chain(&inputs.plugins, Some(port.number), &self.slots),
            );
            ports.push(Arc::new(plan.with_connections(connections)));
        }
        hosts.sort();
        hosts.dedup();
        Compiled {
            plan: Arc::new(ServicePlan {
                labels: labels::service(service),
                service: Arc::clone(service),
                policies: Arc::new(policies),
                requirements: Arc::new(requirements),
                ports,
            }),
            destinations: hosts
                .iter()
                .map(|host| shared.find(host, Some(service)))
                .collect(),
            inputs,
            problems,
        }
    }
}

impl Shared<'_> {
    fn inputs(&self, service: &Arc<Service>) -> (Inputs, Vec<Problem>) {
        let selection = self.select(service);
        let origin = origin(service);
        let http_routes = self.gateway_routes.http(&origin).to_vec();
        let grpc_routes = self.gateway_routes.grpc(&origin).to_vec();
        let tcp_routes = self.gateway_routes.tcp(&origin).to_vec();
        let tls_routes = self.gateway_routes.tls(&origin).to_vec();
        let count = http_routes.len() + grpc_routes.len() + tcp_routes.len() + tls_routes.len();
        let reference_grants = match count {
            0 => Vec::new(),
            _ => self.reference_grants.clone(),
        };
        let inputs = Inputs {
            http_routes,
            grpc_routes,
            tcp_routes,
            tls_routes,
            reference_grants,
            virtual_services: self.virtual_services.of(
                &service.hostname,
                &service.namespace,
                &self.waypoint.key.namespace,
            ),
            service: Arc::clone(service),
            policies: selection.policies,
            authentications: selection.authentications,
            broken: selection.broken,
            settings: Arc::clone(&self.settings),
            place: self.place.clone(),
            plugins: self.plugins.of_target(Some(service)),
        };
        (inputs, selection.problems)
    }

    /// Calls `compile` with all that decides about the routes of one port.
    fn compiled<T>(
        &self,
        inputs: &Inputs,
        port: &ServicePort,
        compile: impl FnOnce(&RouteInputs<'_>) -> (Option<T>, Vec<Problem>),
    ) -> (Option<T>, Vec<Problem>) {
        let service = &inputs.service;
        let known = |host: &str| {
            self.meant(host, Some(service)).map(|service| KnownService {
                namespace: service.namespace.clone(),
                ports: service.ports.iter().map(|port| port.number).collect(),
            })
        };
        compile(&RouteInputs {
            service_host: &service.hostname,
            service_namespace: &service.namespace,
            waypoint_namespace: &self.waypoint.key.namespace,
            origin: Some(&origin(service)),
            port: port.number,
            port_name: Some(&port.name),
            virtual_services: &inputs.virtual_services,
            http_routes: &inputs.http_routes,
            grpc_routes: &inputs.grpc_routes,
            tcp_routes: &inputs.tcp_routes,
            tls_routes: &inputs.tls_routes,
            reference_grants: &inputs.reference_grants,
            services: Some(&known),
            rules: Some(&self.rules),
        })
    }

    fn routes(&self, inputs: &Inputs, port: &ServicePort) -> (Option<RouteTable>, Vec<Problem>) {
        self.compiled(inputs, port, cairn_route::compile)
    }

    fn connection_routes(&self, inputs: &Inputs, port: &ServicePort) -> (Option<TcpRoutes>, Vec<Problem>) {
        self.compiled(inputs, port, cairn_route::compile_tcp)
    }

    fn guards(&self, service: Option<&Service>) -> Vec<Arc<Waypoint>> {
        let endpoints = service.iter().flat_map(|service| &service.endpoints);
        let keys: BTreeSet<&Key> = endpoints
            .filter_map(|endpoint| endpoint.workload.waypoint.as_ref())
            .collect();
        keys.into_iter()
            .filter_map(|key| self.mesh.waypoint(key))
            .cloned()
            .collect()
    }

    /// The service that a host name means to a route of `viewer`: itself, else one that its namespace sees, else one that the
    /// waypoint's sees, as for all that is not about a service.
    fn meant<'s>(&'s self, host: &str, viewer: Option<&'s Arc<Service>>) -> Option<&'s Arc<Service>> {
        let seen = |namespace: &str| self.mesh.service_named(host, namespace);
        let own = viewer.filter(|viewer| viewer.hostname.eq_ignore_ascii_case(host));
        own.or_else(|| seen(&viewer?.namespace))
            .or_else(|| seen(&self.waypoint.key.namespace))
    }

    /// The same, with all that decides about what is sent there.
    fn find(&self, host: &str, viewer: Option<&Arc<Service>>) -> Arc<Found> {
        let Some(service) = self.meant(host, viewer) else {
            return Arc::new(self.look(host, None));
        };
        if let Some(found) = self.found.borrow().get(&service.id) {
            return Arc::clone(found);
        }
        let found = Arc::new(self.look(&service.hostname, Some(service)));
        let mut known = self.found.borrow_mut();
        Arc::clone(known.entry(Arc::clone(&service.id)).or_insert(found))
    }

    fn look(&self, host: &str, service: Option<&Arc<Service>>) -> Found {
        let service = service.cloned();
        let namespace = service.as_ref().map_or("", |service| service.namespace.as_str());
        let policy = self
            .rules
            .find(host, namespace, &self.waypoint.key.namespace)
            .cloned();
        Found {
            host: host.to_owned(),
            guards: self.guards(service.as_deref()),
            secrets: service
                .as_deref()
                .map_or_else(Vec::new, |it| self.secrets_of(it, policy.as_ref())),
            backend_tls: service
                .as_deref()
                .map_or_else(Vec::new, |it| self.backend_tls_of(it)),
            guarded: service.as_deref().is_some_and(|service| self.is_guarded(service)),
            names: service
                .as_deref()
                .map_or_else(Vec::new, |service| self.names_of(service)),
            service,
            policy,
        }
    }

    fn backend_tls_of(&self, service: &Service) -> Vec<BackendTls> {
        if service.origin != Origin::Kubernetes {
            return Vec::new();
        }
        let find = |port: &ServicePort| {
            self.backend_tls
                .find(&service.namespace, &service.name, &port.name)
        };
        service.ports.iter().filter_map(find).cloned().collect()
    }

    /// The names that are kept resolved for a service.
    fn names_of(&self, service: &Service) -> Vec<Name> {
        let kept = match service.resolution {
            Resolution::Dns | Resolution::DnsRoundRobin => service.endpoints.as_slice(),
            Resolution::None | Resolution::Static | Resolution::DynamicDns => &[],
        };
        let hosts = kept
            .iter()
            .filter_map(|endpoint| endpoint.workload.hostname.as_ref()?.parse().ok());
        let known = hosts.map(|host| {
            let mut name = self.names.known(&host);
            if service.resolution == Resolution::DnsRoundRobin {
                // Read when they are needed.
                name.addresses.clear();
            }
            name
        });
        known.collect()
    }
}

/// The object that declares a service.
fn origin(service: &Service) -> ObjectRef {
    ObjectRef::new(
        kind_of(service),
        service.namespace.as_str(),
        service.name.as_str(),
    )
}

fn kind_of(service: &Service) -> Kind {
    match service.origin {
        Origin::Kubernetes => Kind::Service,
        Origin::ServiceEntry => Kind::ServiceEntry,
    }
}

#[cfg(test)]
mod tests;
