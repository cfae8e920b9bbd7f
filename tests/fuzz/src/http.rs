//! What arrives on connections.

use std::convert::Infallible;
use std::time::Duration;

use cairn_http::body::Body;
use cairn_http::serve::{Settings, serve_http1, serve_http2};
use cairn_http::sniff::{self, Protocol};
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{Request, Response, Version};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use crate::Target;

pub(crate) const HTTP1: Target = Target {
    name: "http1",
    run: |data| {
        converse(data, async |server, settings| {
            serve_http1(server, answer, &settings, std::future::pending()).await;
        });
    },
    seeds: &[
        b"GET /a?b=c HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /next HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n3;e=\"f\"\r\nabc\r\n0\r\nx: y\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly",
        b"GET http://b/x HTTP/1.1\r\nHost: b\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
        b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
        b"GET / HTTP/1.0\n\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n folded: x\r\n\r\n",
    ],
};

pub(crate) const HTTP2: Target = Target {
    name: "http2",
    run: |data| {
        let frames = [PREFACE, data].concat();
        converse(&frames, async |server, settings| {
            serve_http2(server, answer, &settings, std::future::pending()).await;
        });
    },
    seeds: &[
        // SETTINGS; HEADERS of GET http://a/ that end the stream, from the static table.
        b"\0\0\0\x04\0\0\0\0\0\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x41\x01a",
        // HEADERS of POST that do not end the stream; DATA that does.
        b"\0\0\0\x04\0\0\0\0\0\0\0\x06\x01\x04\0\0\0\x01\x83\x86\x84\x41\x01a\0\0\x03\0\x01\0\0\0\x01abc",
        // PING, WINDOW_UPDATE, RST_STREAM of an idle stream, GOAWAY.
        b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x04\x08\0\0\0\0\0\0\0\0\x01\0\0\x04\x03\0\0\0\0\x05\0\0\0\x08",
    ],
};

pub(crate) const SNIFF: Target = Target {
    name: "sniff",
    run: |data| {
        block_on(async {
            let limits = sniff::Limits {
                timeout: PATIENCE,
                ..sniff::Limits::default()
            };
            let Ok((protocol, mut rewound)) = sniff::detect(data, limits).await else {
                return;
            };
            let mut read = Vec::new();
            let _ = rewound.read_to_end(&mut read).await;
            assert!(read == data, "bytes were lost");
            if data.starts_with(PREFACE) {
                assert_eq!(protocol, Protocol::Http2);
            }
        });
    },
    seeds: &[
        b"GET / HTTP/1.1\r\n",
        PREFACE,
        b"\x16\x03\x01\x02\0",
        b"PRI ",
        b"FETCH",
    ],
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Longer than any of this takes; nothing here waits for time to pass.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends all of `data`, closes, and reads to the end what `serve` answers.
fn converse(data: &[u8], serve: impl AsyncFnOnce(DuplexStream, Settings)) {
    block_on(async {
        let (client, server) = duplex(data.len().max(1));
        let (mut reader, mut writer) = tokio::io::split(client);
        let send = async {
            let _ = writer.write_all(data).await;
            let _ = writer.shutdown().await;
        };
        let receive = async {
            let _ = tokio::io::copy(&mut reader, &mut tokio::io::sink()).await;
        };
        let serve = serve(server, Settings::default());
        let all = tokio::time::timeout(PATIENCE, async { tokio::join!(send, receive, serve) }).await;
        assert!(all.is_ok(), "the connection outlives its client");
    });
}

/// Holds a request that was let in against what was promised of it.
async fn answer(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let headers = request.headers();
    let lengths: Vec<_> = headers.get_all(CONTENT_LENGTH).iter().collect();
    assert!(lengths.len() <= 1, "{lengths:?}");
    assert!(
        lengths.is_empty() || !headers.contains_key(TRANSFER_ENCODING),
        "two framings: {headers:?}"
    );
    assert!(headers.get_all(HOST).iter().count() <= 1, "{headers:?}");
    if request.version() == Version::HTTP_11 {
        assert!(headers.contains_key(HOST), "no host: {headers:?}");
    }
    let mut body = request.into_body();
    while let Some(Ok(_)) = body.frame().await {}
    Ok(Response::new(Body::from("hi")))
}

pub(crate) fn block_on(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future);
}
