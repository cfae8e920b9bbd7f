//! From objects to [`Plans`], off the data path.
//!
//! Each service's plan is compiled from its own [`Inputs`]; a service whose inputs are as they were keeps its plan.

mod balancing;
mod clusters;
mod memory;
mod outbound;
mod plugins;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use cairn_api::gateway::{GrpcRoute, HttpRoute, ReferenceGrant};
use cairn_api::istio::{AccessLogEncoding, AuthorizationPolicy, VirtualService};
use cairn_api::meta::{Key, Kind, ObjectRef};
use cairn_authz::attach::{self, Target, TargetService};
use cairn_authz::{CompileOptions, PolicySet};
use cairn_config::{BrokenPolicy, Problem, Severity, State};
use cairn_mesh::{Locality, MeshSettings, Origin, Service, ServicePort, Snapshot, Waypoint};
use cairn_route::{
    Action, Destination, DestinationRules, GatewayRoutes, HostPolicy, Inputs as RouteInputs, KnownService,
    LastGood, Retry, Route, RouteTable, TcpAction, TcpRoute, TcpRoutes, VirtualServices,
};

use crate::access_log::Format;
use crate::labels;
use crate::plan::{Plans, PortPlan, RoutePlan, ServicePlan, WorkloadPlan};
use crate::plugin::{PluginSpec, Slots};
use crate::upstream::{Dialer, Upstreams};

/// Compiles one version of the configuration after the other for one waypoint.
pub(crate) struct Compiler {
    gateway: Key,
    upstreams: Upstreams,
    memory: memory::Memory,
    last_good: LastGood,
    compiled: HashMap<Arc<str>, Compiled>,
    slots: Arc<Slots>,
}

/// A plan with all that it was made from and all that was wrong with that.
struct Compiled {
    inputs: Inputs,
    destinations: Vec<Found>,
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
    /// There if there are routes that may need them.
    reference_grants: Vec<Arc<ReferenceGrant>>,
    policies: Vec<Arc<AuthorizationPolicy>>,
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
}

/// Compiles the waypoint `gateway` without serving it, to explain and to validate.
pub fn compile(state: &State, gateway: &Key) -> (Plans, Vec<Problem>) {
    let dialer = Arc::new(Dialer::offline());
    Compiler::new(gateway.clone(), dialer, Arc::default()).compile(state)
}

impl Compiled {
    /// Nothing was missing that may have come since.
    fn is_whole(&self) -> bool {
        let mut problems = self.problems.iter();
        problems.all(|problem| problem.severity != Severity::Error)
    }
}

impl Compiler {
    pub(crate) fn new(gateway: Key, dialer: Arc<Dialer>, slots: Arc<Slots>) -> Compiler {
        Compiler {
            gateway,
            upstreams: Upstreams::new(dialer),
            memory: memory::Memory::default(),
            last_good: LastGood::default(),
            compiled: HashMap::new(),
            slots,
        }
    }

    /// The plans of `state`, and what is wrong in it.
    pub(crate) fn compile(&mut self, state: &State) -> (Plans, Vec<Problem>) {
        let (mesh, mut problems) = Snapshot::compile(state);
        let access_log = access_log(&mesh.mesh, &mut problems);
        let (virtual_services, found) = self.last_good.admit(state.objects.virtual_services.values());
        problems.extend(found);
        let rules: Vec<_> = state.objects.destination_rules.values().cloned().collect();
        let (rules, found) = DestinationRules::new(&rules, &mesh.mesh.root_namespace);
        problems.extend(found);

        let (retry, found) = mesh_retry(&mesh.mesh);
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
            plugins: Vec::new(),
            access_log,
            mesh,
        };
        let mut before = std::mem::take(&mut self.compiled);
        self.memory.begin();
        if let Some(waypoint) = &plans.waypoint {
            let services: Vec<_> = plans.mesh.services_of_waypoint(&waypoint.key).collect();
            let root_namespace = &plans.mesh.mesh.root_namespace;
            let (plugins, found) = plugins::Plugins::of(state, waypoint, root_namespace, &services);
            problems.extend(found);
            let shared = Shared {
                plugins,
                state,
                mesh: &plans.mesh,
                waypoint,
                settings: Arc::new(plans.mesh.mesh.clone()),
                virtual_services: VirtualServices::new(&virtual_services),
                gateway_routes: gateway_routes(state),
                retry: plans.retry.clone(),
                place: self.place(&plans.mesh, waypoint),
                reference_grants: state.objects.reference_grants.values().cloned().collect(),
                rules,
                options: options(&plans.mesh.mesh),
                targets: targets(state),
            };
            for service in services {
                let compiled = self.service(service, &shared, before.remove(&service.hostname));
                problems.extend(compiled.problems.iter().cloned());
                plans
                    .services
                    .insert(Arc::clone(&service.hostname), Arc::clone(&compiled.plan));
                self.compiled.insert(Arc::clone(&service.hostname), compiled);
            }
            plans.filters = plugins::chain(&shared.plugins.of_target(None), None, &self.slots);
            plans.plugins = shared.plugins.bound(&plans.services, &plans.filters);
            plans.outbound = self.outbound(&shared, &plans.plugins, &mut problems);
            let (workloads, found) = shared.workloads();
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
                .all(|found| shared.find(&found.host) == *found)
        {
            return before;
        }
        let (policies, found) = PolicySet::compile(&inputs.policies, &inputs.broken, &shared.options);
        problems.extend(found);
        let mut hosts = vec![service.hostname.to_string()];
        let mut told = HashSet::new();
        let mut ports = Vec::with_capacity(service.ports.len());
        for port in &service.ports {
            let (table, found) = shared.routes(&inputs, port);
            problems.extend(found);
            let mut clusters = clusters::Clusters {
                shared,
                upstreams: &mut self.upstreams,
                memory: &mut self.memory,
                problems: &mut problems,
            };
            let default = Arc::new(RoutePlan {
                name: "default".into(),
                route: None,
                retry: shared.retry.clone(),
                clusters: vec![clusters.of(&service.hostname, Some(port.number), None)],
                mirror_clusters: Vec::new(),
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
                ports,
            }),
            destinations: hosts.iter().map(|host| shared.find(host)).collect(),
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
        let reference_grants = if http_routes.is_empty() && grpc_routes.is_empty() {
            Vec::new()
        } else {
            self.reference_grants.clone()
        };
        let inputs = Inputs {
            http_routes,
            grpc_routes,
            reference_grants,
            virtual_services: self.virtual_services.of(
                &service.hostname,
                &service.namespace,
                &self.waypoint.key.namespace,
            ),
            service: Arc::clone(service),
            policies: selection.policies,
            broken: selection.broken,
            settings: Arc::clone(&self.settings),
            place: self.place.clone(),
            plugins: self.plugins.of_target(Some(service)),
        };
        (inputs, selection.problems)
    }

    /// The policies that bind to a service.
    fn select(&self, service: &Service) -> attach::Selection {
        let labels: Vec<_> = service
            .endpoints
            .iter()
            .map(|endpoint| &endpoint.workload.labels)
            .collect();
        self.select_for(
            &service.namespace,
            Some(TargetService {
                kind: kind_of(service),
                name: &service.name,
            }),
            &labels,
        )
    }

    fn select_for(
        &self,
        namespace: &str,
        service: Option<TargetService<'_>>,
        workloads: &[&BTreeMap<String, String>],
    ) -> attach::Selection {
        let target = Target {
            namespace,
            service,
            gateway: &self.waypoint.key,
            gateway_class: &self.waypoint.class,
            legacy: self.waypoint.legacy.is_some(),
            workloads,
        };
        let objects = &self.state.objects;
        attach::select(
            objects.authorization_policies.values(),
            objects.broken_policies.values(),
            &target,
            &self.settings.root_namespace,
        )
    }

    /// The workloads that may be addressed through the waypoint. Those that policies cannot tell apart share a set.
    fn workloads(&self) -> (HashMap<Arc<str>, WorkloadPlan>, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut sets: BTreeMap<(&str, &BTreeMap<String, String>), Arc<PolicySet>> = BTreeMap::new();
        let mut plans = HashMap::new();
        for workload in self.mesh.workloads() {
            let bound = workload.waypoint.as_ref() == Some(&self.waypoint.key);
            let outbound = workload.waypoint.is_none() && self.waypoint.legacy.is_some();
            if !bound && !outbound {
                continue;
            }
            let set = sets
                .entry((&workload.namespace, &workload.labels))
                .or_insert_with(|| {
                    let selection = self.select_for(&workload.namespace, None, &[&workload.labels]);
                    let (set, found) =
                        PolicySet::compile(&selection.policies, &selection.broken, &self.options);
                    problems.extend(selection.problems);
                    problems.extend(found);
                    Arc::new(set)
                });
            plans.insert(
                Arc::clone(&workload.uid),
                WorkloadPlan {
                    bound,
                    policies: Arc::clone(set),
                },
            );
        }
        (plans, problems)
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
            self.mesh.service_by_host(host).map(|service| KnownService {
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

    fn find(&self, host: &str) -> Found {
        let service = self.mesh.service_by_host(host).cloned();
        let namespace = service.as_ref().map_or("", |service| service.namespace.as_str());
        let policy = self
            .rules
            .find(host, namespace, &self.waypoint.key.namespace)
            .cloned();
        Found {
            host: host.to_owned(),
            guards: self.guards(service.as_deref()),
            guarded: service.as_deref().is_some_and(|service| self.is_guarded(service)),
            service,
            policy,
        }
    }

    fn is_guarded(&self, service: &Service) -> bool {
        let target = (&*service.namespace, kind_of(service).as_str(), &*service.name);
        service.waypoint.as_ref() == Some(&self.waypoint.key) && self.targets.contains(&target)
    }

    /// Where a route of `service` leads past the policies of another service: only those of the service that a request is
    /// addressed to are asked, as in Istio.
    fn past_policies(&self, service: &Service, route: &Route) -> Vec<Problem> {
        let forwarded = match &route.action {
            Action::Forward(destinations) => Some(destinations.iter()),
            _ => None,
        };
        let mirrored = route.mirrors.iter().map(|mirror| &mirror.destination);
        let destinations = forwarded.into_iter().flatten().chain(mirrored);
        self.past(service, &route.source, &route.field, destinations)
    }

    fn past_policies_of_connections(&self, service: &Service, route: &TcpRoute) -> Vec<Problem> {
        match &route.action {
            TcpAction::Forward(destinations) => {
                self.past(service, &route.source, &route.field, destinations.iter())
            }
            TcpAction::Broken { .. } => Vec::new(),
        }
    }

    fn past<'d>(
        &self,
        service: &Service,
        source: &ObjectRef,
        field: &str,
        destinations: impl Iterator<Item = &'d Destination>,
    ) -> Vec<Problem> {
        let field = field.split(".match").next().unwrap_or_default();
        let field = match source.kind {
            Kind::VirtualService => format!("{field}.route"),
            _ => field.to_owned(),
        };
        destinations
            .filter(|destination| *destination.host != *service.hostname)
            .filter_map(|destination| self.mesh.service_by_host(&destination.host))
            .filter(|other| self.is_guarded(other))
            .map(|other| {
                Problem::warning(
                    source.clone(),
                    field.clone(),
                    format!(
                        "policies of {} do not apply to what this route sends there: those of {} do",
                        other.hostname, service.hostname
                    ),
                    "name both services in the targetRefs of these policies, or the Gateway",
                )
            })
            .collect()
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

fn gateway_routes(state: &State) -> GatewayRoutes {
    let http: Vec<_> = state.objects.http_routes.values().cloned().collect();
    let grpc: Vec<_> = state.objects.grpc_routes.values().cloned().collect();
    GatewayRoutes::new(&http, &grpc)
}

fn kind_of(service: &Service) -> Kind {
    match service.origin {
        Origin::Kubernetes => Kind::Service,
        Origin::ServiceEntry => Kind::ServiceEntry,
    }
}

fn targets(state: &State) -> BTreeSet<(&str, &str, &str)> {
    let policies = state.objects.authorization_policies.values();
    policies
        .flat_map(|policy| {
            let spec = &policy.spec;
            let references = spec.target_refs.iter().chain(&spec.target_ref);
            references.map(|target| (&*policy.metadata.namespace, &*target.kind, &*target.name))
        })
        .collect()
}

fn options(settings: &MeshSettings) -> CompileOptions {
    CompileOptions {
        trust_domain: settings.trust_domain.to_string(),
        aliases: settings.trust_domain_aliases.clone(),
        root_namespace: settings.root_namespace.clone(),
    }
}

/// The retries of routes that say nothing about them.
fn mesh_retry(settings: &MeshSettings) -> (Retry, Vec<Problem>) {
    let object = ObjectRef::new(Kind::ConfigMap, "istio-system", "istio");
    match &settings.config.default_http_retry_policy {
        Some(written) => cairn_route::compile_retry(written, object, "data.mesh.defaultHttpRetryPolicy"),
        None => (Retry::default(), Vec::new()),
    }
}

/// The format of the access log, when MeshConfig asks for one.
fn access_log(settings: &MeshSettings, problems: &mut Vec<Problem>) -> Option<Format> {
    if settings.access_log_file.is_empty() {
        return None;
    }
    let json = settings.access_log_encoding == AccessLogEncoding::Json;
    if json || settings.access_log_format.is_empty() {
        return Some(if json {
            Format::istio_json()
        } else {
            Format::istio()
        });
    }
    let (format, unknown) = Format::text(&settings.access_log_format);
    problems.extend(unknown.into_iter().map(|operator| {
        Problem::warning(
            ObjectRef::new(Kind::ConfigMap, "istio-system", "istio"),
            "data.mesh",
            format!("accessLogFormat: {operator} is not known and is always printed as -"),
            "remove it",
        )
    }));
    Some(format)
}

#[cfg(test)]
mod tests;
