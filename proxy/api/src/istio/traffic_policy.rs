use super::load_balancer::LoadBalancerSettings;
use super::selector::PortSelector;
use crate::value::Duration;

form! {
    /// How to talk to the endpoints of a host or subset.
    pub struct TrafficPolicy {
        /// How an endpoint is chosen.
        pub load_balancer: Option<LoadBalancerSettings>,
        /// Limits and timeouts of connections.
        pub connection_pool: Option<ConnectionPoolSettings>,
        /// When an endpoint is set aside.
        pub outlier_detection: Option<OutlierDetection>,
        /// TLS towards the endpoints.
        pub tls: Option<ClientTlsSettings>,
        /// What differs for single ports. Replaces the above as a whole for its port.
        pub port_level_settings: Vec<PortTrafficPolicy>,
        /// A proxy to tunnel through.
        pub tunnel: Option<TunnelSettings>,
        /// The PROXY protocol towards the endpoints.
        pub proxy_protocol: Option<ProxyProtocol>,
        /// How many requests may be retries.
        pub retry_budget: Option<RetryBudget>,
    }

    /// A [`TrafficPolicy`] for one port.
    pub struct PortTrafficPolicy {
        /// The service port.
        pub port: Option<PortSelector>,
        /// How an endpoint is chosen.
        pub load_balancer: Option<LoadBalancerSettings>,
        /// Limits and timeouts of connections.
        pub connection_pool: Option<ConnectionPoolSettings>,
        /// When an endpoint is set aside.
        pub outlier_detection: Option<OutlierDetection>,
        /// TLS towards the endpoints.
        pub tls: Option<ClientTlsSettings>,
    }

    /// Tunnelling of TCP through a forward proxy.
    pub struct TunnelSettings {
        /// `CONNECT` or `POST`.
        pub protocol: String,
        /// Host that the tunnel leads to.
        pub target_host: String,
        /// Port that the tunnel leads to.
        pub target_port: Option<u32>,
    }

    /// The PROXY protocol.
    pub struct ProxyProtocol {
        /// Its version. Absent: 1.
        pub version: Option<ProxyProtocolVersion>,
    }

    /// How many requests may be retries.
    pub struct RetryBudget {
        /// Share of active requests, 0 to 100. Absent: 20.
        pub percent: Option<f64>,
        /// Retries that are always allowed. Absent: 3.
        pub min_retry_concurrency: Option<u32>,
        /// The time over which requests are counted.
        pub budget_interval: Option<Duration>,
    }

    /// Limits and timeouts of connections.
    pub struct ConnectionPoolSettings {
        /// Those of all connections.
        pub tcp: Option<TcpSettings>,
        /// Those of HTTP connections.
        pub http: Option<HttpSettings>,
    }

    /// Limits and timeouts of all connections.
    pub struct TcpSettings {
        /// Most connections to the host.
        pub max_connections: Option<i32>,
        /// How long connecting may take.
        pub connect_timeout: Option<Duration>,
        /// Keepalive probes.
        pub tcp_keepalive: Option<TcpKeepalive>,
        /// How long a connection may live.
        pub max_connection_duration: Option<Duration>,
        /// How long a connection may carry nothing.
        pub idle_timeout: Option<Duration>,
    }

    /// TCP keepalive probes.
    pub struct TcpKeepalive {
        /// Unanswered probes after which the connection is dead.
        pub probes: Option<u32>,
        /// Quiet time before the first probe.
        pub time: Option<Duration>,
        /// Time between probes.
        pub interval: Option<Duration>,
    }

    /// Limits and timeouts of HTTP connections.
    pub struct HttpSettings {
        /// Most requests waiting for a connection.
        pub http1_max_pending_requests: Option<i32>,
        /// Most requests at a time.
        pub http2_max_requests: Option<i32>,
        /// Most requests over one connection.
        pub max_requests_per_connection: Option<i32>,
        /// Most retries at a time.
        pub max_retries: Option<i32>,
        /// How long a connection may have no request.
        pub idle_timeout: Option<Duration>,
        /// Whether HTTP/1.1 becomes HTTP/2 towards the endpoint.
        pub h2_upgrade_policy: Option<H2UpgradePolicy>,
        /// Whether the caller's protocol is kept towards the endpoint.
        pub use_client_protocol: bool,
        /// Most streams at a time over one HTTP/2 connection.
        pub max_concurrent_streams: Option<i32>,
        /// HTTP/2 pings.
        pub http2_keep_alive: Option<ConnectionKeepalive>,
    }

    /// HTTP/2 pings.
    pub struct ConnectionKeepalive {
        /// Time between pings.
        pub interval: Option<Duration>,
        /// How long the answer may take.
        pub timeout: Option<Duration>,
    }

    /// When an endpoint is set aside, and for how long.
    pub struct OutlierDetection {
        /// Deprecated name for consecutive gateway errors.
        pub consecutive_errors: Option<i32>,
        /// Whether errors of connecting count apart from those of responses.
        pub split_external_local_origin_errors: bool,
        /// Errors of connecting in a row.
        pub consecutive_local_origin_failures: Option<u32>,
        /// Gateway errors (502, 503, 504) in a row.
        pub consecutive_gateway_errors: Option<u32>,
        /// Server errors in a row. Absent: 5.
        pub consecutive_5xx_errors: Option<u32>,
        /// Time between sweeps. Absent: 10 s.
        pub interval: Option<Duration>,
        /// Shortest time aside; grows with the number of times. Absent: 30 s.
        pub base_ejection_time: Option<Duration>,
        /// Largest share of endpoints that may be aside, percent. Absent: 10.
        pub max_ejection_percent: Option<i32>,
        /// Share of healthy endpoints below which none is set aside, percent.
        pub min_health_percent: Option<i32>,
        /// Status codes that count as errors.
        pub outlier_detection_http_error_codes: Vec<u32>,
    }

    /// TLS towards endpoints.
    pub struct ClientTlsSettings {
        /// Whether and how.
        pub mode: Option<TlsMode>,
        /// File of the client certificate.
        pub client_certificate: String,
        /// File of the private key.
        pub private_key: String,
        /// File of the authorities that are trusted.
        pub ca_certificates: String,
        /// Secret that holds the three.
        pub credential_name: String,
        /// Names of which the endpoint's certificate must have one.
        pub subject_alt_names: Vec<String>,
        /// Server name that is sent.
        pub sni: String,
        /// Whether the endpoint's certificate is taken unchecked.
        pub insecure_skip_verify: Option<bool>,
        /// File of the revocation list.
        pub ca_crl: String,
    }
}

choice! {
    /// Version of the PROXY protocol.
    pub enum ProxyProtocolVersion {
        /// Text.
        V1 = "V1",
        /// Binary.
        V2 = "V2",
    }

    /// Whether HTTP/1.1 becomes HTTP/2.
    pub enum H2UpgradePolicy {
        /// As the mesh says.
        Default = "DEFAULT",
        /// No.
        DoNotUpgrade = "DO_NOT_UPGRADE",
        /// Yes.
        Upgrade = "UPGRADE",
    }

    /// How TLS is used towards endpoints.
    pub enum TlsMode {
        /// Not at all.
        Disable = "DISABLE",
        /// Without a client certificate.
        Simple = "SIMPLE",
        /// With the given client certificate.
        Mutual = "MUTUAL",
        /// With the mesh identity.
        IstioMutual = "ISTIO_MUTUAL",
    }
}
