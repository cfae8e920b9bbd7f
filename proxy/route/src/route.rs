//! One compiled route and where it leads.

use std::time::Duration;

use bytes::Bytes;
use cairn_api::meta::ObjectRef;
use http::{HeaderValue, StatusCode};

use crate::fault::Fault;
use crate::head::RequestHead;
use crate::headers::HeaderOperations;
use crate::matcher::Matcher;
use crate::redirect::Redirect;
use crate::rewrite::PathRewrite;

/// One match block of a route, with all that follows from matching it.
#[derive(Debug, Clone)]
pub struct Route {
    /// The name for logs: that of the route, and after a `.` that of the match block; empty without names.
    pub name: String,
    /// The conditions; `None`: every request matches.
    pub matches: Option<Matcher>,
    /// Where it leads.
    pub action: Action,
    /// The change of the path before forwarding.
    pub rewrite: Option<PathRewrite>,
    /// Operations on responses that the route makes itself, by redirect or direct response. What
    /// happens to forwarded messages is said at their [`Destination`].
    pub response_headers: HeaderOperations,
    /// How long all attempts may take together; `None`: as long as they want.
    pub timeout: Option<Duration>,
    /// Faults to inject, whatever the action is.
    pub fault: Option<Fault>,
    /// The object that the route comes from.
    pub source: ObjectRef,
    /// The field of the object, `spec.http[0].match[1]`.
    pub field: String,
}

/// Where a route leads.
#[derive(Debug, Clone)]
pub enum Action {
    /// To one of several destinations.
    Forward(WeightedDestinations),
    /// Elsewhere: the client is told where.
    Redirect(Redirect),
    /// Nowhere: the answer is fixed.
    DirectResponse(DirectResponse),
    /// Nowhere: the route matches, but what it asks for could not be compiled. The answer is 500, so that
    /// no request is taken to where a later route would have led it.
    Broken {
        /// What is wrong.
        reason: String,
    },
}

/// A fixed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectResponse {
    /// The status.
    pub status: StatusCode,
    /// The body, `text/plain` when it is not empty.
    pub body: Bytes,
}

/// One place where requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The host, fully qualified.
    pub host: String,
    /// The subset, defined by the host's DestinationRule.
    pub subset: Option<String>,
    /// The service port; `None` when it was not given and the host is not known.
    pub port: Option<u16>,
    /// The share of requests, relative to the other destinations'.
    pub weight: u32,
    /// The authority that requests are forwarded with, when it is not their own.
    pub authority: Option<HeaderValue>,
    /// Operations on requests: the route's and the destination's own, merged.
    pub request_headers: HeaderOperations,
    /// Operations on responses, merged.
    pub response_headers: HeaderOperations,
}

/// One or more destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightedDestinations {
    first: Destination,
    /// The others, each with the sum of the weights before it.
    others: Vec<(u64, Destination)>,
    total: u64,
}

impl Route {
    /// Whether `head` satisfies its conditions.
    pub fn is_match(&self, head: &RequestHead<'_>) -> bool {
        self.matches.as_ref().is_none_or(|matcher| matcher.matches(head))
    }

    /// Whether every request satisfies them.
    pub fn is_catch_all(&self) -> bool {
        self.matches.as_ref().is_none_or(Matcher::is_catch_all)
    }
}

impl WeightedDestinations {
    /// Destinations by weight. The weight of a single one does not matter; of several, those without
    /// weight get nothing. `None` when nothing is left.
    pub fn new(destinations: Vec<Destination>) -> Option<WeightedDestinations> {
        let single = destinations.len() == 1;
        let mut weighted = destinations
            .into_iter()
            .filter(|destination| single || destination.weight > 0);
        let first = weighted.next()?;
        let mut total = u64::from(first.weight);
        let others = weighted.map(|destination| {
            let before = total;
            total += u64::from(destination.weight);
            (before, destination)
        });
        let others = others.collect();
        Some(WeightedDestinations { first, others, total })
    }

    /// The destination for a request that drew `random`, any number.
    pub fn pick(&self, random: u64) -> &Destination {
        let draw = random.checked_rem(self.total).unwrap_or(0);
        let passed = self.others.partition_point(|(before, _)| *before <= draw);
        passed
            .checked_sub(1)
            .and_then(|place| self.others.get(place))
            .map_or(&self.first, |(_, other)| other)
    }

    /// All destinations.
    pub fn iter(&self) -> impl Iterator<Item = &Destination> {
        std::iter::once(&self.first).chain(self.others.iter().map(|(_, other)| other))
    }

    /// The sum of the weights.
    pub fn total_weight(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests;
