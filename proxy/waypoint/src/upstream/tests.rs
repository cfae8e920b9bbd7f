#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// Bytes that are not HTTP end in order when they are shut down, and only then.
#[tokio::test]
async fn a_connection_in_the_clear_is_cut_like_a_tunnel() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dial = Dial {
        dialer: Arc::new(Dialer::offline()),
        address: listener.local_addr().unwrap(),
        way: Way::Plain,
    };
    let connections = Connections::new(dial, Keeping::default());
    for shut_down in [false, true] {
        let mut stream = connections.open().await.unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        stream.write_all(b"half").await.unwrap();
        peer.read_exact(&mut [0; 4]).await.unwrap();
        if shut_down {
            stream.shutdown().await.unwrap();
        }
        drop(stream);
        let end = peer.read(&mut [0]).await.map_err(|error| error.kind());
        let expected = if shut_down {
            Ok(0)
        } else {
            Err(io::ErrorKind::ConnectionReset)
        };
        assert_eq!(end, expected);
    }
}
