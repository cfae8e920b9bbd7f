//! TCP connections carried through tunnels, from application to application.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::harness::*;
use crate::copy::bidirectional;
use crate::{CopyError, CopyOutcome, CopyTimeouts, Counters, Request};

const FOR_EVER: CopyTimeouts = CopyTimeouts {
    idle: None,
    half_closed: None,
};

/// client ── TCP ── near copy ══ tunnel ══ far copy ── TCP ── server
struct Line {
    client: TcpStream,
    server: TcpStream,
    near: JoinHandle<CopyOutcome>,
    far: Arc<Mutex<Option<CopyOutcome>>>,
    counters: Arc<Counters>,
    _proxy: Server,
}

impl Line {
    async fn new(timeouts: CopyTimeouts) -> Line {
        let mesh = Mesh::new();
        let application = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = Arc::new(Mutex::new(None));
        let handler = with({
            let far = far.clone();
            let address = application.local_addr().unwrap();
            move |request: Request| {
                let far = far.clone();
                async move {
                    let tcp = TcpStream::connect(address).await.unwrap();
                    let tunnel = request.accept(HeaderMap::new()).unwrap();
                    let outcome = bidirectional(tcp, tunnel, FOR_EVER, &Counters::default()).await;
                    *far.lock().unwrap() = Some(outcome);
                }
            }
        });
        let proxy = mesh.serve(handler).await;
        let capture = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(capture.local_addr().unwrap()).await.unwrap();
        let (captured, _) = capture.accept().await.unwrap();
        let tunnel = mesh
            .pool()
            .connect(&proxy.destination(), to("10.0.0.1:80"))
            .await
            .unwrap();
        let counters = Arc::new(Counters::default());
        let near = tokio::spawn({
            let counters = counters.clone();
            async move { bidirectional(captured, tunnel, timeouts, &*counters).await }
        });
        let (server, _) = application.accept().await.unwrap();
        Line {
            client,
            server,
            near,
            far,
            counters,
            _proxy: proxy,
        }
    }

    /// How the two copies have ended.
    async fn ends(self) -> (CopyOutcome, CopyOutcome) {
        let near = self.near.await.unwrap();
        until(|| self.far.lock().unwrap().is_some()).await;
        let far = self.far.lock().unwrap().take().unwrap();
        (near, far)
    }
}

#[tokio::test]
async fn large_transfers_both_ways() {
    let mut line = Line::new(FOR_EVER).await;
    // Large enough for every size of buffer.
    let (up, down) = (pattern(24 << 20, 1), pattern(20 << 20, 2));
    let (mut client_reader, mut client_writer) = line.client.split();
    let (mut server_reader, mut server_writer) = line.server.split();
    let (mut at_server, mut at_client) = (Vec::new(), Vec::new());
    tokio::join!(
        async {
            client_writer.write_all(&up).await.unwrap();
            client_writer.shutdown().await.unwrap();
        },
        async {
            server_writer.write_all(&down).await.unwrap();
            server_writer.shutdown().await.unwrap();
        },
        async { server_reader.read_to_end(&mut at_server).await.unwrap() },
        async { client_reader.read_to_end(&mut at_client).await.unwrap() },
    );
    assert!(at_server == up && at_client == down);
    let (near, far) = line.ends().await;
    assert!(near.error.is_none() && far.error.is_none());
    assert_eq!((near.sent, near.received), (24 << 20, 20 << 20));
    assert_eq!((far.sent, far.received), (20 << 20, 24 << 20));
}

#[tokio::test]
async fn a_half_closed_client_is_answered() {
    let mut line = Line::new(FOR_EVER).await;
    line.client.write_all(b"question").await.unwrap();
    line.client.shutdown().await.unwrap();
    let mut heard = String::new();
    line.server.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "question");
    line.server.write_all(b"answer").await.unwrap();
    line.server.shutdown().await.unwrap();
    let mut answer = String::new();
    line.client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "answer");
    assert!(line.ends().await.0.error.is_none());
}

#[tokio::test]
async fn a_half_closed_server_is_talked_to() {
    let mut line = Line::new(FOR_EVER).await;
    line.server.write_all(b"banner").await.unwrap();
    line.server.shutdown().await.unwrap();
    let mut banner = String::new();
    line.client.read_to_string(&mut banner).await.unwrap();
    assert_eq!(banner, "banner");
    for _ in 0..100 {
        line.client.write_all(b"more").await.unwrap();
    }
    line.client.shutdown().await.unwrap();
    let mut heard = String::new();
    line.server.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard.len(), 400);
    assert!(line.ends().await.1.error.is_none());
}

#[tokio::test]
async fn counters_move_while_the_connection_lasts() {
    let mut line = Line::new(FOR_EVER).await;
    line.client.write_all(b"12345").await.unwrap();
    let mut heard = [0; 5];
    line.server.read_exact(&mut heard).await.unwrap();
    line.server.write_all(b"123").await.unwrap();
    line.client.read_exact(&mut heard[..3]).await.unwrap();
    let counted = || {
        (
            line.counters.sent.load(Ordering::Relaxed),
            line.counters.received.load(Ordering::Relaxed),
        )
    };
    until(|| counted() == (5, 3)).await;
    assert!(!line.near.is_finished());
}

#[tokio::test]
async fn a_reset_goes_all_the_way() {
    let mut line = Line::new(FOR_EVER).await;
    line.client.write_all(b"half").await.unwrap();
    let mut heard = [0; 4];
    line.server.read_exact(&mut heard).await.unwrap();
    line.client.set_zero_linger().unwrap();
    drop(std::mem::replace(&mut line.client, unconnected().await));
    assert_eq!(
        line.server.read(&mut heard).await.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
    let (near, far) = line.ends().await;
    assert!(matches!(near.error, Some(CopyError::Tcp(_))), "{near:?}");
    assert!(matches!(far.error, Some(CopyError::Tunnel(_))), "{far:?}");
}

#[tokio::test]
async fn a_reset_goes_all_the_way_back() {
    let mut line = Line::new(FOR_EVER).await;
    line.server.set_zero_linger().unwrap();
    drop(std::mem::replace(&mut line.server, unconnected().await));
    assert_eq!(
        line.client.read(&mut [0]).await.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
    let (near, far) = line.ends().await;
    assert!(matches!(near.error, Some(CopyError::Tunnel(_))), "{near:?}");
    assert!(matches!(far.error, Some(CopyError::Tcp(_))), "{far:?}");
}

#[tokio::test]
async fn a_reset_after_half_of_it_has_ended() {
    let mut line = Line::new(FOR_EVER).await;
    line.server.shutdown().await.unwrap();
    assert_eq!(line.client.read(&mut [0]).await.unwrap(), 0);
    // The application is gone; nothing but the reset can tell.
    line.server.set_zero_linger().unwrap();
    drop(std::mem::replace(&mut line.server, unconnected().await));
    let (near, _) = line.ends().await;
    assert!(matches!(near.error, Some(CopyError::Tunnel(_))), "{near:?}");
}

#[tokio::test]
async fn what_was_said_before_a_server_wants_no_more_arrives() {
    let mesh = Mesh::new();
    let proxy = mesh.serve(with(|request: Request| async move {
        let mut tunnel = request.accept(HeaderMap::new()).unwrap();
        tunnel.send(Bytes::from_static(b"answer")).await.unwrap();
        tunnel.finish().unwrap();
    }));
    let proxy = proxy.await;
    let pool = mesh.pool();
    let capture = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // What is polled first is left to chance.
    for round in 0..20 {
        let mut tunnel = pool
            .connect(&proxy.destination(), to("10.0.0.1:80"))
            .await
            .unwrap();
        while tunnel.send(Bytes::from_static(b"question")).await.is_ok() {
            tokio::task::yield_now().await;
        }
        let mut client = TcpStream::connect(capture.local_addr().unwrap()).await.unwrap();
        let (captured, _) = capture.accept().await.unwrap();
        if round % 2 == 0 {
            client.write_all(b"more").await.unwrap();
        }
        let near =
            tokio::spawn(
                async move { bidirectional(captured, tunnel, FOR_EVER, &Counters::default()).await },
            );
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer", "round {round}");
        assert!(near.await.unwrap().error.is_none());
    }
}

#[tokio::test]
async fn silence_ends_a_connection() {
    let idle = Duration::from_millis(1500);
    let mut line = Line::new(CopyTimeouts {
        idle: Some(idle),
        half_closed: None,
    })
    .await;
    let start = std::time::Instant::now();
    // Bytes in one direction are enough to keep it.
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        line.client.write_all(b"x").await.unwrap();
    }
    assert!(!line.near.is_finished());
    assert_eq!(
        line.server.read_to_end(&mut Vec::new()).await.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
    assert!(start.elapsed() >= Duration::from_millis(3400));
    assert_eq!(
        line.client.read(&mut [0]).await.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
    let (near, _) = line.ends().await;
    assert!(
        matches!(near.error, Some(CopyError::Idle(after)) if after == idle),
        "{near:?}"
    );
}

#[tokio::test]
async fn half_a_connection_has_a_limit_of_its_own() {
    let limit = Duration::from_secs(1);
    let mut line = Line::new(CopyTimeouts {
        idle: None,
        half_closed: Some(limit),
    })
    .await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(!line.near.is_finished(), "both directions are open");
    line.client.shutdown().await.unwrap();
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        line.server.write_all(b"x").await.unwrap();
    }
    assert!(!line.near.is_finished(), "the other direction is still at work");
    let (near, far) = line.ends().await;
    assert!(
        matches!(near.error, Some(CopyError::HalfClosed(after)) if after == limit),
        "{near:?}"
    );
    assert!(matches!(far.error, Some(CopyError::Tunnel(_))), "{far:?}");
    assert_eq!(near.received, 4);
}

/// A socket to put in the place of one that is dropped.
async fn unconnected() -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    TcpStream::connect(address).await.unwrap()
}
