#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::io;
use std::time::Duration;

use cairn_mesh::Snapshot;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use super::*;
use crate::sought::Sought;

/// Nothing is said of who is there.
fn sought(mesh: &Snapshot) -> Sought<'_> {
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
    Sought {
        mesh,
        source: nowhere,
        destination: nowhere,
        host: None,
    }
}

/// Bytes that are not HTTP end in order when they are shut down, and only then.
#[tokio::test]
async fn a_connection_in_the_clear_is_cut_like_a_tunnel() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dial = Dial {
        dialer: Arc::new(Dialer::offline()),
        address: listener.local_addr().unwrap(),
        way: Way::Plain,
        keepalive: None,
        layering: None,
    };
    let connections = Connections::new(dial, Keeping::default());
    let mesh = Snapshot::default();
    for shut_down in [false, true] {
        let mut stream = connections.open(&sought(&mesh)).await.unwrap();
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

#[tokio::test]
async fn a_connection_that_is_not_http_has_the_time_of_its_rule_to_open() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // Whoever comes when the backlog is full gets no answer.
    let brief = Duration::from_millis(200);
    let mut waiting = Vec::new();
    while let Ok(connected) = timeout(brief, TcpStream::connect(address)).await {
        waiting.push(connected.unwrap());
        assert!(waiting.len() < 16, "the backlog is never full");
    }
    let dial = Dial {
        dialer: Arc::new(Dialer::offline()),
        address,
        way: Way::Plain,
        keepalive: None,
        layering: None,
    };
    let keeping = Keeping {
        connect_timeout: Some(brief),
        ..Keeping::default()
    };
    let mesh = Snapshot::default();
    let opened = Connections::new(dial, keeping).open(&sought(&mesh)).await;
    assert!(matches!(opened, Err(DialError::Timeout)));
}
