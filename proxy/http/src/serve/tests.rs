#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod drain;
mod hints;
mod hostile;
mod http2;
mod idle;
mod ordinary;
mod switch;

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;

/// What the service has seen: method, target and length of the body of each request.
type Seen = Arc<Mutex<Vec<String>>>;

/// A service that reads the body and answers `ok`, or echoes the body on `/echo`.
async fn record(seen: Seen, request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let line = format!("{} {}", head.method, head.uri);
    let Ok(body) = body.collect().await else {
        seen.lock().unwrap().push(format!("{line} broken"));
        return Ok(Response::new(Body::from("broken body")));
    };
    let body = body.to_bytes();
    seen.lock().unwrap().push(format!("{line} {}", body.len()));
    Ok(Response::new(if head.uri.path() == "/echo" {
        Body::from(body)
    } else {
        Body::from("ok")
    }))
}

/// A connection to a server that records.
async fn connect(settings: Settings) -> (TcpStream, JoinHandle<Served>, Seen) {
    let seen = Seen::default();
    let service = {
        let seen = Arc::clone(&seen);
        move |request| record(Arc::clone(&seen), request)
    };
    let (client, server) = socket_pair().await;
    let served = tokio::spawn(async move { serve_http1(server, service, &settings, pending()).await });
    (client, served, seen)
}

async fn socket_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    (client.unwrap(), accepted.unwrap().0)
}

/// Sends `bytes`, stays until the server closes, and returns what it answered.
async fn exchange(bytes: &[u8], settings: Settings) -> (String, Served, Vec<String>) {
    let (mut client, served, seen) = connect(settings).await;
    client.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(10), client.read_to_end(&mut answer))
        .await
        .expect("the server keeps the connection")
        .unwrap();
    drop(client);
    let served = served.await.unwrap();
    let seen = seen.lock().unwrap().clone();
    (String::from_utf8_lossy(&answer).into_owned(), served, seen)
}

/// Reads until `client` has sent `end`.
async fn read_until(client: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&text).ends_with(end) {
            let mut byte = [0; 1];
            if client.read(&mut byte).await.unwrap() == 0 {
                panic!("closed after {:?}", String::from_utf8_lossy(&text));
            }
            text.push(byte[0]);
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), reading).await;
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(waited.is_ok(), "waited for {end:?}, got {text:?}");
    text
}
