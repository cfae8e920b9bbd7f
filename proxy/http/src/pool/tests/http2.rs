use h2::server::{Connection, SendResponse};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

pub(super) type Server = Connection<DuplexStream, Bytes>;

fn pool() -> (Arc<Upstream<impl Connect<Error = std::io::Error>>>, Endpoint) {
    upstream(Version::Http2, Settings::default())
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

async fn accept(endpoint: &mut Endpoint) -> Server {
    h2::server::handshake(endpoint.accept().await).await.unwrap()
}

pub(super) async fn next(server: &mut Server) -> (Request<h2::RecvStream>, SendResponse<Bytes>) {
    tokio::time::timeout(Duration::from_secs(10), server.accept())
        .await
        .unwrap()
        .unwrap()
        .unwrap()
}

pub(super) fn answer(respond: &mut SendResponse<Bytes>, body: &'static str) {
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    stream
        .send_data(Bytes::from_static(body.as_bytes()), true)
        .unwrap();
}

/// Keeps a server's connection moving in the background.
pub(super) fn run(mut server: Server) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move { while let Some(Ok(_)) = server.accept().await {} })
}

#[tokio::test]
async fn streams_share_a_connection() {
    let (upstream, mut endpoint) = pool();
    let first = spawn_send(&upstream, request("GET", "/1", ()));
    let mut server = accept(&mut endpoint).await;
    let (one, mut respond_one) = next(&mut server).await;
    assert_eq!(one.uri(), "http://a/1");
    assert!(!one.headers().contains_key("host"));
    let second = spawn_send(&upstream, request("GET", "/2", ()));
    let (_, mut respond_two) = next(&mut server).await;
    answer(&mut respond_two, "two");
    answer(&mut respond_one, "one");
    let _running = run(server);
    assert_eq!(text(first.await.unwrap().unwrap()).await, "one");
    assert_eq!(text(second.await.unwrap().unwrap()).await, "two");
    assert_eq!(endpoint.opened(), 1);
}

/// A burst opens one connection, not one per request.
#[tokio::test]
async fn a_burst_opens_one_connection() {
    let (upstream, mut endpoint) = pool();
    let sent: Vec<_> = (0..20)
        .map(|_| spawn_send(&upstream, request("GET", "/", ())))
        .collect();
    let mut server = accept(&mut endpoint).await;
    for _ in 0..20 {
        answer(&mut next(&mut server).await.1, "ok");
    }
    let _running = run(server);
    for sent in sent {
        assert_eq!(text(sent.await.unwrap().unwrap()).await, "ok");
    }
    assert_eq!(endpoint.opened(), 1);
}

#[tokio::test]
async fn bodies_trailers_and_hop_by_hop() {
    let (upstream, mut endpoint) = pool();
    let mut post = request("POST", "/", "hello");
    for (name, value) in [
        ("connection", "x"),
        ("keep-alive", "1"),
        ("te", "trailers"),
        ("transfer-encoding", "chunked"),
    ] {
        post.headers_mut().insert(name, value.parse().unwrap());
    }
    let sent = spawn_send(&upstream, post);
    let mut server = accept(&mut endpoint).await;
    let (post, mut respond) = next(&mut server).await;
    let names: Vec<_> = post
        .headers()
        .keys()
        .map(|name| name.as_str().to_owned())
        .collect();
    assert_eq!(names, ["te"]);
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    let mut body = post.into_body();
    let echo = tokio::spawn(async move {
        while let Some(data) = body.data().await {
            stream.send_data(data.unwrap(), false).unwrap();
        }
        let trailers = http::HeaderMap::from_iter([(crate::grpc::GRPC_STATUS, "0".parse().unwrap())]);
        stream.send_trailers(trailers).unwrap();
    });
    let _running = run(server);
    let collected = sent.await.unwrap().unwrap().into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(collected.to_bytes(), "hello");
    echo.await.unwrap();
}

/// The peer's limit on streams opens another connection.
#[tokio::test]
async fn the_stream_limit_opens_another_connection() {
    let (upstream, mut endpoint) = pool();
    let warm_up = spawn_send(&upstream, request("GET", "/", ()));
    let io = endpoint.accept().await;
    let mut server: Server = h2::server::Builder::new()
        .max_concurrent_streams(1)
        .handshake(io)
        .await
        .unwrap();
    answer(&mut next(&mut server).await.1, "ok");
    let held = Arc::new(tokio::sync::Mutex::new(Vec::new()));
    let holding = Arc::clone(&held);
    let _running = tokio::spawn(async move {
        while let Some(Ok(stream)) = server.accept().await {
            holding.lock().await.push(stream);
        }
    });
    text(warm_up.await.unwrap().unwrap()).await;
    let first = spawn_send(&upstream, request("GET", "/1", ()));
    loop {
        if held.lock().await.len() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let second = spawn_send(&upstream, request("GET", "/2", ()));
    let mut other = accept(&mut endpoint).await;
    answer(&mut next(&mut other).await.1, "two");
    let _other = run(other);
    assert_eq!(text(second.await.unwrap().unwrap()).await, "two");
    answer(&mut held.lock().await[0].1, "one");
    assert_eq!(text(first.await.unwrap().unwrap()).await, "one");
    assert_eq!(upstream.open_connections(), 2);
}

/// After GOAWAY streams under way finish, and the next request takes another connection.
#[tokio::test]
async fn go_away_is_followed_without_loss() {
    let (upstream, mut endpoint) = pool();
    let first = spawn_send(&upstream, request("GET", "/1", ()));
    let mut server = accept(&mut endpoint).await;
    let (_, mut respond) = next(&mut server).await;
    server.graceful_shutdown();
    let running = run(server);
    let mut others = 0;
    let mut pending = Vec::new();
    // GOAWAY takes a round trip; until then requests may still go to the old connection, which drops none of them.
    while others == 0 {
        pending.push(spawn_send(&upstream, request("POST", "/2", ())));
        tokio::time::sleep(Duration::from_millis(1)).await;
        others = endpoint.opened() - 1;
        assert!(pending.len() < 5000);
    }
    let mut other = accept(&mut endpoint).await;
    answer(&mut next(&mut other).await.1, "two");
    let _other = run(other);
    assert_eq!(text(pending.pop().unwrap().await.unwrap().unwrap()).await, "two");
    answer(&mut respond, "one");
    assert_eq!(text(first.await.unwrap().unwrap()).await, "one");
    drop(pending);
    let _ = running.await;
}

/// A refused stream was not processed: without a body it is sent again, with one it is reported as such.
#[tokio::test]
async fn refused_streams() {
    for (body, again) in [("", true), ("body", false)] {
        let (upstream, mut endpoint) = pool();
        let sent = spawn_send(&upstream, request("POST", "/", body));
        let mut server = accept(&mut endpoint).await;
        next(&mut server).await.1.send_reset(h2::Reason::REFUSED_STREAM);
        if again {
            answer(&mut next(&mut server).await.1, "ok");
        }
        let _running = run(server);
        match sent.await.unwrap() {
            Ok(response) if again => assert_eq!(text(response).await, "ok"),
            Err(error) if !again => assert!(matches!(error.failure, Failure::Refused(_)), "{error:?}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_reset_stream_leaves_the_connection() {
    let (upstream, mut endpoint) = pool();
    let sent = spawn_send(&upstream, request("GET", "/", ()));
    let mut server = accept(&mut endpoint).await;
    next(&mut server).await.1.send_reset(h2::Reason::INTERNAL_ERROR);
    let second = spawn_send(&upstream, request("GET", "/", ()));
    answer(&mut next(&mut server).await.1, "ok");
    let _running = run(server);
    let error = sent.await.unwrap().unwrap_err();
    assert!(
        matches!(
            error.failure,
            Failure::ResetAfterSent {
                remote_closed: false,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(text(second.await.unwrap().unwrap()).await, "ok");
    assert_eq!(endpoint.opened(), 1);
}

#[tokio::test]
async fn a_lost_connection_is_named_and_replaced() {
    let (upstream, mut endpoint) = pool();
    let sent = spawn_send(&upstream, request("GET", "/", ()));
    let mut server = accept(&mut endpoint).await;
    let held = next(&mut server).await;
    drop(server);
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
    drop(held);
    let sent = spawn_send(&upstream, request("POST", "/", "x"));
    let mut server = accept(&mut endpoint).await;
    answer(&mut next(&mut server).await.1, "ok");
    let _running = run(server);
    assert_eq!(text(sent.await.unwrap().unwrap()).await, "ok");
}

/// What died while nobody looked costs no request.
#[tokio::test]
async fn a_stale_connection_costs_nothing() {
    let (upstream, mut endpoint) = pool();
    let sent = spawn_send(&upstream, request("GET", "/", ()));
    let mut server = accept(&mut endpoint).await;
    answer(&mut next(&mut server).await.1, "ok");
    let running = run(server);
    text(sent.await.unwrap().unwrap()).await;
    running.abort();
    let _ = running.await;
    let sent = spawn_send(&upstream, request("POST", "/", "body"));
    let mut server = accept(&mut endpoint).await;
    answer(&mut next(&mut server).await.1, "again");
    let _running = run(server);
    assert_eq!(text(sent.await.unwrap().unwrap()).await, "again");
}

/// A reader that stops reading holds back the peer, and dropping the body resets the stream.
#[tokio::test]
async fn back_pressure_and_cancellation() {
    let settings = Settings {
        stream_window: 64 * 1024,
        ..Settings::default()
    };
    let (upstream, mut endpoint) = upstream(Version::Http2, settings);
    let sent = spawn_send(&upstream, request("GET", "/", ()));
    let mut server = accept(&mut endpoint).await;
    let (_, mut respond) = next(&mut server).await;
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    let _running = run(server);
    let mut response = sent.await.unwrap().unwrap();
    let mut written = 0;
    let blocked = async {
        loop {
            stream.reserve_capacity(16 * 1024);
            let granted = std::future::poll_fn(|cx| stream.poll_capacity(cx))
                .await
                .unwrap()
                .unwrap();
            stream.send_data(Bytes::from(vec![0; granted]), false).unwrap();
            written += granted;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_millis(200), blocked)
            .await
            .is_err()
    );
    assert_eq!(written, 64 * 1024);
    let mut read = 0;
    while read < written {
        let frame = response.body_mut().frame().await.unwrap().unwrap();
        read += frame.into_data().unwrap().len();
    }
    drop(response);
    let reason = tokio::time::timeout(
        Duration::from_secs(10),
        std::future::poll_fn(|cx| stream.poll_reset(cx)),
    );
    assert_eq!(reason.await.unwrap().unwrap(), h2::Reason::CANCEL);
}

/// A large upload and a large download at once, neither waiting for the other's end.
#[tokio::test]
async fn both_ways_at_once() {
    const SIZE: usize = 3 << 20;
    let (upstream, mut endpoint) = pool();
    let sent = spawn_send(&upstream, request("POST", "/", vec![1; SIZE]));
    let mut server = accept(&mut endpoint).await;
    let (post, mut respond) = next(&mut server).await;
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    let _running = run(server);
    let echo = tokio::spawn(async move {
        let mut body = post.into_body();
        while let Some(data) = body.data().await {
            let data = data.unwrap();
            body.flow_control().release_capacity(data.len()).unwrap();
            stream.send_data(data, false).unwrap();
        }
        stream.send_data(Bytes::new(), true).unwrap();
    });
    let body = sent
        .await
        .unwrap()
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes();
    assert_eq!(body.len(), SIZE);
    echo.await.unwrap();
}

#[tokio::test]
async fn a_failing_request_body_resets_its_stream() {
    let (upstream, mut endpoint) = pool();
    let sent = spawn_send(&upstream, request("POST", "/", Body::boxed(FailingBody)));
    let server = accept(&mut endpoint).await;
    let _running = run(server);
    let error = sent.await.unwrap().unwrap_err();
    assert!(matches!(error.failure, Failure::RequestBody(_)), "{error:?}");
}

#[tokio::test]
async fn extended_connect() {
    let (upstream, mut endpoint) = pool();
    let mut ask = Request::builder()
        .method("CONNECT")
        .uri("http://a/chat")
        .body(Body::empty())
        .unwrap();
    ask.extensions_mut()
        .insert(hyper::ext::Protocol::from_static("websocket"));
    let sent = spawn_send(&upstream, ask);
    let io = endpoint.accept().await;
    let mut builder = h2::server::Builder::new();
    let mut server: Server = builder.enable_connect_protocol().handshake(io).await.unwrap();
    let (ask, mut respond) = next(&mut server).await;
    assert_eq!(
        ask.extensions().get::<h2::ext::Protocol>().unwrap().as_str(),
        "websocket"
    );
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    let _running = run(server);
    let mut response = sent.await.unwrap().unwrap();
    let pending = crate::upgrade::OnUpgrade::take(response.extensions_mut()).unwrap();
    let mut near = pending.stream().await.unwrap();
    near.write_all(b"ping").await.unwrap();
    near.shutdown().await.unwrap();
    let mut body = ask.into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "ping");
    assert!(body.data().await.is_none_or(|data| data.unwrap().is_empty()));
    stream.send_data(Bytes::from_static(b"pong"), true).unwrap();
    let mut text = String::new();
    near.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "pong");
}

#[tokio::test]
async fn no_authority_is_unsendable() {
    let (upstream, endpoint) = pool();
    let error = upstream
        .send(Request::builder().uri("/").body(Body::empty()).unwrap())
        .await
        .unwrap_err();
    assert!(matches!(error.failure, Failure::Unsendable(_)));
    assert!(error.request.is_some());
    assert_eq!(endpoint.opened(), 0);
}

#[tokio::test]
async fn connections_end_with_the_pool() {
    let (upstream, mut endpoint) = pool();
    let sent = spawn_send(&upstream, request("GET", "/", ()));
    let mut server = accept(&mut endpoint).await;
    answer(&mut next(&mut server).await.1, "ok");
    let running = run(server);
    text(sent.await.unwrap().unwrap()).await;
    drop(upstream);
    tokio::time::timeout(Duration::from_secs(10), running)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn unused_connections_are_swept() {
    let (upstream, mut endpoint) = pool();
    let sent = spawn_send(&upstream, request("GET", "/", ()));
    let mut server = accept(&mut endpoint).await;
    answer(&mut next(&mut server).await.1, "ok");
    let running = run(server);
    text(sent.await.unwrap().unwrap()).await;
    tokio::time::sleep(Duration::from_secs(3500)).await;
    assert_eq!(upstream.open_connections(), 1);
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(upstream.open_connections(), 0);
    running.await.unwrap();
    let _sent = spawn_send(&upstream, request("GET", "/", ()));
    let _server = accept(&mut endpoint).await;
}

/// A reader that does not read a stream of tiny messages costs the upstream that stream's window and nothing else.
#[tokio::test]
async fn small_frames_that_pile_up_do_not_end_the_connection() {
    let (upstream, mut endpoint) = pool();
    let sent = spawn_send(&upstream, request("GET", "/", ()));
    let mut server = accept(&mut endpoint).await;
    let (_, mut respond) = next(&mut server).await;
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    let other = spawn_send(&upstream, request("GET", "/other", ()));
    let (_, mut respond_other) = next(&mut server).await;
    let _running = run(server);
    let unread = sent.await.unwrap().unwrap();
    let mut piled = 0;
    let piling = async {
        loop {
            stream.reserve_capacity(5);
            std::future::poll_fn(|cx| stream.poll_capacity(cx))
                .await
                .unwrap()
                .unwrap();
            stream.send_data(Bytes::from_static(&[0; 5]), false).unwrap();
            piled += 5;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(2), piling)
            .await
            .is_err()
    );
    // The window is full, which is where it would have ended.
    assert!(piled >= 256 * 1024, "{piled}");
    answer(&mut respond_other, "ok");
    assert_eq!(text(other.await.unwrap().unwrap()).await, "ok");
    drop(unread);
}
