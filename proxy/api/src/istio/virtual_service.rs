use std::collections::BTreeMap;

use super::selector::PortSelector;
use super::virtual_service_match::{HttpMatchRequest, L4MatchAttributes, StringMatch, TlsMatchAttributes};
use crate::meta::Object;
use crate::value::Duration;

/// Routes for hosts.
pub type VirtualService = Object<VirtualServiceSpec>;

form! {
    /// The desired state of a [`VirtualService`].
    pub struct VirtualServiceSpec {
        /// Hosts, short or full; short names are of the resource's namespace. May begin with `*`.
        pub hosts: Vec<String>,
        /// Gateways that use the routes; `mesh` is everything inside. None: `mesh`.
        pub gateways: Vec<String>,
        /// Routes of HTTP; the first that matches is taken.
        pub http: Vec<HttpRoute>,
        /// Routes of TLS that is not terminated.
        pub tls: Vec<TlsRoute>,
        /// Routes of TCP.
        pub tcp: Vec<TcpRoute>,
        /// Namespaces whose workloads see the resource.
        pub export_to: Vec<String>,
    }

    /// What happens to the requests that it matches.
    pub struct HttpRoute {
        /// Name, for logs.
        pub name: String,
        /// Conditions, of which one must hold. None: every request.
        #[serde(rename = "match")]
        pub matches: Vec<HttpMatchRequest>,
        /// Destinations, by weight.
        pub route: Vec<HttpRouteDestination>,
        /// A redirect, in place of destinations.
        pub redirect: Option<HttpRedirect>,
        /// A fixed response, in place of destinations.
        pub direct_response: Option<DirectResponse>,
        /// Another VirtualService, whose routes take this one's place.
        pub delegate: Option<Delegate>,
        /// Changes of path and authority.
        pub rewrite: Option<HttpRewrite>,
        /// How long all attempts may take together. Absent: no limit.
        pub timeout: Option<Duration>,
        /// Retries.
        pub retries: Option<HttpRetry>,
        /// Faults to inject.
        pub fault: Option<HttpFaultInjection>,
        /// A destination that gets a copy of requests.
        pub mirror: Option<Destination>,
        /// Destinations that get a copy of requests.
        pub mirrors: Vec<HttpMirrorPolicy>,
        /// Deprecated form of `mirror_percentage`.
        #[serde(alias = "mirror_percent")]
        pub mirror_percent: Option<u32>,
        /// Share of requests that `mirror` gets. Absent: all.
        pub mirror_percentage: Option<Percent>,
        /// Cross-origin rules.
        pub cors_policy: Option<CorsPolicy>,
        /// Changes of headers.
        pub headers: Option<Headers>,
    }

    /// What happens to the TLS connections that it matches.
    pub struct TlsRoute {
        /// Conditions, of which one must hold.
        #[serde(rename = "match")]
        pub matches: Vec<TlsMatchAttributes>,
        /// Destinations, by weight.
        pub route: Vec<RouteDestination>,
    }

    /// What happens to the TCP connections that it matches.
    pub struct TcpRoute {
        /// Conditions, of which one must hold. None: every connection.
        #[serde(rename = "match")]
        pub matches: Vec<L4MatchAttributes>,
        /// Destinations, by weight.
        pub route: Vec<RouteDestination>,
    }

    /// Where traffic goes.
    pub struct Destination {
        /// Host, short or full; short names are of the resource's namespace.
        pub host: String,
        /// Subset of the host.
        pub subset: String,
        /// Service port. May be absent when the host has one port only.
        pub port: Option<PortSelector>,
    }

    /// One of an HTTP route's destinations.
    pub struct HttpRouteDestination {
        /// Where.
        pub destination: Option<Destination>,
        /// Its share, relative to the sum of all.
        pub weight: Option<i32>,
        /// Changes of headers, for this destination alone.
        pub headers: Option<Headers>,
    }

    /// One of a TLS or TCP route's destinations.
    pub struct RouteDestination {
        /// Where.
        pub destination: Option<Destination>,
        /// Its share, relative to the sum of all.
        pub weight: Option<i32>,
    }

    /// Another VirtualService.
    pub struct Delegate {
        /// Its name.
        pub name: String,
        /// Its namespace. Empty: the same.
        pub namespace: String,
    }

    /// Changes of headers.
    pub struct Headers {
        /// Those of the request.
        pub request: Option<HeaderOperations>,
        /// Those of the response.
        pub response: Option<HeaderOperations>,
    }

    /// Changes of headers in one direction.
    pub struct HeaderOperations {
        /// Headers to overwrite.
        pub set: BTreeMap<String, String>,
        /// Values to append.
        pub add: BTreeMap<String, String>,
        /// Headers to remove.
        pub remove: Vec<String>,
    }

    /// A redirect.
    pub struct HttpRedirect {
        /// Path that replaces the request's; with a prefix match only the whole of it.
        pub uri: String,
        /// Authority that replaces the request's.
        pub authority: String,
        /// Port that replaces the request's.
        pub port: Option<u32>,
        /// Where the port comes from otherwise.
        pub derive_port: Option<RedirectPort>,
        /// Scheme that replaces the request's.
        pub scheme: String,
        /// Status. Absent: 301.
        pub redirect_code: Option<u32>,
        /// Text that replaces the matched prefix.
        pub prefix_rewrite: String,
    }

    /// A fixed response.
    pub struct DirectResponse {
        /// Status.
        pub status: Option<u32>,
        /// Body.
        pub body: Option<HttpBody>,
    }

    /// A body; one of the two.
    pub struct HttpBody {
        /// As text.
        pub string: Option<String>,
        /// As base64.
        pub bytes: Option<String>,
    }

    /// Changes of path and authority before forwarding.
    pub struct HttpRewrite {
        /// Path that replaces the request's, or the matched prefix.
        pub uri: String,
        /// Authority that replaces the request's.
        pub authority: String,
        /// Change of the path by a regular expression.
        pub uri_regex_rewrite: Option<RegexRewrite>,
    }

    /// A change by a regular expression.
    pub struct RegexRewrite {
        /// RE2 expression for the part to replace.
        #[serde(rename = "match")]
        pub matches: String,
        /// Replacement, with `\1` for groups.
        pub rewrite: String,
    }

    /// Retries.
    pub struct HttpRetry {
        /// How many. Zero: none.
        pub attempts: Option<i32>,
        /// How long each attempt may take. Absent: the route's timeout.
        pub per_try_timeout: Option<Duration>,
        /// Conditions and status codes, separated by commas.
        pub retry_on: String,
        /// Whether retries may go to other localities.
        pub retry_remote_localities: Option<bool>,
        /// Whether retries may go to hosts that have failed. Absent: they avoid them.
        pub retry_ignore_previous_hosts: Option<bool>,
        /// Base of the pause between attempts. Absent: 25 ms.
        pub backoff: Option<Duration>,
    }

    /// Cross-origin rules.
    pub struct CorsPolicy {
        /// Deprecated form of `allow_origins`: exact origins, or `*`.
        pub allow_origin: Vec<String>,
        /// Origins, of which one must match.
        pub allow_origins: Vec<StringMatch>,
        /// Methods, for `Access-Control-Allow-Methods`.
        pub allow_methods: Vec<String>,
        /// Request headers, for `Access-Control-Allow-Headers`.
        pub allow_headers: Vec<String>,
        /// Response headers, for `Access-Control-Expose-Headers`.
        pub expose_headers: Vec<String>,
        /// How long a preflight may be cached.
        pub max_age: Option<Duration>,
        /// Whether credentials may be sent.
        pub allow_credentials: Option<bool>,
        /// What becomes of preflights from other origins. Absent: they are forwarded.
        pub unmatched_preflights: Option<UnmatchedPreflights>,
    }

    /// Faults to inject.
    pub struct HttpFaultInjection {
        /// A delay before forwarding.
        pub delay: Option<Delay>,
        /// A failure in place of forwarding.
        pub abort: Option<Abort>,
    }

    /// A delay.
    pub struct Delay {
        /// Deprecated form of `percentage`.
        pub percent: Option<i32>,
        /// How long.
        pub fixed_delay: Option<Duration>,
        /// Mean of a random delay; Istio does not act on it.
        pub exponential_delay: Option<Duration>,
        /// Share of requests. Absent: `percent`, and without that none.
        pub percentage: Option<Percent>,
    }

    /// A failure; one of status, gRPC status and HTTP/2 error.
    pub struct Abort {
        /// HTTP status.
        pub http_status: Option<i32>,
        /// gRPC status, by name (`UNAVAILABLE`) or number.
        pub grpc_status: Option<String>,
        /// HTTP/2 error; Istio does not act on it.
        pub http2_error: Option<String>,
        /// Share of requests. Absent: none.
        pub percentage: Option<Percent>,
    }

    /// A destination that gets a copy of requests.
    pub struct HttpMirrorPolicy {
        /// Where.
        pub destination: Option<Destination>,
        /// Share of requests. Absent: all.
        pub percentage: Option<Percent>,
    }

    /// A share.
    pub struct Percent {
        /// 0 to 100.
        pub value: f64,
    }
}

choice! {
    /// Where the port of a redirect comes from.
    pub enum RedirectPort {
        /// The default of the scheme.
        FromProtocolDefault = "FROM_PROTOCOL_DEFAULT",
        /// The request.
        FromRequestPort = "FROM_REQUEST_PORT",
    }

    /// What becomes of a preflight whose origin matches none.
    pub enum UnmatchedPreflights {
        /// As Istio does by default: forwarded.
        Unspecified = "UNSPECIFIED",
        /// Forwarded.
        Forward = "FORWARD",
        /// Answered without cross-origin headers.
        Ignore = "IGNORE",
    }
}
