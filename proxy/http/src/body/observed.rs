//! A body that reports its end once.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::Error;
use crate::grpc::Messages;

/// How a body came to its end.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// Read to its end, trailers included.
    Complete,
    /// The source failed.
    Failed(&'a Error),
    /// The reader lost interest first: its peer went away, or it never wanted the rest.
    Dropped,
}

/// What is known when a body has ended.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// Bytes of data that were read, without framing.
    pub bytes: u64,
    /// gRPC messages among them, when they are counted.
    pub messages: u64,
    /// How it ended.
    pub outcome: Outcome<'a>,
    /// The trailers, where the body had any.
    pub trailers: Option<&'a HeaderMap>,
}

/// Counts the bytes of a body and calls `on_end` exactly once: at the end, at an error, or when dropped before.
///
/// Nothing is allocated. A body that ends with a frame after which it says so itself ([`Body::is_end_stream`]) is
/// complete even if nobody polls it again: hyper does not.
pub struct Observed<B, F>
where
    F: FnOnce(End<'_>),
{
    inner: B,
    bytes: u64,
    messages: Option<Messages>,
    on_end: Option<F>,
    ended: bool,
}

impl<B, F> Observed<B, F>
where
    B: Body<Data = Bytes, Error = Error> + Unpin,
    F: FnOnce(End<'_>) + Unpin,
{
    /// Wraps `inner`.
    pub fn new(inner: B, on_end: F) -> Self {
        let ended = inner.is_end_stream();
        Self {
            inner,
            bytes: 0,
            messages: None,
            on_end: Some(on_end),
            ended,
        }
    }

    /// Counts gRPC messages as well, if `grpc`.
    #[must_use]
    pub fn counting_messages(mut self, grpc: bool) -> Self {
        self.messages = grpc.then(Messages::default);
        self
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl<B, F> Observed<B, F>
where
    F: FnOnce(End<'_>),
{
    fn report(&mut self, outcome: Outcome<'_>, trailers: Option<&HeaderMap>) {
        if let Some(on_end) = self.on_end.take() {
            on_end(End {
                bytes: self.bytes,
                messages: self.messages.map_or(0, |messages| messages.count()),
                outcome,
                trailers,
            });
        }
    }
}

impl<B, F> Body for Observed<B, F>
where
    B: Body<Data = Bytes, Error = Error> + Unpin,
    F: FnOnce(End<'_>) + Unpin,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(None) => this.report(Outcome::Complete, None),
            Poll::Ready(Some(Err(error))) => this.report(Outcome::Failed(error), None),
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    this.bytes += data.len() as u64;
                    if let Some(messages) = &mut this.messages {
                        messages.pass(data);
                    }
                    // Reported when dropped, not here: the frame that is the end has not been delivered yet.
                    this.ended = this.inner.is_end_stream();
                } else if let Some(trailers) = frame.trailers_ref() {
                    this.report(Outcome::Complete, Some(trailers));
                }
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B, F> Drop for Observed<B, F>
where
    F: FnOnce(End<'_>),
{
    fn drop(&mut self) {
        let outcome = if self.ended {
            Outcome::Complete
        } else {
            Outcome::Dropped
        };
        self.report(outcome, None);
    }
}
