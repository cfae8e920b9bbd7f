#![allow(clippy::unwrap_used, clippy::panic)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use socket2::SockRef;

use super::{ConnectError, ConnectOptions, connect};
use crate::{ListenOptions, listen};

fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

#[tokio::test]
async fn the_stream_has_no_delay_and_keepalive() {
    let listener = listen(loopback(), &ListenOptions::default()).unwrap();
    let stream = connect(listener.local_addr().unwrap(), &ConnectOptions::default())
        .await
        .unwrap();
    let socket = SockRef::from(&stream);
    assert!(stream.nodelay().unwrap());
    assert!(socket.keepalive().unwrap());
    assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(180));
    assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(180));
    assert_eq!(socket.tcp_keepalive_retries().unwrap(), 9);
}

#[tokio::test]
async fn the_peer_sees_the_chosen_source() {
    let listener = listen(loopback(), &ListenOptions::default()).unwrap();
    let source = IpAddr::V4(Ipv4Addr::new(127, 3, 2, 1));
    let options = ConnectOptions {
        source: Some(source),
        ..ConnectOptions::default()
    };
    let address = listener.local_addr().unwrap();
    let (stream, accepted) = tokio::join!(connect(address, &options), listener.accept());
    let (_, peer) = accepted.unwrap();
    assert_eq!(peer.ip(), source);
    assert_eq!(peer, stream.unwrap().local_addr().unwrap());
}

#[tokio::test]
async fn a_bound_source_takes_no_port_before_the_connection_is_made() {
    let source = IpAddr::V4(Ipv4Addr::new(127, 3, 2, 2));
    let options = ConnectOptions {
        source: Some(source),
        ..ConnectOptions::default()
    };
    let socket = super::open(loopback(), &options).unwrap();
    assert_eq!(socket.local_addr().unwrap(), SocketAddr::new(source, 0));
}

#[tokio::test]
async fn nothing_listens() {
    let listener = listen(loopback(), &ListenOptions::default()).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = connect(address, &ConnectOptions::default()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Refused { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        format!("cannot connect to {address}: connection refused")
    );
}

#[tokio::test]
async fn a_full_queue_ends_in_a_timeout() {
    // With the accept queue full, Linux drops further SYNs: the peer that does not answer.
    let listener = listen(
        loopback(),
        &ListenOptions {
            backlog: 0,
            ..ListenOptions::default()
        },
    )
    .unwrap();
    let address = listener.local_addr().unwrap();
    let options = ConnectOptions {
        timeout: Duration::from_millis(200),
        ..ConnectOptions::default()
    };
    let mut held = Vec::new();
    for _ in 0..8 {
        match connect(address, &options).await {
            Ok(stream) => held.push(stream),
            Err(error) => {
                assert!(matches!(error, ConnectError::Timeout { .. }), "{error}");
                assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::TimedOut);
                return;
            }
        }
    }
    panic!("the queue of a listener with backlog 0 never filled");
}

#[tokio::test]
async fn a_source_of_another_machine_is_named() {
    let listener = listen(loopback(), &ListenOptions::default()).unwrap();
    let options = ConnectOptions {
        source: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9))),
        ..ConnectOptions::default()
    };
    let error = connect(listener.local_addr().unwrap(), &options)
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectError::Source { .. }), "{error}");
    assert!(error.to_string().contains("from 192.0.2.9"), "{error}");
}
