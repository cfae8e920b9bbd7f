//! From VirtualServices, or routes of the Gateway API, to a [`RouteTable`] and to [`TcpRoutes`].

mod actions;
mod blocks;
mod conditions;
mod cors;
mod delegates;
mod destinations;
mod faults;
mod findings;
mod gateway;
mod inputs;
mod mirrors;
mod operations;
mod responses;
mod retries;
mod rewrites;
mod select;
mod tcp;
mod written;

use std::sync::Arc;

use cairn_api::istio::{HttpRetry, HttpRoute, VirtualService};
use cairn_api::meta::{Kind, ObjectRef};
use cairn_config::Problem;

use actions::Plan;
use blocks::Block;
use findings::Findings;
pub use gateway::{
    GatewayRoutes, RouteScope, grpc_route_status, http_route_status, tcp_route_status, tls_route_status,
};
pub(crate) use gateway::{grpc_route, http_route, tcp_route, tls_route};
pub use inputs::{Inputs, KnownService, KnownServices};
pub use select::VirtualServices;
use written::Place;

use crate::matcher::Matcher;
use crate::retry::Retry;
use crate::route::Route;
use crate::table::RouteTable;
use crate::tcp::{TcpRoute, TcpRoutes};

/// Compiles the routes of one service and port. `None`: nothing has a route for it, and the service has its default
/// route.
///
/// Where a route of the Gateway API is attached, those decide, in the order of the specification, and VirtualServices do
/// not. Else VirtualServices that apply are taken in Istio's order, and their routes and match blocks in theirs. The first
/// that matches a request decides; a table without a match is the answer 404.
///
/// What cannot be compiled never lets a request slip through to a later route:
/// * A route whose match compiles, but whose action does not, answers 500 ([`Action::Broken`](crate::Action::Broken)).
/// * A VirtualService with a match that does not compile is passed over as a whole, as if it had been refused when
///   it was applied, which is what Istio does. [`LastGood`](crate::LastGood) puts its previous version in its place
///   beforehand, where there is one; [`LastGoodRoutes`](crate::LastGoodRoutes) does so for routes of the Gateway API.
/// * Of an HTTPRoute or GRPCRoute, a match that does not compile answers 500 to all that it may have matched, and a backend
///   that is not there, or that the route may not refer to, to its share of the requests
///   ([`Destination::broken`](crate::Destination::broken)).
/// * A route whose delegate is not there, has hosts, is not exported or has no route that can be taken answers 500.
///
/// Problems come with both what [`check`] finds and what depends on the mesh: destinations, ports and subsets that
/// are not there, and VirtualServices that are never reached.
pub fn compile(inputs: &Inputs<'_>) -> (Option<RouteTable>, Vec<Problem>) {
    let (mut routes, mut problems) = gateway::compile(inputs);
    let attached = routes.first().map(|route| route.source.clone());
    for virtual_service in &applying(inputs) {
        let mut findings = Findings::new(reference(virtual_service));
        let compiled = compiled(virtual_service, Some(inputs), &mut findings).unwrap_or_default();
        match &attached {
            Some(route) if !compiled.is_empty() => findings.warning(
                "spec.http",
                format!(
                    "no request to port {} of {} gets here: it has routes of the Gateway API, such as {route}",
                    inputs.port, inputs.service_host
                ),
                "keep either these routes or the VirtualService",
            ),
            Some(_) => {}
            None => add(compiled, &mut routes, inputs.port, &mut findings),
        }
        problems.extend(findings.into_problems());
    }
    ((!routes.is_empty()).then(|| RouteTable::new(routes)), problems)
}

/// Adds the routes of one VirtualService to those of others.
fn add(compiled: Vec<Route>, routes: &mut Vec<Route>, port: u16, findings: &mut Findings) {
    if let Some(before) = routes.iter().find(|route| route.is_catch_all())
        && !compiled.is_empty()
    {
        findings.warning(
            "spec.http",
            format!(
                "no request to port {port} gets here: {} comes first and takes all",
                before.source
            ),
            "merge the two, or let the other one match less",
        );
    }
    routes.extend(compiled);
}

/// Compiles the routes of connections to one service and port. `None`: there are none, and connections go to the service that they
/// are addressed to.
///
/// Where a TCPRoute or TLSRoute is attached, those decide, and `tls` and `tcp` of VirtualServices do not. Server names go before
/// everything else: the exact one, then the longest with a `*`. A name that none of the TLSRoutes is for is led by a TCPRoute, and
/// without one its connection is closed; so is one whose backend is not there or may not be used, for its share.
///
/// Else all routes of TLS of the VirtualServices that apply come before those of TCP; within each kind the order is that of
/// [`compile`]. A VirtualService with a match that does not compile is passed over; a route that leads nowhere closes its
/// connections.
pub fn compile_tcp(inputs: &Inputs<'_>) -> (Option<TcpRoutes>, Vec<Problem>) {
    let (routes, mut problems) = gateway::compile_connections(inputs);
    let attached = routes.first().map(|route| route.source.clone());
    let (mut tls, mut tcp) = (routes, Vec::new());
    for virtual_service in &applying(inputs) {
        let mut findings = Findings::new(reference(virtual_service));
        let compiled = tcp::compile(virtual_service, Some(inputs), &mut findings).unwrap_or_default();
        match &attached {
            Some(route) => yields(&compiled, route, inputs, &mut findings),
            None => {
                tls.extend(compiled.tls);
                for route in compiled.tcp {
                    warn_if_unreached(&route, &tcp, inputs.port, &mut findings);
                    tcp.push(route);
                }
            }
        }
        problems.extend(findings.into_problems());
    }
    tls.extend(tcp);
    ((!tls.is_empty()).then(|| TcpRoutes::new(tls)), problems)
}

/// Tells that a VirtualService leads no connections because `route` is attached.
fn yields(compiled: &tcp::Compiled, route: &ObjectRef, inputs: &Inputs<'_>, findings: &mut Findings) {
    for (field, routes) in [("spec.tls", &compiled.tls), ("spec.tcp", &compiled.tcp)] {
        if !routes.is_empty() {
            findings.warning(
                field,
                format!(
                    "no connection to port {} of {} gets here: it has routes of the Gateway API, such as {route}",
                    inputs.port, inputs.service_host
                ),
                "keep either these routes or the VirtualService",
            );
        }
    }
}

fn warn_if_unreached(route: &TcpRoute, before: &[TcpRoute], port: u16, findings: &mut Findings) {
    if let Some(earlier) = before.iter().find(|earlier| earlier.matches.is_catch_all()) {
        findings.warning(
            route.field.as_str(),
            format!(
                "no connection to port {port} gets here: {} {} comes first and takes all",
                earlier.source, earlier.field
            ),
            "put routes that take all at the end",
        );
    }
}

/// The VirtualServices that apply, in Istio's order.
fn applying(inputs: &Inputs<'_>) -> Vec<Arc<VirtualService>> {
    let mut chosen: Vec<Arc<VirtualService>> = inputs
        .virtual_services
        .iter()
        .filter(|all| {
            select::applies(
                all,
                inputs.service_host,
                inputs.service_namespace,
                inputs.waypoint_namespace,
            )
        })
        .cloned()
        .collect();
    select::sort(&mut chosen);
    chosen
}

/// Compiles retries that are written outside of a route, at `field` of `object`. What does not compile is Istio's default.
pub fn compile_retry(retries: &HttpRetry, object: ObjectRef, field: &str) -> (Retry, Vec<Problem>) {
    let mut findings = Findings::new(object);
    let retry = retries::compile(retries, field, &mut findings);
    (retry.unwrap_or_default(), findings.into_problems())
}

/// What is wrong with `virtual_service` by itself. With an error among it, it is to be refused.
pub fn check(virtual_service: &VirtualService) -> Vec<Problem> {
    let mut findings = Findings::new(reference(virtual_service));
    compiled(virtual_service, None, &mut findings);
    tcp::compile(virtual_service, None, &mut findings);
    findings.into_problems()
}

/// The routes of one VirtualService for the port of `inputs`, or for all ports. `None`: a match does
/// not compile.
fn compiled<'a>(
    virtual_service: &'a VirtualService,
    inputs: Option<&Inputs<'a>>,
    findings: &mut Findings,
) -> Option<Vec<Route>> {
    let http = delegates::expand(virtual_service, inputs, findings);
    let blocks: Vec<Option<Vec<Block>>> = http
        .iter()
        .map(|route| match route.inherited {
            None => blocks::compile(route, findings),
            // What is wrong with its parts has been told where they are written.
            Some(_) => blocks::compile(route, &mut Findings::new(route.place.object.clone())),
        })
        .collect();
    let complete = blocks.iter().all(Option::is_some);
    let mut routes = Vec::new();
    let mut taken_by: Option<Place> = None;
    for (route, blocks) in http.iter().zip(blocks) {
        let plan = actions::compile(route, inputs, findings);
        let is_wanted = |block: &Block| inputs.is_none_or(|inputs| block.is_for_port(inputs.port));
        // Without a port in mind, what takes all of one port leaves the others.
        let takes_all = |block: &&Block| {
            (inputs.is_some() || block.port.is_none())
                && block.matcher.as_ref().is_none_or(Matcher::is_catch_all)
        };
        let wanted: Vec<Block> = blocks.into_iter().flatten().filter(is_wanted).collect();
        match &taken_by {
            Some(earlier) if !wanted.is_empty() => unreached(&route.place, earlier, findings),
            Some(_) => {}
            None => taken_by = wanted.iter().find(takes_all).map(|block| block.place.clone()),
        }
        routes.extend(
            wanted
                .into_iter()
                .map(|block| self::route(&plan, &route.form, block)),
        );
    }
    if !complete {
        findings.error(
            "spec.http",
            "a match does not compile, so none of the routes apply",
            "correct it; until then the last version that was right stays, if there was one",
        );
        return None;
    }
    Some(routes)
}

fn unreached(place: &Place, earlier: &Place, findings: &mut Findings) {
    let before = findings.turn_to(place.object.clone());
    let earlier = match earlier.object == place.object {
        true => earlier.field.clone(),
        false => format!("{} {}", earlier.object, earlier.field),
    };
    findings.warning(
        &place.field,
        format!("no request gets here: {earlier} comes first and takes all"),
        "put routes that take all at the end",
    );
    findings.turn_to(before);
}

fn route(plan: &Plan, form: &HttpRoute, block: Block) -> Route {
    let name = if block.name.is_empty() {
        form.name.clone()
    } else {
        format!("{}.{}", form.name, block.name)
    };
    Route {
        name,
        action: plan.action(block.matcher.as_ref()),
        rewrite: plan.rewrite(block.matcher.as_ref()),
        stat_prefix: block.stat_prefix,
        matches: block.matcher,
        response_headers: plan.response_headers.clone(),
        timeout: plan.timeout,
        retry: plan.retry.clone(),
        session: None,
        fault: plan.fault.clone(),
        cors: plan.cors.clone(),
        mirrors: plan.mirrors.clone(),
        source: block.place.object,
        field: block.place.field,
    }
}

fn reference(virtual_service: &VirtualService) -> ObjectRef {
    ObjectRef::from_key(Kind::VirtualService, &virtual_service.metadata.key())
}

#[cfg(test)]
mod tests;
