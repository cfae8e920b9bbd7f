//! What the waypoint makes of bytes: protocols inside the tunnel, and hostile ones at every layer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cairn_hbone::ConnectError;
use cairn_identity::{Credential, Identities, LocalCa, Options, SpiffeId, tls};
use cairn_tests::{Answer, Client, Lone};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test(flavor = "multi_thread")]
async fn http2_to_a_port_that_declares_nothing_stays_http2() {
    let mesh = Lone::start(&[]).await;
    let tunnel = mesh
        .tunnels
        .open("sleep", mesh.network.ip(11), mesh.service(91))
        .await
        .unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tunnel))
            .await
            .unwrap();
    tokio::spawn(connection);
    let mut answers = Vec::new();
    for number in 0..20 {
        let request = Request::post(format!("http://app/{number}"))
            .body(Full::new(Bytes::from("x")))
            .unwrap();
        answers.push(tokio::spawn(sender.send_request(request)));
    }
    for answer in answers {
        assert_eq!(answer.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    let seen: Vec<_> = mesh.v1.seen().into_iter().chain(mesh.v2.seen()).collect();
    assert_eq!(seen.len(), 20);
    assert!(
        seen.iter()
            .all(|seen| seen.version == Version::HTTP_2 && seen.authority == "app")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_keeps_its_trailers_and_is_refused_in_its_own_way() {
    let policy = r#"
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: deny}
spec:
  targetRefs: [{group: "", kind: Service, name: grpc}]
  action: DENY
  rules: [{to: [{operation: {paths: [/test.Service/Denied]}}]}]
---
apiVersion: v1
kind: Service
metadata: {name: grpc, labels: {istio.io/use-waypoint: waypoint}}
spec: {clusterIP: NET.15, selector: {app: grpc}, ports: [{name: grpc, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: grpc, labels: {app: grpc, istio.io/dataplane-mode: none}}
spec: {serviceAccountName: grpc}
status: {podIP: NET.25}
"#;
    let mesh = Lone::start(&[("grpc.yaml", policy)]).await;
    let listener = TcpListener::bind(mesh.network.socket(25, 8080)).await.unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|request: Request<Incoming>| async move {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from(5))]);
                let body = Full::new(body).with_trailers(std::future::ready(Some(Ok(trailers))));
                let response = Response::builder()
                    .header("content-type", "application/grpc")
                    .body(body);
                Ok::<_, Infallible>(response.unwrap())
            });
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    let tunnel = mesh
        .tunnels
        .open("sleep", mesh.network.ip(11), mesh.network.socket(15, 80))
        .await
        .unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tunnel))
            .await
            .unwrap();
    tokio::spawn(connection);
    let mut call = async |method: &str| {
        let request = Request::post(format!("http://grpc/test.Service/{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(Bytes::from_static(b"\0\0\0\0\x01x")))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        Answer::of(response.map(|body| body.map_err(Into::into).boxed()))
            .await
            .unwrap()
    };
    let found = call("Called").await;
    assert_eq!((found.status, found.body.len()), (StatusCode::OK, 6));
    assert_eq!(found.trailers["grpc-status"], "5");
    let denied = call("Denied").await;
    assert_eq!(denied.status, StatusCode::OK);
    assert_eq!(
        (denied.header("grpc-status"), denied.header("grpc-message")),
        ("7", "RBAC: access denied")
    );
    mesh.waypoint
        .wait_for_text("\"POST /test.Service/Denied HTTP/2\" 200 - rbac_access_denied");
    let metrics = Client::from(mesh.network.ip(1))
        .get(mesh.network.socket(30, 15020), "/metrics")
        .await
        .unwrap();
    for status in ["5", "7"] {
        let label = format!("grpc_response_status=\"{status}\"");
        let is_sample = |line: &str| line.contains("request_protocol=\"grpc\"") && line.contains(&label);
        assert!(metrics.body.lines().any(is_sample), "{label}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgraded_connection_is_a_byte_stream() {
    let mesh = Lone::start(&[]).await;
    mesh.directory.write("raw.yaml", RAW);
    let listener = TcpListener::bind(mesh.network.socket(26, 8080)).await.unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = read_head(&mut stream).await;
        assert!(head.to_ascii_lowercase().contains("upgrade: websocket"), "{head}");
        let answer = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
    });
    let mut tunnel = open_until(&mesh, mesh.network.socket(16, 80)).await;
    let request = "GET /chat HTTP/1.1\r\nhost: raw\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
    tunnel.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(&mut tunnel).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    tunnel.write_all(b"ping").await.unwrap();
    let mut echoed = Vec::new();
    tunnel.read_to_end(&mut echoed).await.unwrap();
    assert_eq!(echoed, b"ping");
    // The endpoint has closed its side; the record is written when the client has, too.
    tunnel.shutdown().await.unwrap();
    mesh.waypoint
        .wait_for_text("\"GET /chat HTTP/1.1\" 101 - via_upstream - \"-\" 4 4 ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tcp_port_carries_bytes_both_ways_with_half_close() {
    let mesh = Lone::start(&[]).await;
    for host in [21, 22] {
        let listener = TcpListener::bind(mesh.network.socket(host, 8090)).await.unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut all = Vec::new();
                stream.read_to_end(&mut all).await.unwrap();
                // Only after the client's end: half-close must have come through.
                stream.write_all(&all).await.unwrap();
            }
        });
    }
    let sent: Vec<u8> = (0..2_000_000u32).map(|number| (number % 251) as u8).collect();
    let mut tunnel = mesh
        .tunnels
        .open("sleep", mesh.network.ip(11), mesh.service(90))
        .await
        .unwrap();
    tunnel.write_all(&sent).await.unwrap();
    tunnel.shutdown().await.unwrap();
    let mut echoed = Vec::new();
    tunnel.read_to_end(&mut echoed).await.unwrap();
    assert!(
        echoed == sent,
        "{} of {} bytes came back as they were",
        echoed.len(),
        sent.len()
    );
    mesh.waypoint
        .wait_for_text("inbound-vip|90|tcp|app.default.svc.cluster.local");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_stream_both_ways() {
    let mesh = Lone::start(&[]).await;
    let body = "0123456789abcdef".repeat(500_000);
    let answer = mesh.send(Request::post("/").body(body.as_str()).unwrap()).await;
    assert!(
        answer.body.ends_with(&body),
        "{} bytes came back",
        answer.body.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_refused_and_harm_nobody_else() {
    let mesh = Lone::start(&[]).await;
    let huge = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(70_000));
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(120));
    for (bytes, status) in [
        (
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "400",
        ),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
            "400",
        ),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc",
            "400",
        ),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +3\r\n\r\nabc",
            "400",
        ),
        ("GET / HTTP/1.1\r\nhost : a\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nhost: a\r\n folded\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n",
            "501",
        ),
        ("NONSENSE\r\n\r\n", "400"),
        ("\u{16}\u{3}\u{1}\r\n\r\n", "400"),
        (huge.as_str(), "431"),
        (many.as_str(), "431"),
    ] {
        let mut tunnel = mesh
            .tunnels
            .open("sleep", mesh.network.ip(11), mesh.service(80))
            .await
            .unwrap();
        tunnel.write_all(bytes.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A reset after the answer is as good as an end.
        let _ = tunnel.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let start: String = bytes.chars().take(60).collect();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{start:?} was answered {answer:?}"
        );
    }
    assert!(
        mesh.v1.seen().is_empty() && mesh.v2.seen().is_empty(),
        "none of it may reach an application"
    );
    mesh.waypoint.wait_for_text("400 DPE http1.");
    assert_eq!(mesh.get("/").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn tunnels_lead_only_to_what_the_waypoint_serves() {
    let other = r#"
apiVersion: v1
kind: Service
metadata: {name: other}
spec: {clusterIP: NET.17, selector: {app: app}, ports: [{name: http, port: 80, targetPort: 8080}]}
"#;
    let mesh = Lone::start(&[("other.yaml", other)]).await;
    for (what, address) in [
        ("an unknown address", mesh.network.socket(99, 80)),
        ("an unknown port", mesh.service(81)),
        ("a service without this waypoint", mesh.network.socket(17, 80)),
        ("a pod", mesh.network.socket(21, 8080)),
    ] {
        match mesh.tunnels.open("sleep", mesh.network.ip(11), address).await {
            Err(ConnectError::Status(status)) => {
                assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{what}")
            }
            Err(error) => panic!("{what}: {error}"),
            Ok(_) => panic!("{what} was let through"),
        }
    }

    let (mut requests, connection) = h2(&mesh).await;
    tokio::spawn(connection);
    let get = Request::get("http://app/").body(()).unwrap();
    let answer = requests.send_request(get, true).unwrap().0.await.unwrap();
    assert_eq!(
        answer.status(),
        StatusCode::NOT_FOUND,
        "only CONNECT is for tunnels"
    );
    for authority in ["app", "app:99999", "1.2.3.4:0"] {
        let mut connect = Request::new(());
        *connect.method_mut() = Method::CONNECT;
        *connect.uri_mut() = http::Uri::builder().authority(authority).build().unwrap();
        let answer = requests.send_request(connect, true).unwrap().0.await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{authority}");
    }
    // Hostile metadata is ignored, and the connection lives on.
    let connect = Request::builder()
        .method(Method::CONNECT)
        .uri(mesh.service(80).to_string())
        .header("baggage", "k8s.namespace.name=admin,,;;==%")
        .header("traceparent", "00-zz")
        .header("forwarded", "for=\"unfinished")
        .body(())
        .unwrap();
    let answer = requests.send_request(connect, false).unwrap().0.await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_certificates_of_the_mesh_come_in() {
    let mesh = Lone::start(&[]).await;
    let address = mesh.network.socket(30, 15008);
    let anonymous = |versions: &[&'static rustls::SupportedProtocolVersion]| {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyServer))
            .with_no_client_auth()
    };
    assert!(
        !is_served(anonymous(&[&rustls::version::TLS13]), address).await,
        "no certificate"
    );
    assert!(
        !is_served(anonymous(&[&rustls::version::TLS12]), address).await,
        "TLS 1.2"
    );

    let strangers = tempfile::tempdir().unwrap();
    let stranger = credential(&strangers.path().join("ca"), "cluster.local", "cluster.local").await;
    assert!(
        !is_served((*stranger.client_config()).clone(), address).await,
        "another CA"
    );

    let foreign = credential(&mesh.ca(), "other.example", "other.example").await;
    assert!(
        !is_served((*foreign.client_config()).clone(), address).await,
        "another trust domain"
    );

    let native = credential(&mesh.ca(), "cluster.local", "cluster.local").await;
    assert!(
        is_served((*native.client_config()).clone(), address).await,
        "the same without the flaw"
    );
}

const RAW: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: raw, labels: {istio.io/use-waypoint: waypoint}}
spec: {clusterIP: NET.16, selector: {app: raw}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: raw, labels: {app: raw, istio.io/dataplane-mode: none}}
spec: {serviceAccountName: raw}
status: {podIP: NET.26}
"#;

async fn open_until(mesh: &Lone, address: SocketAddr) -> cairn_hbone::Tunnel {
    for _ in 0..600 {
        if let Ok(tunnel) = mesh.tunnels.open("sleep", mesh.network.ip(11), address).await {
            return tunnel;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{address} is never served");
}

async fn read_head(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("the head is complete"));
    }
    String::from_utf8(head).unwrap()
}

async fn credential(ca: &Path, ca_domain: &str, domain: &str) -> Arc<Credential> {
    let ca = LocalCa::open_or_create(ca, ca_domain).unwrap();
    let options = Options {
        trust_domain: domain.to_owned(),
        ..Options::default()
    };
    let identities = Identities::new(Arc::new(ca), options);
    identities
        .credential(&SpiffeId::new(domain, "default", "sleep"))
        .await
        .unwrap()
}

/// The HTTP/2 connection under the tunnels.
async fn h2(
    mesh: &Lone,
) -> (
    h2::client::SendRequest<Bytes>,
    impl Future<Output = Result<(), h2::Error>> + Send + 'static,
) {
    let credential = credential(&mesh.ca(), "cluster.local", "cluster.local").await;
    let tcp = TcpStream::connect(mesh.network.socket(30, 15008)).await.unwrap();
    let expected = [SpiffeId::new("cluster.local", "default", "waypoint")];
    let (tls, _) = tls::connect(tcp, &credential, &expected, Duration::from_secs(10))
        .await
        .unwrap();
    h2::client::handshake(tls).await.unwrap()
}

/// Whether the waypoint says a word of HTTP/2 to this client.
async fn is_served(config: rustls::ClientConfig, address: SocketAddr) -> bool {
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = rustls::pki_types::ServerName::IpAddress(address.ip().into());
    let Ok(mut tls) = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
    else {
        return false;
    };
    if tls
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .is_err()
    {
        return false;
    }
    // In TLS 1.3 the refusal comes after the client's side of the handshake.
    tls.read_u8().await.is_ok()
}

#[derive(Debug)]
struct AnyServer;

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
