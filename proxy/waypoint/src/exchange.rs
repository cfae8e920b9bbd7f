//! One request on its way through the pipeline.

use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use cairn_authz::PolicySet;
use cairn_balance::Endpoint;
use cairn_ext_authz::Allowed;
use cairn_http::upgrade::{OnUpgrade, Wanted};
use cairn_identity::SpiffeId;
use cairn_jwt::{Authenticated, Requirements};
use cairn_mesh::AppProtocol;
use cairn_route::{Connection, Facts, Note, RequestHead, UpstreamFacts};
use cairn_telemetry::traffic::{Interned, ServiceLabels};
use http::HeaderMap;
use http::request::Parts;
use http::uri::Authority;

use crate::attributes::Known;
use crate::cluster::Cluster;
use crate::downstream::{Asked, Downstream, Learnt, Target};
use crate::failure::Failure;
use crate::filtering::Filters;
use crate::plan::{Plans, PortPlan, Reached, RoutePlan, ServicePlan};
use crate::plugin::{Attached, FailStrategy};
use crate::proxy::Proxy;
use crate::record::Recorder;
use crate::upstream::Upstream;

/// The name of the machine, as long as this process lives.
static HOSTNAME: LazyLock<String> = LazyLock::new(|| {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.map(|name| name.trim().to_owned()).unwrap_or_default()
});

/// A request, the snapshot that decides about it, and what has been decided.
pub(crate) struct Exchange {
    pub(crate) proxy: Arc<Proxy>,
    /// Loaded when the head had been read; used to the end.
    pub(crate) plans: Arc<Plans>,
    pub(crate) downstream: Arc<Downstream>,
    /// The head. Its target is in origin-form and normalised.
    pub(crate) parts: Parts,
    /// `:authority` or Host.
    pub(crate) authority: Authority,
    pub(crate) scope: Scope,
    /// The protocol that the client asks to switch to.
    pub(crate) switch: Option<Switch>,
    pub(crate) recorder: Recorder,
    /// What filters have noted about the request.
    pub(crate) noted: Vec<Note>,
    /// Who the request is from, by its token.
    pub(crate) token: Option<Authenticated>,
    /// The providers whose authorization servers have decided.
    pub(crate) asked: Vec<Arc<str>>,
    /// What authorization servers have said about the response.
    pub(crate) allowed: Vec<Allowed>,
    /// What filters are told about the exchange; none, when there are no filters.
    pub(crate) known: Option<Arc<Known>>,
    /// The endpoint that is being tried, where its cluster wants to know what comes of that.
    pub(crate) tried: Option<Arc<Endpoint<Upstream>>>,
    /// What the cross-origin rules of the route add to whatever is answered.
    pub(crate) cross_origin: Option<HeaderMap>,
    /// Those that see this request; none, once its response has passed them.
    pub(crate) filters: Option<Filters>,
}

/// A wish to stop speaking HTTP, and the stream that is left when it is granted.
pub(crate) struct Switch {
    pub(crate) wanted: Wanted,
    pub(crate) stream: OnUpgrade,
    /// There once the request has been authorized.
    pub(crate) request: Option<Asked>,
}

/// What the request is addressed to, in the snapshot.
#[derive(Clone)]
pub(crate) enum Scope {
    Service(Arc<ServicePlan>, Arc<PortPlan>),
    /// One workload, and the way to it.
    Workload(Reached, Arc<RoutePlan>),
    /// What the tunnel was opened for is not in the snapshot any more.
    Gone,
}

impl Scope {
    /// The policy sets that bind, each with the request as it is to see it.
    pub(crate) fn policies<'a>(
        &'a self,
        request: cairn_authz::Request<'a>,
    ) -> impl Iterator<Item = (&'a PolicySet, cairn_authz::Request<'a>)> {
        let (service, workload) = match self {
            Scope::Service(service, _) => (Some(&*service.policies), None),
            Scope::Workload(reached, _) => (None, Some(reached)),
            Scope::Gone => (None, None),
        };
        let bound = workload
            .into_iter()
            .flat_map(|reached| std::iter::once(&reached.own).chain(reached.stand.policies.iter()))
            .map(move |bound| {
                (
                    &*bound.set,
                    cairn_authz::Request {
                        destination: bound.destination,
                        ..request
                    },
                )
            });
        service.into_iter().map(move |set| (set, request)).chain(bound)
    }

    /// What tokens have to be, by each set of rules that binds.
    pub(crate) fn requirements(&self) -> impl Iterator<Item = &Requirements> {
        let (service, workload) = match self {
            Scope::Service(service, _) => (Some(&*service.requirements), None),
            Scope::Workload(reached, _) => (None, Some(reached)),
            Scope::Gone => (None, None),
        };
        let bound = workload.into_iter().flat_map(|reached| {
            let bound = std::iter::once(&reached.own).chain(reached.stand.policies.iter());
            bound.map(|bound| &*bound.requirements)
        });
        service.into_iter().chain(bound)
    }

    pub(crate) fn labels(&self, proxy: &Proxy) -> Interned<ServiceLabels> {
        match self {
            Scope::Service(service, _) => service.labels.clone(),
            Scope::Workload(..) | Scope::Gone => proxy.no_service.clone(),
        }
    }

    /// What a connection of `peer` is addressed to, in the snapshot of now.
    pub(crate) fn of(plans: &Plans, target: &Target, peer: &SpiffeId) -> Scope {
        match target {
            Target::Service(id, port) => {
                let found = plans.service(id).and_then(|service| {
                    let allowed = plans.may_use(&service.service, peer)
                        && service.service.exported.includes(peer.namespace());
                    let port = service.port(*port).filter(|_| allowed)?;
                    Some(Scope::Service(Arc::clone(service), Arc::clone(port)))
                });
                found.unwrap_or(Scope::Gone)
            }
            Target::Workload(uid, address, route) => {
                // The address may have been given to another since the tunnel was opened.
                let here = plans
                    .mesh
                    .workload_by_ip(address.ip())
                    .filter(|workload| workload.uid == *uid);
                let same = here.filter(|workload| route.leads_to(workload));
                match same.and_then(|_| plans.reach(uid, *address, peer)) {
                    Some(reached) => Scope::Workload(reached, Arc::clone(route)),
                    None => Scope::Gone,
                }
            }
        }
    }

    /// The route of a request.
    pub(crate) fn find(&self, head: &RequestHead<'_>) -> Result<Arc<RoutePlan>, Failure> {
        match self {
            Scope::Service(_, port) => port.find(head).cloned().ok_or(Failure::NoRoute),
            Scope::Workload(_, route) => Ok(Arc::clone(route)),
            Scope::Gone => Err(Failure::ClusterNotFound),
        }
    }

    /// The plugins that see requests, in their order.
    pub(crate) fn filters(&self) -> &[Attached] {
        match self {
            Scope::Service(_, port) => &port.filters,
            Scope::Workload(reached, _) => &reached.stand.filters,
            Scope::Gone => &[],
        }
    }

    pub(crate) fn protocol(&self) -> AppProtocol {
        match self {
            Scope::Service(_, port) => port.protocol,
            Scope::Workload(reached, _) => reached.stand.protocol,
            Scope::Gone => AppProtocol::Unknown,
        }
    }

    /// A filter that what is not HTTP may not go past: where nothing declares that it is something else.
    pub(crate) fn unmissable(&self) -> Option<&Attached> {
        if matches!(self.protocol(), AppProtocol::Tcp | AppProtocol::Tls) {
            return None;
        }
        let mut filters = self.filters().iter();
        filters.find(|attached| attached.spec.fail != FailStrategy::Open)
    }

    /// Whether a route or a policy of connections depends on the name that their TLS asks for.
    pub(crate) fn asks_for_server_name(&self, downstream: &Downstream) -> bool {
        let routes = match self {
            Scope::Service(_, port) => port.connections.as_ref(),
            Scope::Workload(..) | Scope::Gone => None,
        };
        let mut policies = self.policies(downstream.access(None));
        routes.is_some_and(|connections| connections.routes.asks_for_server_name())
            || policies.any(|(set, _)| set.asks_for_server_name())
    }

    /// The cluster of a connection that is not HTTP.
    pub(crate) fn cluster_of(&self, connection: &Connection<'_>) -> Result<&Arc<Cluster>, Failure> {
        let route = match self {
            Scope::Service(_, port) => {
                let routes = port.connections.as_ref();
                let routed = routes.and_then(|routes| routes.cluster(connection, rand::random()));
                if let Some(routed) = routed {
                    return routed;
                }
                &port.default
            }
            Scope::Workload(_, route) => route,
            Scope::Gone => return Err(Failure::ClusterNotFound),
        };
        let cluster = route.clusters.first().and_then(Option::as_ref);
        cluster.ok_or(Failure::ClusterNotFound)
    }
}

impl Exchange {
    /// Takes the snapshot that decides about the request from here to its end.
    pub(crate) fn open(proxy: &Arc<Proxy>, downstream: Arc<Downstream>, parts: Parts) -> Exchange {
        let plans = proxy.plans.load_full();
        let scope = Scope::of(&plans, &downstream.target, &downstream.peer);
        let recorder = Recorder::open(proxy, &plans, &downstream, scope.labels(proxy), &parts);
        let authority = downstream.authority.clone();
        Exchange {
            proxy: Arc::clone(proxy),
            plans,
            downstream,
            parts,
            authority,
            scope,
            switch: None,
            recorder,
            noted: Vec::new(),
            token: None,
            asked: Vec::new(),
            allowed: Vec::new(),
            known: None,
            tried: None,
            cross_origin: None,
            filters: None,
        }
    }

    /// Chooses the filters that see this request.
    pub(crate) async fn filter(&mut self) -> Result<(), Failure> {
        let chain = self.scope.filters();
        if chain.is_empty() {
            return Ok(());
        }
        let service = match &self.scope {
            Scope::Service(service, _) => Some(&service.service),
            Scope::Workload(..) | Scope::Gone => None,
        };
        let known = Known {
            downstream: Arc::clone(&self.downstream),
            service: service.map(|service| (Arc::clone(&service.hostname), service.namespace.clone())),
            protocol: protocol(self.parts.version),
            began: std::time::Instant::now(),
            token: OnceLock::new(),
        };
        let known = Arc::new(known);
        self.known = Some(Arc::clone(&known));
        let normalization = self.plans.mesh.mesh.path_normalization;
        let begun = Filters::begin(chain, &self.parts, &self.authority, normalization, known);
        self.filters = begun.await?;
        Ok(())
    }

    /// Nothing changes the request any more: what it would open is open for as long as policies allow just this.
    pub(crate) fn settle(&mut self) {
        if let Some(switch) = &mut self.switch {
            switch.request = Some(Asked {
                parts: self.parts.clone(),
                authority: self.authority.clone(),
                noted: self.noted.clone(),
                token: self.token.clone(),
                asked: self.asked.clone(),
            });
        }
    }

    fn learnt(&self) -> Learnt<'_> {
        Learnt {
            noted: &self.noted,
            token: self.token.as_ref(),
        }
    }

    /// The request as routes see it.
    pub(crate) fn head(&self) -> RequestHead<'_> {
        self.downstream
            .head_of(&self.parts, &self.authority, self.learnt())
    }

    /// The request as policies see it.
    pub(crate) fn access(&self) -> cairn_authz::Request<'_> {
        self.downstream
            .access_of(&self.parts, &self.authority, self.learnt())
    }

    /// What header values may quote. `flags` are those of the recorder.
    pub(crate) fn facts<'a>(&'a self, route_name: &'a str, flags: &'a str) -> Facts<'a> {
        self.recorder.facts(Facts {
            method: self.parts.method.as_str(),
            path: self
                .parts
                .uri
                .path_and_query()
                .map_or("", |target| target.as_str()),
            authority: self.authority.as_str(),
            scheme: "http",
            protocol: protocol(self.parts.version),
            downstream_remote: self.downstream.remote,
            downstream_local: self.downstream.local,
            downstream_peer: Some(self.downstream.peer.as_str()),
            identity: None,
            start: std::time::SystemTime::now(),
            lasted: Duration::ZERO,
            request_ended: None,
            response_began: None,
            received: 0,
            route_name,
            hostname: &HOSTNAME,
            noted: &self.noted,
            upstream: UpstreamFacts::default(),
            response_code: None,
            response_flags: flags,
            response_code_details: None,
            trace: None,
            unique: rand::random::<u128>,
        })
    }
}

fn protocol(version: http::Version) -> &'static str {
    if version == http::Version::HTTP_2 {
        "HTTP/2"
    } else {
        "HTTP/1.1"
    }
}
