//! Envoy's listeners: the end of tunnels, what is inside, and the beginning of tunnels.

use serde_json::{Value, json};

use super::config::{Inputs, MAIN, ORIGINAL_DST, ORIGINATE, cluster_name, tls};
use crate::mesh::{HOST, SERVICE_PORT};
use crate::{policies, routes};

/// Istio's default format of access logs.
const ACCESS_LOG: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% \
    %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \
    \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
    %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \
    \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% \
    %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

/// Port 15008: TLS, HTTP/2, CONNECT.
pub(super) fn terminate(inputs: &Inputs<'_>) -> Value {
    let address = inputs.setting.address;
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "connect_terminate",
        "stream_idle_timeout": "0s",
        "http2_protocol_options": {
            "allow_connect": true,
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 16 << 20,
            "initial_connection_window_size": 24 << 20,
            "connection_keepalive": {"interval": "10s", "timeout": "20s"},
        },
        "upgrade_configs": [{"upgrade_type": "CONNECT"}],
        "route_config": {"name": "default", "virtual_hosts": [{
            "name": "default",
            "domains": ["*"],
            "routes": [{
                "match": {"connect_matcher": {}},
                "route": {
                    "cluster": MAIN,
                    "timeout": "0s",
                    "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}],
                },
            }],
        }]},
        "http_filters": [connect_authority(), router()],
    });
    json!({
        "name": "connect_terminate",
        "address": {"socket_address": {"address": address.ip(), "port_value": address.port()}},
        "connection_balance_config": {"exact_balance": {}},
        "filter_chains": [{
            "name": "default",
            "transport_socket": {
                "name": "tls",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                    "require_client_certificate": true,
                    "common_tls_context": tls(inputs),
                },
            },
            "filters": [manager_filter(manager)],
        }],
    })
}

/// What the listener inside has to know of the tunnel.
fn connect_authority() -> Value {
    let value = |key: &str, text: &str| {
        json!({
            "object_key": key,
            "format_string": {"text_format_source": {"inline_string": text}},
            "shared_with_upstream": "ONCE",
        })
    };
    let principal = |key: &str, text: &str| {
        let mut value = value(key, text);
        value
            .as_object_mut()
            .map(|value| value.insert("factory_key".to_owned(), "envoy.string".into()));
        value
    };
    json!({
        "name": "connect_authority",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config",
            "on_request_headers": [
                value("envoy.filters.listener.original_dst.local_ip", "%REQ(:AUTHORITY)%"),
                value("envoy.filters.listener.original_dst.remote_ip", "%DOWNSTREAM_REMOTE_ADDRESS%"),
                principal("io.istio.peer_principal", "%DOWNSTREAM_PEER_URI_SAN%"),
                principal("io.istio.local_principal", "%DOWNSTREAM_LOCAL_URI_SAN%"),
            ],
        },
    })
}

/// Inside a tunnel: the chain that the address and port choose.
pub(super) fn main(inputs: &Inputs<'_>) -> Value {
    let service = inputs.setting.mesh.service();
    let chain = format!("inbound-vip|{SERVICE_PORT}|http|{HOST}");
    let by_port = json!({"matcher": {"matcher_tree": {
        "input": input("port", "envoy.extensions.matching.common_inputs.network.v3.DestinationPortInput"),
        "exact_match_map": {"map": {(service.port().to_string()): {"action": {
            "name": chain,
            "typed_config": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": chain},
        }}}},
    }}});
    json!({
        "name": MAIN,
        "internal_listener": {},
        "listener_filters": [original_dst()],
        "filter_chain_matcher": {"matcher_tree": {
            "input": input("ip", "envoy.extensions.matching.common_inputs.network.v3.DestinationIPInput"),
            "exact_match_map": {"map": {(service.ip().to_string()): by_port}},
        }},
        "filter_chains": [{"name": chain, "filters": [manager_filter(waypoint(inputs))]}],
    })
}

/// The chain of the service.
fn waypoint(inputs: &Inputs<'_>) -> Value {
    let cluster = cluster_name();
    let mut routes: Vec<Value> = inputs
        .setting
        .scenario
        .routes()
        .iter()
        .map(|route| route.envoy(&cluster))
        .collect();
    if routes.is_empty() {
        routes.push(routes::envoy_default(&cluster));
    }
    let mut filters = Vec::new();
    if inputs.setting.scenario.has_policies() {
        filters.extend(policies::envoy());
    }
    filters.extend([
        plain_filter(
            "grpc_stats",
            json!({
                "@type": "type.googleapis.com/envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
                "emit_filter_state": true,
                "stats_for_all_methods": false,
            }),
        ),
        plain_filter(
            "fault",
            json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"}),
        ),
        plain_filter(
            "cors",
            json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors"}),
        ),
    ]);
    filters.extend_from_slice(inputs.filters);
    filters.push(router());
    let access_log: Vec<Value> = if inputs.setting.scenario.has_access_log() {
        vec![access_log(inputs)]
    } else {
        Vec::new()
    };
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": format!("inbound_0.0.0.0_{SERVICE_PORT};"),
        "server_name": "istio-envoy",
        "use_remote_address": false,
        "forward_client_cert_details": "SANITIZE",
        "normalize_path": true,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        "stream_idle_timeout": "0s",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "access_log": access_log,
        "route_config": {
            "name": format!("inbound-vip|{SERVICE_PORT}|http|{HOST}"),
            "validate_clusters": false,
            "max_direct_response_body_size_bytes": 1 << 20,
            "virtual_hosts": [{"name": format!("inbound|http|{SERVICE_PORT}"), "domains": ["*"], "routes": routes}],
        },
        "http_filters": filters,
    })
}

fn access_log(inputs: &Inputs<'_>) -> Value {
    json!({
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": inputs.setting.directory.join("access.log"),
            "log_format": {"text_format_source": {"inline_string": ACCESS_LOG}},
        },
    })
}

/// From a connection to an endpoint into a tunnel to its ztunnel.
pub(super) fn originate() -> Value {
    json!({
        "name": ORIGINATE,
        "internal_listener": {},
        "listener_filters": [original_dst()],
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.tcp_proxy",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                "stat_prefix": ORIGINATE,
                "cluster": ORIGINATE,
                "tunneling_config": {"hostname": "%DOWNSTREAM_LOCAL_ADDRESS%"},
            },
        }]}],
    })
}

fn original_dst() -> Value {
    json!({
        "name": ORIGINAL_DST,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst",
        },
    })
}

fn manager_filter(manager: Value) -> Value {
    json!({"name": "envoy.filters.network.http_connection_manager", "typed_config": manager})
}

fn plain_filter(name: &str, config: Value) -> Value {
    json!({"name": format!("envoy.filters.http.{name}"), "typed_config": config})
}

fn router() -> Value {
    plain_filter(
        "router",
        json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        }),
    )
}

fn input(name: &str, message: &str) -> Value {
    json!({"name": name, "typed_config": {"@type": format!("type.googleapis.com/{message}")}})
}
