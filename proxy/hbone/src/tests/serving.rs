//! What a server answers, and what it survives.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cairn_identity::tls;
use h2::Reason;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::harness::*;
use crate::{
    Authority, Baggage, ConnectError, ConnectRequest, ConnectionInfo, Forwarded, Request, Settings,
    TraceParent,
};

/// Keeps what the handler was told.
fn recorder() -> (Arc<Mutex<Vec<Request>>>, impl crate::Handler) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let handler = with({
        let seen = seen.clone();
        move |request: Request| {
            seen.lock().unwrap().push(request);
            async {}
        }
    });
    (seen, handler)
}

#[tokio::test]
async fn a_handler_is_told_everything() {
    let mesh = Mesh::new();
    let (seen, handler) = recorder();
    let server = mesh.serve(handler).await;
    let baggage = Baggage {
        namespace: Some("default".into()),
        service: Some("sleep".into()),
        ..Baggage::default()
    };
    let forwarded = Forwarded::new("10.9.9.9:99".parse().unwrap(), Some("hello"));
    let trace = TraceParent::random();
    let request = ConnectRequest {
        authority: Authority::Host {
            host: "hello.default".into(),
            port: 80,
        },
        baggage: baggage.clone(),
        forwarded: Some(forwarded.clone()),
        traceparent: Some(trace),
    };
    let mut destination = server.destination();
    destination.bind = Some("127.0.20.3".parse().unwrap());
    let pool = mesh.pool();
    tokio::spawn(async move { pool.connect(&destination, request).await });
    until(|| !seen.lock().unwrap().is_empty()).await;
    let request = seen.lock().unwrap().pop().unwrap();
    let ConnectionInfo {
        peer_address,
        local_address,
        peer,
    } = (*request.connection).clone();
    assert_eq!(peer_address.ip().to_string(), "127.0.20.3");
    assert_eq!((local_address, peer), (server.address, id("sleep")));
    assert_eq!(request.peer, id("sleep"));
    assert_eq!(request.authority.to_string(), "hello.default:80");
    assert_eq!(request.baggage, baggage);
    assert_eq!(
        (request.forwarded.clone(), request.traceparent),
        (Some(forwarded), Some(trace))
    );
    assert_eq!(request.headers.len(), 3);
}

#[tokio::test]
async fn a_client_learns_the_answer() {
    let mesh = Mesh::new();
    let server = mesh
        .serve(with(|request: Request| async move {
            match request.authority.port() {
                200 => {
                    let mut headers = HeaderMap::new();
                    headers.insert("baggage", HeaderValue::from_static("service.name=hello"));
                    reflect(request.accept(headers).unwrap()).await;
                }
                1 => drop(request),
                2 => panic!("a bug in the handler"),
                port => request.reject(StatusCode::from_u16(port).unwrap()),
            }
        }))
        .await;
    let pool = mesh.pool();
    let connect = async |port: u16| {
        pool.connect(&server.destination(), to(&format!("10.0.0.1:{port}")))
            .await
    };
    for status in [400, 401, 404, 503] {
        let Err(ConnectError::Status(answer)) = connect(status).await else {
            panic!("{status}")
        };
        assert_eq!(answer.as_u16(), status);
    }
    for reset in [1, 2] {
        let Err(ConnectError::Stream(error)) = connect(reset).await else {
            panic!("{reset}")
        };
        assert!(error.is_reset(), "{error}");
    }
    let tunnel = connect(200).await.unwrap();
    assert_eq!(tunnel.baggage().unwrap().service.as_deref(), Some("hello"));
    assert_eq!(server.connections(), 1, "one connection has survived all of it");
}

#[tokio::test]
async fn what_is_not_connect_gets_the_status_of_the_settings() {
    let mesh = Mesh::new();
    for status in [StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND] {
        let server = mesh
            .serve_with(
                Settings {
                    non_connect: status,
                    ..Settings::default()
                },
                echo(),
            )
            .await;
        let mut client = mesh.client(&server).await;
        for method in [Method::GET, Method::POST] {
            let (response, _) = client
                .send_request(request(method, "http://hello/"), true)
                .unwrap();
            let response = response.await.unwrap();
            assert_eq!(response.status(), status);
            assert!(response.body().is_end_stream());
        }
    }
    assert_eq!(Settings::default().non_connect, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_bad_authority_is_a_bad_request() {
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let mut client = mesh.client(&server).await;
    for authority in [
        "10.0.0.1",
        "hello",
        "hello:0",
        "user@hello:80",
        "127.1:80",
        "[fe80::1]",
    ] {
        let (response, _stream) = client
            .send_request(request(Method::CONNECT, authority), false)
            .unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{authority}");
        assert!(response.body().is_end_stream());
    }
}

#[tokio::test]
async fn bad_headers_are_passed_over() {
    let mesh = Mesh::new();
    let (seen, handler) = recorder();
    let server = mesh.serve(handler).await;
    let mut client = mesh.client(&server).await;
    let mut request = request(Method::CONNECT, "10.0.0.1:80");
    for (name, value) in [
        ("baggage", b"\xff\xfe".as_slice()),
        ("baggage", b"=,;=,k8s.namespace.name=\x80"),
        ("forwarded", b"for=\"[::"),
        ("traceparent", b"00-zz"),
    ] {
        request
            .headers_mut()
            .append(name, HeaderValue::from_bytes(value).unwrap());
    }
    let (_response, _stream) = client.send_request(request, false).unwrap();
    until(|| !seen.lock().unwrap().is_empty()).await;
    let request = seen.lock().unwrap().pop().unwrap();
    assert_eq!(
        (&request.baggage, &request.forwarded, request.traceparent),
        (&Baggage::default(), &None, None)
    );
    assert_eq!(request.headers.len(), 4);
}

#[tokio::test]
async fn extended_connect_is_refused() {
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let mut client = mesh.client(&server).await;
    let mut websocket = request(Method::CONNECT, "http://hello:80/chat");
    websocket
        .extensions_mut()
        .insert(h2::ext::Protocol::from_static("websocket"));
    if let Ok((response, _stream)) = client.send_request(websocket, false) {
        assert_eq!(response.await.unwrap_err().reason(), Some(Reason::PROTOCOL_ERROR));
    }
    let (response, _stream) = client
        .send_request(request(Method::CONNECT, "10.0.0.1:80"), false)
        .unwrap();
    assert_eq!(
        response.await.unwrap().status(),
        StatusCode::OK,
        "the connection goes on"
    );
}

#[tokio::test]
async fn a_connect_that_ends_at_once_is_answered_and_ended() {
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let mut client = mesh.client(&server).await;
    let (response, _) = client
        .send_request(request(Method::CONNECT, "10.0.0.1:80"), true)
        .unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut body = response.into_body();
    while let Some(data) = body.data().await {
        assert!(data.unwrap().is_empty());
    }
}

#[tokio::test]
async fn other_trust_domains_are_refused() {
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let stranger = cairn_identity::SpiffeId::new("elsewhere", "default", "sleep");
    let credential = mesh
        .identities_of("elsewhere")
        .credential(&stranger)
        .await
        .unwrap();
    let tcp = TcpStream::connect(server.address).await.unwrap();
    if let Ok((mut tls, _)) = tls::connect(tcp, &credential, &[id("hello")], LIMIT).await {
        assert!(tls.read(&mut [0]).await.is_err());
    }
    until(|| !server.ends().is_empty()).await;
    assert_eq!(
        server.ends(),
        [format!("the peer {stranger} is not of our trust domain")]
    );
}

#[tokio::test]
async fn clients_without_certificate_or_with_old_tls_are_refused() {
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let roots = mesh
        .identities
        .credential(&id("sleep"))
        .await
        .unwrap()
        .roots()
        .to_vec();
    for (versions, complaint) in [
        ([&TLS13], "sent no certificates"),
        ([&TLS12], "peer is incompatible"),
    ] {
        let mut anchors = RootCertStore::empty();
        anchors.add_parsable_certificates(roots.clone());
        let config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_protocol_versions(&versions)
                .unwrap()
                .with_root_certificates(anchors)
                .with_no_client_auth();
        let mut config = config;
        let trusting = mesh.identities.credential(&id("sleep")).await.unwrap();
        config
            .dangerous()
            .set_certificate_verifier(Arc::new(Blind(trusting.client_config())));
        let tcp = TcpStream::connect(server.address).await.unwrap();
        let name = rustls::pki_types::ServerName::try_from("hello").unwrap();
        let known = server.ends().len();
        if let Ok(mut tls) = TlsConnector::from(Arc::new(config)).connect(name, tcp).await {
            assert!(tls.read(&mut [0]).await.is_err());
        }
        until(|| server.ends().len() > known).await;
        assert!(server.ends()[known].contains(complaint), "{:?}", server.ends());
    }
    assert_eq!(server.connections(), 0);
}

/// Takes any server for the right one.
#[derive(Debug)]
struct Blind(Arc<ClientConfig>);

impl rustls::client::danger::ServerCertVerifier for Blind {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0
            .crypto_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[tokio::test]
async fn a_client_that_never_speaks_http2_is_let_go() {
    let mesh = Mesh::new();
    let settings = Settings {
        handshake_timeout: Duration::from_millis(50),
        ..Settings::default()
    };
    let server = mesh.serve_with(settings, echo()).await;
    let _silent = mesh.tls(&server).await;
    until(|| !server.ends().is_empty()).await;
    assert_eq!(
        server.ends(),
        ["the client did not begin to speak HTTP/2 in time"]
    );
}

#[tokio::test]
async fn a_client_that_speaks_something_else_is_let_go() {
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let mut tls = mesh.tls(&server).await;
    tls.write_all(b"GET / HTTP/1.1\r\nhost: hello\r\n\r\n")
        .await
        .unwrap();
    until(|| !server.ends().is_empty()).await;
    assert!(
        server.ends()[0].contains("does not speak HTTP/2"),
        "{:?}",
        server.ends()
    );
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_let_go() {
    let mesh = Mesh::new();
    let millis = Duration::from_millis;
    let settings = Settings {
        ping_interval: millis(100),
        ping_timeout: millis(1500),
        ..Settings::default()
    };
    let server = mesh.serve_with(settings, echo()).await;
    let live = mesh.client(&server).await;
    let (_sender, _nobody_polls_this) = mesh.raw(&server).await;
    until(|| !server.ends().is_empty()).await;
    assert_eq!(server.ends(), ["the client does not answer"]);
    let mut live = live.ready().await.unwrap();
    let (response, _stream) = live
        .send_request(request(Method::CONNECT, "10.0.0.1:80"), false)
        .unwrap();
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn opening_and_resetting_does_not_pile_up_tasks() {
    let mesh = Mesh::new();
    let running = Arc::new(AtomicUsize::new(0));
    let handler = with({
        let running = running.clone();
        move |request| {
            running.fetch_add(1, Ordering::SeqCst);
            async move {
                let _request: Request = request;
                std::future::pending().await
            }
        }
    });
    let settings = Settings {
        max_concurrent_streams: 4,
        ..Settings::default()
    };
    let server = mesh.serve_with(settings, handler).await;
    let client = mesh.client(&server).await;
    let mut refused = 0;
    for _ in 0..40 {
        let before = running.load(Ordering::SeqCst);
        let mut client = client.clone().ready().await.unwrap();
        let (response, stream) = client
            .send_request(request(Method::CONNECT, "10.0.0.1:80"), false)
            .unwrap();
        tokio::select! {
            answer = response => {
                assert_eq!(answer.unwrap_err().reason(), Some(Reason::REFUSED_STREAM));
                refused += 1;
            }
            () = until(|| running.load(Ordering::SeqCst) > before) => drop(stream),
        }
    }
    assert_eq!((running.load(Ordering::SeqCst), refused), (8, 32));
}

#[tokio::test]
async fn a_handler_can_tell_that_nobody_waits() {
    let mesh = Mesh::new();
    let (started, cancelled) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let handler = with({
        let (started, cancelled) = (started.clone(), cancelled.clone());
        move |mut request: Request| {
            let (started, cancelled) = (started.clone(), cancelled.clone());
            async move {
                started.fetch_add(1, Ordering::SeqCst);
                request.cancelled().await;
                cancelled.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let server = mesh.serve(handler).await;
    let (pool, destination) = (mesh.pool(), server.destination());
    let connecting = tokio::spawn(async move { pool.connect(&destination, to("10.0.0.1:80")).await });
    until(|| started.load(Ordering::SeqCst) == 1).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(cancelled.load(Ordering::SeqCst), 0);
    connecting.abort();
    until(|| cancelled.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn draining_finishes_what_is_under_way() {
    let mesh = Mesh::new();
    let mut server = mesh.serve(echo()).await;
    let pool = mesh.pool();
    let mut tunnel = pool
        .connect(&server.destination(), to("10.0.0.1:80"))
        .await
        .unwrap();
    let draining = tokio::spawn(server.drain().finish(LIMIT));
    // The client has heard of it when it no longer uses the connection.
    let mut client = mesh.client(&server).await;
    until(|| draining.is_finished() || server.connections() == 2).await;
    tunnel.write_all(b"still here").await.unwrap();
    let mut answer = [0; 10];
    tunnel.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"still here");
    assert!(!draining.is_finished());
    // A connection that was idle has been closed.
    until(|| server.ends() == ["ok"]).await;
    assert!(
        client
            .send_request(request(Method::CONNECT, "10.0.0.1:80"), true)
            .is_err()
    );
    tunnel.shutdown().await.unwrap();
    assert_eq!(tunnel.read(&mut answer).await.unwrap(), 0);
    until(|| server.ends() == ["ok", "ok"]).await;
    server.stop_accepting();
    assert!(draining.await.unwrap());
}

#[tokio::test]
async fn what_does_not_finish_is_forced() {
    let mesh = Mesh::new();
    let mut server = mesh.serve(hold()).await;
    let pool = mesh.pool();
    let mut tunnel = pool
        .connect(&server.destination(), to("10.0.0.1:80"))
        .await
        .unwrap();
    let drain = server.drain();
    server.stop_accepting();
    assert!(!drain.finish(Duration::from_millis(100)).await);
    assert!(tunnel.read(&mut [0]).await.is_err());
    assert_eq!(server.ends(), ["ok"]);
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

#[tokio::test]
async fn a_hundred_requests_may_be_taken_back_at_once() {
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const SETTINGS: u8 = 4;
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let mut tls = mesh.tls(&server).await;
    // Literal fields with new names, not indexed.
    let mut block = b"\x00\x07:method\x07CONNECT\x00\x0a:authority\x0b".to_vec();
    block.extend(b"10.0.0.1:80");
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    for stream in (1..200).step_by(2) {
        bytes.extend(frame(HEADERS, 4, stream, &block));
        bytes.extend(frame(RST_STREAM, 0, stream, &8u32.to_be_bytes()));
    }
    bytes.extend(frame(HEADERS, 4, 201, &block));
    tls.write_all(&bytes).await.unwrap();
    loop {
        let mut head = [0; 9];
        tls.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        tls.read_exact(&mut vec![0; length as usize]).await.unwrap();
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        assert_ne!(head[3], 7, "GOAWAY");
        if stream == 201 {
            assert_eq!(head[3], HEADERS);
            break;
        }
    }
}
