use super::reference::{BackendObjectReference, LocalObjectReference};

form! {
    /// A step in the processing of HTTP requests: the type, and the one field that goes with it.
    pub struct HttpRouteFilter {
        /// Which step.
        #[serde(rename = "type")]
        pub type_: Option<HttpRouteFilterType>,
        /// Changes of request headers.
        pub request_header_modifier: Option<HeaderModifier>,
        /// Changes of response headers.
        pub response_header_modifier: Option<HeaderModifier>,
        /// A backend that gets a copy of requests.
        pub request_mirror: Option<RequestMirror>,
        /// A redirect.
        pub request_redirect: Option<RequestRedirect>,
        /// Changes of host name and path.
        pub url_rewrite: Option<UrlRewrite>,
        /// Cross-origin rules.
        pub cors: Option<CorsFilter>,
        /// A step of the implementation.
        pub extension_ref: Option<LocalObjectReference>,
    }

    /// A step in the processing of gRPC requests: the type, and the one field that goes with it.
    pub struct GrpcRouteFilter {
        /// Which step.
        #[serde(rename = "type")]
        pub type_: Option<GrpcRouteFilterType>,
        /// Changes of request headers.
        pub request_header_modifier: Option<HeaderModifier>,
        /// Changes of response headers.
        pub response_header_modifier: Option<HeaderModifier>,
        /// A backend that gets a copy of requests.
        pub request_mirror: Option<RequestMirror>,
        /// A step of the implementation.
        pub extension_ref: Option<LocalObjectReference>,
    }

    /// Changes of headers.
    pub struct HeaderModifier {
        /// Headers to overwrite.
        pub set: Vec<HttpHeader>,
        /// Values to append.
        pub add: Vec<HttpHeader>,
        /// Headers to remove.
        pub remove: Vec<String>,
    }

    /// A header.
    pub struct HttpHeader {
        /// Name.
        pub name: String,
        /// Value.
        pub value: String,
    }

    /// A backend that gets a copy of requests.
    pub struct RequestMirror {
        /// The backend.
        pub backend_ref: Option<BackendObjectReference>,
        /// Share of requests, 0 to 100. Absent, with no `fraction`: all.
        pub percent: Option<i32>,
        /// Share of requests.
        pub fraction: Option<Fraction>,
    }

    /// A share.
    pub struct Fraction {
        /// So many.
        pub numerator: Option<i32>,
        /// Of so many. Absent: 100.
        pub denominator: Option<i32>,
    }

    /// A redirect.
    pub struct RequestRedirect {
        /// Scheme. Absent: the request's.
        pub scheme: Option<RedirectScheme>,
        /// Host name. Absent: the request's.
        pub hostname: Option<String>,
        /// Path. Absent: the request's.
        pub path: Option<PathModifier>,
        /// Port. Absent: the scheme's, or the listener's.
        pub port: Option<u16>,
        /// Status. Absent: 302.
        pub status_code: Option<u16>,
    }

    /// Changes of host name and path before forwarding.
    pub struct UrlRewrite {
        /// Host name. Absent: the request's.
        pub hostname: Option<String>,
        /// Path. Absent: the request's.
        pub path: Option<PathModifier>,
    }

    /// A change of the path: the type, and the one field that goes with it.
    pub struct PathModifier {
        /// Which change.
        #[serde(rename = "type")]
        pub type_: Option<PathModifierType>,
        /// The whole new path.
        pub replace_full_path: Option<String>,
        /// What takes the place of the matched prefix.
        pub replace_prefix_match: Option<String>,
    }

    /// Cross-origin rules.
    pub struct CorsFilter {
        /// Origins, with `*` as a wildcard.
        pub allow_origins: Vec<String>,
        /// Whether credentials may be sent.
        pub allow_credentials: Option<bool>,
        /// Methods, or `*`.
        pub allow_methods: Vec<String>,
        /// Request headers, or `*`.
        pub allow_headers: Vec<String>,
        /// Response headers, or `*`.
        pub expose_headers: Vec<String>,
        /// Seconds that a preflight may be cached. Absent: 5.
        pub max_age: Option<i32>,
    }
}

choice! {
    /// Steps in the processing of HTTP requests.
    pub enum HttpRouteFilterType {
        /// Changes of request headers.
        RequestHeaderModifier = "RequestHeaderModifier",
        /// Changes of response headers.
        ResponseHeaderModifier = "ResponseHeaderModifier",
        /// A copy of requests.
        RequestMirror = "RequestMirror",
        /// A redirect.
        RequestRedirect = "RequestRedirect",
        /// Changes of host name and path.
        UrlRewrite = "URLRewrite",
        /// A step of the implementation.
        ExtensionRef = "ExtensionRef",
        /// Cross-origin rules.
        Cors = "CORS",
    }

    /// Steps in the processing of gRPC requests.
    pub enum GrpcRouteFilterType {
        /// Changes of request headers.
        RequestHeaderModifier = "RequestHeaderModifier",
        /// Changes of response headers.
        ResponseHeaderModifier = "ResponseHeaderModifier",
        /// A copy of requests.
        RequestMirror = "RequestMirror",
        /// A step of the implementation.
        ExtensionRef = "ExtensionRef",
    }

    /// Schemes to redirect to.
    pub enum RedirectScheme {
        /// Plain HTTP.
        Http = "http",
        /// HTTP over TLS.
        Https = "https",
    }

    /// Changes of the path.
    pub enum PathModifierType {
        /// The whole path is replaced.
        ReplaceFullPath = "ReplaceFullPath",
        /// The matched prefix is replaced.
        ReplacePrefixMatch = "ReplacePrefixMatch",
    }
}
