//! From one rule to its routes.

use std::time::Duration;

use cairn_api::gateway::{HttpRouteRetry, HttpRouteTimeouts};
use http::StatusCode;

use super::backends::{self, Backends, Shared};
use super::document::Rule;
use super::filters::{self, Filtered};
use super::lookup::Lookup;
use super::matches::{self, Matched};
use super::precedence::Rank;
use super::sessions;
use crate::compile::findings::Findings;
use crate::compile::rewrites::Change;
use crate::destination::WeightedDestinations;
use crate::headers::HeaderOperations;
use crate::matcher::Matcher;
use crate::redirect::Redirect;
use crate::retry::{Retry, RetryOn};
use crate::route::{Action, Route};
use crate::session::SessionPersistence;
use crate::text::TextMatch;

/// A rule, compiled.
pub(super) struct Compiled {
    /// A route for each match.
    pub(super) routes: Vec<(Rank, Route)>,
    /// Why all or some of its requests are answered 500 although its references may lead somewhere.
    pub(super) refused: Option<String>,
}

/// What follows from a rule, whichever of its matches matched.
struct Plan {
    target: Target,
    filtered: Filtered,
    timeout: Option<Duration>,
    retry: Option<Retry>,
    session: Option<SessionPersistence>,
}

enum Target {
    Forward(WeightedDestinations),
    Redirect(Redirect, Option<Change>),
    Nowhere { reason: String },
}

/// Compiles a rule. What does not compile answers 500, for no fewer requests than it was meant for.
pub(super) fn compile(rule: &Rule<'_>, lookup: &mut Lookup<'_, '_>, findings: &mut Findings) -> Compiled {
    let before = findings.len();
    let written = rule.matches.iter().enumerate();
    let mut matched: Vec<(String, Matched)> = written
        .map(|(place, written)| {
            let field = format!("{}.matches[{place}]", rule.field);
            let matched = matches::compile(written, &field, findings);
            (field, matched)
        })
        .collect();
    let mut refused = findings.error_since(before);
    if matched.is_empty() {
        matched.push((rule.field.clone(), Matched::all()));
    }
    let before = findings.len();
    let plan = plan(rule, &matched, lookup, findings);
    let reason = findings.error_since(before).unwrap_or_default();
    if plan.is_none() {
        refused.get_or_insert_with(|| reason.clone());
    }
    let routes = matched.into_iter().map(|(field, matched)| {
        let incomplete = refused.clone().filter(|_| !matched.is_complete);
        let plan = plan.as_ref().filter(|_| incomplete.is_none());
        let reason = incomplete.unwrap_or_else(|| reason.clone());
        let route = route(rule, plan, reason, matched.matcher, field, lookup);
        (matched.rank, route)
    });
    Compiled {
        routes: routes.collect(),
        refused,
    }
}

fn plan(
    rule: &Rule<'_>,
    matched: &[(String, Matched)],
    lookup: &mut Lookup<'_, '_>,
    findings: &mut Findings,
) -> Option<Plan> {
    let filtered = filters::of_rule(&rule.filters, &rule.field, lookup, findings);
    let timing = timing(rule.timeouts, rule.retry, &rule.field, findings);
    let session = rule.session.map(|form| {
        let name = format!("{} {}", lookup.route, rule.name);
        sessions::compile(
            form,
            &name,
            &format!("{}.sessionPersistence", rule.field),
            findings,
        )
    });
    let mut filtered = filtered?;
    let target = match filtered.redirect.take() {
        Some((redirect, change)) => {
            if !rule.backends.is_empty() {
                findings.warning(
                    format!("{}.backendRefs", rule.field),
                    "nothing gets here: the rule redirects",
                    "leave out `backendRefs`",
                );
            }
            Target::Redirect(redirect, change)
        }
        None => {
            let authority = filtered
                .authority
                .clone()
                .or_else(|| filtered.operations.authority.clone());
            let shared = Shared {
                operations: &filtered.operations,
                authority: authority.as_ref(),
            };
            match backends::compile(lookup, &rule.backends, &rule.field, &shared, findings)? {
                Backends::Forward(destinations) => Target::Forward(destinations),
                Backends::Nowhere { reason } => Target::Nowhere { reason },
            }
        }
    };
    let change = match &target {
        Target::Redirect(_, change) => change.as_ref(),
        _ => filtered.change.as_ref(),
    };
    if matches!(change, Some(Change::Segments(_))) && !matched.iter().all(|(_, matched)| is_prefix(matched)) {
        findings.error(
            format!("{}.filters", rule.field),
            "only a prefix that is matched can be replaced, and not every match of the rule has one",
            "match with `type: PathPrefix`, or replace the full path",
        );
        return None;
    }
    let (timeout, retry) = timing?;
    let session = match session {
        Some(session) => Some(session?),
        None => None,
    };
    Some(Plan {
        target,
        filtered,
        timeout,
        retry,
        session,
    })
}

fn is_prefix(matched: &Matched) -> bool {
    let path = matched.matcher.as_ref().and_then(|matcher| matcher.path.as_ref());
    path.is_none_or(|path| matches!(path.text, TextMatch::PathPrefix(_)))
}

fn route(
    rule: &Rule<'_>,
    plan: Option<&Plan>,
    reason: String,
    matcher: Option<Matcher>,
    field: String,
    lookup: &Lookup<'_, '_>,
) -> Route {
    let of = |change: &Change| change.of(matcher.as_ref());
    let action = match plan.map(|plan| &plan.target) {
        None => Action::Broken { reason },
        Some(Target::Nowhere { reason }) => Action::Broken {
            reason: reason.clone(),
        },
        Some(Target::Forward(destinations)) => Action::Forward(destinations.clone()),
        Some(Target::Redirect(redirect, change)) => Action::Redirect(Redirect {
            path: change.as_ref().map(of),
            ..redirect.clone()
        }),
    };
    let rewrite = plan
        .filter(|_| matches!(action, Action::Forward(_)))
        .and_then(|plan| plan.filtered.change.as_ref())
        .map(of);
    let response_headers = match plan {
        None => HeaderOperations::default(),
        Some(plan) => plan.filtered.operations.of_responses(),
    };
    Route {
        name: rule.name.clone(),
        stat_prefix: None,
        matches: matcher,
        action,
        rewrite,
        response_headers,
        timeout: plan.and_then(|plan| plan.timeout),
        retry: plan.and_then(|plan| plan.retry.clone()),
        session: plan.and_then(|plan| plan.session.clone()),
        fault: None,
        cors: plan.and_then(|plan| plan.filtered.cors.clone()),
        mirrors: plan.map(|plan| plan.filtered.mirrors.clone()).unwrap_or_default(),
        source: lookup.route.clone(),
        field,
    }
}

/// The timeout of the whole request, and its retries.
type Timing = (Option<Duration>, Option<Retry>);

fn timing(
    timeouts: Option<&HttpRouteTimeouts>,
    retry: Option<&HttpRouteRetry>,
    field: &str,
    findings: &mut Findings,
) -> Option<Timing> {
    let given = |timeout: Option<cairn_api::value::Duration>| {
        timeout
            .map(|timeout| timeout.get())
            .filter(|timeout| !timeout.is_zero())
    };
    let request = timeouts.and_then(|timeouts| given(timeouts.request));
    let attempt = timeouts.and_then(|timeouts| given(timeouts.backend_request));
    if let (Some(request), Some(attempt)) = (request, attempt)
        && attempt > request
    {
        findings.warning(
            format!("{field}.timeouts.backendRequest"),
            "an attempt may take longer than the whole request, so the request's timeout decides",
            "write a shorter time than `request`",
        );
    }
    let shorter = [request, attempt].into_iter().flatten().min();
    let Some(retry) = retry else {
        // The mesh's retries do not follow upon a timeout: the first attempt that takes too long is the last.
        return Some((shorter, None));
    };
    let retry = self::retry(retry, attempt.and(shorter), &format!("{field}.retry"), findings)?;
    Some((request, Some(retry)))
}

fn retry(
    retry: &HttpRouteRetry,
    per_try_timeout: Option<Duration>,
    field: &str,
    findings: &mut Findings,
) -> Option<Retry> {
    let default = Retry::default();
    let Ok(attempts) = retry.attempts.map_or(Ok(default.attempts), u32::try_from) else {
        findings.error(
            format!("{field}.attempts"),
            "the number is below zero",
            "write how often a request is tried again, or 0",
        );
        return None;
    };
    let mut statuses = Vec::new();
    for (place, code) in retry.codes.iter().enumerate() {
        match StatusCode::from_u16(*code) {
            Ok(status) if (400..600).contains(code) => statuses.push(status),
            _ => {
                findings.error(
                    format!("{field}.codes[{place}]"),
                    format!("{code} is no status of a failure"),
                    "write statuses from 400 to 599",
                );
                return None;
            }
        }
    }
    let connection = RetryOn::CONNECT_FAILURE
        .and(RetryOn::REFUSED_STREAM)
        .and(RetryOn::UNAVAILABLE)
        .and(RetryOn::CANCELLED);
    Some(Retry {
        attempts,
        per_try_timeout,
        on: connection.and(RetryOn::STATUS_CODES),
        statuses,
        backoff: retry
            .backoff
            .map(|backoff| backoff.get())
            .filter(|backoff| *backoff >= Duration::from_millis(1))
            .unwrap_or(default.backoff),
        ..default
    })
}
