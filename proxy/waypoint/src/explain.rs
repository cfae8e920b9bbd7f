//! The decision for one request, phase by phase, from the same compiled configuration that requests read.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use cairn_config::State;
use cairn_hbone::DrainWatch;
use cairn_identity::SpiffeId;
use cairn_jwt::{Authenticated, Cache};
use cairn_mesh::{Outbound, Service, Snapshot, Waypoint, Workload, l4};
use cairn_route::{Action, CrossOrigin, Destination};
use cairn_wasm::Reason;
use http::request::Parts;
use http::uri::Authority;

use crate::cluster::Cluster;
use crate::compile::compile;
use crate::downstream::{Downstream, Learnt, Target};
use crate::exchange::Scope;
use crate::failure::Failure;
use crate::head;
use crate::plan::{Plans, RoutePlan};
use crate::plugin::{Attached, FailStrategy, Phase, Trials};
use crate::upstream::{Dialer, Keeping, Upstream};
use crate::{authenticate, authorize};

/// One request to explain.
#[derive(Debug)]
pub struct Question {
    /// Namespace of the caller.
    pub namespace: String,
    /// Service account of the caller.
    pub service_account: String,
    /// The request; its target is a URL.
    pub request: http::Request<()>,
}

/// What would become of a request.
#[derive(Debug, Default)]
pub struct Explanation {
    /// Phase and what it decides, in order.
    pub steps: Vec<(&'static str, String)>,
    /// Whether it reaches an endpoint or an answer that a route gives.
    pub passes: bool,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (phase, decision) in &self.steps {
            writeln!(f, "{phase:<10} {decision}")?;
        }
        Ok(())
    }
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuestionError {
    /// No pod runs as the caller.
    #[error(
        "no workload runs as service account {1} in namespace {0}; see the pods' spec.serviceAccountName"
    )]
    NoCaller(String, String),
    /// The URL has no host.
    #[error("the URL names no host; write http://SERVICE:PORT/PATH")]
    NoHost,
    /// Nothing in the mesh has the host's name or address.
    #[error("nothing in the mesh is called {0}")]
    UnknownHost(String),
}

/// Explains what becomes of a request. `trials` says which filters can be had.
///
/// # Errors
///
/// [`QuestionError`]: the caller or the host is not in the mesh.
pub fn explain(state: &State, question: &Question, trials: &Trials) -> Result<Explanation, QuestionError> {
    let (mesh, _) = Snapshot::compile(state);
    let caller = caller(&mesh, question)?;
    let destination = destination(&mesh, caller, question)?;
    let mut explanation = Explanation::default();
    explanation.say("caller", format!("{} ({})", caller.uid, caller.identity));
    let outbound = mesh.outbound(caller, destination, |candidates| candidates.pick(0));
    match outbound {
        Outbound::Waypoint {
            waypoint,
            address,
            authority,
            ..
        } => {
            explanation.say(
                "ztunnel",
                format!("{authority} goes through waypoint {} at {address}", waypoint.key),
            );
            let (plans, _) = compile(state, &waypoint.key);
            let way = Way {
                plans: &plans,
                waypoint: &waypoint,
                trials,
            };
            explanation.at_waypoint(&way, caller, authority, question);
        }
        Outbound::Hbone {
            workload, authority, ..
        } => {
            explanation.say(
                "ztunnel",
                format!(
                    "no waypoint: a tunnel straight to {} at {authority}",
                    workload.uid
                ),
            );
            explanation.passes = explanation.delivery(&mesh, &caller.identity, &workload, authority);
        }
        Outbound::Plain {
            workload, address, ..
        } => {
            explanation.say(
                "ztunnel",
                format!(
                    "no waypoint, and {} is not captured: plain TCP to {address}",
                    workload.uid
                ),
            );
            explanation.passes = true;
        }
        Outbound::Passthrough { address } => {
            explanation.say(
                "ztunnel",
                format!("the mesh does not know {address}: passed through as it is"),
            );
            explanation.passes = true;
        }
        Outbound::Refuse { reason, .. } => explanation.say("ztunnel", format!("refused: {reason}")),
    }
    Ok(explanation)
}

/// The waypoint that a request goes through.
struct Way<'a> {
    plans: &'a Plans,
    waypoint: &'a Waypoint,
    trials: &'a Trials,
}

impl Explanation {
    fn say(&mut self, phase: &'static str, decision: String) {
        self.steps.push((phase, decision));
    }

    fn at_waypoint(&mut self, way: &Way<'_>, caller: &Workload, local: SocketAddr, question: &Question) {
        let plans = way.plans;
        let Some(downstream) = connection(plans, caller, local) else {
            return self.say(
                "tunnel",
                "refused: nothing in the mesh has this address".to_owned(),
            );
        };
        let scope = Scope::of(plans, &downstream.target, &downstream.peer);
        if matches!(scope, Scope::Gone) {
            return self.say(
                "tunnel",
                "refused: the destination does not belong to this waypoint".to_owned(),
            );
        }
        let mut parts = question.parts();
        let normalization = plans.mesh.mesh.path_normalization;
        let authority = match head::normalise(&mut parts, normalization, &downstream.authority) {
            Ok(authority) => authority,
            Err(failure) => return self.say("answer", answer(&failure)),
        };
        if let Err(failure) = head::connect(&mut parts, None) {
            return self.say("answer", answer(&failure));
        }
        head::sanitise(&mut parts);
        self.say("head", format!("{} {} for {authority}", parts.method, parts.uri));
        let access = downstream.access_of(&parts, &authority, Learnt::default());
        for (set, access) in scope.policies(access) {
            for custom in set.customs(&access) {
                match plans.externals.get(&*custom.provider) {
                    Some(external) => self.say(
                        "external",
                        format!(
                            "{custom} at {}, who may refuse or change it",
                            external.cluster.name
                        ),
                    ),
                    None => {
                        self.say("external", format!("{custom}, which is not there"));
                        return self.say("answer", answer(&Failure::Denied(custom.details)));
                    }
                }
            }
        }
        let filters = scope.filters();
        let before = filters.iter().filter(|one| one.spec.phase <= Phase::Authn);
        if !self.filters(before, way.trials) {
            return;
        }
        let token = match self.authenticate(&scope, &mut parts, &authority) {
            Ok(token) => token,
            Err(failure) => return self.say("answer", answer(&failure)),
        };
        let between = filters.iter().filter(|one| one.spec.phase == Phase::Authz);
        if !self.filters(between, way.trials) {
            return;
        }
        if !filters.is_empty() {
            let unknown = "what filters answer, change or note is not known here: what follows is about the request as it came";
            self.say("filter", unknown.to_owned());
        }
        let learnt = Learnt {
            token: token.as_ref(),
            ..Learnt::default()
        };
        let access = downstream.access_of(&parts, &authority, learnt);
        for (set, access) in scope.policies(access) {
            for step in set.explain(&access) {
                self.say("authorize", step.to_string());
            }
        }
        if let Err(failure) = authorize::check(scope.policies(access)) {
            return self.say("answer", answer(&failure));
        }
        self.say("authorize", "allowed".to_owned());
        let after = filters.iter().filter(|one| one.spec.phase > Phase::Authz);
        if !self.filters(after, way.trials) {
            return;
        }
        match scope.find(&downstream.head_of(&parts, &authority, learnt)) {
            Ok(route) => {
                let judged = route
                    .cors()
                    .map(|cors| cors.judge(parts.method.as_str(), &parts.headers));
                let preflight = matches!(judged, Some(CrossOrigin::Preflight(_)));
                self.follow(plans, way.waypoint, &route, preflight);
            }
            Err(failure) => self.say("answer", answer(&failure)),
        }
    }

    /// Whose token the request carries. Keys that are fetched are not there without a waypoint that runs.
    fn authenticate(
        &mut self,
        scope: &Scope,
        parts: &mut Parts,
        authority: &Authority,
    ) -> Result<Option<Authenticated>, Failure> {
        let mut all = scope.requirements();
        if all.any(|requirements| requirements.keys().any(|keys| keys.is_remote())) {
            let unknown = "keys are fetched by the waypoint: what a token proves is not known here, and it is taken for none";
            self.say("token", unknown.to_owned());
            return Ok(None);
        }
        let Some(token) = authenticate::verify(scope, parts, authority, &Cache::default())? else {
            return Ok(None);
        };
        self.say(
            "token",
            match &token {
                Some(token) => format!("of {}/{}", token.issuer(), token.subject().unwrap_or_default()),
                None => "none: the request has no identity of a user".to_owned(),
            },
        );
        Ok(token)
    }

    /// What filters would do is theirs to know; those that cannot be had let requests on or do not.
    fn filters<'a>(&mut self, filters: impl Iterator<Item = &'a Attached>, trials: &Trials) -> bool {
        for attached in filters {
            let spec = &attached.spec;
            let place = format!("{} in phase {}", spec.object, spec.phase);
            let reason = match trials.get(&spec.object) {
                Some(Err(reason)) => reason,
                known => {
                    let sees = known.and_then(|known| known.as_ref().ok());
                    let sees = sees.map_or_else(String::new, |hooks| format!(" sees {hooks};"));
                    self.say("filter", format!("{place}{sees} if it fails, {}", spec.fail));
                    continue;
                }
            };
            self.say("filter", format!("{place} cannot be had: {reason}"));
            if spec.fail != FailStrategy::Open {
                let failure = Failure::Filter {
                    plugin: Arc::clone(&spec.label),
                    reason: Reason::Missing,
                };
                self.say("answer", answer(&failure));
                return false;
            }
            self.say("filter", spec.fail.to_string());
        }
        true
    }

    fn follow(&mut self, plans: &Plans, waypoint: &Waypoint, route: &RoutePlan, preflight: bool) {
        match &route.route {
            Some(found) => self.say(
                "route",
                format!("{} {} {}", found.source, found.field, quoted(&found.name)),
            ),
            None => self.say("route", "the default: no VirtualService applies".to_owned()),
        }
        if let Some(delay) = route.fault().and_then(|fault| fault.delay.as_ref()) {
            self.say(
                "fault",
                format!("delay of {:?} for {}", delay.fixed, delay.percentage),
            );
        }
        if let Some(abort) = route.fault().and_then(|fault| fault.abort.as_ref()) {
            self.say(
                "fault",
                format!("abort with {:?} for {}", abort.status, abort.percentage),
            );
        }
        if preflight {
            self.say(
                "answer",
                "200: what a browser asks beforehand, by corsPolicy".to_owned(),
            );
            self.passes = true;
            return;
        }
        match route.action() {
            Some(Action::Redirect(redirect)) => self.say("answer", format!("redirect, {}", redirect.status)),
            Some(Action::DirectResponse(direct)) => {
                self.say("answer", format!("direct response, {}", direct.status))
            }
            Some(Action::Broken { reason }) => return self.say("answer", format!("500: {reason}")),
            _ => return self.clusters(plans, waypoint, route),
        }
        self.passes = true;
    }

    fn clusters(&mut self, plans: &Plans, waypoint: &Waypoint, route: &RoutePlan) {
        // A sole destination gets everything, whatever its weight.
        let destinations: Vec<Option<&Destination>> = match route.action() {
            Some(Action::Forward(all)) => all.iter().map(Some).collect(),
            _ => vec![None],
        };
        let many = destinations.len() > 1;
        for (destination, cluster) in destinations.into_iter().zip(&route.clusters) {
            if let Some(reason) = destination.and_then(|destination| destination.broken.as_deref()) {
                self.say("cluster", format!("500: {reason}"));
                continue;
            }
            let weight = destination.filter(|_| many).map(|destination| destination.weight);
            match cluster.as_deref() {
                None => {
                    let answer = "503: the mesh has no such host, port or subset, or may send nothing there; `cairn validate` says why";
                    self.say("cluster", answer.to_owned());
                }
                Some(cluster) => self.endpoints(plans, waypoint, weight, cluster),
            }
        }
    }

    fn endpoints(&mut self, plans: &Plans, waypoint: &Waypoint, weight: Option<u32>, cluster: &Cluster) {
        let weight = weight.map_or_else(String::new, |weight| format!(" (weight {weight})"));
        self.say("cluster", format!("{}{weight}", cluster.name));
        if let Some(whereabouts) = cluster.whereabouts() {
            self.say("endpoint", whereabouts);
            self.passes = true;
        } else if cluster.endpoints().next().is_none() {
            self.say("endpoint", answer(&Failure::NoHealthyUpstream));
        }
        for endpoint in cluster.endpoints() {
            let upstream = &endpoint.data;
            let guard = upstream.guard.as_deref();
            let through = guard.map_or_else(String::new, |guard| {
                format!(", through waypoint {}, whose policies have a say", guard.key)
            });
            self.say(
                "endpoint",
                format!("{} at {}{through}", upstream.workload.uid, upstream.address),
            );
            let peer = &guard.unwrap_or(waypoint).identity;
            if self.delivery(&plans.mesh, peer, &upstream.workload, upstream.address) {
                self.passes = true;
            }
        }
    }

    /// What the destination's ztunnel says.
    fn delivery(
        &mut self,
        mesh: &Snapshot,
        peer: &SpiffeId,
        workload: &Workload,
        destination: SocketAddr,
    ) -> bool {
        let connection = l4::Connection {
            peer: Some(peer),
            source: destination.ip(),
            destination,
        };
        match mesh.l4().verdict(workload, &connection) {
            l4::Verdict::Allow => true,
            l4::Verdict::Deny { reason, .. } => {
                self.say(
                    "ztunnel",
                    format!("refused at {destination} for {peer}: {reason}"),
                );
                false
            }
        }
    }
}

impl Question {
    fn parts(&self) -> Parts {
        let mut parts = http::Request::new(()).into_parts().0;
        parts.method = self.request.method().clone();
        parts.uri = self.request.uri().clone();
        parts.headers = self.request.headers().clone();
        parts
    }
}

fn caller<'a>(mesh: &'a Snapshot, question: &Question) -> Result<&'a Arc<Workload>, QuestionError> {
    mesh.workloads()
        .find(|workload| {
            workload.identity.namespace() == question.namespace
                && workload.identity.service_account() == question.service_account
                && workload.gateway.is_none()
        })
        .ok_or_else(|| QuestionError::NoCaller(question.namespace.clone(), question.service_account.clone()))
}

/// The address that the caller would connect to: as DNS would answer it.
fn destination(mesh: &Snapshot, caller: &Workload, question: &Question) -> Result<SocketAddr, QuestionError> {
    let uri = question.request.uri();
    let host = uri.host().ok_or(QuestionError::NoHost)?;
    let port = uri.port_u16().unwrap_or(80);
    if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, port));
    }
    let domain = &mesh.mesh.cluster_domain;
    let namespace = &caller.namespace;
    let candidates = [
        host.to_owned(),
        format!("{host}.{namespace}.svc.{domain}"),
        format!("{host}.svc.{domain}"),
        format!("{host}.{domain}"),
    ];
    let service = candidates
        .iter()
        .find_map(|name| mesh.service_named(name, namespace));
    let service: &Arc<Service> = service.ok_or_else(|| QuestionError::UnknownHost(host.to_owned()))?;
    let address = service
        .vips
        .first()
        .copied()
        .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    Ok(SocketAddr::new(address, port))
}

/// The caller's connection to `local`, as this waypoint sees it.
fn connection(plans: &Plans, caller: &Workload, local: SocketAddr) -> Option<Downstream> {
    let target = match plans.mesh.service_at(local.ip(), &caller.namespace) {
        Some(service) => Target::Service(Arc::clone(&service.id), local.port()),
        None => {
            let workload = plans.mesh.workload_by_ip(local.ip())?;
            let upstream =
                Upstream::direct(&Arc::new(Dialer::offline()), workload, local, &Keeping::default());
            let route = Arc::new(RoutePlan::direct(upstream, local, &plans.retry));
            Target::Workload(Arc::clone(&workload.uid), local, route)
        }
    };
    let remote = SocketAddr::new(caller.addresses.first().copied()?, 0);
    let drain = DrainWatch::never();
    Downstream::new(&plans.mesh, caller.identity.clone(), remote, local, target, drain)
}

fn quoted(name: &str) -> String {
    if name.is_empty() {
        String::new()
    } else {
        format!("({name})")
    }
}

fn answer(failure: &Failure) -> String {
    let reply = failure.reply();
    format!("{} {} [{}]", reply.status, reply.body, reply.details)
}
