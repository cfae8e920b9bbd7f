//! Kinds of Kubernetes that every directory of manifests holds and a mesh has no use for.

/// Groups all of whose kinds are Kubernetes' own, besides those that end in `.k8s.io`.
const GROUPS: &[&str] = &["apps", "batch", "autoscaling", "policy", "extensions"];

/// Kinds of the core group, which has no name to recognise it by.
const CORE: &[&str] = &[
    "Binding",
    "Endpoints",
    "Event",
    "LimitRange",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "PodTemplate",
    "ReplicationController",
    "ResourceQuota",
    "Secret",
];

/// Whether Kubernetes itself defines the kind.
pub(crate) fn is_kubernetes(api_version: &str, kind: &str) -> bool {
    match api_version.split_once('/') {
        None => api_version == "v1" && CORE.contains(&kind),
        // Of the Gateway API, the kinds that exist are known by name: another one is a slip.
        Some(("gateway.networking.k8s.io", _)) => false,
        Some((group, _)) => group.ends_with(".k8s.io") || GROUPS.contains(&group),
    }
}

#[cfg(test)]
mod tests {
    use super::is_kubernetes;

    #[test]
    fn kinds_of_kubernetes_are_told_from_slips() {
        assert!(is_kubernetes("v1", "Secret"));
        assert!(is_kubernetes("apps/v1", "StatefulSet"));
        assert!(is_kubernetes("rbac.authorization.k8s.io/v1", "ClusterRole"));
        assert!(!is_kubernetes("v1", "Servce"));
        assert!(!is_kubernetes("networking.istio.io/v1", "VirtualServce"));
        assert!(!is_kubernetes("gateway.networking.k8s.io/v1", "Gatway"));
    }
}
