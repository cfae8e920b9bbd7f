//! What proxies answer that are asked for a tunnel.

use cairn_dial::{Method, Tunnel};
use tokio::io::{AsyncReadExt as _, join, sink};

use crate::Target;
use crate::http::block_on;

pub(crate) const TUNNEL: Target = Target {
    name: "tunnel",
    run: |data| {
        for method in [Method::Connect, Method::Post] {
            let whole = through(method, data, &[]);
            let (first, second) = data.split_at(data.len() / 2);
            let halves = through(method, first, second);
            assert_eq!(whole, halves, "it depends on how the bytes arrive");
            let Some((read, ended)) = whole else {
                continue;
            };
            assert!(read.len() < data.len(), "the head became a part of the tunnel");
            if method == Method::Connect {
                assert!(ended && data.ends_with(&read), "bytes were lost or changed");
            }
        }
    },
    seeds: &[
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.0 200 Connection established\r\nvia: 1.0 a\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;e=\"f\"\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nx: y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello, and more",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
    ],
};

/// What comes through a tunnel when the proxy answers so, and whether it ends well; `None`: there is no tunnel.
fn through(method: Method, first: &[u8], second: &[u8]) -> Option<(Vec<u8>, bool)> {
    let mut result = None;
    block_on(async {
        let tunnel = Tunnel::new(method, "a.example", 443).expect("a target");
        let stream = join(first.chain(second), sink());
        if let Ok(mut tunneled) = tunnel.open(stream).await {
            let mut read = Vec::new();
            let ended = tunneled.read_to_end(&mut read).await.is_ok();
            result = Some((read, ended));
        }
    });
    result
}
