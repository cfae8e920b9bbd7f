//! WebSocket through a whole proxy, from and to either version of HTTP.

use std::convert::Infallible;
use std::future::pending;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::serve::{self, serve_http1, serve_http2};
use crate::upgrade::{Counters, OnUpgrade, Timeouts, bridge, requested, websocket};

/// A WebSocket server that echoes in upper case; on HTTP/1 it wants the handshake, on HTTP/2 nothing of it.
async fn echo(mut request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let mut response = Response::new(Body::empty());
    let wanted = requested(&request).expect("the request asks for nothing");
    assert!(wanted.is_websocket());
    if *request.method() == http::Method::GET {
        assert_eq!(request.headers()["sec-websocket-version"], "13");
        let key = request.headers()[websocket::KEY].clone();
        assert_eq!(key.len(), 24);
        let deaf = request.uri().path() == "/deaf";
        *response.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
        let answer = if deaf { key } else { websocket::accept(&key) };
        response.headers_mut().insert(websocket::ACCEPT, answer);
    } else {
        assert!(!request.headers().contains_key(websocket::KEY));
    }
    response
        .headers_mut()
        .insert("sec-websocket-protocol", "chat".parse().unwrap());
    if request.uri().path() == "/no" {
        *response.status_mut() = http::StatusCode::FORBIDDEN;
        return Ok(response);
    }
    let pending = OnUpgrade::take(request.extensions_mut()).unwrap();
    tokio::spawn(async move {
        let mut stream = pending.stream().await.unwrap();
        let mut buffer = [0; 64];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            buffer.make_ascii_uppercase();
            stream.write_all(&buffer[..count]).await.unwrap();
        }
        stream.shutdown().await.unwrap();
    });
    Ok(response)
}

async fn serve<S, F>(version: Version, io: DuplexStream, service: S)
where
    S: Fn(Request<Body>) -> F,
    F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let settings = serve::Settings::default();
    match version {
        Version::Http1 => drop(serve_http1(io, service, &settings, pending()).await),
        Version::Http2 => drop(serve_http2(io, service, &settings, pending()).await),
    }
}

/// The client's end of a proxy that speaks `downstream` to it and `upstream` to the server.
fn proxy(downstream: Version, upstream: Version) -> DuplexStream {
    let connect = move || async move {
        let (near, far) = tokio::io::duplex(1024);
        tokio::spawn(serve(upstream, far, echo));
        Ok::<_, std::io::Error>(near)
    };
    let upstream = Arc::new(Upstream::new(connect, upstream, Settings::default()));
    let service = move |mut request: Request<Body>| {
        let upstream = Arc::clone(&upstream);
        async move {
            let near = OnUpgrade::take(request.extensions_mut()).unwrap();
            let Ok(mut response) = upstream.send(request).await else {
                return Ok(Response::builder().status(502).body(Body::empty()).unwrap());
            };
            if let Some(far) = OnUpgrade::take(response.extensions_mut()) {
                tokio::spawn(async move {
                    let (near, far) = tokio::join!(near.stream(), far.stream());
                    let (near, far) = (near.unwrap(), far.unwrap());
                    bridge(near, far, Timeouts::default(), &Counters::default()).await;
                });
            }
            Ok(response)
        }
    };
    let (near, far) = tokio::io::duplex(1024);
    tokio::spawn(serve(downstream, far, service));
    near
}

async fn head(io: &mut DuplexStream) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(char::from(io.read_u8().await.unwrap()));
    }
    head
}

async fn ask(io: &mut DuplexStream, path: &str) -> String {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    io.write_all(request.as_bytes()).await.unwrap();
    head(io).await
}

#[tokio::test]
async fn from_http_1() {
    for upstream in [Version::Http1, Version::Http2] {
        let mut io = proxy(Version::Http1, upstream);
        let answer = ask(&mut io, "/chat").await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer:?}");
        for line in [
            "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
            "upgrade: websocket\r\n",
            "connection: upgrade\r\n",
            "sec-websocket-protocol: chat\r\n",
        ] {
            assert_eq!(answer.matches(line).count(), 1, "{upstream:?}: {answer:?}");
        }
        io.write_all(b"ping").await.unwrap();
        let mut text = [0; 4];
        io.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"PING");
        io.shutdown().await.unwrap();
        assert_eq!(io.read(&mut text).await.unwrap(), 0);

        let mut io = proxy(Version::Http1, upstream);
        assert!(ask(&mut io, "/no").await.starts_with("HTTP/1.1 403 "));
    }
}

#[tokio::test]
async fn from_http_2() {
    for upstream in [Version::Http1, Version::Http2] {
        let io = proxy(Version::Http2, upstream);
        let (mut sender, connection) = h2::client::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let mut connect = |path: &str| {
            let mut request = Request::connect(format!("http://a{path}"))
                .header("sec-websocket-version", "13")
                .body(())
                .unwrap();
            request
                .extensions_mut()
                .insert(h2::ext::Protocol::from_static("websocket"));
            sender.send_request(request, false).unwrap()
        };
        let (response, mut stream) = connect("/chat");
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200, "{upstream:?}");
        for name in ["connection", "upgrade", "sec-websocket-accept"] {
            assert!(!response.headers().contains_key(name), "{name}");
        }
        assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
        stream.send_data(Bytes::from_static(b"ping"), true).unwrap();
        let mut body = response.into_body();
        assert_eq!(body.data().await.unwrap().unwrap(), "PING");
        assert!(body.data().await.is_none_or(|data| data.unwrap().is_empty()));

        assert_eq!(connect("/no").0.await.unwrap().status(), 403);
        if upstream == Version::Http1 {
            assert_eq!(connect("/deaf").0.await.unwrap().status(), 502);
        }
    }
}

/// A request that was not sent can be sent elsewhere, over the other version even.
#[tokio::test]
async fn unsent_requests_come_back_as_they_were() {
    let refused =
        || async { Err::<DuplexStream, _>(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)) };
    let http1 = Upstream::new(refused, Version::Http1, Settings::default());
    let http2 = Upstream::new(refused, Version::Http2, Settings::default());
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    let upgrade = Request::get("/chat")
        .header("host", "a")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-key", key)
        .body(Body::empty())
        .unwrap();
    let mut extended = Request::connect("http://a/chat").body(Body::empty()).unwrap();
    extended
        .extensions_mut()
        .insert(hyper::ext::Protocol::from_static("websocket"));
    let mut upgrade = Box::new(upgrade);
    let mut extended = Box::new(extended);
    for _ in 0..2 {
        upgrade = http2.send(*upgrade).await.unwrap_err().request.unwrap();
        assert_eq!(
            (upgrade.method().as_str(), upgrade.uri().path()),
            ("GET", "/chat")
        );
        assert!(requested(&upgrade).unwrap().is_websocket());
        assert_eq!(upgrade.headers()["sec-websocket-key"], key);
        upgrade = http1.send(*upgrade).await.unwrap_err().request.unwrap();
        assert_eq!(upgrade.headers()["host"], "a");

        extended = http1.send(*extended).await.unwrap_err().request.unwrap();
        assert_eq!(
            (extended.method().as_str(), extended.uri().path()),
            ("CONNECT", "/chat")
        );
        assert!(requested(&extended).unwrap().is_websocket());
        assert!(
            !extended.headers().contains_key("upgrade")
                && !extended.headers().contains_key("sec-websocket-key")
        );
        extended = http2.send(*extended).await.unwrap_err().request.unwrap();
    }
}

/// An upstream that does not offer it is not asked.
#[tokio::test]
async fn extended_connect_is_not_guessed() {
    let (upstream, mut endpoint) = upstream(Version::Http2, Settings::default());
    let mut ask = Request::connect("http://a/chat").body(Body::empty()).unwrap();
    ask.extensions_mut()
        .insert(hyper::ext::Protocol::from_static("websocket"));
    let sending = tokio::spawn(async move { upstream.send(ask).await.map(|_| ()) });
    let mut server = h2::server::handshake(endpoint.accept().await).await.unwrap();
    let serving = tokio::spawn(async move { server.accept().await.is_some() });
    let error = sending.await.unwrap().unwrap_err();
    assert!(matches!(error.failure, Failure::Unsupported(_)), "{error:?}");
    assert!(error.request.is_some());
    assert!(!serving.await.unwrap());
}

/// What has a body is no handshake, and is sent as what it is.
#[tokio::test]
async fn only_a_get_becomes_an_extended_connect() {
    let (upstream, mut endpoint) = upstream(Version::Http2, Settings::default());
    let mut post = request("POST", "/chat", "body");
    for (name, value) in [("connection", "upgrade"), ("upgrade", "websocket")] {
        post.headers_mut().insert(name, value.parse().unwrap());
    }
    let sending = tokio::spawn(async move { upstream.send(post).await.map(|_| ()) });
    let mut server = h2::server::handshake(endpoint.accept().await).await.unwrap();
    let (asked, _respond) = server.accept().await.unwrap().unwrap();
    assert_eq!((asked.method().as_str(), asked.uri().path()), ("POST", "/chat"));
    assert!(!asked.headers().contains_key("upgrade"));
    sending.abort();
}
