use super::{HttpRetry, LocalityLoadBalancerSetting, TcpKeepalive};
use crate::value::Duration;

form! {
    /// Settings of the mesh as a whole: the text under key `mesh` of the ConfigMap `istio` in the root namespace.
    pub struct MeshConfig {
        /// Trust domain of the mesh. Empty: `cluster.local`.
        pub trust_domain: String,
        /// Other trust domains whose identities count as the mesh's own.
        pub trust_domain_aliases: Vec<String>,
        /// Namespace whose resources apply to the whole mesh. Empty: `istio-system`.
        pub root_namespace: String,
        /// File of the access log, `/dev/stdout`. Empty: none.
        pub access_log_file: String,
        /// Format of access log entries. Empty: Istio's.
        pub access_log_format: String,
        /// Encoding of access log entries. Absent: text.
        pub access_log_encoding: Option<AccessLogEncoding>,
        /// Whether requests are traced.
        pub enable_tracing: bool,
        /// Settings of the proxies.
        pub default_config: Option<super::ProxyConfig>,
        /// Outside services for authorization, tracing, metrics and logs.
        pub extension_providers: Vec<super::MeshExtensionProvider>,
        /// How paths are normalized before policies see them.
        pub path_normalization: Option<ProxyPathNormalization>,
        /// Retries of routes that say nothing. Absent: Istio's own.
        pub default_http_retry_policy: Option<HttpRetry>,
        /// What becomes of traffic to unknown destinations.
        pub outbound_traffic_policy: Option<OutboundTrafficPolicy>,
        /// How long connecting may take. Absent: 10 s.
        pub connect_timeout: Option<Duration>,
        /// How long a pooled tunnel connection may be unused.
        pub hbone_idle_timeout: Option<Duration>,
        /// TCP keepalive probes.
        pub tcp_keepalive: Option<TcpKeepalive>,
        /// Preferences among localities.
        pub locality_lb_setting: Option<LocalityLoadBalancerSetting>,
    }

    /// How paths are normalized.
    pub struct ProxyPathNormalization {
        /// How thoroughly. Absent: `DEFAULT`.
        pub normalization: Option<PathNormalization>,
    }

    /// What becomes of traffic to unknown destinations.
    pub struct OutboundTrafficPolicy {
        /// What. Absent: it is let out.
        pub mode: Option<OutboundTrafficMode>,
    }
}

choice! {
    /// Encoding of access log entries.
    pub enum AccessLogEncoding {
        /// Text.
        Text = "TEXT",
        /// JSON.
        Json = "JSON",
    }

    /// How thoroughly paths are normalized; each also does what the ones before it do.
    pub enum PathNormalization {
        /// As `BASE`.
        Default = "DEFAULT",
        /// Not at all.
        None = "NONE",
        /// By RFC 3986, and `\` becomes `/`.
        Base = "BASE",
        /// Runs of slashes become one.
        MergeSlashes = "MERGE_SLASHES",
        /// `%2F` and `%5C` become slashes first.
        DecodeAndMergeSlashes = "DECODE_AND_MERGE_SLASHES",
    }

    /// What becomes of traffic to unknown destinations.
    pub enum OutboundTrafficMode {
        /// It is refused.
        RegistryOnly = "REGISTRY_ONLY",
        /// It is let out.
        AllowAny = "ALLOW_ANY",
    }
}
