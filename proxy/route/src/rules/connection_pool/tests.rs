#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
// `json!` values are written in place.
#![allow(clippy::needless_pass_by_value)]

use serde_json::{Value, json};

use super::*;
use crate::rules::testing::compiled;

fn pool(form: Value) -> (ConnectionPool, Vec<String>) {
    compiled(form, ConnectionPool::new)
}

#[test]
fn every_field_is_read() {
    let (pool, problems) = pool(json!({
        "tcp": {
            "maxConnections": 100, "connectTimeout": "30ms", "maxConnectionDuration": "1h", "idleTimeout": "2m",
            "tcpKeepalive": {"probes": 3, "time": "7200s", "interval": "75s"},
        },
        "http": {
            "http1MaxPendingRequests": 1, "http2MaxRequests": 2, "maxRequestsPerConnection": 3, "maxRetries": 4,
            "idleTimeout": "5s", "h2UpgradePolicy": "UPGRADE", "maxConcurrentStreams": 6,
            "http2KeepAlive": {"interval": "10s", "timeout": "2s"},
        },
    }));
    let seconds = Duration::from_secs;
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(
        pool,
        ConnectionPool {
            max_connections: Some(100),
            connect_timeout: Some(Duration::from_millis(30)),
            tcp_keepalive: Some(TcpKeepalive {
                probes: Some(3),
                time: Some(seconds(7200)),
                interval: Some(seconds(75)),
            }),
            max_connection_duration: Some(seconds(3600)),
            tcp_idle_timeout: Some(seconds(120)),
            http_idle_timeout: Some(seconds(5)),
            max_pending_requests: Some(1),
            max_requests: Some(2),
            max_requests_per_connection: Some(3),
            max_retries: Some(4),
            http2_upgrade: Some(true),
            use_client_protocol: false,
            max_concurrent_streams: Some(6),
            http2_keepalive: Some(Http2Keepalive {
                interval: seconds(10),
                timeout: seconds(2),
            }),
        }
    );
}

#[test]
fn nothing_is_limited_by_default_or_by_zero() {
    assert_eq!(pool(json!({})), (ConnectionPool::default(), Vec::new()));
    let zeros = json!({
        "tcp": {"maxConnections": 0, "tcpKeepalive": {}},
        "http": {"http1MaxPendingRequests": 0, "maxRetries": 0, "h2UpgradePolicy": "DEFAULT"},
    });
    let expected = ConnectionPool {
        tcp_keepalive: Some(TcpKeepalive::default()),
        ..ConnectionPool::default()
    };
    assert_eq!(pool(zeros), (expected, Vec::new()));
}

#[test]
fn an_idle_timeout_holds_for_http_unless_it_has_its_own() {
    let of = |tcp: Value, http: Value| {
        let (pool, problems) = pool(json!({"tcp": tcp, "http": http}));
        assert_eq!(problems, Vec::<String>::new());
        (pool.tcp_idle_timeout, pool.http_idle_timeout)
    };
    let (long, none) = (Some(Duration::from_secs(9)), Some(Duration::ZERO));
    assert_eq!(of(json!({"idleTimeout": "9s"}), json!({})), (long, long));
    assert_eq!(
        of(json!({"idleTimeout": "9s"}), json!({"idleTimeout": "0s"})),
        (long, none)
    );
    assert_eq!(of(json!({}), json!({"idleTimeout": "9s"})), (None, long));
}

#[test]
fn what_is_wrong_is_said_and_has_its_default() {
    let (pool, problems) = pool(json!({
        "tcp": {"maxConnections": -1, "connectTimeout": "0s", "idleTimeout": "10us", "tcpKeepalive": {"time": "0s"}},
        "http": {
            "maxRetries": -4, "useClientProtocol": true, "h2UpgradePolicy": "UPGRADE",
            "http2KeepAlive": {"timeout": "1s"},
        },
    }));
    assert_eq!(
        problems,
        [
            "error f.tcp.maxConnections",
            "error f.tcp.connectTimeout",
            "error f.tcp.idleTimeout",
            "error f.tcp.tcpKeepalive.time",
            "error f.http.maxRetries",
            "error f.http.useClientProtocol",
            "error f.http.http2KeepAlive.interval",
        ]
    );
    let expected = ConnectionPool {
        tcp_keepalive: Some(TcpKeepalive::default()),
        http2_upgrade: Some(true),
        ..ConnectionPool::default()
    };
    assert_eq!(pool, expected);
}
