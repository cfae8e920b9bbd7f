//! Connections that are closed while they rest, over sockets: what the kernel knows of them.

use std::net::SocketAddr;

use cairn_net::doubt;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::http1::{pool, read_request, spawn_send};
use super::*;

/// Connects to an address; `LOOKS` before a connection is used again.
struct Dial<const LOOKS: bool> {
    address: SocketAddr,
}

impl<const LOOKS: bool> Connect for Dial<LOOKS> {
    type Io = TcpStream;
    type Error = std::io::Error;

    async fn connect(&self) -> std::io::Result<TcpStream> {
        TcpStream::connect(self.address).await
    }

    fn is_over(io: &TcpStream) -> bool {
        LOOKS && doubt::is_over(io)
    }

    fn unacknowledged(io: &TcpStream) -> Option<u64> {
        doubt::unacknowledged(io)
    }
}

/// A pool with one connection, which rests, and the other end of it.
async fn rested<const LOOKS: bool>() -> (Upstream<Dial<LOOKS>>, TcpListener, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let upstream = Upstream::new(Dial { address }, Version::Http1, Settings::default());
    let (answered, io) = tokio::join!(upstream.send(request("GET", "/", ())), async {
        let (mut io, _) = listener.accept().await.unwrap();
        answer(&mut io).await;
        io
    });
    assert_eq!(text(answered.unwrap()).await, "ok");
    assert_eq!(upstream.open_connections(), 1);
    (upstream, listener, io)
}

/// Reads a request whose last bytes are those of its head, or `x`.
async fn answer(io: &mut TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && !request.ends_with(b"\r\n\r\nx") {
        io.read_buf(&mut request).await.unwrap();
    }
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    io.write_all(answer).await.unwrap();
}

#[tokio::test]
async fn a_request_that_cannot_be_sent_twice_is_not_risked_on_a_closed_connection() {
    let (upstream, listener, io) = rested::<true>().await;
    // The runtime has had no chance to notice.
    drop(io);
    let (answered, ()) = tokio::join!(upstream.send(request("POST", "/", "x")), async {
        let (mut io, _) = listener.accept().await.unwrap();
        answer(&mut io).await;
    });
    assert_eq!(text(answered.unwrap()).await, "ok");
}

#[tokio::test]
async fn what_never_came_is_told_from_what_was_read() {
    let (upstream, _listener, io) = rested::<false>().await;
    drop(io);
    let error = upstream.send(request("POST", "/", "x")).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Unseen(_)), "{error:?}");
    assert!(error.reused && error.request.is_none());

    let (upstream, _listener, mut io) = rested::<false>().await;
    let (error, ()) = tokio::join!(upstream.send(request("POST", "/", "x")), async {
        // The connection is closed by somebody who has read something.
        io.read_u8().await.unwrap();
        let mut rest = [0; 4096];
        let _ = io.read(&mut rest).await.unwrap();
        drop(io);
    });
    let error = error.unwrap_err();
    assert!(
        matches!(error.failure, Failure::ResetAfterSent { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_never_came_and_may_be_sent_twice_is() {
    let (upstream, listener, io) = rested::<false>().await;
    drop(io);
    let (answered, ()) = tokio::join!(upstream.send(request("GET", "/", ())), async {
        let (mut io, _) = listener.accept().await.unwrap();
        answer(&mut io).await;
    });
    assert_eq!(text(answered.unwrap()).await, "ok");
}

/// `Keep-Alive: timeout=5`: good for four seconds.
#[tokio::test(start_paused = true)]
async fn a_connection_is_not_used_when_its_peer_is_about_to_close_it() {
    let (upstream, mut endpoint) = pool();
    let hint = b"HTTP/1.1 200 OK\r\nKeep-Alive: max=100, Timeout=5\r\nContent-Length: 2\r\n\r\nok";
    let sent = spawn_send(&upstream, request("POST", "/", "x"));
    let mut io = endpoint.accept().await;
    read_request(&mut io).await;
    io.write_all(hint).await.unwrap();
    text(sent.await.unwrap().unwrap()).await;
    for (rests, connections) in [(3900, 1), (4100, 2)] {
        tokio::time::advance(Duration::from_millis(rests)).await;
        let sent = spawn_send(&upstream, request("POST", "/", "x"));
        if connections == 2 {
            io = endpoint.accept().await;
        }
        read_request(&mut io).await;
        io.write_all(hint).await.unwrap();
        text(sent.await.unwrap().unwrap()).await;
        assert_eq!(endpoint.opened(), connections, "after {rests} ms");
    }
}
