#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::*;

const LIMITS: Limits = Limits {
    bytes: 256,
    timeout: Duration::from_millis(500),
};

/// What is detected when these bytes come one by one and then nothing more does.
async fn drip(bytes: &[u8], close: bool) -> (Protocol, Vec<u8>) {
    let (mut client, server) = duplex(1);
    let bytes = bytes.to_vec();
    let writing = tokio::spawn(async move {
        let _ = client.write_all(&bytes).await;
        if close {
            drop(client);
            return None;
        }
        Some(client)
    });
    let (protocol, mut stream) = detect(server, LIMITS).await.unwrap();
    let mut again = Vec::new();
    let reading = stream.read_to_end(&mut again);
    let _ = tokio::time::timeout(Duration::from_secs(1), reading).await;
    drop(stream);
    let _ = writing.await;
    (protocol, again)
}

#[tokio::test(start_paused = true)]
async fn protocols() {
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(300));
    let cases: Vec<(&str, Protocol)> = vec![
        ("GET / HTTP/1.1\r\n", Protocol::Http1),
        ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", Protocol::Http1),
        ("\r\n\r\nPOST /x HTTP/1.1\r\n", Protocol::Http1),
        ("M-SEARCH * HTTP/1.1\r\n", Protocol::Http1),
        ("PRI /x HTTP/1.1\r\n", Protocol::Http1),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Protocol::Http2),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrest", Protocol::Http2),
        ("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", Protocol::Opaque),
        ("GET / HTTP/2.0\r\n", Protocol::Opaque),
        ("GET /\r\n", Protocol::Opaque),
        ("HELO example.com\r\n", Protocol::Opaque),
        ("get / HTTP/1.1\r\n", Protocol::Opaque),
        (" GET / HTTP/1.1\r\n", Protocol::Opaque),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03", Protocol::Opaque),
        ("*1\r\n$4\r\nPING\r\n", Protocol::Opaque),
        ("GET \x01\x02", Protocol::Opaque),
        ("AVERYLONGWORDWITHOUTANYSPACEINIT", Protocol::Opaque),
        // Beyond the limits: an HTTP method keeps the stream out of the tunnel.
        (&long, Protocol::Http1),
        ("GET /slo", Protocol::Http1),
        ("HELO ", Protocol::Opaque),
        ("GET", Protocol::Opaque),
        ("PRI * HT", Protocol::Opaque),
        // A server that speaks first.
        ("", Protocol::Opaque),
    ];
    for (bytes, expected) in cases {
        for close in [false, true] {
            let cut_short = close && matches!(bytes, "GET /slo" | "");
            let expected = if cut_short { Protocol::Opaque } else { expected };
            let (protocol, again) = drip(bytes.as_bytes(), close).await;
            assert_eq!(protocol, expected, "{bytes:?}, closed: {close}");
            assert_eq!(
                String::from_utf8_lossy(&again),
                String::from_utf8_lossy(bytes.as_bytes())
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn silence_does_not_stall() {
    let (_client, server) = duplex(16);
    let started = tokio::time::Instant::now();
    let (protocol, _) = detect(server, LIMITS).await.unwrap();
    assert_eq!(protocol, Protocol::Opaque);
    assert_eq!(started.elapsed(), LIMITS.timeout);
}

#[tokio::test]
async fn rewound_streams_read_twice_and_write_through() {
    let (mut client, server) = duplex(16);
    let mut stream = Rewound::new(server, Bytes::from_static(b"abc"));
    client.write_all(b"def").await.unwrap();
    let mut two = [0; 2];
    stream.read_exact(&mut two).await.unwrap();
    assert_eq!(&two, b"ab");
    stream.write_all(b"x").await.unwrap();
    client.read_exact(&mut two[..1]).await.unwrap();
    assert_eq!(two[0], b'x');
    let mut rest = [0; 4];
    stream.read_exact(&mut rest).await.unwrap();
    assert_eq!(&rest, b"cdef");
    assert!(stream.into_parts().1.is_empty());
}
