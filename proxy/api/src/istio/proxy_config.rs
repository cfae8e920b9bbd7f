use std::collections::BTreeMap;

use super::telemetry::CustomTag;
use super::traffic_policy::ClientTlsSettings;
use crate::value::Duration;

form! {
    /// Settings of proxies: mesh-wide in the mesh configuration, or of one pod in its annotation
    /// `proxy.istio.io/config`.
    pub struct ProxyConfig {
        /// Environment variables.
        #[serde(alias = "proxy_metadata")]
        pub proxy_metadata: BTreeMap<String, String>,
        /// Address of the control plane.
        #[serde(alias = "discovery_address")]
        pub discovery_address: String,
        /// How long a stopping proxy drains. Absent: 45 s.
        #[serde(alias = "drain_duration")]
        pub drain_duration: Option<Duration>,
        /// How long a stopping proxy waits for its connections. Absent: 5 s.
        #[serde(alias = "termination_drain_duration")]
        pub termination_drain_duration: Option<Duration>,
        /// Worker threads. Zero: one per core. Absent: by the processor limit.
        pub concurrency: Option<i32>,
        /// Tracing.
        pub tracing: Option<ProxyTracing>,
        /// How the proxy names itself in spans.
        #[serde(alias = "tracing_service_name")]
        pub tracing_service_name: Option<TracingServiceName>,
        /// What stands in front of the proxy.
        #[serde(alias = "gateway_topology")]
        pub gateway_topology: Option<Topology>,
        /// Headers that proxies add by themselves.
        #[serde(alias = "proxy_headers")]
        pub proxy_headers: Option<ProxyHeaders>,
        /// Further labels of metrics.
        #[serde(alias = "extra_stat_tags")]
        pub extra_stat_tags: Vec<String>,
        /// Name of the mesh in metrics and spans.
        #[serde(alias = "mesh_id")]
        pub mesh_id: String,
        /// Further roots of trust, PEM.
        #[serde(alias = "ca_certificates_pem")]
        pub ca_certificates_pem: Vec<String>,
    }

    /// Tracing by settings of the proxy, the form before Telemetry resources.
    pub struct ProxyTracing {
        /// Traces by Zipkin's protocol.
        pub zipkin: Option<ZipkinAddress>,
        /// Share of requests that are traced, 0 to 100. Absent: 1.
        pub sampling: Option<f64>,
        /// Tags to add to spans.
        #[serde(alias = "custom_tags")]
        pub custom_tags: BTreeMap<String, CustomTag>,
        /// Most characters of the path in a span. Absent: 256.
        #[serde(alias = "max_path_tag_length")]
        pub max_path_tag_length: Option<u32>,
        /// TLS towards the collector.
        #[serde(alias = "tls_settings")]
        pub tls_settings: Option<ClientTlsSettings>,
        /// Whether Istio's own tags are added. Absent: yes.
        #[serde(alias = "enable_istio_tags")]
        pub enable_istio_tags: Option<bool>,
    }

    /// A Zipkin collector.
    pub struct ZipkinAddress {
        /// `host:port`.
        pub address: String,
    }

    /// What stands in front of a proxy.
    pub struct Topology {
        /// Number of trusted proxies in front, which decides the client address in X-Forwarded-For.
        #[serde(alias = "num_trusted_proxies")]
        pub num_trusted_proxies: Option<u32>,
        /// What becomes of X-Forwarded-Client-Cert.
        #[serde(alias = "forward_client_cert_details")]
        pub forward_client_cert_details: Option<ForwardClientCertDetails>,
        /// Whether the PROXY protocol is expected.
        #[serde(alias = "proxy_protocol")]
        pub proxy_protocol: Option<TopologyProxyProtocol>,
    }

    /// The PROXY protocol from trusted proxies; its presence is the setting.
    pub struct TopologyProxyProtocol {}

    /// Headers that proxies add by themselves.
    pub struct ProxyHeaders {
        /// What becomes of X-Forwarded-Client-Cert.
        #[serde(alias = "forwarded_client_cert")]
        pub forwarded_client_cert: Option<ForwardClientCertDetails>,
        /// Which details X-Forwarded-Client-Cert gets.
        #[serde(alias = "set_current_client_cert_details")]
        pub set_current_client_cert_details: Option<ClientCertDetails>,
        /// `x-request-id`.
        #[serde(alias = "request_id")]
        pub request_id: Option<HeaderSwitch>,
        /// `server`.
        pub server: Option<ServerHeader>,
        /// `x-envoy-attempt-count`.
        #[serde(alias = "attempt_count")]
        pub attempt_count: Option<HeaderSwitch>,
        /// `x-envoy-upstream-service-time` and its kin.
        #[serde(alias = "envoy_debug_headers")]
        pub envoy_debug_headers: Option<HeaderSwitch>,
        /// `x-envoy-peer-metadata` and its kin.
        #[serde(alias = "metadata_exchange_headers")]
        pub metadata_exchange_headers: Option<MetadataExchangeHeaders>,
        /// Whether the case of HTTP/1.1 header names is kept.
        #[serde(alias = "preserve_http1_header_case")]
        pub preserve_http1_header_case: Option<bool>,
        /// `x-forwarded-host`.
        #[serde(alias = "x_forwarded_host")]
        pub x_forwarded_host: Option<HeaderOptIn>,
        /// `x-forwarded-port`.
        #[serde(alias = "x_forwarded_port")]
        pub x_forwarded_port: Option<HeaderOptIn>,
    }

    /// Details of the client certificate.
    pub struct ClientCertDetails {
        /// The subject. Absent: yes.
        pub subject: Option<bool>,
        /// The certificate. Absent: no.
        pub cert: Option<bool>,
        /// The chain. Absent: no.
        pub chain: Option<bool>,
        /// DNS names. Absent: yes.
        pub dns: Option<bool>,
        /// URIs. Absent: yes.
        pub uri: Option<bool>,
    }

    /// A header that is there unless it is switched off.
    pub struct HeaderSwitch {
        /// Whether it is off.
        pub disabled: Option<bool>,
    }

    /// A header that is not there unless it is switched on.
    pub struct HeaderOptIn {
        /// Whether it is on.
        pub enabled: Option<bool>,
    }

    /// The `server` header.
    pub struct ServerHeader {
        /// Whether it is off.
        pub disabled: Option<bool>,
        /// Its value. Empty: `istio-envoy`.
        pub value: String,
    }

    /// Headers by which peers describe themselves.
    pub struct MetadataExchangeHeaders {
        /// To whom they go.
        pub mode: Option<MetadataExchangeMode>,
    }
}

choice! {
    /// How the proxy names itself in spans.
    pub enum TracingServiceName {
        /// Label `app`, and the namespace.
        AppLabelAndNamespace = "APP_LABEL_AND_NAMESPACE",
        /// The canonical name.
        CanonicalNameOnly = "CANONICAL_NAME_ONLY",
        /// The canonical name, and the namespace.
        CanonicalNameAndNamespace = "CANONICAL_NAME_AND_NAMESPACE",
    }

    /// What becomes of X-Forwarded-Client-Cert.
    pub enum ForwardClientCertDetails {
        /// Not said.
        Undefined = "UNDEFINED",
        /// It is removed.
        Sanitize = "SANITIZE",
        /// It is kept when the connection has a client certificate.
        ForwardOnly = "FORWARD_ONLY",
        /// The client certificate is appended.
        AppendForward = "APPEND_FORWARD",
        /// It is replaced by the client certificate.
        SanitizeSet = "SANITIZE_SET",
        /// It is kept in any case.
        AlwaysForwardOnly = "ALWAYS_FORWARD_ONLY",
    }

    /// To whom headers go by which peers describe themselves.
    pub enum MetadataExchangeMode {
        /// To everyone.
        Undefined = "UNDEFINED",
        /// To peers in the mesh.
        InMesh = "IN_MESH",
    }
}
