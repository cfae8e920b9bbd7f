//! Peers that hardly read: they hold up themselves, and what they are sent does not pile up in the waypoint.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use cairn_tests::Lone;
use http::{Request, Response, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::raw::{self, POD, head, until};

const GIGABYTE: u64 = 1 << 30;
/// What a stream that stands still may cost.
const MOST: u64 = 10 << 20;
const BLOCK: Bytes = Bytes::from_static(&[b'x'; 32 << 10]);

/// How much has gone into one end.
#[derive(Clone, Default)]
struct Poured(Arc<AtomicU64>);

impl Poured {
    fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Waits until nothing more goes in.
    async fn stands_still(&self) {
        let (mut last, mut same) = (0, 0);
        until("nothing more goes in", async || {
            let now = self.0.load(Ordering::Relaxed);
            same = if now == last { same + 1 } else { 0 };
            last = now;
            (now > 0 && same >= 10).then_some(())
        })
        .await;
        assert!(
            last < GIGABYTE / 8,
            "{last} bytes went in although nobody takes them"
        );
    }
}

/// Memory at rest, of a waypoint that has done what it does in these tests.
async fn at_rest(mesh: &Lone) -> u64 {
    others_go_on(mesh).await;
    mesh.waypoint.memory("VmRSS")
}

/// Requests in other streams of the connection that all tunnels share.
async fn others_go_on(mesh: &Lone) {
    let large = "x".repeat(300_000);
    for _ in 0..50 {
        let answer = mesh.send(Request::post("/").body(large.as_str()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.body.ends_with(&large));
    }
    assert_eq!(mesh.tunnels.connections(), 1, "all tunnels are on one connection");
}

fn assert_small(mesh: &Lone, before: u64, what: &str) {
    let now = mesh.waypoint.memory("VmRSS");
    let grown = now.saturating_sub(before);
    assert!(grown < MOST, "{what}: {before} bytes have become {now}");
}

async fn pour(stream: &mut (impl tokio::io::AsyncWrite + Unpin), poured: &Poured) {
    while poured.0.load(Ordering::Relaxed) < GIGABYTE {
        match stream.write(&BLOCK).await {
            Ok(written @ 1..) => poured.add(written),
            _ => return,
        }
    }
}

/// Reads a little now and then, and looks at the memory.
async fn sip(mesh: &Lone, before: u64, what: &str, mut read: impl AsyncFnMut()) {
    for _ in 0..20 {
        read().await;
        tokio::task::yield_now().await;
    }
    others_go_on(mesh).await;
    assert_small(mesh, before, what);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hardly_reads_holds_up_itself_alone() {
    let mesh = Lone::start(&[("raw.yaml", raw::MESH)]).await;
    let before = at_rest(&mesh).await;

    for (port, target) in [(80, 8080), (90, 8090)] {
        let poured = Poured::default();
        let counter = poured.clone();
        let _backend = raw::listen(mesh.network.socket(POD, target), move |stream| {
            let counter = counter.clone();
            async move {
                let mut stream = BufReader::new(stream);
                head(&mut stream).await.unwrap();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {GIGABYTE}\r\n\r\n");
                stream.write_all(head.as_bytes()).await.unwrap();
                pour(&mut stream, &counter).await;
            }
        })
        .await;
        let mut tunnel = raw::tunnel(&mesh, port).await;
        tunnel
            .write_all(b"GET / HTTP/1.1\r\nhost: raw\r\n\r\n")
            .await
            .unwrap();
        let mut kilobyte = [0; 1024];
        tunnel.read_exact(&mut kilobyte).await.unwrap();
        poured.stands_still().await;
        let what = format!("a download from port {port}");
        assert_small(&mesh, before, &what);
        sip(&mesh, before, &what, async || {
            tunnel.read_exact(&mut kilobyte).await.unwrap();
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hardly_reads_a_stream_of_http2_holds_up_that_stream_alone() {
    let mesh = Lone::start(&[("raw.yaml", raw::MESH)]).await;
    let before = at_rest(&mesh).await;
    let poured = Poured::default();
    let counter = poured.clone();
    let _backend = raw::listen(mesh.network.socket(POD, 8081), move |stream| {
        fountain(stream, counter.clone())
    })
    .await;
    let tunnel = raw::tunnel(&mesh, 81).await;
    let (mut requests, connection) = h2::client::Builder::new()
        .initial_window_size(64 << 10)
        .initial_connection_window_size(4 << 20)
        .handshake::<_, Bytes>(tunnel)
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut get = async |path: &str| {
        let request = Request::get(format!("http://raw{path}")).body(()).unwrap();
        let (response, _) = requests.send_request(request, true).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.into_body()
    };
    let mut slow = get("/gigabyte").await;
    let first = slow.data().await.unwrap().unwrap();
    assert!(!first.is_empty());
    poured.stands_still().await;
    assert_small(&mesh, before, "a download by HTTP/2");
    // Streams beside it in the same connection of the client.
    for _ in 0..100 {
        let mut body = get("/word").await;
        assert_eq!(body.data().await.unwrap().unwrap(), "word");
    }
    sip(&mesh, before, "a download by HTTP/2", async || {
        slow.flow_control().release_capacity(1024).unwrap();
    })
    .await;
}

/// Answers `/word` with a word, and anything else with a gigabyte.
async fn fountain(stream: TcpStream, poured: Poured) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut responder))) = connection.accept().await {
        let poured = poured.clone();
        tokio::spawn(async move {
            let mut body = responder.send_response(Response::new(()), false).unwrap();
            if request.uri().path() == "/word" {
                body.send_data(Bytes::from_static(b"word"), true).unwrap();
                return;
            }
            while poured.0.load(Ordering::Relaxed) < GIGABYTE {
                body.reserve_capacity(BLOCK.len());
                let room = std::future::poll_fn(|cx| body.poll_capacity(cx)).await;
                let Some(Ok(room)) = room else { return };
                let block = BLOCK.slice(..room.min(BLOCK.len()));
                poured.add(block.len());
                if body.send_data(block, false).is_err() {
                    return;
                }
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_does_not_read_holds_up_its_upload_alone() {
    let mesh = Lone::start(&[("raw.yaml", raw::MESH)]).await;
    let before = at_rest(&mesh).await;
    for (port, target) in [(80, 8080), (90, 8090)] {
        let _backend = raw::listen(mesh.network.socket(POD, target), |stream| async move {
            // Held, and not read.
            std::future::pending::<()>().await;
            drop(stream);
        })
        .await;
        let mut tunnel = raw::tunnel(&mesh, port).await;
        let head = format!("POST / HTTP/1.1\r\nhost: raw\r\ncontent-length: {GIGABYTE}\r\n\r\n");
        tunnel.write_all(head.as_bytes()).await.unwrap();
        let poured = Poured::default();
        let counter = poured.clone();
        let upload = tokio::spawn(async move { pour(&mut tunnel, &counter).await });
        poured.stands_still().await;
        let what = format!("an upload to port {port}");
        assert_small(&mesh, before, &what);
        others_go_on(&mesh).await;
        assert_small(&mesh, before, &what);
        upload.abort();
        assert!(upload.await.unwrap_err().is_cancelled(), "it was still under way");
    }
}
