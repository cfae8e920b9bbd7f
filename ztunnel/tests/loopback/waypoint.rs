//! Through a waypoint, and never round it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cairn_hbone::{ConnectionInfo, DrainWatch, Handler, Request, Settings, server, transport};
use cairn_identity::{Identities, tls};
use tokio::net::TcpListener;

use crate::harness::{App, Mesh, Network, echo, identity, pod, service};

fn mesh(waypoint: &str) -> String {
    let bound = service("hello", 1).replace(
        "metadata: {name: hello}",
        &format!("metadata: {{name: hello, labels: {{istio.io/use-waypoint: {waypoint}}}}}"),
    );
    let gateway = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: way}\n\
        spec:\n  gatewayClassName: istio-waypoint\n  addresses: [{type: IPAddress, value: NET.30}]\n  \
        listeners: [{name: mesh, port: 15008, protocol: HBONE}]\n---\n";
    pod("sleep", "sleep", 11) + &pod("hello", "hello", 12) + &bound + gateway
}

/// Sends back what comes through its tunnels, and remembers what was asked of it.
#[derive(Clone, Default)]
struct Waypoint {
    asked: Arc<Mutex<Vec<String>>>,
}

impl Waypoint {
    async fn start(identities: Identities, name: &str, address: SocketAddr) -> Waypoint {
        let waypoint = Waypoint::default();
        let listener = TcpListener::bind(address).await.unwrap();
        let credential = identities.credential(&identity(name)).await.unwrap();
        let handler = Arc::new(waypoint.clone());
        tokio::spawn(async move {
            while let Ok((tcp, peer_address)) = listener.accept().await {
                let (handler, credential) = (Arc::clone(&handler), Arc::clone(&credential));
                tokio::spawn(async move {
                    let local_address = tcp.local_addr().unwrap();
                    let limit = Duration::from_secs(10);
                    let Ok((stream, peer)) = tls::accept(transport(tcp), &credential, limit).await else {
                        return;
                    };
                    let info = ConnectionInfo {
                        peer_address,
                        local_address,
                        peer,
                    };
                    let _ =
                        server::serve(stream, info, &Settings::default(), DrainWatch::never(), handler).await;
                });
            }
        });
        waypoint
    }
}

impl Handler for Waypoint {
    async fn connect(&self, request: Request) {
        let forwarded = request.forwarded.clone().unwrap();
        let source = SocketAddr::new(forwarded.client.unwrap(), forwarded.client_port.unwrap());
        self.asked.lock().unwrap().push(format!(
            "{} {} {} {} {} {}",
            request.authority,
            request.peer,
            request.connection.peer_address.ip(),
            source,
            forwarded.host.as_deref().unwrap_or_default(),
            request.baggage,
        ));
        assert!(request.traceparent.is_some());
        let mut tunnel = request.accept(http::HeaderMap::new()).unwrap();
        while let Ok(Some(data)) = tunnel.recv().await {
            if tunnel.send(data).await.is_err() {
                return;
            }
        }
    }
}

#[tokio::test]
async fn a_service_with_a_waypoint_is_reached_through_it_as_the_caller() {
    let net = Network::new();
    let app = App::echo(net.at(12, 8080)).await;
    let mesh = Mesh::start(net, &mesh("way")).await;
    let waypoint = Waypoint::start(mesh.identities.clone(), "way", net.at(30, 15008)).await;
    let mut stream = mesh.connect(11, net.at(1, 80)).await;
    echo(&mut stream, "hi").await.unwrap();
    let source = stream.local_addr().unwrap();
    assert_eq!(
        waypoint.asked.lock().unwrap().as_slice(),
        [format!(
            "{} {} {} {source} hello.default.svc.cluster.local k8s.cluster.name=Kubernetes,\
             k8s.namespace.name=default,k8s.pod.name=sleep,service.name=sleep,service.version=v1",
            net.at(1, 80),
            identity("sleep"),
            net.ip(11),
        )]
    );
    assert!(app.seen().is_empty());
    drop(stream);
    let line = mesh.line(&["direction=\"outbound\""]).await;
    let ends = "dst.addr=NET.30:15008 dst.hbone_addr=NET.1:80 dst.service=\"hello.default.svc.cluster.local\" \
        dst.workload=\"way\" dst.namespace=\"default\" dst.identity=\"spiffe://cluster.local/ns/default/sa/way\"";
    assert!(line.contains(&net.fill(ends)), "{line}");
}

#[tokio::test]
async fn a_waypoint_that_is_not_there_is_not_gone_round() {
    let net = Network::new();
    let app = App::echo(net.at(12, 8080)).await;
    let mesh = Mesh::start(net, &mesh("way")).await;
    assert!(mesh.ask(11, net.at(1, 80), "hi").await.is_err());
    let line = mesh.line(&["direction=\"outbound\"", "\terror\t"]).await;
    assert!(line.contains("connection refused"), "{line}");
    assert!(line.contains("src.workload=\"sleep\""), "{line}");

    mesh.edit(&self::mesh("no-such-waypoint")).await;
    assert!(mesh.ask(11, net.at(1, 80), "hi").await.is_err());
    mesh.line(&["error=\"waypoint default/no-such-waypoint is not available\""])
        .await;
    assert!(app.seen().is_empty());
}

#[tokio::test]
async fn somebody_else_at_the_address_of_a_waypoint_gets_nothing() {
    let net = Network::new();
    let app = App::echo(net.at(12, 8080)).await;
    let mesh = Mesh::start(net, &mesh("way")).await;
    let thief = Waypoint::start(mesh.identities.clone(), "sleep", net.at(30, 15008)).await;
    assert!(mesh.ask(11, net.at(1, 80), "hi").await.is_err());
    let line = mesh.line(&["direction=\"outbound\"", "\terror\t"]).await;
    assert!(
        line.contains("the peer is spiffe://cluster.local/ns/default/sa/sleep, expected"),
        "{line}"
    );
    let failed = [
        "istio_tcp_connections_failed_total",
        "response_flags=\"TLS_FAILURE\"",
    ];
    assert_eq!(mesh.sample(&failed).await, Some(1));
    assert!(thief.asked.lock().unwrap().is_empty());
    assert!(app.seen().is_empty());
}
