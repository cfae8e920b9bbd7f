use super::filter::HttpRouteFilter;
use super::reference::ParentReference;
use crate::meta::Object;
use crate::value::Duration;

/// Routes of HTTP.
pub type HttpRoute = Object<HttpRouteSpec>;

form! {
    /// The desired state of an [`HttpRoute`].
    pub struct HttpRouteSpec {
        /// What the routes attach to: gateways, or services in a mesh.
        pub parent_refs: Vec<ParentReference>,
        /// Host names. None: all. Not used in a mesh.
        pub hostnames: Vec<String>,
        /// Rules.
        pub rules: Vec<HttpRouteRule>,
    }

    /// What happens to the requests that it matches.
    pub struct HttpRouteRule {
        /// Name.
        pub name: Option<String>,
        /// Conditions, of which one must hold. None: every request.
        pub matches: Vec<HttpRouteMatch>,
        /// Steps of processing.
        pub filters: Vec<HttpRouteFilter>,
        /// Backends, by weight.
        pub backend_refs: Vec<HttpBackendRef>,
        /// Time limits.
        pub timeouts: Option<HttpRouteTimeouts>,
        /// Retries.
        pub retry: Option<HttpRouteRetry>,
        /// How the requests of one session find the same endpoint.
        pub session_persistence: Option<SessionPersistence>,
    }

    /// Conditions on a request, all of which must hold.
    pub struct HttpRouteMatch {
        /// The path. Absent: prefix `/`.
        pub path: Option<HttpPathMatch>,
        /// Headers.
        pub headers: Vec<HttpValueMatch>,
        /// Query parameters.
        pub query_params: Vec<HttpValueMatch>,
        /// The method.
        pub method: Option<HttpMethod>,
    }

    /// How a path must look.
    pub struct HttpPathMatch {
        /// How it is compared. Absent: by prefix.
        #[serde(rename = "type")]
        pub type_: Option<PathMatchType>,
        /// What it is compared to. Absent: `/`.
        pub value: Option<String>,
    }

    /// How a header or query parameter must look.
    pub struct HttpValueMatch {
        /// How it is compared. Absent: exactly.
        #[serde(rename = "type")]
        pub type_: Option<ValueMatchType>,
        /// Its name.
        pub name: String,
        /// What it is compared to.
        pub value: String,
    }

    /// A backend of HTTP requests.
    pub struct HttpBackendRef {
        /// API group. Absent: the core group.
        pub group: Option<String>,
        /// Kind. Absent: `Service`.
        pub kind: Option<String>,
        /// Namespace. Absent: the route's; another one takes a [`ReferenceGrant`](super::ReferenceGrant).
        pub namespace: Option<String>,
        /// Name.
        pub name: String,
        /// Port; services need one.
        pub port: Option<u16>,
        /// Share, relative to the sum of all. Absent: 1.
        pub weight: Option<i32>,
        /// Steps of processing, for this backend alone.
        pub filters: Vec<HttpRouteFilter>,
    }

    /// Time limits.
    pub struct HttpRouteTimeouts {
        /// For the whole request, attempts included. Zero: none.
        pub request: Option<Duration>,
        /// For each attempt. Zero: none.
        pub backend_request: Option<Duration>,
    }

    /// Retries.
    pub struct HttpRouteRetry {
        /// Statuses for which a request is sent again, besides failures of the connection.
        pub codes: Vec<u16>,
        /// How many. Absent: the mesh's default.
        pub attempts: Option<i32>,
        /// Shortest pause between attempts.
        pub backoff: Option<Duration>,
    }

    /// How the requests of one session find the same endpoint.
    pub struct SessionPersistence {
        /// Name of the cookie or header.
        pub session_name: Option<String>,
        /// How long a session lasts at most.
        pub absolute_timeout: Option<Duration>,
        /// How long a session lasts without requests.
        pub idle_timeout: Option<Duration>,
        /// What carries the session. Absent: a cookie.
        #[serde(rename = "type")]
        pub type_: Option<SessionPersistenceType>,
        /// The cookie.
        pub cookie_config: Option<SessionCookie>,
    }

    /// A session's cookie.
    pub struct SessionCookie {
        /// How long browsers keep it.
        pub lifetime_type: Option<CookieLifetime>,
    }
}

choice! {
    /// How paths are compared.
    pub enum PathMatchType {
        /// By whole segments from the start.
        PathPrefix = "PathPrefix",
        /// Exactly.
        Exact = "Exact",
        /// By a regular expression.
        RegularExpression = "RegularExpression",
    }

    /// What carries a session.
    pub enum SessionPersistenceType {
        /// A cookie.
        Cookie = "Cookie",
        /// A header.
        Header = "Header",
    }

    /// How long browsers keep a cookie.
    pub enum CookieLifetime {
        /// As long as they run.
        Session = "Session",
        /// Until its time is over.
        Permanent = "Permanent",
    }

    /// How headers, query parameters and gRPC methods are compared.
    pub enum ValueMatchType {
        /// Exactly.
        Exact = "Exact",
        /// By a regular expression.
        RegularExpression = "RegularExpression",
    }

    /// Methods.
    pub enum HttpMethod {
        /// GET.
        Get = "GET",
        /// HEAD.
        Head = "HEAD",
        /// POST.
        Post = "POST",
        /// PUT.
        Put = "PUT",
        /// DELETE.
        Delete = "DELETE",
        /// CONNECT.
        Connect = "CONNECT",
        /// OPTIONS.
        Options = "OPTIONS",
        /// TRACE.
        Trace = "TRACE",
        /// PATCH.
        Patch = "PATCH",
    }
}
