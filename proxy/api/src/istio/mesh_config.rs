use super::extension_provider::MeshExtensionProvider;
use super::load_balancer::LocalityLoadBalancerSetting;
use super::proxy_config::ProxyConfig;
use super::traffic_policy::{H2UpgradePolicy, TcpKeepalive};
use super::virtual_service::HttpRetry;
use crate::k8s::LabelSelector;
use crate::value::Duration;

form! {
    /// Settings of the mesh as a whole, as far as proxies read them.
    ///
    /// They are the text under the key `mesh` of the ConfigMap `istio` in the root namespace. That text is
    /// protobuf JSON rather than a custom resource, so fields may also be written in snake_case.
    pub struct MeshConfig {
        /// Trust domain of the mesh. Empty: `cluster.local`.
        #[serde(alias = "trust_domain")]
        pub trust_domain: String,
        /// Other trust domains whose identities count as the mesh's own.
        #[serde(alias = "trust_domain_aliases")]
        pub trust_domain_aliases: Vec<String>,
        /// Further roots of trust.
        #[serde(alias = "ca_certificates")]
        pub ca_certificates: Vec<CertificateData>,
        /// Namespace whose resources apply to the whole mesh. Empty: `istio-system`.
        #[serde(alias = "root_namespace")]
        pub root_namespace: String,
        /// File of the access log, `/dev/stdout`. Empty: none.
        #[serde(alias = "access_log_file")]
        pub access_log_file: String,
        /// Format of access log entries. Empty: Istio's.
        #[serde(alias = "access_log_format")]
        pub access_log_format: String,
        /// Encoding of access log entries. Absent: text.
        #[serde(alias = "access_log_encoding")]
        pub access_log_encoding: Option<AccessLogEncoding>,
        /// Whether requests are traced.
        #[serde(alias = "enable_tracing")]
        pub enable_tracing: bool,
        /// Settings of the proxies.
        #[serde(alias = "default_config")]
        pub default_config: Option<ProxyConfig>,
        /// Outside services for authorization, tracing, metrics and logs.
        #[serde(alias = "extension_providers")]
        pub extension_providers: Vec<MeshExtensionProvider>,
        /// Providers of resources that name none.
        #[serde(alias = "default_providers")]
        pub default_providers: Option<DefaultProviders>,
        /// How paths are normalized before policies see them.
        #[serde(alias = "path_normalization")]
        pub path_normalization: Option<ProxyPathNormalization>,
        /// Retries of routes that say nothing. Absent: Istio's own.
        #[serde(alias = "default_http_retry_policy")]
        pub default_http_retry_policy: Option<HttpRetry>,
        /// What becomes of traffic to unknown destinations.
        #[serde(alias = "outbound_traffic_policy")]
        pub outbound_traffic_policy: Option<OutboundTrafficPolicy>,
        /// How long connecting may take. Absent: 10 s.
        #[serde(alias = "connect_timeout")]
        pub connect_timeout: Option<Duration>,
        /// How long a pooled tunnel connection may be unused. Absent: 1 h.
        #[serde(alias = "hbone_idle_timeout")]
        pub hbone_idle_timeout: Option<Duration>,
        /// How long to wait for the first bytes of a connection whose protocol is not declared. Absent or
        /// zero: without limit.
        #[serde(alias = "protocol_detection_timeout")]
        pub protocol_detection_timeout: Option<Duration>,
        /// How often DNS names of endpoints are resolved. Absent: 60 s.
        #[serde(alias = "dns_refresh_rate")]
        pub dns_refresh_rate: Option<Duration>,
        /// TCP keepalive probes.
        #[serde(alias = "tcp_keepalive")]
        pub tcp_keepalive: Option<TcpKeepalive>,
        /// Whether HTTP/1.1 becomes HTTP/2 towards endpoints. Absent: no.
        #[serde(alias = "h2_upgrade_policy")]
        pub h2_upgrade_policy: Option<H2UpgradePolicy>,
        /// Preferences among localities.
        #[serde(alias = "locality_lb_setting")]
        pub locality_lb_setting: Option<LocalityLoadBalancerSetting>,
        /// Whether mutual TLS is used wherever the peer supports it. Absent: yes.
        #[serde(alias = "enable_auto_mtls")]
        pub enable_auto_mtls: Option<bool>,
        /// TLS inside the mesh.
        #[serde(rename = "meshMTLS")]
        #[serde(alias = "mesh_mTLS")]
        pub mesh_mtls: Option<TlsConfig>,
        /// TLS towards the outside.
        #[serde(alias = "tls_defaults")]
        pub tls_defaults: Option<TlsConfig>,
        /// Namespaces that see services which do not say so themselves.
        #[serde(alias = "default_service_export_to")]
        pub default_service_export_to: Vec<String>,
        /// Namespaces that see VirtualServices which do not say so themselves.
        #[serde(alias = "default_virtual_service_export_to")]
        pub default_virtual_service_export_to: Vec<String>,
        /// Namespaces that see DestinationRules which do not say so themselves.
        #[serde(alias = "default_destination_rule_export_to")]
        pub default_destination_rule_export_to: Vec<String>,
        /// Namespaces that are read; those that match one of the selectors. None: all.
        #[serde(alias = "discovery_selectors")]
        pub discovery_selectors: Vec<LabelSelector>,
        /// Which services other clusters see.
        #[serde(alias = "service_scope_configs")]
        pub service_scope_configs: Vec<ServiceScopeConfig>,
    }

    /// A root of trust; one of the two.
    pub struct CertificateData {
        /// Certificates, PEM.
        pub pem: Option<String>,
        /// Where a SPIFFE bundle is fetched.
        #[serde(alias = "spiffe_bundle_url")]
        pub spiffe_bundle_url: Option<String>,
        /// Kubernetes signers that it is for. None: all.
        #[serde(alias = "cert_signers")]
        pub cert_signers: Vec<String>,
        /// Trust domains that it is for. None: all.
        #[serde(alias = "trust_domains")]
        pub trust_domains: Vec<String>,
    }

    /// Providers of resources that name none.
    pub struct DefaultProviders {
        /// Those of tracing.
        pub tracing: Vec<String>,
        /// Those of metrics.
        pub metrics: Vec<String>,
        /// Those of access logs.
        #[serde(alias = "access_logging")]
        pub access_logging: Vec<String>,
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

    /// Limits of TLS.
    pub struct TlsConfig {
        /// Lowest version.
        #[serde(alias = "min_protocol_version")]
        pub min_protocol_version: Option<TlsProtocol>,
        /// Curves of the key exchange.
        #[serde(alias = "ecdh_curves")]
        pub ecdh_curves: Vec<String>,
        /// Cipher suites of TLS 1.2.
        #[serde(alias = "cipher_suites")]
        pub cipher_suites: Vec<String>,
    }

    /// Which services other clusters see.
    pub struct ServiceScopeConfig {
        /// Namespaces of the services.
        #[serde(alias = "namespace_selector")]
        pub namespace_selector: Option<LabelSelector>,
        /// Labels of the services.
        #[serde(alias = "services_selector")]
        pub services_selector: Option<LabelSelector>,
        /// Who sees them.
        pub scope: Option<ServiceScope>,
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

    /// How thoroughly paths are normalized; from `BASE` on, each step includes the one before it.
    pub enum PathNormalization {
        /// As `BASE`.
        Default = "DEFAULT",
        /// Not at all.
        None = "NONE",
        /// Dot segments are resolved by RFC 3986, and `\` becomes `/`.
        Base = "BASE",
        /// Runs of slashes become one.
        MergeSlashes = "MERGE_SLASHES",
        /// `%2F` and `%5C` are decoded before slashes are merged.
        DecodeAndMergeSlashes = "DECODE_AND_MERGE_SLASHES",
    }

    /// What becomes of traffic to unknown destinations.
    pub enum OutboundTrafficMode {
        /// It is refused.
        RegistryOnly = "REGISTRY_ONLY",
        /// It is let out.
        AllowAny = "ALLOW_ANY",
    }

    /// Versions of TLS.
    pub enum TlsProtocol {
        /// The best that both sides know.
        Auto = "TLS_AUTO",
        /// TLS 1.2.
        V1_2 = "TLSV1_2",
        /// TLS 1.3.
        V1_3 = "TLSV1_3",
    }

    /// Who sees a service.
    pub enum ServiceScope {
        /// Its own cluster.
        Local = "LOCAL",
        /// All clusters of the mesh.
        Global = "GLOBAL",
    }
}
