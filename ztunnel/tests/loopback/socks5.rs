//! SOCKS5.

use std::net::{IpAddr, SocketAddr};

use cairn_ztunnel::Options;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{App, Mesh, Network, ask, pod, service};

async fn mesh(net: Network, more: &str) -> Mesh {
    let yaml = pod("sleep", "sleep", 11) + &pod("hello", "hello", 12) + &service("hello", 1) + more;
    Mesh::start_with(
        net,
        &yaml,
        Options {
            socks5: Some(net.at(250, 0)),
            ..Options::default()
        },
    )
    .await
}

/// Asks for `kind` and `address`; gives the stream and the code of the answer.
async fn request(mesh: &Mesh, command: u8, kind: u8, address: &[u8], port: u16) -> (TcpStream, u8) {
    let socks5 = mesh.ztunnel.as_ref().unwrap().addresses().socks5.unwrap();
    let mut stream = mesh.connect(11, socks5).await;
    stream.write_all(&[5, 2, 1, 0]).await.unwrap();
    let mut method = [0; 2];
    stream.read_exact(&mut method).await.unwrap();
    assert_eq!(method, [5, 0]);
    let mut message = vec![5, command, 0, kind];
    message.extend_from_slice(address);
    message.extend_from_slice(&port.to_be_bytes());
    stream.write_all(&message).await.unwrap();
    let mut answer = [0; 10];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!((answer[0], answer[3]), (5, 1));
    (stream, answer[1])
}

async fn by_name(mesh: &Mesh, host: &str, port: u16) -> (TcpStream, u8) {
    let mut address = vec![u8::try_from(host.len()).unwrap()];
    address.extend_from_slice(host.as_bytes());
    request(mesh, 1, 3, &address, port).await
}

async fn by_address(mesh: &Mesh, address: SocketAddr) -> (TcpStream, u8) {
    let IpAddr::V4(ip) = address.ip() else {
        panic!("{address}")
    };
    request(mesh, 1, 1, &ip.octets(), address.port()).await
}

#[tokio::test]
async fn hosts_are_found_by_their_names() {
    let net = Network::new();
    let _app = App::named("hello", net.at(12, 8080)).await;
    let mesh = mesh(net, "").await;
    let long = "hello.default.svc.cluster.local";
    for host in [
        "hello",
        "HELLO",
        "hello.default",
        "hello.default.svc",
        long,
        "hello.default.svc.cluster.local.",
    ] {
        let (mut stream, code) = by_name(&mesh, host, 80).await;
        assert_eq!(code, 0, "{host}");
        assert_eq!(
            ask(&mut stream, host).await.unwrap(),
            format!("hello {} {host}", net.ip(11))
        );
    }
    for host in ["nobody", "hello.other", "example.com"] {
        let (_, code) = by_name(&mesh, host, 80).await;
        assert_eq!(code, 4, "{host}");
        let error = format!("error=\"SOCKS5: the mesh knows no host {host}:80\"");
        mesh.line(&["connection failed", &error]).await;
    }
    let (_, code) = by_name(&mesh, "hello", 81).await;
    assert_eq!(code, 4, "no such port");
    mesh.line(&[
        "\terror\t",
        "service hello.default.svc.cluster.local has no port 81",
    ])
    .await;
}

#[tokio::test]
async fn a_service_without_an_address_is_at_its_pods() {
    let net = Network::new();
    let _app = App::named("hello", net.at(12, 8080)).await;
    let headless = service("hello", 1)
        .replace("name: hello", "name: headless")
        .replace("NET.1,", "None,");
    let mesh = mesh(net, &headless).await;
    let (mut stream, code) = by_name(&mesh, "headless", 8080).await;
    assert_eq!(code, 0);
    assert_eq!(
        ask(&mut stream, "hi").await.unwrap(),
        format!("hello {} hi", net.ip(11))
    );
    mesh.line(&["\tinfo\t", "dst.hbone_addr=NET.12:8080", "direction=\"outbound\""])
        .await;
}

#[tokio::test]
async fn addresses_lead_to_services_pods_and_out_of_the_mesh() {
    let net = Network::new();
    let _app = App::named("hello", net.at(12, 8080)).await;
    let _outside = App::named("outside", net.at(90, 9090)).await;
    let mesh = mesh(net, "").await;
    for (address, name) in [
        (net.at(1, 80), "hello"),
        (net.at(12, 8080), "hello"),
        (net.at(90, 9090), "outside"),
    ] {
        let (mut stream, code) = by_address(&mesh, address).await;
        assert_eq!(code, 0, "{address}");
        assert_eq!(
            ask(&mut stream, "hi").await.unwrap(),
            format!("{name} {} hi", net.ip(11))
        );
    }
    mesh.line(&["\tinfo\t", "dst.hbone_addr=NET.12:8080", "direction=\"outbound\""])
        .await;
    mesh.line(&["\tinfo\t", "dst.addr=NET.90:9090", "direction=\"outbound\""])
        .await;

    let (_, code) = by_address(&mesh, net.at(90, 9091)).await;
    assert_eq!(code, 5, "connection refused");
    let own = mesh.ztunnel.as_ref().unwrap().addresses().socks5.unwrap();
    for address in [own, net.at(90, 15001), net.at(90, 15008)] {
        let (_, code) = by_address(&mesh, address).await;
        assert_eq!(code, 1, "{address}");
        mesh.line(&[&format!(
            "error=\"attempted recursive call to ourselves: {address}\""
        )])
        .await;
    }
}

#[tokio::test]
async fn what_is_not_understood_is_refused() {
    let net = Network::new();
    let mesh = mesh(net, "").await;
    assert_eq!(request(&mesh, 2, 1, &[127, 0, 0, 1], 80).await.1, 7, "BIND");
    assert_eq!(request(&mesh, 1, 9, &[], 80).await.1, 8);
    mesh.line(&["SOCKS5: only CONNECT is understood, not command 2"])
        .await;

    let socks5 = mesh.ztunnel.as_ref().unwrap().addresses().socks5.unwrap();
    for (greeting, answer) in [(&[5, 1, 2][..], &[5, 0xff][..]), (&[4, 1][..], &[][..])] {
        let mut stream = mesh.connect(11, socks5).await;
        stream.write_all(greeting).await.unwrap();
        let mut answered = Vec::new();
        // Whether the end is a reset depends on what was still under way.
        let _ = stream.read_to_end(&mut answered).await;
        assert_eq!(answered, answer);
    }
    mesh.line(&["SOCKS5: the client speaks version 4"]).await;
    mesh.line(&["SOCKS5: the client insists on authentication"]).await;
}

#[tokio::test]
async fn only_pods_are_served_and_only_where_the_mesh_allows() {
    let net = Network::new();
    let _outside = App::named("outside", net.at(90, 9090)).await;
    let settings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\n\
        data: {mesh: 'outboundTrafficPolicy: {mode: REGISTRY_ONLY}'}\n---\n";
    let mesh = mesh(net, settings).await;
    let (_, code) = by_address(&mesh, net.at(90, 9090)).await;
    assert_eq!(code, 2);
    let socks5 = mesh.ztunnel.as_ref().unwrap().addresses().socks5.unwrap();
    assert!(mesh.ask(77, socks5, "\u{5}\u{1}\0").await.is_err());
    mesh.line(&["connection failed", "unknown source"]).await;
}
