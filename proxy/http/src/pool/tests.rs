#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod http1;
mod http2;
mod lasting;
mod opening;
mod resting;
mod switching;
mod websocket;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::BodyExt as _;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use super::*;

type Error = SendError<std::io::Error>;

/// A pool whose connections come out of the other end, one by one, for the test to play the server.
struct Endpoint {
    connections: mpsc::UnboundedReceiver<DuplexStream>,
    opened: Arc<AtomicUsize>,
}

impl Endpoint {
    async fn accept(&mut self) -> DuplexStream {
        tokio::time::timeout(Duration::from_secs(10), self.connections.recv())
            .await
            .expect("no connection is opened")
            .expect("the pool is gone")
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }
}

fn upstream(
    version: Version,
    settings: Settings,
) -> (Arc<Upstream<impl Connect<Error = std::io::Error>>>, Endpoint) {
    let (sender, connections) = mpsc::unbounded_channel();
    let opened = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&opened);
    let connect = move || {
        let sender = sender.clone();
        counter.fetch_add(1, Ordering::SeqCst);
        async move {
            let (near, far) = tokio::io::duplex(64 * 1024);
            sender
                .send(far)
                .map_err(|_| std::io::Error::from(std::io::ErrorKind::ConnectionRefused))?;
            Ok::<_, std::io::Error>(near)
        }
    };
    (
        Arc::new(Upstream::new(connect, version, settings)),
        Endpoint { connections, opened },
    )
}

fn request(method: &str, path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "a")
        .body(body.into())
        .unwrap()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// Polls until `condition` holds, for at most ten seconds.
async fn eventually(mut condition: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it never came true");
}

/// A body that fails at once.
struct FailingBody;

impl http_body::Body for FailingBody {
    type Data = Bytes;
    type Error = crate::body::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(Some(Err(crate::body::Error::Producer("broken".into()))))
    }
}
