//! Connections that stop being HTTP.

use super::*;
use crate::upgrade::{OnUpgrade, requested};

/// Grants WebSocket and CONNECT and then echoes what it reads, in upper case; refuses on `/no`.
async fn switching(mut request: Request<Body>) -> Result<Response<Body>, Infallible> {
    if requested(&request).is_none() || request.uri().path() == "/no" {
        return Ok(Response::new(Body::from("not switched")));
    }
    let connect = request.method() == http::Method::CONNECT;
    let pending = OnUpgrade::take(request.extensions_mut()).unwrap();
    tokio::spawn(async move {
        let mut stream = pending.stream().await.unwrap();
        let mut buffer = [0; 64];
        loop {
            let read = stream.read(&mut buffer).await.unwrap();
            if read == 0 {
                break;
            }
            buffer.make_ascii_uppercase();
            stream.write_all(&buffer[..read]).await.unwrap();
        }
        stream.write_all(b"bye").await.unwrap();
        stream.shutdown().await.unwrap();
    });
    let mut response = Response::new(Body::empty());
    if !connect {
        *response.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
    }
    Ok(response)
}

async fn start() -> (TcpStream, JoinHandle<Served>) {
    let (client, server) = socket_pair().await;
    let serving =
        tokio::spawn(async move { serve_http1(server, switching, &Settings::default(), pending()).await });
    (client, serving)
}

const ASK: &str = "Host: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n";

/// Bytes that follow the request early, and that no HTTP parser would take, arrive after the switch.
#[tokio::test]
async fn websocket_with_early_bytes() {
    let (mut client, serving) = start().await;
    let ask = format!("GET /chat HTTP/1.1\r\n{ASK}early\0\n");
    client.write_all(ask.as_bytes()).await.unwrap();
    let head = read_until(&mut client, "\r\n\r\n").await;
    assert!(
        head.starts_with("HTTP/1.1 101 ") && head.contains("connection: upgrade\r\n"),
        "{head:?}"
    );
    assert!(head.contains("upgrade: WebSocket\r\n"), "{head:?}");
    read_until(&mut client, "EARLY\0\n").await;
    client.write_all(b"more").await.unwrap();
    read_until(&mut client, "MORE").await;
    client.shutdown().await.unwrap();
    read_until(&mut client, "bye").await;
    let served = serving.await.unwrap();
    assert!(served.error.is_none() && served.refusal.is_none());
}

#[tokio::test]
async fn connect() {
    let (mut client, _serving) = start().await;
    client
        .write_all(b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\nxyz")
        .await
        .unwrap();
    let head = read_until(&mut client, "\r\n\r\n").await;
    assert!(
        head.starts_with("HTTP/1.1 200 ") && !head.contains("content-length"),
        "{head:?}"
    );
    read_until(&mut client, "XYZ").await;
}

/// After a refusal the connection goes on, with what was sent early read as HTTP, and is closed in order.
#[tokio::test]
async fn a_refused_switch_goes_on() {
    let (mut client, serving) = start().await;
    let ask = format!("GET /no HTTP/1.1\r\n{ASK}GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    client.write_all(ask.as_bytes()).await.unwrap();
    read_until(&mut client, "not switched").await;
    read_until(&mut client, "not switched").await;
    let ask = format!("GET /yes HTTP/1.1\r\n{ASK}");
    client
        .write_all(b"GET /again HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut client, "not switched").await;
    client.write_all(ask.as_bytes()).await.unwrap();
    read_until(&mut client, "\r\n\r\n").await;
    client.write_all(b"z").await.unwrap();
    read_until(&mut client, "Z").await;
    drop(client);
    assert!(serving.await.unwrap().error.is_none());
}

/// The guard knows of the switch while the request before it is still being answered.
#[tokio::test]
async fn a_switch_behind_another_request() {
    for ask in [
        format!("GET /chat HTTP/1.1\r\n{ASK}"),
        "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n".into(),
    ] {
        let (mut client, serving) = start().await;
        let both = format!("GET /first HTTP/1.1\r\nHost: a\r\n\r\n{ask}");
        client.write_all(both.as_bytes()).await.unwrap();
        read_until(&mut client, "not switched").await;
        let head = read_until(&mut client, "\r\n\r\n").await;
        assert!(
            head.starts_with("HTTP/1.1 101 ") || head.starts_with("HTTP/1.1 200 "),
            "{head:?}"
        );
        client.write_all(b"\0not http\n").await.unwrap();
        read_until(&mut client, "\0NOT HTTP\n").await;
        client.shutdown().await.unwrap();
        read_until(&mut client, "bye").await;
        let served = serving.await.unwrap();
        assert!(served.error.is_none() && served.refusal.is_none(), "{served:?}");
    }
}

#[tokio::test]
async fn a_refused_switch_is_closed_in_order() {
    let (mut client, serving) = start().await;
    client
        .write_all(format!("GET /no HTTP/1.1\r\n{ASK}").as_bytes())
        .await
        .unwrap();
    read_until(&mut client, "not switched").await;
    client.shutdown().await.unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
    assert!(serving.await.unwrap().error.is_none());
}
