use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::io::duplex;
use tokio::sync::watch;

use super::*;
use crate::interim::Interim;

const BIG: usize = 200_000;

/// A big answer at `/big`; at any other path hints, and an answer once `go` says so.
async fn service(
    mut request: Request<Body>,
    mut go: watch::Receiver<bool>,
) -> Result<Response<Body>, Infallible> {
    if request.uri().path() == "/big" {
        return Ok(Response::new(Body::from("x".repeat(BIG))));
    }
    if let Some(interim) = Interim::take(request.extensions_mut()) {
        let hints = HeaderMap::from_iter([("link".parse().unwrap(), HeaderValue::from_static("</a>"))]);
        interim.pass(StatusCode::PROCESSING, &hints);
        interim.pass(StatusCode::EARLY_HINTS, &hints);
        let _ = go.wait_for(|go| *go).await;
        if request.uri().path() == "/late" {
            tokio::spawn(async move { interim.pass(StatusCode::EARLY_HINTS, &hints) });
        }
    }
    Ok(Response::new(Body::from("ok")))
}

/// What comes after an answer that the client is slow to take comes after all of it.
#[tokio::test]
async fn hints_do_not_cut_the_answer_before_them_in_two() {
    for capacity in [50, 5000, 1 << 20] {
        let (go, gone) = watch::channel(false);
        let (mut client, server) = duplex(capacity);
        let served = tokio::spawn(async move {
            let service = move |request| service(request, gone.clone());
            serve_http1(server, service, &Settings::default(), pending()).await
        });
        let (mut reader, mut writer) = tokio::io::split(&mut client);
        let requests = b"GET /big HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let write = async { writer.write_all(requests).await.unwrap() };
        let read = async {
            let big = read_to(&mut reader, "\r\n\r\n").await;
            assert!(big.starts_with("HTTP/1.1 200 "), "{big}");
            let mut body = vec![0; BIG];
            reader.read_exact(&mut body).await.unwrap();
            assert!(body.iter().all(|byte| *byte == b'x'));
            let hints = read_to(&mut reader, "\r\n\r\n").await;
            assert_eq!(hints, "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
            go.send_replace(true);
            let answer = read_to(&mut reader, "\r\n\r\nok").await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        };
        tokio::join!(write, read);
        drop(client);
        served.await.unwrap();
    }
}

#[tokio::test]
async fn hints_that_are_no_use_any_more_are_not_sent() {
    let (_go, gone) = watch::channel(true);
    let (mut client, server) = duplex(1 << 20);
    tokio::spawn(async move {
        let service = move |request| service(request, gone.clone());
        serve_http1(server, service, &Settings::default(), pending()).await
    });
    // With the answer; after it, while the connection rests and while it serves another; to a client of HTTP/1.0.
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /late HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /late HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
    ] {
        client.write_all(request.as_bytes()).await.unwrap();
        let answer = read_to(&mut client, "\r\n\r\nok").await;
        assert!(
            answer.contains(" 200 OK\r\n") && !answer.contains(" 103 "),
            "{answer}"
        );
        tokio::task::yield_now().await;
    }
}

async fn read_to(stream: &mut (impl tokio::io::AsyncRead + Unpin), end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        text.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(text).unwrap()
}
