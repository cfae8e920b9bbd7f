use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

pub(super) fn pool() -> (Arc<Upstream<impl Connect<Error = std::io::Error>>>, Endpoint) {
    upstream(Version::Http1, Settings::default())
}

/// Reads one head, and the body where it says how long it is.
pub(super) async fn read_request(io: &mut DuplexStream) -> String {
    let mut text = Vec::new();
    let reading = async {
        loop {
            let head = text.windows(4).position(|it| it == b"\r\n\r\n").map(|at| at + 4);
            if let Some(head) = head {
                let length = String::from_utf8_lossy(&text[..head])
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok())
                    .unwrap_or(0);
                if text.len() >= head + length {
                    break;
                }
            }
            let mut byte = [0];
            assert_eq!(
                io.read(&mut byte).await.unwrap(),
                1,
                "closed after {:?}",
                String::from_utf8_lossy(&text)
            );
            text.push(byte[0]);
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), reading).await;
    let text = String::from_utf8(text).unwrap();
    assert!(waited.is_ok(), "waited after {text:?}");
    text
}

pub(super) fn spawn_send<C>(
    upstream: &Arc<Upstream<C>>,
    request: Request<Body>,
) -> tokio::task::JoinHandle<Result<Response<Body>, SendError<C::Error>>>
where
    C: Connect,
{
    let upstream = Arc::clone(upstream);
    tokio::spawn(async move { upstream.send(request).await })
}

async fn round_trip<C>(upstream: &Arc<Upstream<C>>, io: &mut DuplexStream)
where
    C: Connect<Error = std::io::Error>,
{
    let sent = spawn_send(upstream, request("GET", "/", ()));
    read_request(io).await;
    io.write_all(OK).await.unwrap();
    assert_eq!(text(sent.await.unwrap().unwrap()).await, "ok");
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let (upstream, mut endpoint) = pool();
    let sent = spawn_send(&upstream, request("GET", "http://b:80/x?y", ()));
    let mut io = endpoint.accept().await;
    let head = read_request(&mut io).await;
    assert!(
        head.starts_with("GET /x?y HTTP/1.1\r\n") && head.contains("host: a\r\n"),
        "{head:?}"
    );
    io.write_all(OK).await.unwrap();
    assert_eq!(text(sent.await.unwrap().unwrap()).await, "ok");
    for _ in 0..3 {
        round_trip(&upstream, &mut io).await;
    }
    assert_eq!((endpoint.opened(), upstream.open_connections()), (1, 1));
}

/// The connection goes back when the body has been read, and not before.
#[tokio::test]
async fn a_body_holds_its_connection() {
    let (upstream, mut endpoint) = pool();
    let sent = spawn_send(&upstream, request("GET", "/", ()));
    let mut io = endpoint.accept().await;
    read_request(&mut io).await;
    io.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n3\r\nabc\r\n")
        .await
        .unwrap();
    let response = sent.await.unwrap().unwrap();
    assert!(response.headers().is_empty(), "{:?}", response.headers());
    assert_eq!(upstream.open_connections(), 0);
    let other = spawn_send(&upstream, request("GET", "/other", ()));
    let mut second = endpoint.accept().await;
    read_request(&mut second).await;
    second.write_all(OK).await.unwrap();
    assert_eq!(text(other.await.unwrap().unwrap()).await, "ok");
    assert_eq!(upstream.open_connections(), 1);
    let reading = tokio::spawn(text(response));
    io.write_all(b"3\r\ndef\r\n0\r\n\r\n").await.unwrap();
    assert_eq!(reading.await.unwrap(), "abcdef");
    assert_eq!(upstream.open_connections(), 2);
    // The freshest is used first.
    round_trip(&upstream, &mut io).await;
    assert_eq!(endpoint.opened(), 2);
}

#[tokio::test]
async fn a_dropped_body_closes_its_connection() {
    let (upstream, mut endpoint) = pool();
    let sent = spawn_send(&upstream, request("GET", "/", ()));
    let mut io = endpoint.accept().await;
    read_request(&mut io).await;
    io.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        .await
        .unwrap();
    drop(sent.await.unwrap().unwrap());
    assert_eq!(io.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(upstream.open_connections(), 0);
}

#[tokio::test]
async fn trailers_arrive() {
    let (upstream, mut endpoint) = pool();
    let sent = spawn_send(&upstream, request("GET", "/", ()));
    let mut io = endpoint.accept().await;
    read_request(&mut io).await;
    io.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: v\r\n\r\n")
        .await
        .unwrap();
    let collected = sent.await.unwrap().unwrap().into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-t"], "v");
    assert_eq!(upstream.open_connections(), 1);
}

#[tokio::test]
async fn close_delimited_and_connection_close() {
    let (upstream, mut endpoint) = pool();
    for answer in [
        &b"HTTP/1.1 200 OK\r\n\r\nok"[..],
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    ] {
        let sent = spawn_send(&upstream, request("GET", "/", ()));
        let mut io = endpoint.accept().await;
        read_request(&mut io).await;
        io.write_all(answer).await.unwrap();
        let reading = tokio::spawn(text(sent.await.unwrap().unwrap()));
        io.shutdown().await.unwrap();
        assert_eq!(reading.await.unwrap(), "ok");
        assert_eq!(upstream.open_connections(), 0);
    }
}

/// What closed while it rested costs no request, of whatever method, and no second connection attempt per stale one.
#[tokio::test]
async fn stale_connections_cost_nothing() {
    let (upstream, mut endpoint) = pool();
    for method in ["GET", "POST"] {
        let mut stale = Vec::new();
        let mut answers = Vec::new();
        for _ in 0..3 {
            answers.push(spawn_send(&upstream, request("GET", "/", ())));
            stale.push(endpoint.accept().await);
        }
        for (answer, io) in answers.into_iter().zip(&mut stale) {
            read_request(io).await;
            io.write_all(OK).await.unwrap();
            text(answer.await.unwrap().unwrap()).await;
        }
        assert_eq!(upstream.open_connections(), 3);
        drop(stale);
        let sent = spawn_send(&upstream, request(method, "/fresh", "body"));
        let mut io = endpoint.accept().await;
        assert!(read_request(&mut io).await.ends_with("body"));
        io.write_all(OK).await.unwrap();
        assert_eq!(text(sent.await.unwrap().unwrap()).await, "ok");
        drop(io);
        eventually(|| true).await;
        // Only the fresh one is left, closed as well by now.
        assert_eq!(upstream.open_connections(), 1);
        upstream_empty(&upstream, &mut endpoint).await;
    }
}

/// Uses up what rests and is dead, so that the next part of a test starts from nothing.
async fn upstream_empty<C>(upstream: &Arc<Upstream<C>>, endpoint: &mut Endpoint)
where
    C: Connect<Error = std::io::Error>,
{
    let sent = spawn_send(upstream, request("GET", "/", ()));
    let mut io = endpoint.accept().await;
    read_request(&mut io).await;
    io.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    text(sent.await.unwrap().unwrap()).await;
    assert_eq!(upstream.open_connections(), 0);
}

/// A reused connection that closes instead of answering: sent again if that is safe, reported precisely if not.
#[tokio::test]
async fn closing_instead_of_answering() {
    for (method, body, again) in [
        ("GET", "", true),
        ("DELETE", "", true),
        ("POST", "", false),
        ("PUT", "x", false),
    ] {
        let (upstream, mut endpoint) = pool();
        let sent = spawn_send(&upstream, request("GET", "/", ()));
        let mut io = endpoint.accept().await;
        read_request(&mut io).await;
        io.write_all(OK).await.unwrap();
        text(sent.await.unwrap().unwrap()).await;

        let sent = spawn_send(&upstream, request(method, "/raced", body));
        assert!(read_request(&mut io).await.contains("/raced"));
        drop(io);
        if again {
            let mut io = endpoint.accept().await;
            assert!(
                read_request(&mut io)
                    .await
                    .starts_with(&format!("{method} /raced "))
            );
            io.write_all(OK).await.unwrap();
            assert_eq!(text(sent.await.unwrap().unwrap()).await, "ok");
        } else {
            let error = sent.await.unwrap().unwrap_err();
            assert!(
                matches!(
                    error.failure,
                    Failure::ResetAfterSent {
                        remote_closed: true,
                        ..
                    }
                ),
                "{error:?}"
            );
            assert!(error.reused && error.request.is_none());
            assert_eq!(endpoint.opened(), 1);
        }
    }
}

/// On a fresh connection nothing is sent twice: the peer closed knowingly.
#[tokio::test]
async fn a_fresh_connection_is_not_retried() {
    let (upstream, mut endpoint) = pool();
    let sent = spawn_send(&upstream, request("GET", "/", ()));
    let mut io = endpoint.accept().await;
    read_request(&mut io).await;
    drop(io);
    let error = sent.await.unwrap().unwrap_err();
    assert!(
        matches!(
            error.failure,
            Failure::ResetAfterSent {
                remote_closed: true,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(!error.reused);
    assert_eq!(endpoint.opened(), 1);
}

#[tokio::test]
async fn failures_to_connect() {
    let refused =
        || async { Err::<DuplexStream, _>(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)) };
    let upstream = Upstream::new(refused, Version::Http1, Settings::default());
    let error: Error = upstream.send(request("POST", "/", "body")).await.unwrap_err();
    assert!(
        matches!(&error.failure, Failure::Connect(io) if io.kind() == std::io::ErrorKind::ConnectionRefused)
    );
    let body = error
        .request
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes();
    assert_eq!(body, "body");
}

#[tokio::test(start_paused = true)]
async fn connecting_takes_too_long() {
    for version in [Version::Http1, Version::Http2] {
        let never = || std::future::pending::<Result<DuplexStream, std::io::Error>>();
        let upstream = Upstream::new(never, version, Settings::default());
        let started = tokio::time::Instant::now();
        let error: Error = upstream.send(request("GET", "/", ())).await.unwrap_err();
        assert!(matches!(error.failure, Failure::ConnectTimeout));
        assert!(error.request.is_some());
        assert_eq!(started.elapsed().as_secs(), 10);
    }
}

#[tokio::test]
async fn nonsense_is_a_protocol_error() {
    let (upstream, mut endpoint) = pool();
    for answer in [
        &b"SSH-2.0-OpenSSH\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n",
    ] {
        let sent = spawn_send(&upstream, request("GET", "/", ()));
        let mut io = endpoint.accept().await;
        read_request(&mut io).await;
        io.write_all(answer).await.unwrap();
        let error = sent.await.unwrap().unwrap_err();
        assert!(matches!(error.failure, Failure::Protocol(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_failing_request_body_is_named() {
    let (upstream, mut endpoint) = pool();
    let sent = spawn_send(&upstream, request("POST", "/", Body::boxed(FailingBody)));
    let _io = endpoint.accept().await;
    let error = sent.await.unwrap().unwrap_err();
    assert!(matches!(error.failure, Failure::RequestBody(_)), "{error:?}");
}

/// The upload goes on while the response is there and nobody reads it.
#[tokio::test]
async fn an_early_response_does_not_stop_the_upload() {
    const SIZE: usize = 1 << 20;
    let (upstream, mut endpoint) = pool();
    let sent = spawn_send(&upstream, request("POST", "/", vec![1; SIZE]));
    let mut io = endpoint.accept().await;
    io.read_exact(&mut [0; 16]).await.unwrap();
    io.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        .await
        .unwrap();
    let response = sent.await.unwrap().unwrap();
    let mut rest = vec![0; SIZE];
    io.read_exact(&mut rest).await.unwrap();
    io.write_all(b"ok").await.unwrap();
    assert_eq!(text(response).await, "ok");
    // The rest of the head that the 16 bytes above have left in front of the body.
    assert!(io.read(&mut [0; 1024]).await.unwrap() > 0);
    eventually(|| upstream.open_connections() == 1).await;
}

#[tokio::test]
async fn informational_responses_are_skipped() {
    let (upstream, mut endpoint) = pool();
    let sent = spawn_send(&upstream, request("GET", "/", ()));
    let mut io = endpoint.accept().await;
    read_request(&mut io).await;
    io.write_all(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
        .await
        .unwrap();
    io.write_all(OK).await.unwrap();
    assert_eq!(text(sent.await.unwrap().unwrap()).await, "ok");
}

#[tokio::test]
async fn head_and_204_have_no_body() {
    let (upstream, mut endpoint) = pool();
    let sent = spawn_send(&upstream, request("HEAD", "/", ()));
    let mut io = endpoint.accept().await;
    read_request(&mut io).await;
    io.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        .await
        .unwrap();
    let response = sent.await.unwrap().unwrap();
    assert_eq!(response.headers()["content-length"], "100");
    assert_eq!(text(response).await, "");
    let sent = spawn_send(&upstream, request("GET", "/", ()));
    read_request(&mut io).await;
    io.write_all(b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(text(sent.await.unwrap().unwrap()).await, "");
    round_trip(&upstream, &mut io).await;
    assert_eq!(endpoint.opened(), 1);
}

#[tokio::test]
async fn dropping_the_future_abandons_the_request() {
    let (upstream, mut endpoint) = pool();
    let sent = spawn_send(&upstream, request("GET", "/", ()));
    let mut io = endpoint.accept().await;
    read_request(&mut io).await;
    sent.abort();
    assert_eq!(io.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_closed_pool_sends_nothing() {
    let (upstream, mut endpoint) = pool();
    let sent = spawn_send(&upstream, request("GET", "/", ()));
    let mut io = endpoint.accept().await;
    read_request(&mut io).await;
    upstream.close();
    // What is under way finishes.
    io.write_all(OK).await.unwrap();
    assert_eq!(text(sent.await.unwrap().unwrap()).await, "ok");
    assert_eq!(io.read(&mut [0; 8]).await.unwrap(), 0);
    let error = upstream.send(request("GET", "/", ())).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Closed));
    assert!(error.request.is_some());
}

#[tokio::test]
async fn dropping_the_pool_closes_what_rests() {
    let (upstream, mut endpoint) = pool();
    let sent = spawn_send(&upstream, request("GET", "/", ()));
    let mut io = endpoint.accept().await;
    read_request(&mut io).await;
    io.write_all(OK).await.unwrap();
    text(sent.await.unwrap().unwrap()).await;
    drop(upstream);
    assert_eq!(io.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn resting_connections_are_swept() {
    let (upstream, mut endpoint) = pool();
    let first = spawn_send(&upstream, request("GET", "/", ()));
    let mut one = endpoint.accept().await;
    let second = spawn_send(&upstream, request("GET", "/", ()));
    let mut two = endpoint.accept().await;
    for (io, sent) in [(&mut one, first), (&mut two, second)] {
        read_request(io).await;
        io.write_all(OK).await.unwrap();
        text(sent.await.unwrap().unwrap()).await;
    }
    assert_eq!(upstream.open_connections(), 2);
    // One that the peer has closed goes with the next look, one that nobody uses when it is too old.
    drop(two);
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(upstream.open_connections(), 1);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(upstream.open_connections(), 0);
    assert_eq!(one.read(&mut [0; 8]).await.unwrap(), 0);
    let third = spawn_send(&upstream, request("GET", "/", ()));
    let mut io = endpoint.accept().await;
    read_request(&mut io).await;
    io.write_all(OK).await.unwrap();
    text(third.await.unwrap().unwrap()).await;
    tokio::time::sleep(Duration::from_secs(3700)).await;
    assert_eq!(upstream.open_connections(), 0);
}

#[tokio::test]
async fn only_so_many_rest() {
    let settings = Settings {
        max_idle: 1,
        ..Settings::default()
    };
    let (upstream, mut endpoint) = upstream(Version::Http1, settings);
    let mut under_way = Vec::new();
    for _ in 0..3 {
        let sent = spawn_send(&upstream, request("GET", "/", ()));
        let io = endpoint.accept().await;
        under_way.push((io, sent));
    }
    for (io, sent) in &mut under_way {
        read_request(io).await;
        io.write_all(OK).await.unwrap();
        text(sent.await.unwrap().unwrap()).await;
    }
    assert_eq!(upstream.open_connections(), 1);
}

/// Many requests at once over few connections, with bodies both ways.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once() {
    let connect = || async {
        let (near, far) = tokio::io::duplex(4096);
        let service = |request: Request<Body>| async move {
            Ok::<_, std::convert::Infallible>(Response::new(request.into_body()))
        };
        tokio::spawn(async move {
            crate::serve::serve_http1(
                far,
                service,
                &crate::serve::Settings::default(),
                std::future::pending(),
            )
            .await
        });
        Ok::<_, std::io::Error>(near)
    };
    let upstream = Arc::new(Upstream::new(connect, Version::Http1, Settings::default()));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..16 {
        let upstream = Arc::clone(&upstream);
        tasks.spawn(async move {
            for round in 0..50 {
                let body = "x".repeat(task * round * 7 % 10_000);
                let response = upstream.send(request("POST", "/", body.clone())).await.unwrap();
                assert_eq!(text(response).await, body);
            }
        });
    }
    tasks.join_all().await;
    assert!(
        (1..=16).contains(&upstream.open_connections()),
        "{}",
        upstream.open_connections()
    );
}
