//! Limits and timeouts of connections.

use std::time::Duration;

use cairn_api::istio::{
    ConnectionPoolSettings, H2UpgradePolicy, HttpSettings, TcpKeepalive as KeepaliveForm, TcpSettings,
};

use super::field::Field;

/// Limits and timeouts of the connections to one port of a host or subset. What is `None` is not limited, unless its field
/// says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionPool {
    /// Most connections at a time.
    pub max_connections: Option<u32>,
    /// How long connecting may take; `None`: as long as the mesh says, by default 10 s.
    pub connect_timeout: Option<Duration>,
    /// Keepalive probes; `None`: as the mesh says.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// How long a connection may live.
    pub max_connection_duration: Option<Duration>,
    /// How long a connection that is not HTTP may carry nothing; `None`: the default of an hour. Zero: for ever.
    pub tcp_idle_timeout: Option<Duration>,
    /// How long an HTTP connection may have no request; `None`: the default of an hour. Zero: for ever.
    pub http_idle_timeout: Option<Duration>,
    /// Most requests waiting for a connection.
    pub max_pending_requests: Option<u32>,
    /// Most requests at a time.
    pub max_requests: Option<u32>,
    /// Most requests over one connection.
    pub max_requests_per_connection: Option<u32>,
    /// Most retries at a time.
    pub max_retries: Option<u32>,
    /// Whether HTTP/1.1 becomes HTTP/2; `None`: as the mesh says.
    pub http2_upgrade: Option<bool>,
    /// Whether the caller's version of HTTP is kept.
    pub use_client_protocol: bool,
    /// Most requests at a time over one HTTP/2 connection.
    pub max_concurrent_streams: Option<u32>,
    /// HTTP/2 pings; `None`: none are sent.
    pub http2_keepalive: Option<Http2Keepalive>,
}

/// TCP keepalive probes. What is `None` is as the operating system has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct TcpKeepalive {
    /// Unanswered probes after which the connection is dead.
    pub probes: Option<u32>,
    /// Quiet time before the first probe.
    pub time: Option<Duration>,
    /// Time between probes.
    pub interval: Option<Duration>,
}

/// HTTP/2 pings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Http2Keepalive {
    /// Time between pings.
    pub interval: Duration,
    /// How long the answer may take.
    pub timeout: Duration,
}

/// How long the answer to a ping may take if nothing is said.
const PONG: Duration = Duration::from_secs(20);

impl ConnectionPool {
    pub(super) fn new(form: &ConnectionPoolSettings, field: &mut Field<'_>) -> ConnectionPool {
        let mut pool = ConnectionPool::default();
        if let Some(tcp) = &form.tcp {
            pool.read_tcp(tcp, &mut field.at("tcp"));
        }
        if let Some(http) = &form.http {
            pool.read_http(http, &mut field.at("http"));
        }
        // What is said of all connections holds for those of HTTP that nothing is said of.
        pool.http_idle_timeout = pool.http_idle_timeout.or(pool.tcp_idle_timeout);
        pool
    }

    fn read_tcp(&mut self, form: &TcpSettings, field: &mut Field<'_>) {
        self.max_connections = field.limit("maxConnections", form.max_connections);
        self.connect_timeout = field.span("connectTimeout", form.connect_timeout);
        self.max_connection_duration = field.span("maxConnectionDuration", form.max_connection_duration);
        self.tcp_idle_timeout = field.span_or_zero("idleTimeout", form.idle_timeout);
        let keepalive = form.tcp_keepalive.as_ref();
        self.tcp_keepalive = keepalive.map(|form| TcpKeepalive::new(form, &mut field.at("tcpKeepalive")));
    }

    fn read_http(&mut self, form: &HttpSettings, field: &mut Field<'_>) {
        self.http_idle_timeout = field.span_or_zero("idleTimeout", form.idle_timeout);
        self.max_pending_requests = field.limit("http1MaxPendingRequests", form.http1_max_pending_requests);
        self.max_requests = field.limit("http2MaxRequests", form.http2_max_requests);
        self.max_requests_per_connection =
            field.limit("maxRequestsPerConnection", form.max_requests_per_connection);
        self.max_retries = field.limit("maxRetries", form.max_retries);
        self.max_concurrent_streams = field.limit("maxConcurrentStreams", form.max_concurrent_streams);
        self.http2_upgrade = match form.h2_upgrade_policy {
            Some(H2UpgradePolicy::Upgrade) => Some(true),
            Some(H2UpgradePolicy::DoNotUpgrade) => Some(false),
            Some(H2UpgradePolicy::Default) | None => None,
        };
        self.use_client_protocol = form.use_client_protocol;
        if self.use_client_protocol && self.http2_upgrade == Some(true) {
            field.at("useClientProtocol").error(
                "the caller's protocol cannot be kept where `h2UpgradePolicy` makes it HTTP/2; it is not kept",
                "write one of the two",
            );
            self.use_client_protocol = false;
        }
        if let Some(keepalive) = &form.http2_keep_alive {
            let mut field = field.at("http2KeepAlive");
            let interval = field.span("interval", keepalive.interval);
            let timeout = field.span("timeout", keepalive.timeout);
            if keepalive.interval.is_none() {
                field.at("interval").error(
                    "no time between pings is given; none are sent",
                    "write a duration such as `30s`",
                );
            }
            self.http2_keepalive = interval.map(|interval| Http2Keepalive {
                interval,
                timeout: timeout.unwrap_or(PONG),
            });
        }
    }
}

impl TcpKeepalive {
    fn new(form: &KeepaliveForm, field: &mut Field<'_>) -> TcpKeepalive {
        TcpKeepalive {
            probes: form.probes.filter(|probes| *probes > 0),
            time: field.span("time", form.time),
            interval: field.span("interval", form.interval),
        }
    }
}

#[cfg(test)]
mod tests;
