use std::io::IoSlice;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::foundry::{Authority, dns, endpoint, listener, soon};
use crate::tunnel::Method;

const HOST: &str = "db.example.com";
const HEADER: &str = "PROXY TCP4 192.0.2.1 198.51.100.7 4711 443\r\n";

fn ends() -> Ends {
    Ends {
        source: "192.0.2.1:4711".parse().unwrap(),
        destination: "198.51.100.7:443".parse().unwrap(),
    }
}

fn all(authority: &Authority) -> Layers {
    Layers {
        proxy_protocol: Some(ProxyHeader::V1),
        tls: Some(Tls::new(&authority.settings()).unwrap()),
        tunnel: Some(Tunnel::new(Method::Connect, "a.b", 1).unwrap()),
    }
}

/// What one connection sends until it ends, after an `answer` to it.
async fn heard(listener: TcpListener, answer: &'static [u8]) -> Vec<u8> {
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.write_all(answer).await.unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    heard
}

#[tokio::test]
async fn no_layers_are_the_stream() {
    let (listener, address) = listener().await;
    let heard = tokio::spawn(heard(listener, b"hello"));
    let layers = Layers::default();
    assert!(layers.is_empty());
    let stream = TcpStream::connect(address).await.unwrap();
    let local = stream.local_addr().unwrap();
    let mut layered = layers
        .apply(stream, &ends(), Some(HOST), Alpn::Either)
        .await
        .unwrap();
    assert_eq!(layered.get_ref().local_addr().unwrap(), local);
    assert_eq!(layered.alpn(), None);
    assert!(layered.is_write_vectored());
    let buffers = [IoSlice::new(b"one "), IoSlice::new(b"two")];
    assert_eq!(layered.write_vectored(&buffers).await.unwrap(), 7);
    let mut hello = [0; 5];
    soon(layered.read_exact(&mut hello)).await.unwrap();
    assert_eq!(&hello, b"hello");
    layered.shutdown().await.unwrap();
    assert_eq!(soon(heard).await.unwrap(), b"one two");
    assert_eq!(layered.into_inner().local_addr().unwrap(), local);
}

#[test]
fn no_layers_take_no_room() {
    assert!(size_of::<Layered<TcpStream>>() <= size_of::<TcpStream>() + size_of::<usize>());
    assert!(!format!("{:?}", Layered::from(0)).contains('0'));
}

#[test]
fn futures_go_between_threads() {
    fn goes<T: Send>(_: &T) {}
    let (layers, ends) = (Layers::default(), ends());
    goes(&layers.apply(tokio::io::duplex(1).0, &ends, None, Alpn::None));
}

#[tokio::test]
async fn the_header_goes_before_tls() {
    let authority = Authority::new("a");
    let mut config = authority.leaf(&[dns(HOST)]).server();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (listener, address) = listener().await;
    let serve = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut header = vec![0; HEADER.len()];
        stream.read_exact(&mut header).await.unwrap();
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        (String::from_utf8(header).unwrap(), text)
    });
    let layers = Layers {
        tunnel: None,
        ..all(&authority)
    };
    assert!(!layers.is_empty());
    let stream = TcpStream::connect(address).await.unwrap();
    let ends = ends();
    let connected = layers.apply(stream, &ends, Some(HOST), Alpn::Either);
    let mut layered = soon(connected).await.unwrap();
    assert_eq!(layered.alpn(), Some(Protocol::Http2));
    assert_eq!(layered.get_ref().peer_addr().unwrap(), address);
    assert_eq!(layered.get_mut().peer_addr().unwrap(), address);
    assert!(layered.is_write_vectored());
    layered.write_all(b"within").await.unwrap();
    layered.flush().await.unwrap();
    // It ends with a close_notify: without one the server would not have the text.
    layered.shutdown().await.unwrap();
    assert_eq!(
        soon(serve).await.unwrap(),
        (HEADER.to_owned(), "within".to_owned())
    );
}

#[tokio::test]
async fn the_tunnel_is_within_tls() {
    for method in [Method::Connect, Method::Post] {
        let authority = Authority::new("a");
        let mut config = authority.leaf(&[dns(HOST)]).server();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let (address, accepted) = endpoint(config).await;
        let layers = Layers {
            proxy_protocol: None,
            tunnel: Some(Tunnel::new(method, "a.b", 1).unwrap()),
            ..all(&authority)
        };
        let proxy = async {
            let mut stream = accepted.await.unwrap().unwrap();
            // It speaks HTTP/1.1 only, whatever is asked for.
            assert_eq!(stream.get_ref().1.alpn_protocol(), None);
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello").await.unwrap();
            stream.shutdown().await.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            text
        };
        let client = async {
            let stream = TcpStream::connect(address).await.unwrap();
            let local = stream.local_addr().unwrap();
            let ends = ends();
            let connected = layers.apply(stream, &ends, Some(HOST), Alpn::Http2);
            let mut layered = connected.await.unwrap();
            assert_eq!(layered.get_ref().local_addr().unwrap(), local);
            assert_eq!(layered.get_mut().local_addr().unwrap(), local);
            assert_eq!(layered.alpn(), None);
            layered.write_all(b"hi").await.unwrap();
            layered.shutdown().await.unwrap();
            let mut text = String::new();
            layered.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "hello");
            assert_eq!(layered.into_inner().local_addr().unwrap(), local);
        };
        let (sent, ()) = soon(async { tokio::join!(proxy, client) }).await;
        match method {
            Method::Connect => assert_eq!(sent, "hi"),
            Method::Post => assert_eq!(sent, "2\r\nhi\r\n0\r\n\r\n"),
        }
    }
}

#[tokio::test]
async fn a_tunnel_that_is_cut_off_within_tls_has_not_ended() {
    let authority = Authority::new("a");
    let (address, accepted) = endpoint(authority.leaf(&[dns(HOST)]).server()).await;
    let layers = Layers {
        proxy_protocol: None,
        ..all(&authority)
    };
    let proxy = async {
        let mut stream = accepted.await.unwrap().unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhel").await.unwrap();
        stream.flush().await.unwrap();
        let mut stream = stream.into_inner().0;
        stream.shutdown().await.unwrap();
        stream
    };
    let client = async {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut layered = layers
            .apply(stream, &ends(), Some(HOST), Alpn::None)
            .await
            .unwrap();
        layered
            .read_to_string(&mut String::new())
            .await
            .unwrap_err()
            .kind()
    };
    let (_proxy, kind) = soon(async { tokio::join!(proxy, client) }).await;
    assert_eq!(kind, io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn each_layer_says_what_is_wrong() {
    let authority = Authority::new("a");
    let apply = async |layers: Layers, answer: &'static [u8]| {
        let (listener, address) = listener().await;
        let heard = tokio::spawn(heard(listener, answer));
        let stream = TcpStream::connect(address).await.unwrap();
        let applied = soon(layers.apply(stream, &ends(), Some(HOST), Alpn::None)).await;
        let error = applied.map(drop).unwrap_err();
        // The stream is gone with it.
        (error, soon(heard).await.unwrap())
    };
    let (error, heard) = apply(all(&authority), b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    assert!(
        matches!(error, LayerError::Tls(TlsError::Handshake(_))),
        "{error}"
    );
    assert!(heard.starts_with(HEADER.as_bytes()));
    let clear = Layers {
        tls: None,
        ..all(&authority)
    };
    let (error, heard) = apply(clear, b"HTTP/1.1 403 Forbidden\r\n\r\n").await;
    assert!(
        matches!(
            error,
            LayerError::Tunnel(TunnelError::Refused { status: 403, .. })
        ),
        "{error}"
    );
    let request = "CONNECT a.b:1 HTTP/1.1\r\nhost: a.b:1\r\n\r\n";
    assert_eq!(heard, [HEADER, request].concat().as_bytes());
    let (near, far) = tokio::io::duplex(1);
    drop(far);
    let error = all(&authority)
        .apply(near, &ends(), None, Alpn::None)
        .await
        .unwrap_err();
    assert!(matches!(error, LayerError::Header(_)), "{error}");
}

#[tokio::test]
async fn who_does_not_want_to_wait_leaves_nothing_behind() {
    let authority = Authority::new("a");
    let silent = [
        Layers {
            tunnel: None,
            ..all(&authority)
        },
        Layers {
            tls: None,
            ..all(&authority)
        },
    ];
    for layers in silent {
        let (listener, address) = listener().await;
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let serve = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // The header, and the beginning of what is to be answered.
            stream.read_exact(&mut [0; HEADER.len() + 1]).await.unwrap();
            begun.send(()).unwrap();
            // Ends only when the connection does.
            stream.read_to_end(&mut Vec::new()).await.unwrap();
        });
        let stream = TcpStream::connect(address).await.unwrap();
        let ends = ends();
        let applied = layers.apply(stream, &ends, Some(HOST), Alpn::None);
        tokio::select! {
            applied = applied => panic!("nobody has answered: {applied:?}"),
            begun = soon(has_begun) => begun.unwrap(),
        }
        soon(serve).await.unwrap();
    }
}

#[test]
fn equal_layers_are_equal() {
    let authority = Authority::new("a");
    assert_eq!(all(&authority), all(&authority));
    assert_ne!(all(&authority), all(&Authority::new("b")));
    let other = Layers {
        tunnel: Some(Tunnel::new(Method::Post, "a.b", 1).unwrap()),
        ..all(&authority)
    };
    assert_ne!(all(&authority), other);
}
