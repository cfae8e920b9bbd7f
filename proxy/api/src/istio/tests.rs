#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use serde_json::json;

use super::{HttpRoute, JwtRule, MeshConfig, MtlsMode, PeerAuthenticationSpec, StringMatch};

#[test]
fn the_arms_of_a_oneof_tell_empty_from_absent() {
    let present: StringMatch = serde_json::from_value(json!({"prefix": ""})).unwrap();
    assert_eq!(
        present,
        StringMatch {
            prefix: Some(String::new()),
            ..StringMatch::default()
        }
    );
    assert_eq!(serde_json::to_value(&present).unwrap(), json!({"prefix": ""}));
    assert_eq!(
        serde_json::from_value::<StringMatch>(json!({})).unwrap(),
        StringMatch::default()
    );
}

#[test]
fn the_two_names_in_snake_case_that_the_crds_know_are_read() {
    let route: HttpRoute = serde_json::from_value(json!({"mirror_percent": 7})).unwrap();
    assert_eq!(route.mirror_percent, Some(7));
    let rule: JwtRule = serde_json::from_value(json!({"jwks_uri": "https://a.example"})).unwrap();
    assert_eq!(rule.jwks_uri, "https://a.example");
}

#[test]
fn ports_of_mutual_tls_are_numbers() {
    let read = |port: &str| {
        serde_json::from_value::<PeerAuthenticationSpec>(json!({"portLevelMtls": {port: {"mode": "STRICT"}}}))
    };
    let spec = read("8080").unwrap();
    assert_eq!(spec.port_level_mtls[&8080].mode, Some(MtlsMode::Strict));
    assert!(read("http").is_err());
}

#[test]
fn the_mesh_configuration_is_read_in_snake_case_too() {
    let mesh: MeshConfig = serde_json::from_value(json!({
        "trust_domain": "example.org",
        "mesh_mTLS": {"min_protocol_version": "TLSV1_3"},
        "default_config": {"gateway_topology": {"num_trusted_proxies": 2}},
        "extension_providers": [
            {"name": "otel", "opentelemetry": {"resource_detectors": {"environment": {}}}}
        ]
    }))
    .unwrap();
    assert_eq!(
        serde_json::to_value(&mesh).unwrap(),
        json!({
            "trustDomain": "example.org",
            "meshMTLS": {"minProtocolVersion": "TLSV1_3"},
            "defaultConfig": {"gatewayTopology": {"numTrustedProxies": 2}},
            "extensionProviders": [
                {"name": "otel", "opentelemetry": {"resourceDetectors": {"environment": {}}}}
            ]
        })
    );
}
