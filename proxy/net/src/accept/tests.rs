#![allow(clippy::unwrap_used, clippy::panic)]

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::time;

use super::{ConnectionLimit, LONGEST_PAUSE, Pause, SHORTEST_PAUSE, accept_loop, concerns_one_connection};
use crate::{ListenOptions, listen};

struct Server {
    address: SocketAddr,
    limit: ConnectionLimit,
    stop: Option<oneshot::Sender<()>>,
    done: tokio::task::JoinHandle<()>,
}

/// Greets each connection with `!` and holds it until the client closes.
fn greeter(max: u32) -> Server {
    let listener = listen(
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        &ListenOptions::default(),
    )
    .unwrap();
    let address = listener.local_addr().unwrap();
    let limit = ConnectionLimit::new(max);
    let (stop, stopped) = oneshot::channel::<()>();
    let shared = limit.clone();
    let done = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        accept_loop(listener, &shared, stopped, |mut stream, _| async move {
            assert!(stream.nodelay().unwrap());
            stream.write_all(b"!").await.unwrap();
            drop(stream.read(&mut [0]).await);
        })
        .await;
    });
    Server {
        address,
        limit,
        stop: Some(stop),
        done,
    }
}

async fn greeted_within(limit: Duration, stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    let read = time::timeout(limit, stream.read_exact(&mut byte)).await;
    matches!(read, Ok(Ok(_)))
}

async fn greeted(stream: &mut TcpStream) -> bool {
    greeted_within(Duration::from_secs(10), stream).await
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_until_one_closes() {
    let server = greeter(2);
    let mut first = TcpStream::connect(server.address).await.unwrap();
    let mut second = TcpStream::connect(server.address).await.unwrap();
    let mut third = TcpStream::connect(server.address).await.unwrap();
    assert!(greeted(&mut first).await && greeted(&mut second).await);
    assert!(!greeted_within(Duration::from_millis(100), &mut third).await);
    assert_eq!(server.limit.open(), 2);
    drop(first);
    assert!(greeted(&mut third).await);
}

#[tokio::test]
async fn open_connections_outlive_the_loop() {
    let mut server = greeter(8);
    let mut client = TcpStream::connect(server.address).await.unwrap();
    assert!(greeted(&mut client).await);
    drop(server.stop.take());
    server.done.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
    assert_eq!(server.limit.open(), 1);
    let closed = Arc::new(Notify::new());
    let waiter = tokio::spawn({
        let (limit, closed) = (server.limit.clone(), closed.clone());
        async move {
            limit.all_closed().await;
            closed.notify_one();
        }
    });
    assert!(
        time::timeout(Duration::from_millis(50), closed.notified())
            .await
            .is_err()
    );
    drop(client);
    time::timeout(Duration::from_secs(5), closed.notified())
        .await
        .unwrap();
    waiter.await.unwrap();
    assert_eq!(server.limit.open(), 0);
}

#[tokio::test]
async fn a_panicking_handler_gives_its_place_back() {
    let listener = listen(
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        &ListenOptions::default(),
    )
    .unwrap();
    let address = listener.local_addr().unwrap();
    let limit = ConnectionLimit::new(1);
    let shared = limit.clone();
    tokio::spawn(async move {
        accept_loop(listener, &shared, std::future::pending(), |_, _| async {
            panic!("on purpose")
        })
        .await;
    });
    for _ in 0..3 {
        let mut client = TcpStream::connect(address).await.unwrap();
        let read = time::timeout(Duration::from_secs(5), client.read(&mut [0])).await;
        assert!(read.is_ok(), "the connection was never served");
    }
}

#[tokio::test]
async fn pauses_double_up_to_a_second() {
    let listener = listen(
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        &ListenOptions::default(),
    )
    .unwrap();
    let error = io::Error::from_raw_os_error(libc::EMFILE);
    let mut pause = Pause::default();
    let pauses: Vec<Duration> = (0..12).map(|_| pause.next(&listener, &error)).collect();
    assert_eq!(pauses.first(), Some(&SHORTEST_PAUSE));
    assert_eq!(pauses.get(1), Some(&(SHORTEST_PAUSE * 2)));
    assert_eq!(pauses.last(), Some(&LONGEST_PAUSE));
}

#[test]
fn only_errors_of_the_listener_pause_it() {
    assert!(concerns_one_connection(&io::Error::from_raw_os_error(
        libc::ECONNABORTED
    )));
    assert!(!concerns_one_connection(&io::Error::from_raw_os_error(
        libc::EMFILE
    )));
    assert!(!concerns_one_connection(&io::Error::from_raw_os_error(
        libc::ENOBUFS
    )));
}

#[tokio::test]
async fn what_the_kernel_has_taken_is_served_although_accepting_has_stopped() {
    let listener = listen(
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        &ListenOptions::default(),
    )
    .unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody has accepted it, and nobody will in the loop proper.
    let mut waiting = TcpStream::connect(address).await.unwrap();
    accept_loop(
        listener,
        &ConnectionLimit::new(1),
        std::future::ready(()),
        |mut stream, _| async move { stream.write_all(b"!").await.unwrap() },
    )
    .await;
    assert_eq!(waiting.read_u8().await.unwrap(), b'!');
    assert!(TcpStream::connect(address).await.is_err(), "it listens no more");
}
