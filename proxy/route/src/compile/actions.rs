//! From what a route asks for to an [`Action`].

use std::time::Duration;

use cairn_api::istio::HttpRoute;

use super::findings::Findings;
use super::inputs::Inputs;
use super::rewrites::Change;
use super::{destinations, faults, operations, responses, rewrites};
use crate::fault::Fault;
use crate::headers::HeaderOperations;
use crate::matcher::Matcher;
use crate::redirect::Redirect;
use crate::rewrite::PathRewrite;
use crate::route::{Action, DirectResponse, WeightedDestinations};

/// What follows from a route, whichever of its match blocks matched.
#[derive(Debug)]
pub(super) struct Plan {
    target: Target,
    change: Option<Change>,
    pub(super) response_headers: HeaderOperations,
    pub(super) timeout: Option<Duration>,
    pub(super) fault: Option<Fault>,
}

#[derive(Debug)]
enum Target {
    Forward(WeightedDestinations),
    Redirect(Redirect),
    DirectResponse(DirectResponse),
    Broken { reason: String },
}

/// Compiles all of `route`, whose path in the object is `field`, but its match blocks. What does not
/// compile makes it a route that answers 500.
pub(super) fn compile(
    route: &HttpRoute,
    field: &str,
    inputs: Option<&Inputs<'_>>,
    findings: &mut Findings,
) -> Plan {
    let before = findings.len();
    plan(route, field, inputs, findings).unwrap_or_else(|| Plan {
        target: Target::Broken {
            reason: findings.error_since(before).unwrap_or_default(),
        },
        change: None,
        response_headers: HeaderOperations::default(),
        timeout: None,
        fault: None,
    })
}

impl Plan {
    /// The action for requests that match `matcher`.
    pub(super) fn action(&self, matcher: Option<&Matcher>) -> Action {
        match &self.target {
            Target::Forward(destinations) => Action::Forward(destinations.clone()),
            Target::Redirect(redirect) => {
                let path = self.change.as_ref().map(|change| change.of(matcher));
                Action::Redirect(Redirect {
                    path,
                    ..redirect.clone()
                })
            }
            Target::DirectResponse(response) => Action::DirectResponse(response.clone()),
            Target::Broken { reason } => Action::Broken {
                reason: reason.clone(),
            },
        }
    }

    /// The change of path for requests that match `matcher` and are forwarded.
    pub(super) fn rewrite(&self, matcher: Option<&Matcher>) -> Option<PathRewrite> {
        match &self.target {
            Target::Forward(_) => self.change.as_ref().map(|change| change.of(matcher)),
            _ => None,
        }
    }
}

fn plan(
    route: &HttpRoute,
    field: &str,
    inputs: Option<&Inputs<'_>>,
    findings: &mut Findings,
) -> Option<Plan> {
    // Everything is compiled before anything is given up, so that all problems are found at once.
    let rewrite_field = format!("{field}.rewrite");
    let change = rewrites::compile(route.rewrite.as_ref(), &rewrite_field, findings);
    let operations = operations::compile(route.headers.as_ref(), &format!("{field}.headers"), findings);
    let fault = match &route.fault {
        Some(fault) => faults::compile(fault, &format!("{field}.fault"), findings).map(Some),
        None => Some(None),
    };
    let authority = match route.rewrite.as_ref().map(|rewrite| rewrite.authority.as_str()) {
        None | Some("") => Some(
            operations
                .as_ref()
                .and_then(|operations| operations.authority.clone()),
        ),
        Some(authority) => {
            operations::fixed(authority, &format!("{rewrite_field}.authority"), findings).map(Some)
        }
    };
    let shared = destinations::Shared {
        operations: operations.clone().unwrap_or_default(),
        authority: authority.clone().flatten(),
    };
    let (target, redirected) = target(route, field, &shared, inputs, findings)?;
    let (change, operations, fault, _) = (change?, operations?, fault?, authority?);
    let change = match target {
        Target::Forward(_) => change,
        _ if route.rewrite.is_some() => {
            findings.warning(
                rewrite_field,
                "only what is forwarded is rewritten",
                "leave out `rewrite`",
            );
            redirected
        }
        _ => redirected,
    };
    Some(Plan {
        target,
        change,
        response_headers: operations.of_responses(),
        timeout: route
            .timeout
            .map(|timeout| timeout.get())
            .filter(|timeout| !timeout.is_zero()),
        fault,
    })
}

/// Where the route leads, and the change of path if it is a redirect.
fn target(
    route: &HttpRoute,
    field: &str,
    shared: &destinations::Shared,
    inputs: Option<&Inputs<'_>>,
    findings: &mut Findings,
) -> Option<(Target, Option<Change>)> {
    if route.delegate.is_some() {
        findings.error(
            format!("{field}.delegate"),
            "routes are not taken from other VirtualServices in this version",
            "write the routes of the other VirtualService here",
        );
        return None;
    }
    match (route.route.as_slice(), &route.redirect, &route.direct_response) {
        (list @ [_, ..], None, None) => {
            let destinations = destinations::compile(list, field, shared, inputs, findings)?;
            Some((Target::Forward(destinations), None))
        }
        ([], Some(redirect), None) => {
            let port = inputs.map_or(0, |inputs| inputs.port);
            let (redirect, change) =
                responses::redirect(redirect, port, &format!("{field}.redirect"), findings)?;
            Some((Target::Redirect(redirect), change))
        }
        ([], None, Some(response)) => {
            let response = responses::direct(response, &format!("{field}.directResponse"), findings)?;
            Some((Target::DirectResponse(response), None))
        }
        ([], None, None) => {
            findings.error(
                field,
                "the route leads nowhere",
                "give it `route`, `redirect` or `directResponse`",
            );
            None
        }
        _ => {
            findings.error(
                field,
                "the route has more than one of `route`, `redirect` and `directResponse`",
                "keep the one that is meant",
            );
            None
        }
    }
}
