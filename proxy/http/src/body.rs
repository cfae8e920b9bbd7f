//! The body of every message that passes through the proxy.
//!
//! [`Body`] is one type for what the proxy makes itself, for what hyper receives and for what the upstream pool
//! returns, so that a body travels from an upstream to a downstream connection without being boxed.

mod driven;
mod observed;
mod peek;
mod replay;
mod stream;

#[cfg(test)]
mod tests;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

pub use observed::{End, Observed, Outcome};
pub use peek::{Peeked, peek};
pub use replay::Replay;

pub(crate) use driven::{Drive, Driven, Progress};
pub(crate) use replay::Attempt;
pub(crate) use stream::{Stream, Upload, UploadError};

/// Why a body could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The HTTP/1 or downstream HTTP/2 peer broke off, or broke the framing.
    #[error("the message body ended early")]
    Incoming(#[source] hyper::Error),
    /// The upstream HTTP/2 stream was reset or its connection was lost.
    #[error("the stream of the message body was reset")]
    Stream(#[source] h2::Error),
    /// The producer of a boxed body failed.
    #[error("the message body could not be produced")]
    Producer(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A boxed body, for producers that [`Body`] has no arm of its own for.
pub type Boxed = Pin<Box<dyn http_body::Body<Data = Bytes, Error = Error> + Send>>;

/// A request or response body.
#[derive(Default)]
pub struct Body(Kind);

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Full(Bytes),
    Incoming(Incoming),
    Driven(Driven),
    Stream(Stream),
    Attempt(Attempt),
    Boxed(Boxed),
}

impl Body {
    /// No body.
    pub fn empty() -> Self {
        Body(Kind::Empty)
    }

    /// A body that is wholly known; empty bytes make an empty body.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() {
            Body::empty()
        } else {
            Body(Kind::Full(bytes))
        }
    }

    /// Any other body. Costs one allocation.
    pub fn boxed<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes, Error = Error> + Send + 'static,
    {
        Body(Kind::Boxed(Box::pin(body)))
    }

    pub(crate) fn driven(driven: Driven) -> Self {
        Body(Kind::Driven(driven))
    }

    pub(crate) fn stream(stream: Stream) -> Self {
        Body(Kind::Stream(stream))
    }

    pub(crate) fn attempt(attempt: Attempt) -> Self {
        Body(Kind::Attempt(attempt))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut self.0 {
            Kind::Empty => Poll::Ready(None),
            Kind::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Kind::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Kind::Incoming(incoming) => Pin::new(incoming)
                .poll_frame(cx)
                .map(|frame| frame.map(|it| it.map_err(Error::Incoming))),
            Kind::Driven(driven) => driven
                .poll_frame(cx)
                .map(|frame| frame.map(|it| it.map_err(Error::Incoming))),
            Kind::Stream(stream) => stream
                .poll_frame(cx)
                .map(|frame| frame.map(|it| it.map_err(Error::Stream))),
            Kind::Attempt(attempt) => attempt.poll_frame(cx),
            Kind::Boxed(boxed) => boxed.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Full(_) => false,
            Kind::Incoming(incoming) => incoming.is_end_stream(),
            Kind::Driven(driven) => driven.incoming().is_end_stream(),
            Kind::Stream(stream) => stream.is_end_stream(),
            Kind::Attempt(attempt) => attempt.is_end_stream(),
            Kind::Boxed(boxed) => boxed.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Incoming(incoming) => incoming.size_hint(),
            Kind::Driven(driven) => driven.incoming().size_hint(),
            Kind::Stream(stream) => stream.size_hint(),
            Kind::Attempt(attempt) => attempt.size_hint(),
            Kind::Boxed(boxed) => boxed.size_hint(),
        }
    }
}

impl From<Incoming> for Body {
    fn from(incoming: Incoming) -> Self {
        Body(Kind::Incoming(incoming))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Body::full(bytes)
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Body::full(Bytes::from_static(text.as_bytes()))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Body::full(text)
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Body::full(bytes)
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Body::empty()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Empty => "Body(empty)",
            Kind::Full(_) => "Body(full)",
            Kind::Incoming(_) => "Body(incoming)",
            Kind::Driven(_) => "Body(driven)",
            Kind::Stream(_) => "Body(stream)",
            Kind::Attempt(_) => "Body(attempt)",
            Kind::Boxed(_) => "Body(boxed)",
        })
    }
}
