#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::VecDeque;

use super::*;

/// A body of prepared frames.
struct Frames(VecDeque<Result<Frame<Bytes>, Error>>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Poll::Ready(self.0.pop_front())
    }
}

fn tee(frames: Vec<Result<Frame<Bytes>, Error>>) -> (Body, Body) {
    let (sender, receiver) = mpsc::channel(LAG);
    let body = Body::boxed(Frames(frames.into()));
    let tee = Tee {
        body,
        copies: vec![Copy::new(sender)],
    };
    let copied = Copied {
        frames: receiver,
        ended: false,
    };
    (Body::boxed(tee), Body::boxed(copied))
}

fn data(text: &'static str) -> Result<Frame<Bytes>, Error> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

#[tokio::test]
async fn a_copy_is_the_whole_body_with_its_trailers() {
    let trailers = HeaderMap::from_iter([(HOST, HeaderValue::from_static("x"))]);
    let (body, copied) = tee(vec![
        data("ab"),
        data("cd"),
        Ok(Frame::trailers(trailers.clone())),
    ]);
    let read = body.collect().await.unwrap();
    let copied = copied.collect().await.unwrap();
    assert_eq!(copied.trailers(), Some(&trailers));
    assert_eq!(read.trailers(), Some(&trailers));
    assert_eq!(
        (read.to_bytes(), copied.to_bytes()),
        ("abcd".into(), "abcd".into())
    );

    let (body, copied) = tee(vec![data("ab")]);
    assert_eq!(body.collect().await.unwrap().to_bytes(), "ab");
    assert_eq!(copied.collect().await.unwrap().to_bytes(), "ab");
}

#[tokio::test]
async fn who_does_not_keep_pace_loses_its_copy_and_holds_up_nobody() {
    let (body, copied) = tee((0..=LAG).map(|_| data("x")).collect());
    assert_eq!(body.collect().await.unwrap().to_bytes().len(), LAG + 1);
    assert!(
        copied.collect().await.is_err(),
        "a part must not pass for the whole"
    );

    let large = Bytes::from(vec![b'x'; LAG_BYTES]);
    let (body, copied) = tee(vec![Ok(Frame::data(large)), data("x")]);
    assert_eq!(body.collect().await.unwrap().to_bytes().len(), LAG_BYTES + 1);
    assert!(copied.collect().await.is_err());
}

#[tokio::test]
async fn a_body_that_breaks_off_breaks_its_copy_off() {
    let (body, copied) = tee(vec![data("ab"), Err(Error::Producer("x".into()))]);
    assert!(body.collect().await.is_err());
    assert!(copied.collect().await.is_err());

    let (mut body, copied) = tee(vec![data("ab"), data("cd")]);
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert!(copied.collect().await.is_err());
}
