//! HTTP/2 connections that are being opened.

use super::http2::{Server, answer, next, run, spawn_send};
use super::*;

/// All who wait for a connection share what becomes of it, and nobody waits for the attempts of others.
#[tokio::test(start_paused = true)]
async fn who_waits_together_fails_together() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&attempts);
    let never = move || {
        counter.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<Result<DuplexStream, std::io::Error>>()
    };
    let upstream = Arc::new(Upstream::new(never, Version::Http2, Settings::default()));
    let began = tokio::time::Instant::now();
    let mut sent = Vec::new();
    for _ in 0..5 {
        sent.push(spawn_send(&upstream, request("GET", "/", ())));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for sent in sent {
        let error = sent.await.unwrap().unwrap_err();
        assert!(matches!(error.failure, Failure::ConnectTimeout), "{error:?}");
        assert!(error.request.is_some());
    }
    assert_eq!(began.elapsed().as_secs(), 10);
    assert_eq!(attempts.load(Ordering::SeqCst), 1);

    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let shut = Arc::clone(&gate);
    let refusing = move || {
        let gate = Arc::clone(&shut);
        async move {
            gate.acquire().await.unwrap().forget();
            Err::<DuplexStream, _>(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))
        }
    };
    let upstream = Arc::new(Upstream::new(refusing, Version::Http2, Settings::default()));
    let sent: Vec<_> = (0..3)
        .map(|_| spawn_send(&upstream, request("GET", "/", ())))
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    gate.add_permits(1);
    for sent in sent {
        let error = sent.await.unwrap().unwrap_err();
        assert!(matches!(error.failure, Failure::Connect(_)), "{error:?}");
    }
}

/// Whoever has had a connection opened may give up: the others get it.
#[tokio::test(start_paused = true)]
async fn an_attempt_outlives_its_request() {
    let (sender, mut connections) = mpsc::unbounded_channel();
    let slow = move || {
        let sender = sender.clone();
        async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            let (near, far) = tokio::io::duplex(64 * 1024);
            sender.send(far).unwrap();
            Ok::<_, std::io::Error>(near)
        }
    };
    let upstream = Arc::new(Upstream::new(slow, Version::Http2, Settings::default()));
    let began = tokio::time::Instant::now();
    let first = spawn_send(&upstream, request("GET", "/1", ()));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let second = spawn_send(&upstream, request("GET", "/2", ()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    first.abort();
    let mut server: Server = h2::server::handshake(connections.recv().await.unwrap())
        .await
        .unwrap();
    assert_eq!(began.elapsed().as_secs(), 5);
    let (asked, mut respond) = next(&mut server).await;
    assert_eq!(asked.uri().path(), "/2");
    answer(&mut respond, "two");
    let _running = run(server);
    assert_eq!(text(second.await.unwrap().unwrap()).await, "two");
}

/// A burst that one connection cannot hold has the others made at the same time.
#[tokio::test(start_paused = true)]
async fn a_large_burst_opens_what_it_needs_at_once() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&attempts);
    let never = move || {
        counter.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<Result<DuplexStream, std::io::Error>>()
    };
    let settings = Settings {
        max_streams: 2,
        max_connections: 3,
        ..Settings::default()
    };
    let upstream = Arc::new(Upstream::new(never, Version::Http2, settings));
    let sent: Vec<_> = (0..5)
        .map(|_| spawn_send(&upstream, request("GET", "/", ())))
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(attempts.load(Ordering::SeqCst), 3);
    let beyond: Vec<_> = (0..5)
        .map(|_| spawn_send(&upstream, request("GET", "/", ())))
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(attempts.load(Ordering::SeqCst), 3);
    let began = tokio::time::Instant::now();
    for sent in sent.into_iter().chain(beyond) {
        sent.await.unwrap().unwrap_err();
    }
    assert!(began.elapsed().as_secs() <= 9);
}

fn extended_connect() -> Request<Body> {
    let mut ask = Request::connect("http://a/chat").body(Body::empty()).unwrap();
    ask.extensions_mut()
        .insert(hyper::ext::Protocol::from_static("websocket"));
    ask
}

/// An endpoint that takes connections and says nothing on them holds nobody for longer than connecting may take.
#[tokio::test(start_paused = true)]
async fn a_silent_endpoint_holds_nobody() {
    let (upstream, mut endpoint) = upstream(Version::Http2, Settings::default());
    let began = tokio::time::Instant::now();
    let first = spawn_send(&upstream, extended_connect());
    let _silent = endpoint.accept().await;
    let given_up = spawn_send(&upstream, extended_connect());
    tokio::time::sleep(Duration::from_secs(4)).await;
    given_up.abort();
    let second = spawn_send(&upstream, extended_connect());
    let error = first.await.unwrap().unwrap_err();
    assert!(matches!(error.failure, Failure::ConnectTimeout), "{error:?}");
    assert!(error.request.is_some());
    assert_eq!(began.elapsed().as_secs(), 10);

    // The connection was there before the second request, which is worth another.
    let io = endpoint.accept().await;
    let mut builder = h2::server::Builder::new();
    let mut server: Server = builder.enable_connect_protocol().handshake(io).await.unwrap();
    let (_asked, mut respond) = next(&mut server).await;
    let _stream = respond.send_response(Response::new(()), false).unwrap();
    let _running = run(server);
    assert_eq!(second.await.unwrap().unwrap().status(), 200);
    assert_eq!(began.elapsed().as_secs(), 10);
}

/// What the first request has found out is known to the others, though it did not wait for it.
#[tokio::test(start_paused = true)]
async fn the_offer_of_an_upstream_outlives_who_asked_for_it() {
    let (upstream, mut endpoint) = upstream(Version::Http2, Settings::default());
    let first = spawn_send(&upstream, extended_connect());
    let io = endpoint.accept().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let second = spawn_send(&upstream, extended_connect());
    let mut builder = h2::server::Builder::new();
    let mut server: Server = builder.enable_connect_protocol().handshake(io).await.unwrap();
    let (_asked, mut respond) = next(&mut server).await;
    let _stream = respond.send_response(Response::new(()), false).unwrap();
    let _running = run(server);
    assert_eq!(second.await.unwrap().unwrap().status(), 200);
}
