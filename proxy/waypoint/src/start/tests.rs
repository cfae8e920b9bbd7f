#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::Path;

use cairn_identity::LocalCa;

use super::*;

const GATEWAY: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint, namespace: default}
spec:
  gatewayClassName: istio-waypoint
  addresses: [{value: 127.0.77.1}]
  listeners: [{name: mesh, port: 15008, protocol: HBONE}]
";

/// Starts a waypoint on addresses that are free, save where its admin interface is.
async fn start(admin: &str) -> Result<Waypoint, StartError> {
    let ca = tempfile::tempdir().unwrap();
    let ca = LocalCa::open_or_create(ca.path(), "cluster.local").unwrap();
    let identities = Identities::new(Arc::new(ca), cairn_identity::Options::default());
    let state = cairn_config::from_str(GATEWAY, Path::new("mesh.yaml"));
    let (_source, config) = watch::channel(Arc::new(state));
    let free = Some("127.0.77.1:0".parse().unwrap());
    let options = Options {
        listen: free,
        admin: Some(admin.parse().unwrap()),
        stats: free,
        ready: free,
        grace: Duration::from_secs(3600),
        access_log: Some(AccessLog::disabled()),
        ..Options::new(Key::new("default", "waypoint"))
    };
    Waypoint::start(options, config, identities).await
}

#[tokio::test]
async fn the_admin_interface_is_on_loopback_or_nowhere() {
    let error = start("0.0.0.0:0").await.err().unwrap();
    assert!(matches!(error, StartError::Admin(_)), "{error}");
}

#[tokio::test]
async fn a_waypoint_without_connections_has_drained_at_once() {
    let waypoint = start("127.0.77.1:0").await.unwrap();
    let drained = tokio::time::timeout(Duration::from_secs(60), waypoint.drain()).await;
    assert_eq!(drained, Ok(true));
}
