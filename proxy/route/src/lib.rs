#![forbid(unsafe_code)]
//! Routes: VirtualServices and the routes of the Gateway API compiled to one table per service and port, and the search in it.
//!
//! [`compile()`] makes a [`RouteTable`] of the routes that apply to a service; [`RouteTable::find`] gives the [`Route`] of a
//! request, at a cost that does not grow with the number of routes. [`compile_tcp`] does the same for connections. What a route asks for is compiled too, so that
//! answering a request is looking up and copying: [`WeightedDestinations::pick`], [`rewrite::apply`], [`redirect::location`],
//! [`HeaderOperations`], [`Fault::decide`], [`Cors::judge`], [`Mirror::strikes`]. [`DestinationRules`] hold the subsets that
//! destinations name, and for each port of a host or subset one merged [`TrafficPolicy`]; [`BackendTlsPolicies`] say how TLS is spoken
//! where no DestinationRule does. [`SessionPersistence`] leads the requests of a session to one endpoint. Everything here is
//! a pure function of its arguments; random numbers and time come from the caller.
//! [`controls`] are the fields by which a client would steer the proxy.
//!
//! Depends on the forms of `cairn-api`, and on `cairn-config` for the problems that it reports.
//!
//! ```
//! use std::sync::Arc;
//! use cairn_route::{Action, Inputs, RequestHead, compile};
//!
//! let virtual_service = serde_json::from_str(r#"{
//!     "metadata": {"name": "reviews", "namespace": "bookinfo"},
//!     "spec": {"hosts": ["reviews"], "http": [
//!         {"match": [{"uri": {"prefix": "/api"}}], "route": [{"destination": {"host": "reviews", "subset": "v2"}}]},
//!         {"directResponse": {"status": 410}}
//!     ]}
//! }"#)?;
//! let (table, problems) = compile(&Inputs {
//!     service_host: "reviews.bookinfo.svc.cluster.local",
//!     service_namespace: "bookinfo",
//!     waypoint_namespace: "bookinfo",
//!     port: 9080,
//!     virtual_services: &[Arc::new(virtual_service)],
//!     ..Inputs::default()
//! });
//! assert!(problems.is_empty());
//!
//! let table = table.expect("there is a route");
//! let headers = http::HeaderMap::new();
//! let head = RequestHead {
//!     method: "GET",
//!     path: "/api/books",
//!     query: None,
//!     authority: "reviews:9080",
//!     scheme: "http",
//!     headers: &headers,
//!     noted: &[],
//!     token: None,
//!     source: None,
//! };
//! let route = table.find(&head).expect("it matches");
//! let Action::Forward(destinations) = &route.action else { panic!("it leads to a service") };
//! assert_eq!(destinations.pick(0).subset.as_deref(), Some("v2"));
//! # Ok::<(), serde_json::Error>(())
//! ```

mod backend_tls;
mod base64;
mod compile;
mod condition;
pub mod controls;
mod cors;
mod destination;
mod fault;
mod grpc;
mod head;
mod headers;
mod host;
mod last_good;
mod matcher;
mod mirror;
mod pattern;
pub mod redirect;
mod retry;
pub mod rewrite;
mod route;
mod rules;
mod session;
mod table;
mod tcp;
mod template;
mod text;

pub use backend_tls::{BackendTls, BackendTlsPolicies};
pub use compile::{
    GatewayRoutes, Inputs, KnownService, KnownServices, RouteScope, VirtualServices, check, compile,
    compile_retry, compile_tcp, grpc_route_status, http_route_status, tcp_route_status, tls_route_status,
};
pub use condition::ParentStatus;
pub use cors::{Cors, CrossOrigin, is_preflight};
pub use destination::{Destination, WeightedDestinations};
pub use fault::{Abort, AbortStatus, Delay, Fault, Percentage};
pub use head::{Note, RequestHead, SourceWorkload};
pub use headers::HeaderOperations;
pub use last_good::{LastGood, LastGoodRoutes};
pub use matcher::{HeaderField, HeaderMatch, Matcher, PathMatch, QueryMatch, SourceMatch};
pub use mirror::{Mirror, shadow_authority};
pub use pattern::{Pattern, PatternError};
pub use redirect::{Redirect, RedirectPort};
pub use retry::{Lost, Retry, RetryOn};
pub use rewrite::{PathRewrite, RegexRewrite, RewriteError};
pub use route::{Action, DirectResponse, Route};
pub use rules::{
    BackendUtilization, ClientCertificate, ClientTls, ConnectionPool, ConsistentHash, DestinationRules,
    Distribute, HashCookie, HashKey, HashLayout, HostPolicy, Http2Keepalive, LoadBalancer, LoadBalancing,
    LocalityPreference, OutlierDetection, ProxyProtocol, RetryBudget, Subset, TcpKeepalive, TlsOrigination,
    TrafficPolicy, Trust, Tunnel, Warmup,
};
pub use session::{EndpointMark, Session, SessionPersistence};
pub use table::RouteTable;
pub use tcp::{Connection, ConnectionMatch, TcpAction, TcpRoute, TcpRoutes};
pub use template::{Facts, TemplateError, Trace, UpstreamFacts};
pub use text::TextMatch;
