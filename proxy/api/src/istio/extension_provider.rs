use std::collections::BTreeMap;

use serde_json::Value;

use crate::value::Duration;

form! {
    /// An outside service: its name, and the one field that says what it is.
    ///
    /// `service` is in all of them a host of the mesh, `[namespace/]host`.
    pub struct MeshExtensionProvider {
        /// Name, which resources refer to.
        pub name: String,
        /// Authorization over HTTP.
        #[serde(alias = "envoy_ext_authz_http")]
        pub envoy_ext_authz_http: Option<ExtAuthzHttp>,
        /// Authorization over gRPC.
        #[serde(alias = "envoy_ext_authz_grpc")]
        pub envoy_ext_authz_grpc: Option<ExtAuthzGrpc>,
        /// Traces by Zipkin's protocol.
        pub zipkin: Option<ZipkinProvider>,
        /// Traces by OpenTelemetry's protocol.
        pub opentelemetry: Option<OpenTelemetryProvider>,
        /// Traces by Datadog's protocol; kept as written.
        pub datadog: Option<Value>,
        /// Traces by SkyWalking's protocol; kept as written.
        pub skywalking: Option<Value>,
        /// Traces and logs by Stackdriver; kept as written.
        pub stackdriver: Option<Value>,
        /// Traces by Lightstep, deprecated; kept as written.
        pub lightstep: Option<Value>,
        /// Traces by OpenCensus, deprecated; kept as written.
        pub opencensus: Option<Value>,
        /// Metrics for Prometheus to fetch.
        pub prometheus: Option<PrometheusProvider>,
        /// Access logs in a file.
        #[serde(alias = "envoy_file_access_log")]
        pub envoy_file_access_log: Option<FileAccessLogProvider>,
        /// HTTP access logs by Envoy's protocol.
        #[serde(alias = "envoy_http_als")]
        pub envoy_http_als: Option<GrpcAccessLogProvider>,
        /// TCP access logs by Envoy's protocol.
        #[serde(alias = "envoy_tcp_als")]
        pub envoy_tcp_als: Option<GrpcAccessLogProvider>,
        /// Access logs by OpenTelemetry's protocol.
        #[serde(alias = "envoy_otel_als")]
        pub envoy_otel_als: Option<OpenTelemetryLogProvider>,
        /// Secrets by Envoy's protocol; kept as written.
        pub sds: Option<Value>,
    }

    /// Authorization over HTTP.
    pub struct ExtAuthzHttp {
        /// Host of the service.
        pub service: String,
        /// Port of the service.
        pub port: Option<u32>,
        /// How long an answer may take. Absent: 600 s.
        pub timeout: Option<Duration>,
        /// What precedes the path in checks.
        #[serde(alias = "path_prefix")]
        pub path_prefix: String,
        /// Whether requests pass when the service fails.
        #[serde(alias = "fail_open")]
        pub fail_open: bool,
        /// Whether the routing decision is made anew after the answer.
        #[serde(alias = "clear_route_cache")]
        pub clear_route_cache: bool,
        /// Status of the response when the service fails. Empty: 403.
        #[serde(alias = "status_on_error")]
        pub status_on_error: String,
        /// Deprecated form of `include_request_headers_in_check`.
        #[serde(alias = "include_headers_in_check")]
        pub include_headers_in_check: Vec<String>,
        /// Request headers to send; `exact`, `prefix*` or `*suffix`.
        #[serde(alias = "include_request_headers_in_check")]
        pub include_request_headers_in_check: Vec<String>,
        /// Fixed headers to send.
        #[serde(alias = "include_additional_headers_in_check")]
        pub include_additional_headers_in_check: BTreeMap<String, String>,
        /// Whether the body is sent, and how much of it.
        #[serde(alias = "include_request_body_in_check")]
        pub include_request_body_in_check: Option<ExtAuthzRequestBody>,
        /// Headers of the answer that an allowed request gets.
        #[serde(alias = "headers_to_upstream_on_allow")]
        pub headers_to_upstream_on_allow: Vec<String>,
        /// Headers of the answer that the response to a denied request gets. None: all.
        #[serde(alias = "headers_to_downstream_on_deny")]
        pub headers_to_downstream_on_deny: Vec<String>,
        /// Headers of the answer that the response to an allowed request gets.
        #[serde(alias = "headers_to_downstream_on_allow")]
        pub headers_to_downstream_on_allow: Vec<String>,
    }

    /// Authorization over gRPC.
    pub struct ExtAuthzGrpc {
        /// Host of the service.
        pub service: String,
        /// Port of the service.
        pub port: Option<u32>,
        /// How long an answer may take. Absent: 600 s.
        pub timeout: Option<Duration>,
        /// Whether requests pass when the service fails.
        #[serde(alias = "fail_open")]
        pub fail_open: bool,
        /// Whether the routing decision is made anew after the answer.
        #[serde(alias = "clear_route_cache")]
        pub clear_route_cache: bool,
        /// Status of the response when the service fails. Empty: 403.
        #[serde(alias = "status_on_error")]
        pub status_on_error: String,
        /// Whether the body is sent, and how much of it.
        #[serde(alias = "include_request_body_in_check")]
        pub include_request_body_in_check: Option<ExtAuthzRequestBody>,
    }

    /// How much of a body is sent to an authorizer.
    pub struct ExtAuthzRequestBody {
        /// Most bytes to hold back and send.
        #[serde(alias = "max_request_bytes")]
        pub max_request_bytes: Option<u32>,
        /// Whether the first part of a longer body is sent; otherwise such a request is refused with 413.
        #[serde(alias = "allow_partial_message")]
        pub allow_partial_message: bool,
        /// Whether the body goes as bytes, otherwise as UTF-8; gRPC only.
        #[serde(alias = "pack_as_bytes")]
        pub pack_as_bytes: bool,
    }

    /// Traces by Zipkin's protocol.
    pub struct ZipkinProvider {
        /// Host of the service.
        pub service: String,
        /// Port of the service.
        pub port: Option<u32>,
        /// Most characters of the path in a span. Absent: 256.
        #[serde(alias = "max_tag_length")]
        pub max_tag_length: Option<u32>,
        /// Whether trace ids have 64 bits instead of 128.
        #[serde(rename = "enable64bitTraceId")]
        #[serde(alias = "enable_64bit_trace_id")]
        pub enable_64bit_trace_id: bool,
        /// Path of the collector. Empty: `/api/v2/spans`.
        pub path: String,
        /// How long sending may take.
        pub timeout: Option<Duration>,
        /// Headers to send.
        pub headers: Vec<ProviderHeader>,
        /// Which trace headers are used.
        #[serde(alias = "trace_context_option")]
        pub trace_context_option: Option<TraceContextOption>,
    }

    /// Traces by OpenTelemetry's protocol, over gRPC unless `http` is there.
    pub struct OpenTelemetryProvider {
        /// Host of the service.
        pub service: String,
        /// Port of the service.
        pub port: Option<u32>,
        /// Most characters of the path in a span. Absent: 256.
        #[serde(alias = "max_tag_length")]
        pub max_tag_length: Option<u32>,
        /// Sending over HTTP.
        pub http: Option<ProviderHttp>,
        /// Sending over gRPC.
        pub grpc: Option<ProviderGrpc>,
        /// Where attributes of the resource come from.
        #[serde(alias = "resource_detectors")]
        pub resource_detectors: Option<ResourceDetectors>,
        /// Sampling by Dynatrace; kept as written.
        #[serde(alias = "dynatrace_sampler")]
        pub dynatrace_sampler: Option<Value>,
    }

    /// Sending over HTTP.
    pub struct ProviderHttp {
        /// Path.
        pub path: String,
        /// How long sending may take. Absent: 3 s.
        pub timeout: Option<Duration>,
        /// Headers to send.
        pub headers: Vec<ProviderHeader>,
    }

    /// Sending over gRPC.
    pub struct ProviderGrpc {
        /// How long sending may take.
        pub timeout: Option<Duration>,
        /// Metadata to send.
        #[serde(alias = "initial_metadata")]
        pub initial_metadata: Vec<ProviderHeader>,
    }

    /// A header to send; one of the two values.
    pub struct ProviderHeader {
        /// Name.
        pub name: String,
        /// Value.
        pub value: Option<String>,
        /// Variable of the environment that holds the value.
        #[serde(alias = "env_name")]
        pub env_name: Option<String>,
    }

    /// Where attributes of the resource come from.
    pub struct ResourceDetectors {
        /// The environment (`OTEL_RESOURCE_ATTRIBUTES`), when present.
        pub environment: Option<ResourceDetector>,
        /// Dynatrace's files, when present.
        pub dynatrace: Option<ResourceDetector>,
    }

    /// A source of attributes; it has no parameters.
    pub struct ResourceDetector {}

    /// Metrics for Prometheus to fetch; without parameters.
    pub struct PrometheusProvider {}

    /// Access logs in a file.
    pub struct FileAccessLogProvider {
        /// The file. Empty: `/dev/stdout`.
        pub path: String,
        /// Format. Absent: Istio's.
        #[serde(alias = "log_format")]
        pub log_format: Option<LogFormat>,
        /// Whether fields without a value are left out.
        #[serde(alias = "omit_empty_values")]
        pub omit_empty_values: bool,
    }

    /// Format of access log entries.
    pub struct LogFormat {
        /// A format string.
        pub text: Option<String>,
        /// JSON, with format strings as values; for OpenTelemetry, attributes.
        pub labels: Option<Value>,
    }

    /// Access logs by Envoy's protocol.
    pub struct GrpcAccessLogProvider {
        /// Host of the service.
        pub service: String,
        /// Port of the service.
        pub port: Option<u32>,
        /// Name of the log.
        #[serde(alias = "log_name")]
        pub log_name: String,
        /// Filter state to send.
        #[serde(alias = "filter_state_objects_to_log")]
        pub filter_state_objects_to_log: Vec<String>,
        /// Request headers to send; HTTP only.
        #[serde(alias = "additional_request_headers_to_log")]
        pub additional_request_headers_to_log: Vec<String>,
        /// Response headers to send; HTTP only.
        #[serde(alias = "additional_response_headers_to_log")]
        pub additional_response_headers_to_log: Vec<String>,
        /// Response trailers to send; HTTP only.
        #[serde(alias = "additional_response_trailers_to_log")]
        pub additional_response_trailers_to_log: Vec<String>,
    }

    /// Access logs by OpenTelemetry's protocol.
    pub struct OpenTelemetryLogProvider {
        /// Host of the service.
        pub service: String,
        /// Port of the service.
        pub port: Option<u32>,
        /// Name of the log.
        #[serde(alias = "log_name")]
        pub log_name: String,
        /// Format. Absent: Istio's.
        #[serde(alias = "log_format")]
        pub log_format: Option<LogFormat>,
    }
}

choice! {
    /// Which trace headers are used with Zipkin.
    pub enum TraceContextOption {
        /// B3.
        UseB3 = "USE_B3",
        /// B3 and W3C trace context.
        UseB3WithW3cPropagation = "USE_B3_WITH_W3C_PROPAGATION",
    }
}
