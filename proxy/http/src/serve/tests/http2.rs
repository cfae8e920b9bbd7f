//! HTTP/2 connections.

use http::{HeaderValue, Method, StatusCode};

use super::*;

async fn client(settings: Settings) -> (h2::client::SendRequest<Bytes>, Seen, JoinHandle<Served>) {
    let (near, far) = socket_pair().await;
    let seen = Seen::default();
    let service = {
        let seen = Arc::clone(&seen);
        move |request| record(Arc::clone(&seen), request)
    };
    let serving = tokio::spawn(async move { serve_http2(far, service, &settings, pending()).await });
    let (sender, connection) = h2::client::handshake(near).await.unwrap();
    tokio::spawn(connection);
    (sender.ready().await.unwrap(), seen, serving)
}

async fn send(sender: &mut h2::client::SendRequest<Bytes>, request: Request<()>) -> (StatusCode, String) {
    let (response, _) = sender.send_request(request, true).unwrap();
    let response = response.await.unwrap();
    let (head, mut body) = response.into_parts();
    let mut text = Vec::new();
    while let Some(data) = body.data().await {
        text.extend_from_slice(&data.unwrap());
    }
    (head.status, String::from_utf8(text).unwrap())
}

fn get(uri: &str) -> Request<()> {
    Request::get(uri).body(()).unwrap()
}

#[tokio::test]
async fn requests_are_served() {
    let (mut sender, seen, serving) = client(Settings::default()).await;
    assert_eq!(
        send(&mut sender, get("http://a/x?y")).await,
        (StatusCode::OK, "ok".into())
    );
    assert_eq!(*seen.lock().unwrap(), ["GET http://a/x?y 0"]);
    drop(sender);
    let served = serving.await.unwrap();
    assert!(served.error.is_none() && served.refusal.is_none(), "{served:?}");
}

#[tokio::test]
async fn the_same_limits_as_http_1() {
    let told = Seen::default();
    let settings = Settings {
        refused: Some(Refused::new({
            let told = Arc::clone(&told);
            move |refusal, head| {
                let line = format!(
                    "{} {} {}",
                    head.uri.path(),
                    refusal.status.as_u16(),
                    refusal.details
                );
                told.lock().unwrap().push(line);
            }
        })),
        ..Settings::default()
    };
    let (mut sender, seen, serving) = client(settings).await;
    let mut many = get("http://a/many");
    for at in 0..101 {
        let name: http::HeaderName = format!("x-{at}").parse().unwrap();
        many.headers_mut().insert(name, HeaderValue::from_static("y"));
    }
    let (status, body) = send(&mut sender, many).await;
    assert_eq!(
        (status.as_u16(), body.as_str()),
        (431, "Request Header Fields Too Large")
    );
    let mut other = get("http://a/other");
    other.headers_mut().insert("host", HeaderValue::from_static("b"));
    assert_eq!(send(&mut sender, other).await.0, StatusCode::BAD_REQUEST);
    let mut lower = get("http://a/lower");
    *lower.method_mut() = Method::from_bytes(b"get").unwrap();
    assert_eq!(send(&mut sender, lower).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(
        send(&mut sender, get("http://b@a/user")).await.0,
        StatusCode::BAD_REQUEST
    );
    let mut same = get("http://A/same");
    same.headers_mut().insert("host", HeaderValue::from_static("a"));
    assert_eq!(send(&mut sender, same).await.0, StatusCode::OK);
    assert_eq!(seen.lock().unwrap().len(), 1);
    drop(sender);
    assert!(serving.await.unwrap().error.is_none());
    assert_eq!(
        *told.lock().unwrap(),
        [
            "/many 431 http1.too_many_headers",
            "/other 400 http1.codec_error",
            "/lower 400 http1.codec_error",
            "/user 400 http1.codec_error"
        ]
    );
}

#[tokio::test]
async fn draining_ends_with_the_last_stream() {
    let (near, far) = socket_pair().await;
    let (drain, signal) = tokio::sync::oneshot::channel::<()>();
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let released = Mutex::new(Some(released));
    let serving = tokio::spawn(async move {
        let service = move |_| {
            let released = released.lock().unwrap().take();
            async move {
                if let Some(released) = released {
                    let _ = released.await;
                }
                Ok::<_, Infallible>(Response::new(Body::from("ok")))
            }
        };
        let signal = async {
            let _ = signal.await;
        };
        serve_http2(far, service, &Settings::default(), signal).await
    });
    let (sender, connection) = h2::client::handshake(near).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut sender = sender.ready().await.unwrap();
    let (response, _) = sender.send_request(get("http://a/slow"), true).unwrap();
    drain.send(()).unwrap();
    // The client learns that there will be no further streams while this one goes on.
    let refused = async {
        loop {
            match sender.clone().ready().await {
                Ok(_) => tokio::task::yield_now().await,
                Err(error) => return error,
            }
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(10), refused)
            .await
            .unwrap()
            .is_go_away()
    );
    release.send(()).unwrap();
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
    drop(sender);
    assert!(serving.await.unwrap().error.is_none());
    connection.await.unwrap().unwrap();
}

/// A service that does not read a stream of tiny messages costs its client that stream's window and nothing else.
#[tokio::test]
async fn small_frames_that_pile_up_do_not_end_the_connection() {
    let (near, far) = socket_pair().await;
    let serving = tokio::spawn(async move {
        let service = |request: Request<Body>| async move {
            if request.uri().path() == "/stuck" {
                let _unread = request;
                pending::<()>().await;
            }
            Ok::<_, Infallible>(Response::new(Body::from("ok")))
        };
        serve_http2(far, service, &Settings::default(), pending()).await
    });
    let (sender, connection) = h2::client::handshake(near).await.unwrap();
    tokio::spawn(connection);
    let mut sender = sender.ready().await.unwrap();
    let (_response, mut stream) = sender.send_request(get("http://a/stuck"), false).unwrap();
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
    assert!(piled >= 128 * 1024, "{piled}");
    assert_eq!(
        send(&mut sender, get("http://a/")).await,
        (StatusCode::OK, "ok".into())
    );
    drop(sender);
    drop(stream);
    serving.abort();
}
