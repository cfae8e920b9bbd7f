//! SOCKS5: what applications call by name.

use cairn_tests::{Backend, Client};
use http::{Request, StatusCode};

use crate::scene::{self, POD, SLEEP, WAYPOINT};

#[tokio::test(flavor = "multi_thread")]
async fn services_are_called_by_name() {
    let mesh = scene::start(&[]);
    let backend = Backend::start(mesh.network.socket(POD, 8080), "app").await;
    let _waypoint = mesh.waypoint("waypoint");
    for name in [
        "app",
        "app.default",
        "app.default.svc",
        "app.default.svc.cluster.local",
        "APP.",
    ] {
        let stream = mesh.client(SLEEP).socks5(mesh.socks5(), name, 80).await.unwrap();
        let mut sender = Client::over(stream).await.unwrap();
        let answer = Client::exchange(&mut sender, name, Request::get("/").body("").unwrap())
            .await
            .unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{name}");
        let seen = backend.last();
        assert_eq!(
            (seen.authority.as_str(), seen.peer.ip()),
            (name, mesh.network.ip(WAYPOINT)),
            "{name}"
        );
    }
    let line = mesh.line(&[("direction", "outbound")]);
    let service = mesh.network.socket(10, 80).to_string();
    assert_eq!(
        line.field("dst.hbone_addr"),
        Some(service.as_str()),
        "the address, never the name: {line:?}"
    );
    assert_eq!(line.field("src.workload"), Some("sleep"));

    for (what, host, port, reply) in [
        ("a name of nobody's", "nobody", 80, "reply 4"),
        ("a port that the service does not have", "app", 81, "SOCKS5 reply"),
    ] {
        let error = mesh
            .client(SLEEP)
            .socks5(mesh.socks5(), host, port)
            .await
            .unwrap_err();
        assert!(error.to_string().contains(reply), "{what}: {error}");
    }
    assert!(
        mesh.client(77).socks5(mesh.socks5(), "app", 80).await.is_err(),
        "nobody's pod"
    );
    assert_eq!(backend.seen().len(), 5);
}
