//! Backends that close connections as they like.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cairn_tests::Lone;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use socket2::SockRef;
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::load::{Lane, Load};
use crate::raw::{self, POD, SERVICE, message, until};

/// A backend that says nothing of it when a connection has served its last request.
struct Hasty {
    connections: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    answers: Arc<AtomicUsize>,
    hang_up: watch::Sender<()>,
    _tasks: JoinSet<()>,
}

impl Hasty {
    /// Closes a connection with each answer whose number is one of `last`.
    async fn start(mesh: &Lone, last: fn(usize) -> bool) -> Hasty {
        let connections = Arc::new(AtomicUsize::new(0));
        let answers = Arc::new(AtomicUsize::new(0));
        let open = Arc::new(AtomicUsize::new(0));
        let (hang_up, hung_up) = watch::channel(());
        let counts = (Arc::clone(&connections), Arc::clone(&open), Arc::clone(&answers));
        let tasks = raw::listen(mesh.network.socket(POD, 8080), move |stream| {
            let (connections, open, answers) = counts.clone();
            let mut hung_up = hung_up.clone();
            hung_up.mark_unchanged();
            async move {
                connections.fetch_add(1, Ordering::Relaxed);
                open.fetch_add(1, Ordering::Relaxed);
                tokio::select! {
                    () = serve(stream, &answers, last) => {}
                    _ = hung_up.changed() => {}
                }
                open.fetch_sub(1, Ordering::Relaxed);
            }
        });
        Hasty {
            connections,
            open,
            answers,
            hang_up,
            _tasks: tasks.await,
        }
    }
}

async fn serve(stream: TcpStream, answers: &AtomicUsize, last: fn(usize) -> bool) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = message(&mut stream).await {
        let is_last = last(answers.fetch_add(1, Ordering::Relaxed));
        // The end is on its way with the answer: nobody can say that the next request was faster.
        SockRef::from(stream.get_ref()).set_tcp_cork(is_last).unwrap();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
            request.body.len()
        );
        let answer = [head.as_bytes(), &request.body].concat();
        if stream.write_all(&answer).await.is_err() || is_last {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_lost_on_a_connection_that_was_closed_after_an_answer() {
    let mesh = Lone::start(&[("raw.yaml", raw::MESH)]).await;
    let service = mesh.network.socket(SERVICE, 80);
    let patterns: [fn(usize) -> bool; 2] = [
        |_| true,
        // A third of them, without a pattern that the lanes could fall in with.
        |number| number.wrapping_mul(2_654_435_761) >> 16 & 0xff < 85,
    ];
    for (pattern, last) in patterns.into_iter().enumerate() {
        let backend = Hasty::start(&mesh, last).await;
        let load = Load::start(&mesh, service, &[Lane::Kept; 8], None);
        load.more(2000).await;
        load.stop().await.assert_none_failed_of(2000);
        let answers = backend.answers.load(Ordering::Relaxed);
        let connections = backend.connections.load(Ordering::Relaxed);
        if pattern == 0 {
            assert_eq!(connections, answers);
        } else {
            assert!(
                connections > answers / 6 && connections < answers * 2 / 3,
                "{connections} for {answers}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_lost_on_a_connection_that_was_closed_while_it_rested() {
    let mesh = Lone::start(&[("raw.yaml", raw::MESH)]).await;
    let service = mesh.network.socket(SERVICE, 80);
    let backend = Hasty::start(&mesh, |_| false).await;
    for _ in 0..20 {
        let load = Load::start(&mesh, service, &[Lane::Kept; 8], None);
        load.more(40).await;
        load.stop().await.assert_none_failed_of(40);
        assert!(
            backend.open.load(Ordering::Relaxed) > 0,
            "connections wait for the next request"
        );
        backend.hang_up.send_replace(());
        until("all have been closed", async || {
            (backend.open.load(Ordering::Relaxed) == 0).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_lost_on_a_connection_of_http2_that_is_going_away() {
    let mesh = Lone::start(&[("raw.yaml", raw::MESH)]).await;
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let _backend = raw::listen(mesh.network.socket(POD, 8081), move |stream| {
        count.fetch_add(1, Ordering::Relaxed);
        async move {
            let (served, mut serves) = watch::channel(0);
            let served = Arc::new(served);
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                served.send_modify(|served| *served += 1);
                async { Ok::<_, std::convert::Infallible>(http::Response::new(request.into_body())) }
            });
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
            tokio::select! {
                _ = &mut connection => return,
                _ = serves.wait_for(|served| *served >= 50) => connection.as_mut().graceful_shutdown(),
            }
            let _ = connection.await;
        }
    })
    .await;
    let service = mesh.network.socket(SERVICE, 81);
    let lanes = [Lane::Http2, Lane::Kept].repeat(4);
    let load = Load::start(&mesh, service, &lanes, None);
    load.more(2000).await;
    load.stop().await.assert_none_failed_of(2000);
    let connections = connections.load(Ordering::Relaxed);
    assert!(connections >= 10, "{connections} were opened");
}
