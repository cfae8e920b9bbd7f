#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use http_body_util::BodyExt as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::*;

/// A body that has what a channel has.
struct Fed(mpsc::UnboundedReceiver<&'static str>);

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let next = self.0.poll_recv(cx);
        next.map(|text| Some(Ok(Frame::data(Bytes::from_static(text?.as_bytes())))))
    }
}

fn upload(grpc: bool) -> (Upload, mpsc::UnboundedSender<&'static str>, Arc<Progress>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let progress = Arc::<Progress>::default();
    let (upload, _news) = Upload::new(Body::boxed(Fed(receiver)), Arc::clone(&progress), grpc);
    (upload, sender, progress)
}

fn is_stalled(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<Stalled>())
}

#[tokio::test(start_paused = true)]
async fn a_client_that_falls_silent_has_stalled() {
    let (mut upload, client, progress) = upload(false);
    let began = Instant::now();
    client.send("half").unwrap();
    upload.frame().await.unwrap().unwrap();
    tokio::spawn(async move {
        sleep(STREAM_IDLE - Duration::from_secs(1)).await;
        client.send("a").unwrap();
        std::future::pending::<()>().await;
    });
    upload.frame().await.unwrap().unwrap();
    let error = upload.frame().await.unwrap().unwrap_err();
    assert!(is_stalled(&error), "{error}");
    assert_eq!(
        began.elapsed(),
        2 * STREAM_IDLE - Duration::from_secs(1),
        "counted from the last byte"
    );
    assert_eq!(progress.received.load(Ordering::Relaxed), 5);
}

/// Both directions of a stream may be silent once they are open; when the answer is over, nobody has use for the rest.
#[tokio::test(start_paused = true)]
async fn what_is_being_answered_may_be_silent() {
    let (mut upload, _client, progress) = upload(false);
    progress.answering.store(true, Ordering::Relaxed);
    assert!(timeout(10 * STREAM_IDLE, upload.frame()).await.is_err());
    progress.answering.store(false, Ordering::Relaxed);
    let error = upload.frame().await.unwrap().unwrap_err();
    assert!(is_stalled(&error), "{error}");
}

#[tokio::test(start_paused = true)]
async fn grpc_may_be_silent() {
    let (mut upload, client, _) = upload(true);
    assert!(timeout(10 * STREAM_IDLE, upload.frame()).await.is_err());
    client.send("late").unwrap();
    assert!(upload.frame().await.unwrap().is_ok());
}

#[tokio::test]
async fn the_end_is_told() {
    let (_, receiver) = mpsc::unbounded_channel();
    for body in [Body::from("whole"), Body::boxed(Fed(receiver))] {
        let (mut upload, news) = Upload::new(body, Arc::default(), false);
        assert!(!*news.borrow());
        while upload.frame().await.is_some() {}
        assert!(*news.borrow());
    }
}
