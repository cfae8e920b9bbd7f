//! From pod to service to pod, through both ends.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::harness::{App, Mesh, Network, PATIENCE, ask, eventually, identity, pod, service};

fn mesh() -> String {
    pod("sleep", "sleep", 11) + &pod("hello", "hello", 12) + &service("hello", 1)
}

#[tokio::test]
async fn the_application_sees_the_caller_and_the_log_tells_of_both_ends() {
    let net = Network::new();
    let app = App::named("hello", net.at(12, 8080)).await;
    let mesh = Mesh::start(net, &mesh()).await;
    let answer = mesh.ask(11, net.at(1, 80), "hi").await.unwrap();
    assert_eq!(answer, format!("hello {} hi", net.ip(11)));
    assert_eq!(app.seen(), [net.ip(11)]);

    let bytes = answer.len();
    let outbound = mesh.line(&["direction=\"outbound\""]).await;
    let inbound = mesh.line(&["direction=\"inbound\""]).await;
    let (head, outbound) = outbound
        .split_once("\tinfo\taccess\tconnection complete\t")
        .expect(&outbound);
    assert!(head.ends_with('Z'), "{head}");
    let (_, inbound) = inbound
        .split_once("\tinfo\taccess\tconnection complete\t")
        .expect(&inbound);
    let ends = |source: &str| {
        net.fill(&format!(
            "src.addr={source} src.workload=\"sleep\" src.namespace=\"default\" src.identity=\"{}\" \
             src.cluster=\"Kubernetes\" dst.addr=NET.12:15008 dst.hbone_addr=NET.12:8080 \
             dst.service=\"hello.default.svc.cluster.local\" dst.workload=\"hello\" dst.namespace=\"default\" \
             dst.identity=\"{}\" dst.cluster=\"Kubernetes\" ",
            identity("sleep"),
            identity("hello"),
        ))
    };
    let source = |line: &str| {
        line.strip_prefix("src.addr=")
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .to_owned()
    };
    let (fields, duration) = outbound.split_once("duration=").unwrap();
    assert_eq!(
        fields,
        format!(
            "{}direction=\"outbound\" bytes_sent=2 bytes_recv={bytes} ",
            ends(&source(outbound))
        )
    );
    assert!(
        duration.starts_with('"') && duration.ends_with("ms\""),
        "{duration}"
    );
    let (fields, _) = inbound.split_once("duration=").unwrap();
    assert_eq!(
        fields,
        format!(
            "{}direction=\"inbound\" bytes_sent={bytes} bytes_recv=2 ",
            ends(&source(inbound))
        )
    );
    assert!(source(inbound).starts_with(&net.ip(11).to_string()), "{inbound}");
}

#[tokio::test]
async fn metrics_count_from_the_view_of_the_destination() {
    let net = Network::new();
    let _app = App::named("hello", net.at(12, 8080)).await;
    let mesh = Mesh::start(net, &mesh()).await;
    let answer = mesh.ask(11, net.at(1, 80), "hi").await.unwrap();
    for reporter in ["source", "destination"] {
        let reporter = format!("reporter=\"{reporter}\"");
        let labels = [
            reporter.as_str(),
            "source_workload=\"sleep\"",
            "source_principal=\"spiffe://cluster.local/ns/default/sa/sleep\"",
            "destination_service=\"hello.default.svc.cluster.local\"",
            "destination_service_name=\"hello\"",
            "destination_principal=\"spiffe://cluster.local/ns/default/sa/hello\"",
            "response_flags=\"-\"",
            "connection_security_policy=\"mutual_tls\"",
        ];
        let sample = async |name: &'static str| {
            let parts: Vec<&str> = [name].into_iter().chain(labels).collect();
            mesh.sample(&parts).await
        };
        eventually(&format!("a closed connection by {reporter}"), async || {
            (sample("istio_tcp_connections_closed_total").await? == 1).then_some(())
        })
        .await;
        assert_eq!(sample("istio_tcp_connections_opened_total").await, Some(1));
        assert_eq!(sample("istio_tcp_connections_failed_total").await, None);
        assert_eq!(
            sample("istio_tcp_received_bytes_total").await,
            Some(2),
            "the request"
        );
        assert_eq!(
            sample("istio_tcp_sent_bytes_total").await,
            Some(answer.len() as u64),
            "the response"
        );
        assert_eq!(
            mesh.sample(&["istio_tcp_sockets_open{", &reporter]).await,
            Some(0)
        );
    }
}

#[tokio::test]
async fn half_closing_works_both_ways_through_both_hops() {
    let net = Network::new();
    let mesh = Mesh::start(net, &mesh()).await;
    let listener = TcpListener::bind(net.at(12, 8080)).await.unwrap();
    let mut client = mesh.connect(11, net.at(1, 80)).await;
    let (mut server, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();

    // The server ends first, and goes on reading.
    server.write_all(b"banner").await.unwrap();
    server.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut client).await, "banner");
    client.write_all(b"late").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut server).await, "late");
    mesh.line(&["direction=\"inbound\"", "bytes_sent=6 bytes_recv=4"])
        .await;
    mesh.line(&["direction=\"outbound\"", "bytes_sent=4 bytes_recv=6"])
        .await;

    // The client ends first, and goes on reading.
    let mut client = mesh.connect(11, net.at(1, 80)).await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let (mut server, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    assert_eq!(read_to_end(&mut server).await, "question");
    server.write_all(b"answer").await.unwrap();
    drop(server);
    assert_eq!(read_to_end(&mut client).await, "answer");
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut text))
        .await
        .unwrap()
        .unwrap();
    text
}

#[tokio::test]
async fn a_reset_of_the_application_reaches_the_client() {
    let net = Network::new();
    let _app = App::serve(net.at(12, 8080), async |stream: TcpStream, _| {
        stream.readable().await.unwrap();
        stream.set_zero_linger().unwrap();
    })
    .await;
    let mesh = Mesh::start(net, &mesh()).await;
    let error = mesh.ask(11, net.at(1, 80), "hi").await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    mesh.line(&[
        "\terror\taccess\tconnection complete",
        "direction=\"inbound\"",
        "error=",
    ])
    .await;
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_is_passed_over() {
    let net = Network::new();
    let app = App::named("alive", net.at(12, 8080)).await;
    let mesh = Mesh::start(net, &mesh()).await;
    // The port of its tunnels is somebody else's, who answers nothing.
    let dead = App::serve(net.at(13, 15008), async |_, _| {}).await;
    mesh.edit(&(self::mesh() + &pod("dead", "hello", 13))).await;
    for _ in 0..20 {
        let answer = mesh.ask(11, net.at(1, 80), "hi").await.unwrap();
        assert_eq!(answer, format!("alive {} hi", net.ip(11)));
    }
    assert_eq!(app.seen().len(), 20);
    assert!(!dead.seen().is_empty(), "20 choices of two, and never the second");
    assert!(
        mesh.lines().iter().all(|line| !line.contains("\terror\t")),
        "{:#?}",
        mesh.lines()
    );
}

#[tokio::test]
async fn an_application_that_does_not_listen_is_passed_over_and_told_of() {
    let net = Network::new();
    let mesh = Mesh::start(net, &(mesh() + &pod("other", "hello", 13))).await;
    let error = mesh.ask(11, net.at(1, 80), "hi").await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let line = mesh.line(&["direction=\"outbound\"", "\terror\t"]).await;
    assert!(
        line.contains("error=\"http status: 503 Service Unavailable\""),
        "{line}"
    );
    for host in [12, 13] {
        let target = format!("dst.hbone_addr=NET.{host}:8080");
        let line = mesh.line(&["direction=\"inbound\"", &target]).await;
        assert!(line.contains("connection refused"), "{line}");
    }
    let failed = [
        "istio_tcp_connections_failed_total",
        "reporter=\"source\"",
        "response_flags=\"CONNECT\"",
    ];
    assert_eq!(mesh.sample(&failed).await, Some(1));

    let _app = App::named("late", net.at(13, 8080)).await;
    assert_eq!(
        mesh.ask(11, net.at(1, 80), "hi").await.unwrap(),
        format!("late {} hi", net.ip(11))
    );
}

#[tokio::test]
async fn connections_of_one_caller_to_one_pod_share_a_tunnel_connection() {
    let net = Network::new();
    let _app = App::named("hello", net.at(12, 8080)).await;
    let mesh = Mesh::start(net, &mesh()).await;
    let exchanges = (0..50).map(|number| {
        let address = net.at(1, 80);
        tokio::spawn(async move {
            let mut stream = net.connect(11, address).await.unwrap();
            let text = format!("{number} ").repeat(1000);
            let answer = ask(&mut stream, &text).await.unwrap();
            assert_eq!(answer, format!("hello {} {text}", net.ip(11)));
        })
    });
    for exchange in exchanges.collect::<Vec<_>>() {
        timeout(PATIENCE + Duration::from_secs(30), exchange)
            .await
            .unwrap()
            .unwrap();
    }
    let sources = eventually("a line for each", async || {
        let lines = mesh.lines();
        let inbound = lines.iter().filter(|line| line.contains("direction=\"inbound\""));
        let sources: Vec<String> = inbound
            .filter_map(|line| line.split(['\t', ' ']).nth(5).map(str::to_owned))
            .collect();
        (sources.len() == 50).then_some(sources)
    })
    .await;
    assert!(sources[0].starts_with("src.addr="), "{}", sources[0]);
    assert!(
        sources.iter().all(|source| *source == sources[0]),
        "one connection carries all tunnels: {sources:?}"
    );
}
