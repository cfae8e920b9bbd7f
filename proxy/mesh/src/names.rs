//! The labels and annotations by which objects speak to the mesh.

pub(crate) const USE_WAYPOINT: &str = "istio.io/use-waypoint";
pub(crate) const USE_WAYPOINT_NAMESPACE: &str = "istio.io/use-waypoint-namespace";
pub(crate) const USE_WAYPOINT_CANARY: &str = "istio.io/use-waypoint-canary";
pub(crate) const WAYPOINT_FOR: &str = "istio.io/waypoint-for";
pub(crate) const LEGACY_ACCOUNT: [&str; 2] = ["istio.io/service-account", "istio.io/for-service-account"];
pub(crate) const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";
pub(crate) const GATEWAY_CLASS_NAME: &str = "gateway.networking.k8s.io/gateway-class-name";
pub(crate) const GATEWAY_ACCOUNT: &str = "gateway.istio.io/service-account";
pub(crate) const GATEWAY_NAME_OVERRIDE: &str = "gateway.istio.io/name-override";
pub(crate) const REDIRECTION: &str = "ambient.istio.io/redirection";
pub(crate) const DATAPLANE_MODE: &str = "istio.io/dataplane-mode";
pub(crate) const SIDECAR_STATUS: &str = "sidecar.istio.io/status";
pub(crate) const TUNNEL: &str = "networking.istio.io/tunnel";
pub(crate) const EXPORT_TO: &str = "networking.istio.io/exportTo";
pub(crate) const TRAFFIC_DISTRIBUTION: &str = "networking.istio.io/traffic-distribution";
pub(crate) const SLICE_SERVICE: &str = "kubernetes.io/service-name";
pub(crate) const POD_TEMPLATE_HASH: &str = "pod-template-hash";
