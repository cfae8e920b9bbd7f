//! How connections end: what one side says, the other hears, through two ztunnels and a waypoint.

use std::io::ErrorKind;
use std::time::Duration;

use cairn_tests::Mesh;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::scene::{self, BARE, POD, SERVICE, SLEEP};

/// What is spoken between the two ends before they say anything else.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Nothing: bytes from the first on, by the waypoint.
    Bytes,
    /// The same without a waypoint.
    Straight,
    /// HTTP, until it is switched to something else.
    Upgraded,
}

const WAYS: [Way; 3] = [Way::Bytes, Way::Straight, Way::Upgraded];

/// A mesh, and where its application listens.
struct Scene {
    mesh: Mesh,
    bytes: TcpListener,
    http: TcpListener,
    _waypoint: cairn_tests::Process,
}

impl Scene {
    async fn start() -> Scene {
        let mesh = scene::start(&[]);
        let bytes = TcpListener::bind(mesh.network.socket(POD, 8090)).await.unwrap();
        let http = TcpListener::bind(mesh.network.socket(POD, 8080)).await.unwrap();
        let waypoint = mesh.waypoint("waypoint");
        Scene {
            mesh,
            bytes,
            http,
            _waypoint: waypoint,
        }
    }

    /// The two ends of a connection, which have said a word to each other.
    async fn connect(&self, way: Way) -> (TcpStream, TcpStream) {
        let (service, port, listener) = match way {
            Way::Bytes => (SERVICE, 90, &self.bytes),
            Way::Straight => (BARE, 90, &self.bytes),
            Way::Upgraded => (SERVICE, 80, &self.http),
        };
        let client = self.mesh.client(SLEEP);
        let mut client = client
            .connect(self.mesh.network.socket(service, port))
            .await
            .unwrap();
        if let Way::Upgraded = way {
            let ask = "GET / HTTP/1.1\r\nhost: app\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
            client.write_all(ask.as_bytes()).await.unwrap();
        } else {
            client.write_all(b"hello").await.unwrap();
        }
        let accepted = timeout(Duration::from_secs(60), listener.accept()).await;
        let (mut server, _) = accepted.expect("it comes to the application").unwrap();
        if let Way::Upgraded = way {
            head(&mut server).await;
            let answer =
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
            server.write_all(answer.as_bytes()).await.unwrap();
            assert!(head(&mut client).await.starts_with("HTTP/1.1 101 "));
            client.write_all(b"hello").await.unwrap();
        }
        hears(&mut server, "hello").await;
        server.write_all(b"welcome").await.unwrap();
        hears(&mut client, "welcome").await;
        (client, server)
    }
}

async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

async fn hears(stream: &mut TcpStream, word: &str) {
    let mut heard = vec![0; word.len()];
    let read = timeout(Duration::from_secs(60), stream.read_exact(&mut heard)).await;
    read.expect("it is heard in time").unwrap();
    assert_eq!(heard, word.as_bytes());
}

/// What comes next: bytes, the end, or an error.
async fn next(stream: &mut TcpStream) -> Result<usize, ErrorKind> {
    let read = timeout(Duration::from_secs(60), stream.read(&mut [0; 16])).await;
    read.expect("something comes in time")
        .map_err(|error| error.kind())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_one_direction_is_its_end_and_no_more() {
    let scene = Scene::start().await;
    for way in WAYS {
        for client_first in [true, false] {
            let (client, server) = scene.connect(way).await;
            let (mut first, mut second) = if client_first {
                (client, server)
            } else {
                (server, client)
            };
            first.shutdown().await.unwrap();
            assert_eq!(
                next(&mut second).await,
                Ok(0),
                "{way:?}, the client first: {client_first}"
            );
            for word in ["I", "go", "on"] {
                second.write_all(word.as_bytes()).await.unwrap();
                hears(&mut first, word).await;
            }
            second.shutdown().await.unwrap();
            assert_eq!(
                next(&mut first).await,
                Ok(0),
                "{way:?}, the client first: {client_first}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_is_a_reset_at_the_other_end() {
    let scene = Scene::start().await;
    for way in WAYS {
        for by_client in [true, false] {
            let (client, server) = scene.connect(way).await;
            let (first, mut second) = if by_client {
                (client, server)
            } else {
                (server, client)
            };
            first.set_zero_linger().unwrap();
            drop(first);
            let end = next(&mut second).await;
            assert_eq!(
                end,
                Err(ErrorKind::ConnectionReset),
                "{way:?}, by the client: {by_client}"
            );
        }
    }
}
