#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use serde_json::json;

use super::{Key, Kind, KindError, Object, ObjectRef};
use crate::istio::VirtualService;
use crate::k8s::Unread;

#[test]
fn every_kind_resolves_in_each_of_its_versions_and_in_no_other() {
    for kind in Kind::ALL.iter().copied() {
        let full = |version: &str| match kind.group() {
            "" => version.to_owned(),
            group => format!("{group}/{version}"),
        };
        for version in kind.versions() {
            assert_eq!(Kind::resolve(&full(version), kind.as_str()), Ok(kind));
        }
        assert_eq!(
            Kind::resolve(&full("v9"), kind.as_str()),
            Err(KindError::UnknownVersion {
                kind,
                accepted: kind.versions()
            })
        );
    }
}

#[test]
fn kinds_are_resolved_by_group_version_and_name() {
    let unknown = |kind: Kind| {
        Err(KindError::UnknownVersion {
            kind,
            accepted: kind.versions(),
        })
    };
    for (api_version, name, expected) in [
        (
            "networking.istio.io/v1",
            "VirtualService",
            Ok(Kind::VirtualService),
        ),
        (
            "networking.istio.io/v1alpha3",
            "VirtualService",
            Ok(Kind::VirtualService),
        ),
        ("gateway.networking.k8s.io/v1", "HTTPRoute", Ok(Kind::HttpRoute)),
        // The waypoints of 2022 were written in this version.
        ("gateway.networking.k8s.io/v1alpha2", "Gateway", Ok(Kind::Gateway)),
        ("v1", "Service", Ok(Kind::Service)),
        ("apps/v1", "Deployment", Ok(Kind::Deployment)),
        // Two kinds share the name; only one of them is read.
        ("gateway.networking.k8s.io/v1", "Gateway", Ok(Kind::Gateway)),
        ("networking.istio.io/v1", "Gateway", Err(KindError::NotRead)),
        (
            "networking.istio.io/v1alpha3",
            "EnvoyFilter",
            Err(KindError::NotRead),
        ),
        (
            "networking.istio.io/v1beta1",
            "ProxyConfig",
            Err(KindError::NotRead),
        ),
        ("networking.istio.io/v1", "Sidecar", Err(KindError::NotRead)),
        ("networking.istio.io/v1", "WorkloadGroup", Err(KindError::NotRead)),
        (
            "gateway.networking.k8s.io/v1alpha2",
            "TCPRoute",
            Ok(Kind::TcpRoute),
        ),
        (
            "gateway.networking.k8s.io/v1alpha3",
            "TLSRoute",
            Ok(Kind::TlsRoute),
        ),
        (
            "gateway.networking.k8s.io/v1beta1",
            "TLSRoute",
            unknown(Kind::TlsRoute),
        ),
        (
            "gateway.networking.k8s.io/v1",
            "BackendTLSPolicy",
            Ok(Kind::BackendTlsPolicy),
        ),
        (
            "gateway.networking.k8s.io/v1alpha2",
            "UDPRoute",
            Err(KindError::NotRead),
        ),
        ("v1", "PersistentVolume", Err(KindError::UnknownKind)),
        ("apps/v1", "ReplicaSet", Err(KindError::UnknownKind)),
        ("networking.k8s.io/v1", "Ingress", Err(KindError::UnknownKind)),
        (
            "networking.istio.io/v1",
            "virtualservice",
            Err(KindError::UnknownKind),
        ),
        // Another group's kind of the same name.
        ("serving.knative.dev/v1", "Service", Err(KindError::UnknownKind)),
        // Slips that must not make a policy vanish.
        (
            "security.istio.io/v2",
            "AuthorizationPolicy",
            unknown(Kind::AuthorizationPolicy),
        ),
        (
            "security.istio.io",
            "AuthorizationPolicy",
            unknown(Kind::AuthorizationPolicy),
        ),
        ("v1", "AuthorizationPolicy", unknown(Kind::AuthorizationPolicy)),
        ("", "AuthorizationPolicy", unknown(Kind::AuthorizationPolicy)),
    ] {
        assert_eq!(Kind::resolve(api_version, name), expected, "{api_version} {name}");
    }
}

#[test]
fn an_unknown_version_says_which_are_known() {
    let error = Kind::resolve("security.istio.io/v2", "PeerAuthentication").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the version of PeerAuthentication is not known; accepted: \
         security.istio.io/v1, security.istio.io/v1beta1"
    );
    let error = Kind::resolve("v2", "Pod").unwrap_err();
    assert_eq!(error.to_string(), "the version of Pod is not known; accepted: v1");
}

#[test]
fn references_read_like_kubectl() {
    let route = ObjectRef::new(Kind::VirtualService, "default", "helloworld");
    assert_eq!(route.to_string(), "VirtualService default/helloworld");
    assert_eq!(route.key(), Key::new("default", "helloworld"));
    assert_eq!(ObjectRef::from_key(Kind::VirtualService, &route.key()), route);
    assert_eq!(route.key().to_string(), "default/helloworld");
    assert_eq!(
        ObjectRef::new(Kind::GatewayClass, "", "istio-mesh").to_string(),
        "GatewayClass istio-mesh"
    );
    assert!(Kind::GatewayClass.is_cluster_scoped() && !Kind::Gateway.is_cluster_scoped());
}

#[test]
fn what_is_not_kept_may_hold_anything() {
    let service: VirtualService = serde_json::from_value(json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": ["not", "looked", "at"],
        "metadata": {"name": "reviews", "managedFields": [{"fieldsV1": {"f:spec": {}}}], "selfLink": null},
        "status": {"conditions": [{"type": "Reconciled", "n": [1, -1, 1.5, true, null]}]}
    }))
    .unwrap();
    assert_eq!(service.metadata.name, "reviews");
    assert!(service.status.is_some());

    let node: Object<Unread> = serde_json::from_value(json!({"spec": {"podCIDR": "10.0.0.0/24"}})).unwrap();
    assert_eq!(node, Object::default());
}
