use std::collections::BTreeMap;

use super::selector::{PolicyTargetReference, WorkloadSelector};
use crate::meta::Object;
use crate::value::Duration;

/// What is measured, logged and traced.
pub type Telemetry = Object<TelemetrySpec>;

form! {
    /// The desired state of a [`Telemetry`].
    pub struct TelemetrySpec {
        /// Workloads that this applies to.
        pub selector: Option<WorkloadSelector>,
        /// The one resource that this applies to; the older form of `target_refs`.
        pub target_ref: Option<PolicyTargetReference>,
        /// Resources that this applies to.
        pub target_refs: Vec<PolicyTargetReference>,
        /// Tracing.
        pub tracing: Vec<Tracing>,
        /// Metrics.
        pub metrics: Vec<Metrics>,
        /// Access logs.
        pub access_logging: Vec<AccessLogging>,
    }

    /// Tracing of the requests that it matches.
    pub struct Tracing {
        /// Which requests. Absent: all.
        #[serde(rename = "match")]
        pub matches: Option<TracingSelector>,
        /// Where spans go.
        pub providers: Vec<ProviderRef>,
        /// Share of requests that are traced, 0 to 100.
        pub random_sampling_percentage: Option<f64>,
        /// Whether spans are kept from being sent.
        pub disable_span_reporting: Option<bool>,
        /// Tags to add to spans.
        pub custom_tags: BTreeMap<String, CustomTag>,
        /// Whether the request id takes part in the sampling decision.
        pub use_request_id_for_trace_sampling: Option<bool>,
        /// Whether Istio's own tags are added.
        pub enable_istio_tags: Option<bool>,
        /// Whether trace headers are neither read nor written.
        pub disable_context_propagation: Option<bool>,
    }

    /// Which requests are traced.
    pub struct TracingSelector {
        /// The side that the workload is on.
        pub mode: Option<TelemetryMode>,
    }

    /// A tag of a span; one of the four.
    pub struct CustomTag {
        /// A fixed value.
        pub literal: Option<LiteralTag>,
        /// The value of an environment variable of the proxy.
        pub environment: Option<EnvironmentTag>,
        /// The value of a request header.
        pub header: Option<HeaderTag>,
        /// An access log format string.
        pub formatter: Option<FormatterTag>,
    }

    /// A fixed tag value.
    pub struct LiteralTag {
        /// The value.
        pub value: String,
    }

    /// A tag value from the environment.
    pub struct EnvironmentTag {
        /// Name of the variable.
        pub name: String,
        /// Value when it is not set.
        pub default_value: String,
    }

    /// A tag value from a request header.
    pub struct HeaderTag {
        /// Name of the header.
        pub name: String,
        /// Value when the header is absent.
        pub default_value: String,
    }

    /// A tag value from a format string.
    pub struct FormatterTag {
        /// The format string.
        pub value: String,
    }

    /// A provider of the mesh configuration.
    pub struct ProviderRef {
        /// Name of the provider.
        pub name: String,
    }

    /// Metrics.
    pub struct Metrics {
        /// Where metrics go.
        pub providers: Vec<ProviderRef>,
        /// Changes to single metrics.
        pub overrides: Vec<MetricsOverrides>,
        /// How often metrics of open TCP connections are reported.
        pub reporting_interval: Option<Duration>,
    }

    /// A change to the metrics that it matches.
    pub struct MetricsOverrides {
        /// Which metrics. Absent: all, on both sides.
        #[serde(rename = "match")]
        pub matches: Option<MetricSelector>,
        /// Whether the metrics are not produced.
        pub disabled: Option<bool>,
        /// Changes to tags.
        pub tag_overrides: BTreeMap<String, TagOverride>,
    }

    /// Which metrics; by one of the two names.
    pub struct MetricSelector {
        /// A standard metric.
        pub metric: Option<IstioMetric>,
        /// A metric by its own name.
        pub custom_metric: Option<String>,
        /// The side that the workload is on.
        pub mode: Option<TelemetryMode>,
    }

    /// A change to one tag.
    pub struct TagOverride {
        /// What is done. Absent: the tag is set.
        pub operation: Option<TagOperation>,
        /// A CEL expression that yields the value.
        pub value: String,
    }

    /// Access logs of the requests that it matches.
    pub struct AccessLogging {
        /// Which requests. Absent: all.
        #[serde(rename = "match")]
        pub matches: Option<LogSelector>,
        /// Where entries go.
        pub providers: Vec<ProviderRef>,
        /// Whether nothing is logged.
        pub disabled: Option<bool>,
        /// Which of the matched requests are logged.
        pub filter: Option<AccessLogFilter>,
    }

    /// Which requests are logged.
    pub struct LogSelector {
        /// The side that the workload is on.
        pub mode: Option<TelemetryMode>,
    }

    /// A filter of access log entries.
    pub struct AccessLogFilter {
        /// A CEL expression; entries are written when it is true.
        pub expression: String,
    }
}

choice! {
    /// The side of a connection that is observed.
    pub enum TelemetryMode {
        /// Both sides.
        ClientAndServer = "CLIENT_AND_SERVER",
        /// The workload calls.
        Client = "CLIENT",
        /// The workload is called.
        Server = "SERVER",
    }

    /// The standard metrics.
    pub enum IstioMetric {
        /// All of them.
        AllMetrics = "ALL_METRICS",
        /// `istio_requests_total`.
        RequestCount = "REQUEST_COUNT",
        /// `istio_request_duration_milliseconds`.
        RequestDuration = "REQUEST_DURATION",
        /// `istio_request_bytes`.
        RequestSize = "REQUEST_SIZE",
        /// `istio_response_bytes`.
        ResponseSize = "RESPONSE_SIZE",
        /// `istio_tcp_connections_opened_total`.
        TcpOpenedConnections = "TCP_OPENED_CONNECTIONS",
        /// `istio_tcp_connections_closed_total`.
        TcpClosedConnections = "TCP_CLOSED_CONNECTIONS",
        /// `istio_tcp_sent_bytes_total`.
        TcpSentBytes = "TCP_SENT_BYTES",
        /// `istio_tcp_received_bytes_total`.
        TcpReceivedBytes = "TCP_RECEIVED_BYTES",
        /// `istio_request_messages_total`.
        GrpcRequestMessages = "GRPC_REQUEST_MESSAGES",
        /// `istio_response_messages_total`.
        GrpcResponseMessages = "GRPC_RESPONSE_MESSAGES",
    }

    /// What is done to a tag.
    pub enum TagOperation {
        /// It is set to the expression's value.
        Upsert = "UPSERT",
        /// It is left out.
        Remove = "REMOVE",
    }
}
