//! From what a route asks for to an [`Action`].

use std::time::Duration;

use cairn_api::istio::HttpRoute;

use super::findings::Findings;
use super::inputs::Inputs;
use super::rewrites::Change;
use super::written::Written;
use super::{cors, destinations, faults, mirrors, operations, responses, retries, rewrites};
use crate::cors::Cors;
use crate::destination::WeightedDestinations;
use crate::fault::Fault;
use crate::headers::HeaderOperations;
use crate::matcher::Matcher;
use crate::mirror::Mirror;
use crate::redirect::Redirect;
use crate::retry::Retry;
use crate::rewrite::PathRewrite;
use crate::route::{Action, DirectResponse};

/// What follows from a route, whichever of its match blocks matched.
#[derive(Debug)]
pub(super) struct Plan {
    target: Target,
    change: Option<Change>,
    pub(super) response_headers: HeaderOperations,
    pub(super) timeout: Option<Duration>,
    pub(super) retry: Option<Retry>,
    pub(super) fault: Option<Fault>,
    pub(super) cors: Option<Cors>,
    pub(super) mirrors: Vec<Mirror>,
}

#[derive(Debug)]
enum Target {
    Forward(WeightedDestinations),
    Redirect(Redirect),
    DirectResponse(DirectResponse),
    Broken { reason: String },
}

/// Compiles all of `route` but its match blocks. What does not compile makes it a route that answers 500.
pub(super) fn compile(route: &Written<'_>, inputs: Option<&Inputs<'_>>, findings: &mut Findings) -> Plan {
    let before = findings.len();
    let object = findings.turn_to(route.place.object.clone());
    let plan = plan(route, inputs, findings);
    findings.turn_to(object);
    plan.unwrap_or_else(|| Plan {
        target: Target::Broken {
            reason: findings.error_since(before).unwrap_or_default(),
        },
        change: None,
        response_headers: HeaderOperations::default(),
        timeout: None,
        retry: None,
        fault: None,
        cors: None,
        mirrors: Vec::new(),
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

fn plan(written: &Written<'_>, inputs: Option<&Inputs<'_>>, findings: &mut Findings) -> Option<Plan> {
    let route: &HttpRoute = &written.form;
    // Everything is compiled before anything is given up, so that all problems are found at once.
    let change = written.within("rewrite", findings, |field, findings| {
        rewrites::compile(route.rewrite.as_ref(), field, findings)
    });
    let operations = written.within("headers", findings, |field, findings| {
        operations::compile(route.headers.as_ref(), field, findings)
    });
    let fault = written.within("fault", findings, |field, findings| {
        given(&route.fault, |fault| faults::compile(fault, field, findings))
    });
    let retry = written.within("retries", findings, |field, findings| {
        given(&route.retries, |retries| {
            retries::compile(retries, field, findings)
        })
    });
    let cors = written.within("corsPolicy", findings, |field, findings| {
        given(&route.cors_policy, |policy| {
            cors::compile(policy, field, findings)
        })
    });
    let mirrors = mirrors::compile(written, inputs, findings);
    let authority = match route.rewrite.as_ref().map(|rewrite| rewrite.authority.as_str()) {
        None | Some("") => Some(
            operations
                .as_ref()
                .and_then(|operations| operations.authority.clone()),
        ),
        Some(authority) => written.within("rewrite", findings, |field, findings| {
            operations::fixed(authority, &format!("{field}.authority"), findings).map(Some)
        }),
    };
    let shared = destinations::Shared {
        operations: operations.clone().unwrap_or_default(),
        authority: authority.clone().flatten(),
    };
    let (target, redirected) = target(route, &written.place.field, &shared, inputs, findings)?;
    let (change, operations, retry, fault, _) = (change?, operations?, retry?, fault?, authority?);
    let (cors, mirrors) = (cors?, mirrors?);
    let change = match target {
        Target::Forward(_) => change,
        Target::Redirect(_) | Target::DirectResponse(_) if route.rewrite.is_some() => {
            written.within("rewrite", findings, |field, findings| {
                findings.warning(
                    field,
                    "only what is forwarded is rewritten",
                    "leave out `rewrite`",
                );
            });
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
        retry,
        fault,
        cors,
        mirrors,
    })
}

/// What is there must compile.
fn given<T, U>(part: &Option<T>, compile: impl FnOnce(&T) -> Option<U>) -> Option<Option<U>> {
    match part {
        None => Some(None),
        Some(part) => compile(part).map(Some),
    }
}

/// Where the route leads, and the change of path if it is a redirect.
fn target(
    route: &HttpRoute,
    field: &str,
    shared: &destinations::Shared,
    inputs: Option<&Inputs<'_>>,
    findings: &mut Findings,
) -> Option<(Target, Option<Change>)> {
    let leads_on = !route.route.is_empty() || route.redirect.is_some() || route.direct_response.is_some();
    if let Some(delegate) = &route.delegate {
        if leads_on {
            findings.error(
                format!("{field}.delegate"),
                "a route with `delegate` leads nowhere itself",
                "leave out `route`, `redirect` and `directResponse`, or `delegate`",
            );
            return None;
        }
        // Where a delegate is there, its routes are compiled in place of this one.
        let reason = format!("there are no routes of the delegate {}", delegate.name);
        return Some((Target::Broken { reason }, None));
    }
    match (route.route.as_slice(), &route.redirect, &route.direct_response) {
        (list @ [_, ..], None, None) => {
            let destinations =
                destinations::compile(list, &format!("{field}.route"), shared, inputs, findings)?;
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
