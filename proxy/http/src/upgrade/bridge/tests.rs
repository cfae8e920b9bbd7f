#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;

use super::*;

/// What has become of a stream: as with a socket, only a shutdown is an orderly end.
#[derive(Default)]
struct Fate {
    shut_down: AtomicBool,
    dropped: AtomicBool,
    /// The end of its input is a reset.
    breaks: AtomicBool,
}

impl Fate {
    fn was_reset(&self) -> bool {
        self.dropped.load(Ordering::SeqCst) && !self.shut_down.load(Ordering::SeqCst)
    }

    fn was_shut_down(&self) -> bool {
        self.shut_down.load(Ordering::SeqCst)
    }
}

struct Watched(DuplexStream, Arc<Fate>);

impl Drop for Watched {
    fn drop(&mut self) {
        self.1.dropped.store(true, Ordering::SeqCst);
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.0).poll_read(cx, buf))?;
        if buf.filled().len() == before && self.1.breaks.load(Ordering::SeqCst) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.1.shut_down.store(true, Ordering::SeqCst);
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// client ── downstream ══ bridge ══ upstream ── server
struct Line {
    client: DuplexStream,
    server: DuplexStream,
    downstream: Arc<Fate>,
    upstream: Arc<Fate>,
    counters: Arc<Counters>,
    bridge: JoinHandle<Bridged>,
}

impl Line {
    fn new(room: usize, timeouts: Timeouts) -> Line {
        let (client, near) = duplex(room);
        let (far, server) = duplex(room);
        let (downstream, upstream) = (Arc::<Fate>::default(), Arc::<Fate>::default());
        let counters = Arc::new(Counters::default());
        let (near, far) = (
            Watched(near, Arc::clone(&downstream)),
            Watched(far, Arc::clone(&upstream)),
        );
        let counted = Arc::clone(&counters);
        let bridge = tokio::spawn(async move { bridge(near, far, timeouts, &*counted).await });
        Line {
            client,
            server,
            downstream,
            upstream,
            counters,
            bridge,
        }
    }

    fn counted(&self) -> (u64, u64) {
        (
            self.counters.sent.load(Ordering::Relaxed),
            self.counters.received.load(Ordering::Relaxed),
        )
    }
}

const FOR_EVER: Timeouts = Timeouts {
    idle: None,
    half_closed: None,
};

/// Bytes whose position can be told from their value.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

#[tokio::test]
async fn a_half_close_leaves_the_other_direction_open() {
    let mut line = Line::new(16, FOR_EVER);
    line.client.write_all(b"question").await.unwrap();
    line.client.shutdown().await.unwrap();
    let mut question = String::new();
    line.server.read_to_string(&mut question).await.unwrap();
    assert_eq!(question, "question");
    line.server.write_all(b"the answer").await.unwrap();
    line.server.shutdown().await.unwrap();
    let mut answer = String::new();
    line.client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "the answer");
    assert_eq!(line.counted(), (8, 10));
    let bridged = line.bridge.await.unwrap();
    assert!(bridged.error.is_none(), "{bridged:?}");
    assert_eq!((bridged.sent, bridged.received), (8, 10));
    assert!(line.downstream.was_shut_down() && line.upstream.was_shut_down());
}

#[tokio::test]
async fn bulk_passes_unchanged() {
    let line = Line::new(5000, FOR_EVER);
    let data = pattern(1 << 20);
    let (mut read, mut write) = tokio::io::split(line.client);
    let echo = async {
        let (mut read, mut write) = tokio::io::split(line.server);
        tokio::io::copy(&mut read, &mut write).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let send = async {
        write.write_all(&data).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let mut back = Vec::new();
    let receive = async { read.read_to_end(&mut back).await.unwrap() };
    tokio::join!(echo, send, receive);
    assert!(back == data, "the bytes changed on the way");
    assert!(line.bridge.await.unwrap().error.is_none());
}

#[tokio::test]
async fn a_reset_is_passed_on_as_a_reset() {
    let mut line = Line::new(64, FOR_EVER);
    line.upstream.breaks.store(true, Ordering::SeqCst);
    line.server.write_all(b"half a mess").await.unwrap();
    let mut start = [0; 11];
    line.client.read_exact(&mut start).await.unwrap();
    drop(line.server);
    let bridged = line.bridge.await.unwrap();
    assert!(
        matches!(bridged.error, Some(BridgeError::Upstream(_))),
        "{bridged:?}"
    );
    assert_eq!(bridged.received, 11);
    assert!(line.downstream.was_reset() && line.upstream.was_reset());
}

#[tokio::test]
async fn a_client_that_breaks_is_a_reset_for_its_server() {
    let mut line = Line::new(64, FOR_EVER);
    line.downstream.breaks.store(true, Ordering::SeqCst);
    line.client.write_all(b"half").await.unwrap();
    line.server.read_exact(&mut [0; 4]).await.unwrap();
    drop(line.client);
    let bridged = line.bridge.await.unwrap();
    assert!(
        matches!(bridged.error, Some(BridgeError::Downstream(_))),
        "{bridged:?}"
    );
    assert!(line.upstream.was_reset());
}

#[tokio::test]
async fn an_answer_is_delivered_although_its_sender_reads_no_more() {
    let mut line = Line::new(64, FOR_EVER);
    let answer = pattern(64 * 3);
    // The client is slow: the last third waits in front of the bridge when its sender goes.
    line.server.write_all(&answer).await.unwrap();
    drop(line.server);
    line.client.write_all(b"more").await.unwrap();
    let mut heard = Vec::new();
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
    line.client.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, answer);
    let bridged = line.bridge.await.unwrap();
    assert!(
        matches!(bridged.error, Some(BridgeError::Upstream(_))),
        "{bridged:?}"
    );
    assert!(line.downstream.was_shut_down(), "what was said came to its end");
}

#[tokio::test(start_paused = true)]
async fn silence_ends_the_streams() {
    let idle = Duration::from_secs(60);
    let timeouts = Timeouts {
        idle: Some(idle),
        half_closed: None,
    };
    let mut line = Line::new(16, timeouts);
    let began = Instant::now();
    for _ in 0..4 {
        tokio::time::sleep(idle / 2).await;
        line.client.write_all(b".").await.unwrap();
        line.server.read_exact(&mut [0]).await.unwrap();
    }
    let bridged = line.bridge.await.unwrap();
    assert!(
        matches!(bridged.error, Some(BridgeError::Idle(after)) if after == idle),
        "{bridged:?}"
    );
    assert_eq!(began.elapsed().as_secs(), 180);
    assert!(line.downstream.was_reset() && line.upstream.was_reset());
}

#[tokio::test(start_paused = true)]
async fn a_half_closed_pair_has_a_clock_of_its_own() {
    let limit = Duration::from_secs(300);
    let mut line = Line::new(
        16,
        Timeouts {
            idle: Some(Duration::from_secs(3600)),
            half_closed: Some(limit),
        },
    );
    tokio::time::sleep(Duration::from_secs(1000)).await;
    line.client.shutdown().await.unwrap();
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(200)).await;
    line.server.write_all(b".").await.unwrap();
    let bridged = line.bridge.await.unwrap();
    assert!(
        matches!(bridged.error, Some(BridgeError::HalfClosed(after)) if after == limit),
        "{bridged:?}"
    );
    assert_eq!(began.elapsed().as_secs(), 500);
    assert!(line.downstream.was_reset() && line.upstream.was_shut_down());
}

#[tokio::test]
async fn counters_move_while_it_lasts_and_outlive_it() {
    let mut line = Line::new(16, FOR_EVER);
    line.client.write_all(b"12345").await.unwrap();
    let mut heard = [0; 5];
    line.server.read_exact(&mut heard).await.unwrap();
    line.server.write_all(b"123").await.unwrap();
    line.client.read_exact(&mut heard[..3]).await.unwrap();
    assert_eq!(line.counted(), (5, 3));
    line.bridge.abort();
    assert!((&mut line.bridge).await.unwrap_err().is_cancelled());
    assert_eq!(line.counted(), (5, 3));
    assert!(line.downstream.was_reset() && line.upstream.was_reset());
}
