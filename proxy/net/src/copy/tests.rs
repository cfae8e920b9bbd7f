#![allow(clippy::unwrap_used, clippy::panic)]

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{Counters, Error, Timeouts, bidirectional};

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    (client.unwrap(), accepted.unwrap().0)
}

struct Proxy {
    client: TcpStream,
    server: TcpStream,
    counters: Arc<Counters>,
    copy: JoinHandle<Result<(), Error>>,
}

impl Proxy {
    async fn start(timeouts: Timeouts) -> Self {
        let (client, downstream) = pair().await;
        let (upstream, server) = pair().await;
        let counters = Arc::new(Counters::default());
        let shared = counters.clone();
        let copy =
            tokio::spawn(async move { bidirectional(downstream, upstream, &timeouts, &*shared).await });
        Self {
            client,
            server,
            counters,
            copy,
        }
    }

    fn counted(&self) -> (u64, u64) {
        (
            self.counters.sent.load(Ordering::Relaxed),
            self.counters.received.load(Ordering::Relaxed),
        )
    }
}

/// Bytes whose position can be told from their value.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

#[tokio::test]
async fn a_half_close_leaves_the_other_direction_open() {
    let mut proxy = Proxy::start(Timeouts::default()).await;
    proxy.client.write_all(b"question").await.unwrap();
    proxy.client.shutdown().await.unwrap();
    let mut question = String::new();
    proxy.server.read_to_string(&mut question).await.unwrap();
    assert_eq!(question, "question");
    proxy.server.write_all(b"the answer").await.unwrap();
    proxy.server.shutdown().await.unwrap();
    let mut answer = String::new();
    proxy.client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "the answer");
    assert_eq!(proxy.counted(), (8, 10));
    proxy.copy.await.unwrap().unwrap();
}

#[tokio::test]
async fn bulk_passes_unchanged_through_every_buffer_size() {
    let length = 24 << 20;
    let mut proxy = Proxy::start(Timeouts::default()).await;
    let (mut read, mut write) = proxy.client.split();
    let echo = async {
        let (mut read, mut write) = proxy.server.split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let data = pattern(length);
    let send = async {
        write.write_all(&data).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let mut back = Vec::with_capacity(length);
    let receive = async { read.read_to_end(&mut back).await.unwrap() };
    tokio::join!(echo, send, receive);
    assert!(back == data, "the bytes changed on the way");
    proxy.copy.await.unwrap().unwrap();
    assert_eq!(proxy.counters.sent.load(Ordering::Relaxed), length as u64);
    assert_eq!(proxy.counters.received.load(Ordering::Relaxed), length as u64);
}

#[tokio::test]
async fn a_reset_is_passed_on_as_a_reset() {
    let mut proxy = Proxy::start(Timeouts::default()).await;
    proxy.server.write_all(b"half a mess").await.unwrap();
    let mut start = [0; 11];
    proxy.client.read_exact(&mut start).await.unwrap();
    proxy.server.set_zero_linger().unwrap();
    drop(proxy.server);
    let end = proxy.client.read(&mut start).await;
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert!(matches!(proxy.copy.await.unwrap(), Err(Error::Upstream(_))));
}

#[tokio::test]
async fn an_answer_is_delivered_although_its_sender_reads_no_more() {
    let mut proxy = Proxy::start(Timeouts::default()).await;
    // The server answers early and closes with the request unread: its kernel resets what follows.
    proxy.server.write_all(b"go away").await.unwrap();
    proxy.server.shutdown().await.unwrap();
    let mut answer = String::new();
    proxy.client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "go away");
    drop(proxy.server);
    // From here on the client's bytes meet a closed socket, sooner or later.
    let chunk = [0; 4096];
    while proxy.client.write_all(&chunk).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(matches!(proxy.copy.await.unwrap(), Err(Error::Upstream(_))));
}

#[tokio::test]
async fn silence_ends_the_connections() {
    let idle = Duration::from_millis(300);
    let mut proxy = Proxy::start(Timeouts {
        idle: Some(idle),
        half_closed: None,
    })
    .await;
    let start = tokio::time::Instant::now();
    for _ in 0..4 {
        tokio::time::sleep(idle / 3).await;
        proxy.client.write_all(b".").await.unwrap();
        proxy.server.read_exact(&mut [0]).await.unwrap();
    }
    let error = proxy.copy.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Idle(after) if after == idle), "{error}");
    assert!(start.elapsed() >= idle * 2, "activity must postpone the end");
    assert_eq!(proxy.client.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(proxy.server.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_half_closed_pair_has_a_clock_of_its_own() {
    let timeouts = Timeouts {
        idle: Some(Duration::from_secs(3600)),
        half_closed: Some(Duration::from_millis(50)),
    };
    let mut proxy = Proxy::start(timeouts).await;
    proxy.client.shutdown().await.unwrap();
    let error = proxy.copy.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::HalfClosed(_)), "{error}");
    assert_eq!(proxy.server.read(&mut [0]).await.unwrap(), 0);
}
