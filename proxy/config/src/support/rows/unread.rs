//! The kinds that are known and not read at all.

use super::Row;
use super::Support::{NotApplicable, NotYet};

/// Kinds, as `KIND.GROUP`.
pub(in crate::support) const UNREAD: &[Row] = &[
    (
        "Gateway.networking.istio.io",
        NotApplicable("for gateways at the edge of a mesh"),
    ),
    ("Sidecar.networking.istio.io", NotApplicable("for sidecars")),
    (
        "EnvoyFilter.networking.istio.io",
        NotApplicable("it is about Envoy's own configuration; write a [filter](filters.md)"),
    ),
    (
        "WorkloadGroup.networking.istio.io",
        NotApplicable("a template for controllers, which make a WorkloadEntry of it"),
    ),
    ("ProxyConfig.networking.istio.io", NotYet),
    (
        "UDPRoute.gateway.networking.k8s.io",
        NotApplicable("a tunnel carries TCP"),
    ),
    ("BackendLBPolicy.gateway.networking.k8s.io", NotYet),
    ("BackendTrafficPolicy.gateway.networking.k8s.io", NotYet),
    (
        "ListenerSet.gateway.networking.k8s.io",
        NotApplicable("a waypoint has exactly one listener"),
    ),
    (
        "ReferencePolicy.gateway.networking.k8s.io",
        NotApplicable("an early name of ReferenceGrant"),
    ),
    (
        "XListenerSet.gateway.networking.x-k8s.io",
        NotApplicable("a waypoint has exactly one listener"),
    ),
    ("XBackendTrafficPolicy.gateway.networking.x-k8s.io", NotYet),
    ("XMesh.gateway.networking.x-k8s.io", NotYet),
    (
        "IstioOperator.install.istio.io",
        NotApplicable("for installing Istio"),
    ),
];
