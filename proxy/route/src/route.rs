//! One compiled route and where it leads.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cairn_api::meta::ObjectRef;
use http::StatusCode;

use crate::cors::Cors;
use crate::destination::WeightedDestinations;
use crate::fault::Fault;
use crate::head::RequestHead;
use crate::headers::HeaderOperations;
use crate::matcher::Matcher;
use crate::mirror::Mirror;
use crate::redirect::Redirect;
use crate::retry::Retry;
use crate::rewrite::PathRewrite;
use crate::session::SessionPersistence;

/// One match block of a route, with all that follows from matching it.
#[derive(Debug, Clone)]
pub struct Route {
    /// The name for logs: that of the route, and after a `.` that of the match block; empty without names.
    pub name: String,
    /// The name under which requests that match are counted apart, where one is given: `statPrefix` of the match block. The
    /// configuration gives it, so that there are only so many.
    pub stat_prefix: Option<Arc<str>>,
    /// The conditions; `None`: every request matches.
    pub matches: Option<Matcher>,
    /// Where it leads.
    pub action: Action,
    /// The change of the path before forwarding.
    pub rewrite: Option<PathRewrite>,
    /// Operations on responses that the route makes itself, by redirect or direct response. What
    /// happens to forwarded messages is said at their [`Destination`](crate::Destination).
    pub response_headers: HeaderOperations,
    /// How long all attempts may take together; `None`: as long as they want.
    pub timeout: Option<Duration>,
    /// When a request is sent again; `None`: as the mesh has it.
    pub retry: Option<Retry>,
    /// How requests of one session find the same endpoint; `None`: any may take each. It goes before what the DestinationRule of a
    /// destination says of hashing.
    pub session: Option<SessionPersistence>,
    /// Faults to inject, whatever the action is.
    pub fault: Option<Fault>,
    /// Cross-origin rules, whatever the action is. They come after the faults.
    pub cors: Option<Cors>,
    /// Destinations that get copies of what is forwarded.
    pub mirrors: Vec<Mirror>,
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
