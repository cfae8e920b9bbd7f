//! What may reach a pod.

use cairn_hbone::{
    Authority, ConnectError, ConnectRequest, Destination, Forwarded, Pool, PoolOptions, Settings,
};
use tokio::io::AsyncWriteExt as _;

use crate::harness::{App, Mesh, Network, echo, ended, identity, pod, service};

fn mesh() -> String {
    pod("sleep", "sleep", 11) + &pod("hello", "hello", 12) + &pod("other", "other", 13) + &service("hello", 1)
}

fn deny(name: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: no-{name}}}\n\
         spec: {{action: DENY, rules: [{{from: [{{source: {{principals: [cluster.local/ns/default/sa/{name}]}}}}]}}]}}\n---\n"
    )
}

#[tokio::test]
async fn a_policy_turns_a_caller_away() {
    let net = Network::new();
    let app = App::named("hello", net.at(12, 8080)).await;
    let mesh = Mesh::start(net, &(mesh() + &deny("sleep"))).await;
    let error = mesh.ask(11, net.at(1, 80), "hi").await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let line = mesh.line(&["direction=\"inbound\""]).await;
    assert!(line.contains("\terror\taccess\tconnection complete\t"), "{line}");
    let reason =
        "error=\"connection closed due to policy rejection: explicitly denied by: default/no-sleep\"";
    assert!(
        line.contains(reason) && line.contains("src.workload=\"sleep\""),
        "{line}"
    );
    let line = mesh.line(&["direction=\"outbound\""]).await;
    assert!(line.contains("error=\"http status: 401 Unauthorized\""), "{line}");
    for reporter in ["source", "destination"] {
        let reporter = format!("reporter=\"{reporter}\"");
        let failed = [
            "istio_tcp_connections_failed_total",
            &reporter,
            "response_flags=\"DENY\"",
        ];
        assert_eq!(mesh.sample(&failed).await, Some(1));
    }
    assert!(app.seen().is_empty());
    assert_eq!(
        mesh.ask(13, net.at(1, 80), "hi").await.unwrap(),
        format!("hello {} hi", net.ip(13))
    );
}

#[tokio::test]
async fn a_policy_that_appears_closes_what_it_forbids_and_nothing_else() {
    let net = Network::new();
    let _app = App::echo(net.at(12, 8080)).await;
    let mesh = Mesh::start(net, &mesh()).await;
    let mut forbidden = mesh.connect(11, net.at(1, 80)).await;
    let mut allowed = mesh.connect(13, net.at(1, 80)).await;
    echo(&mut forbidden, "before").await.unwrap();
    echo(&mut allowed, "before").await.unwrap();

    mesh.edit(&(self::mesh() + &deny("nobody"))).await;
    echo(&mut forbidden, "still").await.unwrap();
    mesh.edit(&(self::mesh() + &deny("sleep"))).await;
    ended(&mut forbidden).await;
    echo(&mut allowed, "after").await.unwrap();
    let line = mesh.line(&["direction=\"inbound\"", "policy change"]).await;
    assert!(
        line.contains("error=\"connection closed due to policy change\""),
        "{line}"
    );
    assert!(
        line.contains("bytes_sent=11 bytes_recv=11 ") && line.contains("src.workload=\"sleep\""),
        "{line}"
    );
    let closed = ["istio_tcp_connections_closed_total", "reporter=\"destination\""];
    assert_eq!(mesh.sample(&closed).await, Some(1));
    let failed = [
        "istio_tcp_connections_failed_total",
        "reporter=\"destination\"",
        "response_flags=\"DENY\"",
    ];
    assert_eq!(mesh.sample(&failed).await, Some(1));
}

#[tokio::test]
async fn a_pod_that_gives_way_to_another_of_its_kind_takes_its_connections_along() {
    let net = Network::new();
    let _app = App::echo(net.at(12, 8080)).await;
    let mesh = Mesh::start(net, &mesh()).await;
    let mut open = mesh.connect(11, net.at(1, 80)).await;
    echo(&mut open, "before").await.unwrap();
    mesh.edit(&self::mesh().replace("name: hello, labels", "name: hello-2, labels"))
        .await;
    ended(&mut open).await;
    mesh.line(&[
        "direction=\"inbound\"",
        "error=\"the workload is no longer served here\"",
    ])
    .await;

    // The new one has the same identity, and so the tunnels that are open are good for it.
    let mut other = mesh.connect(11, net.at(1, 80)).await;
    echo(&mut other, "after").await.unwrap();
    drop(other);
    mesh.line(&["direction=\"inbound\"", "dst.workload=\"hello-2\"", "\tinfo\t"])
        .await;
}

#[tokio::test]
async fn a_tunnel_is_not_taken_for_somebody_else() {
    let net = Network::new();
    let _app = App::echo(net.at(12, 8080)).await;
    let mesh = Mesh::start(net, &mesh()).await;
    let pool = Pool::new(
        mesh.identities.clone(),
        Settings::default(),
        PoolOptions::default(),
    );
    let destination = Destination {
        source: identity("sleep"),
        expected: [identity("hello")].into(),
        address: net.at(12, 15008),
        bind: Some(net.ip(11)),
    };
    let connect = async || {
        pool.connect(&destination, ConnectRequest::new(Authority::Ip(net.at(12, 8080))))
            .await
    };
    drop(connect().await.unwrap());
    mesh.edit(&self::mesh().replace("serviceAccountName: hello", "serviceAccountName: thief"))
        .await;
    let status = connect().await.unwrap_err();
    assert!(
        matches!(status, ConnectError::Status(status) if status == 503),
        "{status}"
    );
    mesh.line(&[
        "connection failed",
        "direction=\"inbound\"",
        "the workload is no longer served here",
    ])
    .await;
}

#[tokio::test]
async fn requests_are_answered_as_istio_answers_them() {
    let net = Network::new();
    let _app = App::echo(net.at(12, 8080)).await;
    let mesh = Mesh::start(net, &(mesh() + &deny("other"))).await;
    let pool = Pool::new(
        mesh.identities.clone(),
        Settings::default(),
        PoolOptions::default(),
    );
    let connect = async |name: &str, authority: &str| {
        let destination = Destination {
            source: identity(name),
            expected: [identity("hello")].into(),
            address: net.at(12, 15008),
            bind: Some(net.ip(if name == "other" { 13 } else { 11 })),
        };
        let mut request = ConnectRequest::new(net.fill(authority).parse().unwrap());
        request.forwarded = Some(Forwarded::new(
            net.at(11, 1),
            Some("hello.default.svc.cluster.local"),
        ));
        pool.connect(&destination, request).await
    };
    let status = async |name, authority| match connect(name, authority).await {
        Err(ConnectError::Status(status)) => status.as_u16(),
        other => panic!("{other:?}"),
    };
    assert_eq!(status("sleep", "NET.13:8080").await, 400, "another pod's address");
    assert_eq!(status("other", "NET.12:8080").await, 401);
    assert_eq!(status("sleep", "NET.12:15008").await, 503, "the proxy itself");
    assert_eq!(status("sleep", "nobody.example:80").await, 503);
    assert_eq!(status("sleep", "NET.12:8081").await, 503, "nothing listens");
    mesh.line(&[
        "direction=\"inbound\"",
        "error=\"ip mismatch: NET.13 was asked for at NET.12\"",
    ])
    .await;

    for authority in ["NET.12:8080", "hello.default.svc.cluster.local:80"] {
        let mut tunnel = connect("sleep", authority).await.unwrap();
        let said = tunnel.baggage().unwrap();
        assert_eq!(said.service.as_deref(), Some("hello"));
        tunnel.write_all(b"hi").await.unwrap();
        assert_eq!(&tunnel.recv().await.unwrap().unwrap()[..], b"hi");
        tunnel.finish().unwrap();
        assert_eq!(tunnel.recv().await.unwrap(), None);
        let target = format!("dst.hbone_addr={authority} ");
        mesh.line(&[
            "\tinfo\t",
            &target,
            "dst.service=\"hello.default.svc.cluster.local\"",
        ])
        .await;
    }
}

#[tokio::test]
async fn a_client_without_a_certificate_is_told_of() {
    let net = Network::new();
    let mesh = Mesh::start(net, &mesh()).await;
    let mut stream = mesh.connect(11, net.at(12, 15008)).await;
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    ended(&mut stream).await;
    let line = mesh.line(&["connection failed", "direction=\"inbound\""]).await;
    assert!(line.contains("error=\"the TLS handshake failed"), "{line}");
    let failed = [
        "istio_tcp_connections_failed_total",
        "destination_workload=\"hello\"",
        "response_flags=\"TLS_FAILURE\"",
    ];
    assert_eq!(mesh.sample(&failed).await, Some(1));
}
