//! Envoy's configuration: the bootstrap and the clusters.

use serde_json::{Value, json};

use super::listeners;
use crate::certificates::Files;
use crate::mesh::{HBONE_PORT, HOST, SERVICE_PORT, TRUST_DOMAIN};
use crate::waypoint::Setting;

/// Takes what has come out of the tunnels.
pub(super) const MAIN: &str = "main_internal";
/// Puts what goes to a ztunnel into tunnels.
pub(super) const ORIGINATE: &str = "connect_originate";
/// Where a connection was meant to go.
pub(super) const ORIGINAL_DST: &str = "envoy.filters.listener.original_dst";

/// What the configuration is made from.
pub(super) struct Inputs<'a> {
    pub(super) setting: &'a Setting<'a>,
    pub(super) certificate: Files,
    /// HTTP filters before the router.
    pub(super) filters: &'a [Value],
}

pub(super) fn bootstrap(inputs: &Inputs<'_>) -> Value {
    let mut listeners = vec![listeners::terminate(inputs), listeners::main(inputs)];
    let mut clusters = vec![internal(), service(inputs)];
    if inputs.setting.scenario.is_hbone() {
        listeners.push(listeners::originate());
        clusters.push(ztunnel(inputs));
    }
    json!({
        "node": {"id": "waypoint~127.0.0.1~waypoint.default~default.svc.cluster.local", "cluster": "waypoint.default"},
        "bootstrap_extensions": [{
            "name": "envoy.bootstrap.internal_listener",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener",
            },
        }],
        // As Istio does, which keeps few statistics and therefore little memory.
        "stats_config": {
            "use_all_default_tags": false,
            "stats_matcher": {"inclusion_list": {"patterns": [
                {"prefix": "cluster_manager"},
                {"prefix": "listener_manager"},
                {"prefix": "server"},
                {"prefix": "cluster.xds-grpc"},
                {"prefix": "wasm"},
                {"suffix": "rbac.allowed"},
                {"suffix": "rbac.denied"},
                {"suffix": "downstream_cx_active"},
            ]}},
        },
        "static_resources": {"listeners": listeners, "clusters": clusters},
    })
}

/// Istio's name for the cluster of the service.
pub(super) fn cluster_name() -> String {
    format!("inbound-vip|{SERVICE_PORT}|http|{HOST}")
}

/// From the end of a tunnel into the listener that looks inside.
fn internal() -> Value {
    json!({
        "name": MAIN,
        "type": "STATIC",
        "load_assignment": load_assignment(MAIN, json!({
            "endpoint": {"address": {"envoy_internal_address": {"server_listener_name": MAIN}}},
        })),
        "transport_socket": through(json!([]), raw()),
    })
}

/// The endpoints of the service.
fn service(inputs: &Inputs<'_>) -> Value {
    let name = cluster_name();
    let backend = inputs.setting.mesh.backend();
    let endpoint = if inputs.setting.scenario.is_hbone() {
        json!({
            "endpoint": {"address": {"envoy_internal_address": {
                "server_listener_name": ORIGINATE,
                "endpoint_id": backend.to_string(),
            }}},
            "metadata": {"filter_metadata": {ORIGINAL_DST: {"local": backend.to_string()}}},
        })
    } else {
        json!({"endpoint": {"address": {"socket_address": {
            "address": backend.ip(),
            "port_value": backend.port(),
        }}}})
    };
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "10s",
        "lb_policy": "LEAST_REQUEST",
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": {"thresholds": [{
            "max_connections": u32::MAX,
            "max_pending_requests": u32::MAX,
            "max_requests": u32::MAX,
            "max_retries": u32::MAX,
            "track_remaining": true,
        }]},
        "load_assignment": load_assignment(&name, endpoint),
        "transport_socket": through(json!([{"kind": {"host": {}}, "name": ORIGINAL_DST}]), raw()),
    })
}

/// The tunnels to the destinations' ztunnels.
fn ztunnel(inputs: &Inputs<'_>) -> Value {
    json!({
        "name": ORIGINATE,
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": "2s",
        "original_dst_lb_config": {"upstream_port_override": HBONE_PORT},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "common_http_protocol_options": {"idle_timeout": "3600s"},
            "explicit_http_config": {"http2_protocol_options": {"allow_connect": true}},
        }},
        "transport_socket": {
            "name": "tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                "common_tls_context": tls(inputs),
            },
        },
    })
}

/// Istio's TLS between waypoints and ztunnels.
pub(super) fn tls(inputs: &Inputs<'_>) -> Value {
    let certificate = &inputs.certificate;
    json!({
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
        "alpn_protocols": ["h2"],
        "tls_certificates": [{
            "certificate_chain": {"filename": certificate.chain},
            "private_key": {"filename": certificate.key},
        }],
        "validation_context": {
            "trusted_ca": {"filename": certificate.roots},
            "match_typed_subject_alt_names": [{
                "san_type": "URI",
                "matcher": {"prefix": format!("spiffe://{TRUST_DOMAIN}/")},
            }],
        },
    })
}

fn load_assignment(cluster: &str, endpoint: Value) -> Value {
    json!({"cluster_name": cluster, "endpoints": [{"lb_endpoints": [endpoint]}]})
}

/// A transport socket that hands on what is known of the connection.
fn through(passthrough_metadata: Value, inner: Value) -> Value {
    json!({
        "name": "envoy.transport_sockets.internal_upstream",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport",
            "passthrough_metadata": passthrough_metadata,
            "transport_socket": inner,
        },
    })
}

fn raw() -> Value {
    json!({
        "name": "envoy.transport_sockets.raw_buffer",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"},
    })
}
