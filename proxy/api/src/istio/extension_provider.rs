use std::collections::BTreeMap;

use crate::value::Duration;

form! {
    /// An outside service: its name, and the one field that says what it is.
    pub struct MeshExtensionProvider {
        /// Name, which policies refer to.
        pub name: String,
        /// Authorization over HTTP.
        pub envoy_ext_authz_http: Option<ExtAuthzHttp>,
        /// Authorization over gRPC.
        pub envoy_ext_authz_grpc: Option<ExtAuthzGrpc>,
    }

    /// Authorization over HTTP.
    pub struct ExtAuthzHttp {
        /// Host of the service, `[namespace/]host`.
        pub service: String,
        /// Port of the service.
        pub port: Option<u32>,
        /// How long an answer may take. Absent: 600 s.
        pub timeout: Option<Duration>,
        /// What precedes the path in checks.
        pub path_prefix: String,
        /// Whether requests pass when the service fails.
        pub fail_open: bool,
        /// Whether the routing decision is made anew after the answer.
        pub clear_route_cache: Option<bool>,
        /// Status of the response when the service fails. Empty: 403.
        pub status_on_error: String,
        /// Deprecated form of `include_request_headers_in_check`.
        pub include_headers_in_check: Vec<String>,
        /// Request headers to send; exact, `prefix*` or `*suffix`.
        pub include_request_headers_in_check: Vec<String>,
        /// Fixed headers to send.
        pub include_additional_headers_in_check: BTreeMap<String, String>,
        /// Whether and how much of the body is sent.
        pub include_request_body_in_check: Option<ExtAuthzRequestBody>,
        /// Headers of the answer that the request gets when it is allowed.
        pub headers_to_upstream_on_allow: Vec<String>,
        /// Headers of the answer that the response gets when the request is denied.
        pub headers_to_downstream_on_deny: Vec<String>,
        /// Headers of the answer that the response gets when the request is allowed.
        pub headers_to_downstream_on_allow: Vec<String>,
    }

    /// Authorization over gRPC.
    pub struct ExtAuthzGrpc {
        /// Host of the service, `[namespace/]host`.
        pub service: String,
        /// Port of the service.
        pub port: Option<u32>,
        /// How long an answer may take. Absent: 600 s.
        pub timeout: Option<Duration>,
        /// Whether requests pass when the service fails.
        pub fail_open: bool,
        /// Whether the routing decision is made anew after the answer.
        pub clear_route_cache: Option<bool>,
        /// Status of the response when the service fails. Empty: 403.
        pub status_on_error: String,
        /// Whether and how much of the body is sent.
        pub include_request_body_in_check: Option<ExtAuthzRequestBody>,
    }

    /// How much of the body is sent.
    pub struct ExtAuthzRequestBody {
        /// Most bytes to hold back and send.
        pub max_request_bytes: Option<u32>,
        /// Whether a longer body is sent in part; otherwise the request is refused.
        pub allow_partial_message: bool,
        /// Whether the body goes as bytes; otherwise as UTF-8.
        pub pack_as_bytes: bool,
    }
}
