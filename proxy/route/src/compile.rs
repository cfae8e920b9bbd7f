//! From VirtualServices to a [`RouteTable`].

mod actions;
mod base64;
mod conditions;
mod destinations;
mod faults;
mod findings;
mod inputs;
mod operations;
mod responses;
mod rewrites;
mod select;

use std::sync::Arc;

use cairn_api::istio::{HttpMatchRequest, HttpRoute, VirtualService};
use cairn_api::meta::{Kind, ObjectRef};
use cairn_config::Problem;

use actions::Plan;
use findings::Findings;
pub use inputs::{Inputs, KnownService, KnownServices};
pub use select::VirtualServices;

use crate::matcher::Matcher;
use crate::route::Route;
use crate::table::RouteTable;

/// Compiles the routes of one service and port. `None`: no VirtualService has a route for it, and the service has
/// its default route.
///
/// VirtualServices that apply are taken in Istio's order, and their routes and match blocks in theirs. The first that
/// matches a request decides; a table without a match is the answer 404.
///
/// What cannot be compiled never lets a request slip through to a later route:
/// * A route whose match compiles, but whose action does not, answers 500 ([`Action::Broken`](crate::Action::Broken)).
/// * A VirtualService with a match that does not compile is passed over as a whole, as if it had been refused when
///   it was applied, which is what Istio does. [`LastGood`](crate::LastGood) puts its previous version in its place
///   beforehand, where there is one.
///
/// Problems come with both what [`check`] finds and what depends on the mesh: destinations, ports and subsets that
/// are not there, and VirtualServices that are never reached.
pub fn compile(inputs: &Inputs<'_>) -> (Option<RouteTable>, Vec<Problem>) {
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
    let mut routes: Vec<Route> = Vec::new();
    let mut problems = Vec::new();
    for virtual_service in &chosen {
        let mut findings = Findings::new(reference(virtual_service));
        let compiled = compiled(virtual_service, Some(inputs), &mut findings);
        if let Some(compiled) = compiled
            && !compiled.is_empty()
        {
            if let Some(before) = routes.iter().find(|route| route.is_catch_all()) {
                findings.warning(
                    "spec.http",
                    format!(
                        "no request to port {} gets here: {} comes first and takes all",
                        inputs.port, before.source
                    ),
                    "merge the two, or let the other one match less",
                );
            }
            routes.extend(compiled);
        }
        problems.extend(findings.into_problems());
    }
    ((!routes.is_empty()).then(|| RouteTable::new(routes)), problems)
}

/// What is wrong with `virtual_service` by itself. With an error among it, it is to be refused.
pub fn check(virtual_service: &VirtualService) -> Vec<Problem> {
    let mut findings = Findings::new(reference(virtual_service));
    compiled(virtual_service, None, &mut findings);
    findings.into_problems()
}

/// The routes of one VirtualService for the port of `inputs`, or for all ports. `None`: a match does
/// not compile.
fn compiled(
    virtual_service: &VirtualService,
    inputs: Option<&Inputs<'_>>,
    findings: &mut Findings,
) -> Option<Vec<Route>> {
    let http = &virtual_service.spec.http;
    let blocks: Vec<Option<Vec<Block<'_>>>> = http
        .iter()
        .enumerate()
        .map(|(place, route)| blocks(route, &field(place), findings))
        .collect();
    let complete = blocks.iter().all(Option::is_some);
    let mut routes = Vec::new();
    let mut taken_by: Option<String> = None;
    for ((place, route), blocks) in http.iter().enumerate().zip(blocks) {
        let field = field(place);
        let plan = actions::compile(route, &field, inputs, findings);
        let is_wanted = |block: &Block<'_>| inputs.is_none_or(|inputs| block.is_for_port(inputs.port));
        // Without a port in mind, what takes all of one port leaves the others.
        let takes_all = |block: &&Block<'_>| {
            (inputs.is_some() || block.port.is_none())
                && block.matcher.as_ref().is_none_or(Matcher::is_catch_all)
        };
        let wanted: Vec<Block<'_>> = blocks.into_iter().flatten().filter(is_wanted).collect();
        match &taken_by {
            Some(earlier) if !wanted.is_empty() => findings.warning(
                &field,
                format!("no request gets here: {earlier} comes first and takes all"),
                "put routes that take all at the end",
            ),
            Some(_) => {}
            None => taken_by = wanted.iter().find(takes_all).map(|block| block.field.clone()),
        }
        let source = findings.object();
        routes.extend(
            wanted
                .into_iter()
                .map(|block| self::route(&plan, route, block, source.clone())),
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

/// A match block, compiled.
struct Block<'a> {
    name: &'a str,
    field: String,
    port: Option<u32>,
    matcher: Option<Matcher>,
}

impl Block<'_> {
    fn is_for_port(&self, port: u16) -> bool {
        self.port.is_none_or(|wanted| wanted == u32::from(port))
    }
}

/// The match blocks of `route` that are for traffic inside the mesh. `None`: one does not compile.
fn blocks<'a>(route: &'a HttpRoute, field: &str, findings: &mut Findings) -> Option<Vec<Block<'a>>> {
    if route.matches.is_empty() {
        return Some(vec![Block {
            name: "",
            field: field.to_owned(),
            port: None,
            matcher: None,
        }]);
    }
    let compiled: Vec<Option<Block<'a>>> = route
        .matches
        .iter()
        .enumerate()
        .filter(|(_, block)| select::is_for_mesh(&block.gateways))
        .map(|(place, block)| self::block(block, format!("{field}.match[{place}]"), findings))
        .collect();
    compiled.into_iter().collect()
}

fn block<'a>(block: &'a HttpMatchRequest, field: String, findings: &mut Findings) -> Option<Block<'a>> {
    let matcher = conditions::matcher(block, &field, findings)?;
    let matcher = Some(matcher).filter(|matcher| *matcher != Matcher::default());
    // Protobuf cannot tell an absent port from zero.
    Some(Block {
        name: &block.name,
        field,
        port: block.port.filter(|port| *port != 0),
        matcher,
    })
}

fn route(plan: &Plan, form: &HttpRoute, block: Block<'_>, source: ObjectRef) -> Route {
    let name = if block.name.is_empty() {
        form.name.clone()
    } else {
        format!("{}.{}", form.name, block.name)
    };
    Route {
        name,
        action: plan.action(block.matcher.as_ref()),
        rewrite: plan.rewrite(block.matcher.as_ref()),
        matches: block.matcher,
        response_headers: plan.response_headers.clone(),
        timeout: plan.timeout,
        fault: plan.fault.clone(),
        source,
        field: block.field,
    }
}

fn field(place: usize) -> String {
    format!("spec.http[{place}]")
}

fn reference(virtual_service: &VirtualService) -> ObjectRef {
    ObjectRef::from_key(Kind::VirtualService, &virtual_service.metadata.key())
}

#[cfg(test)]
mod tests;
