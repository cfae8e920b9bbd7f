//! The pool: when connections are shared, made, replaced and let go.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cairn_identity::{BoxFuture, PeerError, TlsError, tls};
use http::{HeaderMap, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::harness::*;
use crate::{ConnectError, Destination, Dial, Pool, PoolOptions, Request, Settings, Tunnel, transport};

async fn open(pool: &Pool, destination: &Destination) -> Result<Tunnel, ConnectError> {
    pool.connect(destination, to("10.0.0.1:80")).await
}

async fn open_many(
    pool: &Pool,
    destination: &Destination,
    count: usize,
) -> Vec<Result<Tunnel, ConnectError>> {
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        let (pool, destination) = (pool.clone(), destination.clone());
        tasks.spawn(async move { open(&pool, &destination).await });
    }
    tasks.join_all().await
}

async fn works(tunnel: &mut Tunnel) -> bool {
    let mut answer = [0; 4];
    tunnel.write_all(b"ping").await.is_ok()
        && tunnel.read_exact(&mut answer).await.is_ok()
        && &answer == b"ping"
}

#[tokio::test]
async fn two_hundred_tunnels_take_two_connections() {
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let pool = mesh.pool();
    let tunnels = open_many(&pool, &server.destination(), 200).await;
    for tunnel in tunnels {
        assert!(works(&mut tunnel.unwrap()).await);
    }
    assert_eq!((server.connections(), pool.connections()), (2, 2));
}

#[tokio::test]
async fn the_hundred_and_first_tunnel_opens_the_second_connection() {
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let pool = mesh.pool();
    let mut tunnels = Vec::new();
    for _ in 0..100 {
        tunnels.push(open(&pool, &server.destination()).await.unwrap());
    }
    assert_eq!(server.connections(), 1);
    tunnels.push(open(&pool, &server.destination()).await.unwrap());
    assert_eq!(server.connections(), 2);
    tunnels.clear();
    for _ in 0..200 {
        open(&pool, &server.destination()).await.unwrap();
    }
    assert_eq!(
        server.connections(),
        2,
        "a connection that was full is used again"
    );
}

#[tokio::test]
async fn a_peer_may_allow_fewer_tunnels() {
    let mesh = Mesh::new();
    let settings = Settings {
        max_concurrent_streams: 10,
        ..Settings::default()
    };
    let server = mesh.serve_with(settings, echo()).await;
    let pool = mesh.pool();
    let mut tunnels = vec![open(&pool, &server.destination()).await.unwrap()];
    for _ in 0..29 {
        tunnels.push(open(&pool, &server.destination()).await.unwrap());
    }
    for tunnel in &mut tunnels {
        assert!(works(tunnel).await);
    }
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn tunnels_share_a_connection_only_if_everything_is_equal() {
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let pool = mesh.pool();
    let one = server.destination();
    let bound = Destination {
        bind: Some("127.0.0.9".parse().unwrap()),
        ..one.clone()
    };
    let other = Destination {
        source: id("other"),
        ..one.clone()
    };
    let any = Destination {
        expected: Arc::new([]),
        ..one.clone()
    };
    for (index, destination) in [one, bound, other, any].iter().enumerate() {
        for _ in 0..2 {
            assert!(works(&mut open(&pool, destination).await.unwrap()).await);
        }
        assert_eq!((server.connections(), pool.connections()), (index + 1, index + 1));
    }
}

#[tokio::test]
async fn a_server_of_another_identity_is_not_used() {
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let destination = Destination {
        expected: Arc::new([id("other")]),
        ..server.destination()
    };
    let Err(ConnectError::Tls(error)) = open(&mesh.pool(), &destination).await else {
        panic!()
    };
    assert!(
        matches!(&*error, TlsError::Peer(PeerError::Unexpected { actual, .. }) if *actual == id("hello"))
    );
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_dead_connection_is_replaced() {
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let pool = mesh.pool();
    let mut tunnel = open(&pool, &server.destination()).await.unwrap();
    server.cut();
    assert!(tunnel.read(&mut [0]).await.is_err());
    until(|| pool.connections() == 0).await;
    assert!(works(&mut open(&pool, &server.destination()).await.unwrap()).await);
    assert_eq!(server.connections(), 2);
}

/// Serves HTTP/2 whose first connection does `last` after its first request, and whose others answer all.
async fn flaky(mesh: &Mesh, last: Last) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let credential = mesh.identities.credential(&id("hello")).await.unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let is_first = count.fetch_add(1, Ordering::SeqCst) == 0;
            let credential = credential.clone();
            tokio::spawn(async move {
                let (tls, _) = tls::accept(transport(tcp), &credential, LIMIT).await.unwrap();
                let mut connection: h2::server::Connection<_, bytes::Bytes> =
                    h2::server::handshake(tls).await.unwrap();
                let mut open = Vec::new();
                while let Some(Ok((_, mut responder))) = connection.accept().await {
                    if is_first && !open.is_empty() {
                        match last {
                            Last::Cut => return,
                            Last::GoAway => connection.abrupt_shutdown(h2::Reason::NO_ERROR),
                            Last::Refuse => responder.send_reset(h2::Reason::REFUSED_STREAM),
                            Last::Reset => responder.send_reset(h2::Reason::INTERNAL_ERROR),
                        }
                    } else {
                        open.push(responder.send_response(Response::new(()), false).unwrap());
                    }
                }
            });
        }
    });
    (address, connections)
}

#[derive(Clone, Copy, Debug)]
enum Last {
    Cut,
    GoAway,
    Refuse,
    Reset,
}

#[tokio::test]
async fn a_request_that_was_not_looked_at_is_tried_again() {
    let mesh = Mesh::new();
    for last in [Last::Cut, Last::GoAway, Last::Refuse] {
        let (address, connections) = flaky(&mesh, last).await;
        let destination = Destination {
            source: id("sleep"),
            expected: Arc::new([id("hello")]),
            address,
            bind: None,
        };
        let pool = mesh.pool();
        let _first = open(&pool, &destination).await.unwrap();
        let second = open(&pool, &destination).await;
        assert!(second.is_ok(), "{last:?}: {second:?}");
        assert_eq!(connections.load(Ordering::SeqCst), 2, "{last:?}");
    }
}

#[tokio::test]
async fn a_request_that_failed_is_not_tried_again() {
    let mesh = Mesh::new();
    let (address, connections) = flaky(&mesh, Last::Reset).await;
    let destination = Destination {
        source: id("sleep"),
        expected: Arc::new([id("hello")]),
        address,
        bind: None,
    };
    let pool = mesh.pool();
    let _first = open(&pool, &destination).await.unwrap();
    let Err(ConnectError::Stream(error)) = open(&pool, &destination).await else {
        panic!()
    };
    assert_eq!(error.reason(), Some(h2::Reason::INTERNAL_ERROR));
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_that_is_going_away_gets_no_more_tunnels() {
    let mesh = Mesh::new();
    let mut server = mesh.serve(echo()).await;
    let pool = mesh.pool();
    let mut old = open(&pool, &server.destination()).await.unwrap();
    let drain = server.drain();
    drain.start();
    for _ in 0..20 {
        assert!(works(&mut old).await);
        if let Ok(mut new) = open(&pool, &server.destination()).await {
            assert!(works(&mut new).await);
        }
    }
    assert!(server.connections() > 1, "new tunnels went elsewhere");
    assert!(works(&mut old).await);
}

/// Never gets anywhere.
struct Nowhere;

impl Dial for Nowhere {
    fn dial(&self, _: SocketAddr, _: Option<IpAddr>) -> BoxFuture<'_, std::io::Result<TcpStream>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn every_step_has_a_limit() {
    let mesh = Mesh::new();
    let millis = Duration::from_millis;
    let server = mesh
        .serve(with(|request: Request| async move {
            let _request = request;
            std::future::pending().await
        }))
        .await;

    let options = PoolOptions {
        connect_timeout: millis(50),
        dial: Arc::new(Nowhere),
        ..PoolOptions::default()
    };
    let result = open(&mesh.pool_with(options), &server.destination()).await;
    assert!(matches!(result, Err(ConnectError::ConnectTimeout)), "{result:?}");

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let options = PoolOptions {
        tls_timeout: millis(50),
        ..PoolOptions::default()
    };
    let result = open(
        &mesh.pool_with(options),
        &Destination {
            address,
            ..server.destination()
        },
    )
    .await;
    assert!(
        matches!(&result, Err(ConnectError::Tls(error)) if matches!(**error, TlsError::Timeout)),
        "{result:?}"
    );

    let options = PoolOptions {
        response_timeout: millis(50),
        ..PoolOptions::default()
    };
    let result = open(&mesh.pool_with(options), &server.destination()).await;
    assert!(matches!(result, Err(ConnectError::ResponseTimeout)), "{result:?}");
}

#[tokio::test]
async fn failures_are_told_apart() {
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let address = {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        closed.local_addr().unwrap()
    };
    let result = open(
        &mesh.pool(),
        &Destination {
            address,
            ..server.destination()
        },
    )
    .await;
    assert!(
        matches!(&result, Err(ConnectError::Connect(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused),
        "{result:?}"
    );
    let stranger = cairn_identity::SpiffeId::new("elsewhere", "a", "b");
    let result = open(
        &mesh.pool(),
        &Destination {
            source: stranger,
            ..server.destination()
        },
    )
    .await;
    assert!(matches!(result, Err(ConnectError::Identity(_))), "{result:?}");
}

#[tokio::test]
async fn those_who_wait_for_the_same_attempt_fail_together() {
    let mesh = Mesh::new();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let destination = Destination {
        source: id("sleep"),
        expected: Arc::new([id("hello")]),
        address,
        bind: None,
    };
    let options = PoolOptions {
        tls_timeout: Duration::from_millis(300),
        ..PoolOptions::default()
    };
    let pool = mesh.pool_with(options);
    let start = Instant::now();
    let results = open_many(&pool, &destination, 50).await;
    assert!(results.iter().all(Result::is_err));
    assert!(
        start.elapsed() < Duration::from_secs(8),
        "one after another would have taken 15 s"
    );
    let mut connections = 0;
    while let Ok(accepted) = tokio::time::timeout(Duration::from_millis(50), silent.accept()).await {
        connections += usize::from(accepted.is_ok());
    }
    assert_eq!(connections, 1);
}

#[tokio::test]
async fn a_caller_that_gives_up_leaves_the_connection_to_the_others() {
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let pool = mesh.pool();
    let destination = server.destination();
    let mut first = Box::pin(open(&pool, &destination));
    tokio::select! {
        biased;
        _ = &mut first => panic!("too soon"),
        () = std::future::ready(()) => {}
    }
    let second = tokio::spawn({
        let (pool, destination) = (pool.clone(), destination.clone());
        async move { open(&pool, &destination).await }
    });
    drop(first);
    assert!(works(&mut second.await.unwrap().unwrap()).await);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn an_unused_connection_is_let_go() {
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let options = PoolOptions {
        unused_timeout: Duration::from_millis(100),
        ..PoolOptions::default()
    };
    let pool = mesh.pool_with(options);
    let mut tunnel = open(&pool, &server.destination()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(works(&mut tunnel).await, "it is in use");
    assert_eq!(pool.connections(), 1);
    drop(tunnel);
    until(|| pool.connections() == 0 && server.ends() == ["ok"]).await;
    assert!(works(&mut open(&pool, &server.destination()).await.unwrap()).await);
}

#[tokio::test]
async fn there_are_only_so_many_connections() {
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let pool = mesh.pool_with(PoolOptions {
        max_connections: 3,
        ..PoolOptions::default()
    });
    let from = |host: u8| Destination {
        bind: Some(IpAddr::from([127, 0, 0, host])),
        ..server.destination()
    };
    let mut used = open(&pool, &from(1)).await.unwrap();
    for host in 2..=9 {
        open(&pool, &from(host)).await.unwrap();
        assert!(pool.connections() <= 3);
    }
    until(|| server.ends().len() == 6).await;
    assert!(works(&mut used).await);
    assert_eq!(server.connections(), 9);
    open(&pool, &from(1)).await.unwrap();
    open(&pool, &from(9)).await.unwrap();
    assert_eq!(
        server.connections(),
        9,
        "those in use, and those used last, have been kept"
    );
}

#[tokio::test]
async fn a_server_that_answers_no_ping_is_given_up() {
    let mesh = Mesh::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let credential = mesh.identities.credential(&id("hello")).await.unwrap();
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let (tls, _) = tls::accept(tcp, &credential, LIMIT).await.unwrap();
        let mut connection: h2::server::Connection<_, bytes::Bytes> =
            h2::server::handshake(tls).await.unwrap();
        let (_, mut responder) = connection.accept().await.unwrap().unwrap();
        let mut stream = responder.send_response(Response::new(()), false).unwrap();
        stream.send_data("x".into(), false).unwrap();
        // Just until that has been written.
        let _ = tokio::time::timeout(Duration::from_millis(100), connection.accept()).await;
        std::future::pending::<()>().await;
    });
    let millis = Duration::from_millis;
    let settings = Settings {
        ping_interval: millis(100),
        ping_timeout: millis(1500),
        ..Settings::default()
    };
    let pool = Pool::new(mesh.identities.clone(), settings, PoolOptions::default());
    let destination = Destination {
        source: id("sleep"),
        expected: Arc::new([id("hello")]),
        address,
        bind: None,
    };
    let mut tunnel = open(&pool, &destination).await.unwrap();
    assert_eq!(tunnel.recv().await.unwrap().unwrap(), "x");
    assert_eq!(
        tunnel.recv().await.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionReset
    );
    until(|| pool.connections() == 0).await;
}

#[tokio::test]
async fn tunnels_outlive_the_pool_and_connections_do_not_outlive_both() {
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let pool = mesh.pool();
    let mut tunnel = open(&pool, &server.destination()).await.unwrap();
    drop(pool);
    assert!(works(&mut tunnel).await);
    tunnel.shutdown().await.unwrap();
    assert_eq!(tunnel.recv().await.unwrap(), None);
    drop(tunnel);
    until(|| server.ends() == ["ok"]).await;
}

#[tokio::test]
async fn half_a_tunnel_keeps_its_place() {
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let pool = mesh.pool_with(PoolOptions {
        max_streams: 1,
        ..PoolOptions::default()
    });
    let (sender, receiver) = open(&pool, &server.destination()).await.unwrap().into_split();
    drop(sender);
    let _second = open(&pool, &server.destination()).await.unwrap();
    assert_eq!(server.connections(), 2);
    drop(receiver);
    let _third = open(&pool, &server.destination()).await.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn an_answer_with_headers_only_is_an_open_tunnel() {
    let mesh = Mesh::new();
    let server = mesh
        .serve(with(|request: Request| async move {
            let mut tunnel = request.accept(HeaderMap::new()).unwrap();
            tunnel.finish().unwrap();
            while tunnel.recv().await.unwrap().is_some() {}
        }))
        .await;
    let mut tunnel = open(&mesh.pool(), &server.destination()).await.unwrap();
    assert_eq!(tunnel.recv().await.unwrap(), None);
    assert_eq!(tunnel.recv().await.unwrap(), None);
    tunnel.send("late".into()).await.unwrap();
    tunnel.finish().unwrap();
}

#[tokio::test]
async fn a_new_connection_that_fails_is_not_tried_again() {
    let mesh = Mesh::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let credential = mesh.identities.credential(&id("hello")).await.unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            // As a server does that finds fault with our certificate: TLS is done for us, and then it is gone.
            drop(tls::accept(tcp, &credential, LIMIT).await);
        }
    });
    let destination = Destination {
        source: id("sleep"),
        expected: Arc::new([id("hello")]),
        address,
        bind: None,
    };
    let pool = mesh.pool();
    assert!(matches!(
        open(&pool, &destination).await,
        Err(ConnectError::Stream(_))
    ));
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    until(|| pool.connections() == 0).await;
}
