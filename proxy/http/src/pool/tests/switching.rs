//! HTTP/1 connections that stop being HTTP.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::http1::{pool, read_request, spawn_send};
use super::*;

#[tokio::test]
async fn switching_protocols() {
    let (upstream, mut endpoint) = pool();
    let mut ask = request("GET", "/chat", ());
    ask.headers_mut().insert("connection", "upgrade".parse().unwrap());
    ask.headers_mut().insert("upgrade", "websocket".parse().unwrap());
    let sent = spawn_send(&upstream, ask);
    let mut io = endpoint.accept().await;
    read_request(&mut io).await;
    io.write_all(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nearly",
    )
    .await
    .unwrap();
    let mut response = sent.await.unwrap().unwrap();
    let pending = crate::upgrade::OnUpgrade::take(response.extensions_mut()).unwrap();
    let mut stream = pending.stream().await.unwrap();
    let mut early = [0; 5];
    stream.read_exact(&mut early).await.unwrap();
    assert_eq!(&early, b"early");
    stream.write_all(b"hi").await.unwrap();
    stream.flush().await.unwrap();
    io.read_exact(&mut early[..2]).await.unwrap();
    assert_eq!(&early[..2], b"hi");
    stream.shutdown().await.unwrap();
    assert_eq!(io.read(&mut early).await.unwrap(), 0);
    assert_eq!(upstream.open_connections(), 0);
}

/// A CONNECT that is more than a tunnel would lose its path and its protocol on the way.
#[tokio::test]
async fn only_tunnels_are_connected() {
    let (upstream, mut endpoint) = pool();
    let extended = |uri: &str, protocol: &'static str| {
        let mut ask = Request::connect(uri).body(Body::empty()).unwrap();
        if !protocol.is_empty() {
            ask.extensions_mut()
                .insert(hyper::ext::Protocol::from_static(protocol));
        }
        ask
    };
    for ask in [
        extended("http://a/chat", ""),
        extended("http://a:80/", "connect-udp"),
        extended("a:80", "connect-udp"),
        extended("a", ""),
        request("CONNECT", "/chat", ()),
    ] {
        let uri = ask.uri().clone();
        let error = upstream.send(ask).await.unwrap_err();
        assert!(
            matches!(error.failure, Failure::Unsendable(_)),
            "{uri}: {error:?}"
        );
        assert_eq!(error.request.unwrap().uri(), &uri);
    }
    assert_eq!(endpoint.opened(), 0);
    let sent = spawn_send(&upstream, extended("a:80", ""));
    let mut io = endpoint.accept().await;
    let head = read_request(&mut io).await;
    assert!(head.starts_with("CONNECT a:80 HTTP/1.1\r\n"), "{head:?}");
    sent.abort();
}

/// Who did not ask for a switch would take what follows for the answer to the next request.
#[tokio::test]
async fn an_unasked_switch_is_a_protocol_error() {
    let (upstream, mut endpoint) = pool();
    for fields in [&[][..], &[("upgrade", "websocket")], &[("connection", "upgrade")]] {
        let mut plain = request("GET", "/", ());
        for (name, value) in fields {
            plain.headers_mut().insert(*name, value.parse().unwrap());
        }
        let sent = spawn_send(&upstream, plain);
        let mut io = endpoint.accept().await;
        read_request(&mut io).await;
        io.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx")
            .await
            .unwrap();
        let error = sent.await.unwrap().unwrap_err();
        assert!(matches!(error.failure, Failure::Protocol(_)), "{error:?}");
        assert!(error.request.is_none());
        assert_eq!(io.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(upstream.open_connections(), 0);
    }
}

/// Counts the connections that it has to reset.
struct Resetting(mpsc::UnboundedSender<DuplexStream>);

static RESETS: AtomicUsize = AtomicUsize::new(0);

impl Connect for Resetting {
    type Io = DuplexStream;
    type Error = std::io::Error;

    async fn connect(&self) -> std::io::Result<DuplexStream> {
        let (near, far) = tokio::io::duplex(1024);
        self.0
            .send(far)
            .map_err(|_| std::io::Error::from(std::io::ErrorKind::ConnectionRefused))?;
        Ok(near)
    }

    fn reset(_: &mut DuplexStream) {
        RESETS.fetch_add(1, Ordering::SeqCst);
    }
}

/// What follows a switch ends in order only when it is shut down; HTTP says itself where its messages end.
#[tokio::test]
async fn only_a_switched_connection_is_reset() {
    let (sender, mut connections) = mpsc::unbounded_channel();
    let upstream = Arc::new(Upstream::new(
        Resetting(sender),
        Version::Http1,
        Settings::default(),
    ));
    for (shut_down, resets) in [(false, 1), (true, 1)] {
        let mut ask = request("GET", "/chat", ());
        ask.headers_mut().insert("connection", "upgrade".parse().unwrap());
        ask.headers_mut().insert("upgrade", "websocket".parse().unwrap());
        let sent = spawn_send(&upstream, ask);
        let mut io = connections.recv().await.unwrap();
        read_request(&mut io).await;
        io.write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        )
        .await
        .unwrap();
        let mut response = sent.await.unwrap().unwrap();
        let pending = crate::upgrade::OnUpgrade::take(response.extensions_mut()).unwrap();
        let mut stream = pending.stream().await.unwrap();
        if shut_down {
            stream.shutdown().await.unwrap();
        }
        drop(stream);
        assert_eq!(io.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(RESETS.load(Ordering::SeqCst), resets, "{shut_down}");
    }
    let sent = spawn_send(&upstream, request("GET", "/", ()));
    let mut io = connections.recv().await.unwrap();
    read_request(&mut io).await;
    sent.abort();
    assert_eq!(io.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(RESETS.load(Ordering::SeqCst), 1);
}
