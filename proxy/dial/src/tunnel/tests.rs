use tokio::io::{DuplexStream, duplex};
use tokio::net::TcpStream;

use super::*;
use crate::foundry::{listener, soon};

const REFUSED: &str = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";

fn connect() -> Tunnel {
    Tunnel::new(Method::Connect, "db.example.com", 5432).unwrap()
}

fn post() -> Tunnel {
    Tunnel::new(Method::Post, "db.example.com", 5432).unwrap()
}

/// Opens a tunnel through a proxy that answers so, in pieces of `size`, and then closes.
async fn answered(tunnel: &Tunnel, answer: &str, size: usize) -> Result<Tunneled<DuplexStream>, TunnelError> {
    let (near, mut far) = duplex(1 << 16);
    let open = async { soon(tunnel.open(near)).await };
    let proxy = async {
        for piece in answer.as_bytes().chunks(size) {
            // The client may have given up.
            let _ = far.write_all(piece).await;
            tokio::task::yield_now().await;
        }
        let _ = far.shutdown().await;
        far
    };
    tokio::join!(open, proxy).0
}

async fn rest(mut tunneled: Tunneled<DuplexStream>) -> io::Result<String> {
    let mut text = String::new();
    soon(tunneled.read_to_string(&mut text)).await?;
    Ok(text)
}

#[test]
fn targets_are_checked() {
    let target = |host, port| Tunnel::new(Method::Connect, host, port).map(|tunnel| tunnel.target);
    assert_eq!(target("a.b", 1).unwrap(), "a.b:1");
    assert_eq!(target("192.0.2.1", 80).unwrap(), "192.0.2.1:80");
    assert_eq!(target("fd00::1", 80).unwrap(), "[fd00::1]:80");
    assert_eq!(target("[fd00::1]", 80).unwrap(), "[fd00::1]:80");
    for host in ["", "a b", "a\r\nx: y", "a:1", "a/b", "[a]", "*"] {
        assert_eq!(target(host, 1), Err(TargetError::Host(host.to_owned())));
    }
    assert_eq!(target("a", 0), Err(TargetError::Port("a".to_owned())));
}

#[tokio::test]
async fn connect_through_a_proxy() {
    let (origin, target) = listener().await;
    let (proxy, address) = listener().await;
    let serve = tokio::spawn(async move {
        let (mut client, _) = proxy.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let to = head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap();
        let mut origin = TcpStream::connect(to).await.unwrap();
        client
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await
            .unwrap();
        tokio::io::copy_bidirectional(&mut client, &mut origin)
            .await
            .unwrap();
        head
    });
    let echo = tokio::spawn(async move {
        let (mut stream, _) = origin.accept().await.unwrap();
        stream.write_all(b"first, ").await.unwrap();
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
    });
    let tunnel = Tunnel::new(Method::Connect, "127.0.0.1", target.port()).unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let mut tunneled = soon(tunnel.open(stream)).await.unwrap();
    assert!(tunneled.is_write_vectored());
    tunneled.write_all(b"then this").await.unwrap();
    tunneled.shutdown().await.unwrap();
    let mut text = String::new();
    soon(tunneled.read_to_string(&mut text)).await.unwrap();
    assert_eq!(text, "first, then this");
    let head = soon(serve).await.unwrap();
    let port = target.port();
    assert_eq!(
        head,
        format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n")
    );
    soon(echo).await.unwrap();
}

#[tokio::test]
async fn nothing_behind_the_head_is_lost() {
    let answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 Connection established\r\n\r\nSSH-2.0-server\r\n";
    for size in [1, 7, 60, 1000] {
        let tunneled = answered(&connect(), answer, size).await.unwrap();
        assert_eq!(rest(tunneled).await.unwrap(), "SSH-2.0-server\r\n", "{size}");
    }
}

#[tokio::test]
async fn answers_that_open_no_tunnel() {
    let refused = answered(&connect(), REFUSED, 5).await.unwrap_err();
    assert!(matches!(refused, TunnelError::Refused { status: 403, .. }));
    assert_eq!(
        refused.to_string(),
        "the proxy refuses a tunnel to db.example.com:5432 with status 403; allow it there, or correct `tunnel`"
    );
    let upgraded = answered(&connect(), "HTTP/1.1 101 Switching Protocols\r\n\r\n", 100).await;
    assert!(matches!(upgraded, Err(TunnelError::Refused { status: 101, .. })));
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(MAX_HEAD));
    for size in [100, long.len()] {
        let error = answered(&connect(), &long, size).await.unwrap_err();
        assert!(
            matches!(error, TunnelError::Answer(AnswerError::TooLong)),
            "{error}"
        );
    }
    let other = answered(&post(), "SSH-2.0-server\r\n", 3).await;
    assert!(matches!(other, Err(TunnelError::Answer(AnswerError::NotHttp(_)))));
    for cut in ["", "HTTP/1.1 200 OK\r\n"] {
        let error = answered(&connect(), cut, 100).await.unwrap_err();
        assert!(matches!(error, TunnelError::Closed), "{error}");
    }
}

#[tokio::test]
async fn post_sends_chunks_and_their_end() {
    let (near, mut far) = duplex(1 << 16);
    far.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n")
        .await
        .unwrap();
    let mut tunneled = soon(post().open(near)).await.unwrap();
    let mut hi = [0; 2];
    soon(tunneled.read_exact(&mut hi)).await.unwrap();
    assert_eq!(&hi, b"hi");
    assert!(tunneled.is_write_vectored());
    let buffers = [io::IoSlice::new(b"head "), io::IoSlice::new(b"and body")];
    assert_eq!(tunneled.write_vectored(&buffers).await.unwrap(), 13);
    tunneled.write_all(&[b'x'; 16 << 10]).await.unwrap();
    tunneled.write_all(b"").await.unwrap();
    tunneled.shutdown().await.unwrap();
    assert_eq!(
        tunneled.write_all(b"late").await.unwrap_err().kind(),
        io::ErrorKind::BrokenPipe
    );
    let mut sent = String::new();
    soon(far.read_to_string(&mut sent)).await.unwrap();
    let expected = format!(
        "POST / HTTP/1.1\r\nhost: db.example.com:5432\r\ntransfer-encoding: chunked\r\n\r\n\
         d\r\nhead and body\r\n4000\r\n{}\r\n0\r\n\r\n",
        "x".repeat(16 << 10)
    );
    assert_eq!(sent, expected);
    // The other direction is open still.
    far.write_all(b"3\r\nbye\r\n0\r\n\r\n").await.unwrap();
    assert_eq!(rest(tunneled).await.unwrap(), "bye");
}

#[tokio::test]
async fn post_through_a_narrow_pipe() {
    let (near, mut far) = duplex(3);
    let text = "0123456789".repeat(5_000);
    let proxy = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(far.read_u8().await.unwrap());
        }
        far.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let mut sent = String::new();
        far.read_to_string(&mut sent).await.unwrap();
        sent
    };
    let client = async {
        let mut tunneled = post().open(near).await.unwrap();
        tunneled.write_all(text.as_bytes()).await.unwrap();
        tunneled.shutdown().await.unwrap();
    };
    let ((), sent) = soon(async { tokio::join!(client, proxy) }).await;
    let mut unframed = String::new();
    let mut left = &sent[..];
    while let Some((size, rest)) = left.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        unframed.push_str(&rest[..size]);
        left = &rest[size + 2..];
    }
    assert_eq!(unframed, text);
}

#[tokio::test]
async fn bodies_of_answers_to_post() {
    let read = async |answer: &str| {
        let tunneled = answered(&post(), answer, 9).await.unwrap();
        rest(tunneled).await
    };
    assert_eq!(
        read("HTTP/1.1 200 OK\r\n\r\nall of it").await.unwrap(),
        "all of it"
    );
    let counted = read("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nall of it").await;
    assert_eq!(counted.unwrap(), "all");
    assert_eq!(read("HTTP/1.1 204 None\r\n\r\nnothing").await.unwrap(), "");
    let chunked = read("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nall\r\n0\r\n\r\n").await;
    assert_eq!(chunked.unwrap(), "all");
    for cut in [
        "HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\nall",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nall\r\n",
    ] {
        let error = read(cut).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
    let broken = read("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnot chunked").await;
    assert_eq!(broken.unwrap_err().kind(), io::ErrorKind::InvalidData);
    let unclear = answered(
        &post(),
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        99,
    )
    .await;
    assert!(matches!(unclear, Err(TunnelError::Answer(AnswerError::Framing))));
    let refused = answered(&post(), "HTTP/1.1 502 Bad\r\ncontent-length: ?\r\n\r\n", 99).await;
    assert!(matches!(refused, Err(TunnelError::Refused { status: 502, .. })));
}
