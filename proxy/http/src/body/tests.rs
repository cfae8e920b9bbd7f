#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use http::HeaderMap;
use http_body::Body as _;
use http_body_util::BodyExt as _;

use super::replay::PER_FRAME;
use super::*;

/// A body of prepared frames.
struct Frames(VecDeque<Result<Frame<Bytes>, Error>>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Poll::Ready(self.0.pop_front())
    }
}

fn frames(parts: Vec<Result<Frame<Bytes>, Error>>) -> Body {
    Body::boxed(Frames(parts.into()))
}

fn data(text: &'static str) -> Result<Frame<Bytes>, Error> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

type Ends = Arc<Mutex<Vec<String>>>;

fn observed(body: Body) -> (Observed<Body, impl FnOnce(End<'_>) + Unpin>, Ends) {
    let ends = Ends::default();
    let sink = Arc::clone(&ends);
    let observed = Observed::new(body, move |end: End<'_>| {
        let outcome = match end.outcome {
            Outcome::Complete => "complete",
            Outcome::Failed(_) => "failed",
            Outcome::Dropped => "dropped",
        };
        let status = end
            .trailers
            .and_then(|it| it.get("grpc-status"))
            .map(|it| it.to_str().unwrap().to_owned());
        sink.lock()
            .unwrap()
            .push(format!("{outcome} {} {status:?}", end.bytes));
    });
    (observed, ends)
}

#[tokio::test]
async fn kinds() {
    assert!(Body::empty().is_end_stream());
    assert!(Body::from("").is_end_stream());
    assert!(Body::default().frame().await.is_none());
    let mut full = Body::from("hello");
    assert_eq!((full.is_end_stream(), full.size_hint().exact()), (false, Some(5)));
    assert_eq!(full.frame().await.unwrap().unwrap().into_data().unwrap(), "hello");
    assert!(full.is_end_stream() && full.frame().await.is_none());
    let boxed = frames(vec![data("a"), data("b")]);
    assert_eq!(boxed.collect().await.unwrap().to_bytes(), "ab");
    assert_eq!(format!("{:?}", Body::from("x")), "Body(full)");
}

#[tokio::test]
async fn an_end_is_reported_once() {
    let (body, ends) = observed(frames(vec![data("abc"), data("de")]));
    assert_eq!(body.collect().await.unwrap().to_bytes(), "abcde");
    assert_eq!(*ends.lock().unwrap(), ["complete 5 None"]);
}

#[tokio::test]
async fn trailers_are_seen() {
    let trailers = HeaderMap::from_iter([(crate::grpc::GRPC_STATUS, "7".parse().unwrap())]);
    let (body, ends) = observed(frames(vec![data("abc"), Ok(Frame::trailers(trailers))]));
    assert!(body.collect().await.unwrap().trailers().is_some());
    assert_eq!(*ends.lock().unwrap(), ["complete 3 Some(\"7\")"]);
}

#[tokio::test]
async fn errors_and_early_ends() {
    let (body, ends) = observed(frames(vec![data("abc"), Err(Error::Producer("x".into()))]));
    assert!(body.collect().await.is_err());
    assert_eq!(*ends.lock().unwrap(), ["failed 3 None"]);

    let (mut body, ends) = observed(frames(vec![data("abc"), data("de")]));
    body.frame().await.unwrap().unwrap();
    assert_eq!(body.bytes(), 3);
    drop(body);
    assert_eq!(*ends.lock().unwrap(), ["dropped 3 None"]);

    let (body, ends) = observed(Body::from("unread"));
    drop(body);
    assert_eq!(*ends.lock().unwrap(), ["dropped 0 None"]);
}

/// hyper asks no further once a body says that it has ended.
#[tokio::test]
async fn bodies_that_know_their_end_are_complete() {
    let (mut body, ends) = observed(Body::from("hello"));
    body.frame().await.unwrap().unwrap();
    assert!(body.is_end_stream() && ends.lock().unwrap().is_empty());
    drop(body);
    assert_eq!(*ends.lock().unwrap(), ["complete 5 None"]);

    let (body, ends) = observed(Body::empty());
    assert_eq!(body.size_hint().exact(), Some(0));
    drop(body);
    assert_eq!(*ends.lock().unwrap(), ["complete 0 None"]);
}

#[tokio::test]
async fn a_replay_repeats_and_goes_on() {
    let trailers = HeaderMap::from_iter([(crate::grpc::GRPC_STATUS, "0".parse().unwrap())]);
    let source = frames(vec![
        data("ab"),
        data("cd"),
        Ok(Frame::trailers(trailers)),
        data("never"),
    ]);
    let replay = Replay::new(source, 4 + 2 * PER_FRAME);
    let mut first = replay.attempt().unwrap();
    assert_eq!(first.frame().await.unwrap().unwrap().into_data().unwrap(), "ab");
    let second = replay.attempt().unwrap();
    assert!(first.frame().await.unwrap().is_err());
    drop(first);
    let collected = second.collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(collected.to_bytes(), "abcd");
    let collected = replay.attempt().unwrap().collect().await.unwrap();
    assert!(collected.trailers().is_some());
    assert_eq!(collected.to_bytes(), "abcd");
}

#[tokio::test]
async fn a_replay_beyond_its_limit_is_sent_once() {
    let replay = Replay::new(
        frames(vec![data("abc"), data("def"), data("ghi")]),
        5 + 2 * PER_FRAME,
    );
    let mut first = replay.attempt().unwrap();
    first.frame().await.unwrap().unwrap();
    let second = replay.attempt().unwrap();
    assert_eq!(second.collect().await.unwrap().to_bytes(), "abcdefghi");
    assert!(replay.attempt().is_none());

    let replay = Replay::new(
        frames(vec![data("abc"), Err(Error::Producer("x".into()))]),
        5 + PER_FRAME,
    );
    assert!(replay.attempt().unwrap().collect().await.is_err());
    assert!(replay.attempt().is_none());
}

#[tokio::test]
async fn tiny_frames_count_for_what_they_take_up() {
    let replay = Replay::new(frames((0..17).map(|_| data("x")).collect()), 1 << 10);
    assert_eq!(
        replay
            .attempt()
            .unwrap()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .len(),
        17
    );
    assert!(replay.attempt().is_none());
}

#[tokio::test]
async fn the_last_attempt_reads_on_and_nothing_is_kept_for_another() {
    let trailers = HeaderMap::from_iter([(crate::grpc::GRPC_STATUS, "0".parse().unwrap())]);
    let source = vec![data("ab"), data("cd"), data("ef"), Ok(Frame::trailers(trailers))];
    let replay = Replay::new(frames(source), 1 << 10);
    let mut first = replay.attempt().unwrap();
    first.frame().await.unwrap().unwrap();
    first.frame().await.unwrap().unwrap();
    let mut second = replay.attempt().unwrap();
    assert_eq!(second.frame().await.unwrap().unwrap().into_data().unwrap(), "ab");
    drop(replay);
    let rest = second.collect().await.unwrap();
    assert_eq!(rest.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(rest.to_bytes(), "cdef");
}

#[tokio::test]
async fn a_replay_knows_lengths_and_ends() {
    let replay = Replay::new(Body::from("hello"), 5 + PER_FRAME);
    for _ in 0..2 {
        let mut attempt = replay.attempt().unwrap();
        assert_eq!(
            (attempt.size_hint().exact(), attempt.is_end_stream()),
            (Some(5), false)
        );
        attempt.frame().await.unwrap().unwrap();
        assert_eq!(
            (attempt.size_hint().exact(), attempt.is_end_stream()),
            (Some(0), true)
        );
        assert!(attempt.frame().await.is_none());
    }
    let empty = Replay::new(Body::empty(), 0);
    assert!(empty.attempt().unwrap().is_end_stream() && empty.attempt().is_some());
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(
        http::HeaderName::from_static("a"),
        http::HeaderValue::from_static("b"),
    )])
}

#[tokio::test]
async fn a_body_whose_beginning_was_read_is_whole() {
    let whole = || {
        frames(vec![
            data("one"),
            data("two"),
            data("three"),
            Ok(Frame::trailers(trailers())),
        ])
    };
    for (limit, first, complete) in [
        (0, "one", false),
        (3, "onetwo", false),
        (6, "onetwothree", false),
        (11, "onetwothree", true),
        (100, "onetwothree", true),
    ] {
        let peeked = peek(whole(), limit).await.unwrap();
        assert_eq!(
            (&peeked.first[..], peeked.complete),
            (first.as_bytes(), complete),
            "{limit}"
        );
        assert!(peeked.body.size_hint().lower() >= first.len() as u64);
        let collected = peeked.body.collect().await.unwrap();
        assert_eq!(collected.trailers(), Some(&trailers()), "{limit}");
        assert_eq!(collected.to_bytes(), "onetwothree", "{limit}");
    }
    let none = peek(Body::empty(), 5).await.unwrap();
    assert!(none.complete && none.body.is_end_stream() && none.first.is_empty());
    let broken = frames(vec![data("one"), Err(Error::Producer("gone".into()))]);
    assert!(peek(broken, 5).await.is_err());
}
