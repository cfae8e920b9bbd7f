//! Clients that stop reading.

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::*;
use crate::body::{End, Observed, Outcome};

/// A service with more to say than any buffer holds, or nothing more after a word on `/silent`; tells when the body of
/// an answer is gone.
fn endless(
    gone: oneshot::Sender<bool>,
) -> impl Fn(Request<Body>) -> std::future::Ready<Result<Response<Body>, Infallible>> + Send + 'static {
    let gone = Mutex::new(Some(gone));
    move |request| {
        let gone = gone.lock().unwrap().take();
        let silent = request.uri().path() == "/silent";
        let body = Observed::new(Body::boxed(Words { silent, said: false }), move |end: End<'_>| {
            if let Some(gone) = gone {
                let _ = gone.send(matches!(end.outcome, Outcome::Dropped));
            }
        });
        std::future::ready(Ok(Response::new(Body::boxed(body))))
    }
}

struct Words {
    silent: bool,
    said: bool,
}

impl http_body::Body for Words {
    type Data = Bytes;
    type Error = crate::body::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        if self.silent && self.said {
            return Poll::Pending;
        }
        self.said = true;
        Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(
            &[b'x'; 4096],
        )))))
    }
}

#[tokio::test(start_paused = true)]
async fn an_http_1_client_that_does_not_read_loses_its_connection() {
    let (mut client, near) = tokio::io::duplex(1024);
    let (gone, dropped) = oneshot::channel();
    let began = Instant::now();
    let served =
        tokio::spawn(async move { serve_http1(near, endless(gone), &Settings::default(), pending()).await });
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let dropped = tokio::time::timeout(10 * STREAM_IDLE, dropped).await;
    assert!(dropped.expect("it goes on for ever").unwrap());
    assert_eq!(began.elapsed(), STREAM_IDLE);
    assert!(served.await.unwrap().error.is_some());
}

/// Each byte that is read is a sign of life.
#[tokio::test(start_paused = true)]
async fn an_http_1_client_that_reads_slowly_is_served() {
    let (mut client, near) = tokio::io::duplex(1024);
    let (gone, mut dropped) = oneshot::channel();
    tokio::spawn(async move { serve_http1(near, endless(gone), &Settings::default(), pending()).await });
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    for _ in 0..10 {
        tokio::time::sleep(STREAM_IDLE - Duration::from_secs(1)).await;
        client.read_exact(&mut [0; 512]).await.unwrap();
    }
    assert!(dropped.try_recv().is_err());
}

/// Of two streams of one connection the one that is not read is reset; the other, whose service is silent, goes on.
#[tokio::test(start_paused = true)]
async fn an_http_2_client_that_does_not_read_loses_its_stream() {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (gone, dropped) = oneshot::channel();
    let began = Instant::now();
    tokio::spawn(async move { serve_http2(far, endless(gone), &Settings::default(), pending()).await });
    // One stream alone must not exhaust the connection's window, or neither can be sent anything.
    let mut client = h2::client::Builder::new();
    client.initial_connection_window_size(1 << 20);
    let (sender, connection) = client.handshake::<_, Bytes>(near).await.unwrap();
    tokio::spawn(connection);
    let mut sender = sender.ready().await.unwrap();
    let request = |path: &str| Request::get(format!("http://a{path}")).body(()).unwrap();
    let (unread, _) = sender.send_request(request("/"), true).unwrap();
    let (silent, _) = sender.send_request(request("/silent"), true).unwrap();
    let mut unread = unread.await.unwrap().into_body();
    let mut silent = silent.await.unwrap().into_body();
    let dropped = tokio::time::timeout(10 * STREAM_IDLE, dropped).await;
    assert!(dropped.expect("it goes on for ever").unwrap());
    assert_eq!(began.elapsed(), STREAM_IDLE);
    let error = loop {
        match unread.data().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("the answer has an end"),
        }
    };
    assert!(error.is_reset() && error.is_remote(), "{error}");
    assert_eq!(silent.data().await.unwrap().unwrap().len(), 4096);
    let more = tokio::time::timeout(10 * STREAM_IDLE, silent.data()).await;
    assert!(more.is_err(), "{more:?}");
}
