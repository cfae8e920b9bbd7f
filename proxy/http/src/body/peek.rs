//! The beginning of a body, read before anybody gets the body.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};

use super::{Body, Error};

/// A body whose beginning is known.
pub struct Peeked {
    /// What has been read of it.
    pub first: Bytes,
    /// Whether that is all.
    pub complete: bool,
    /// The body, from its first byte.
    pub body: Body,
}

/// Reads a body until there is more of it than `limit` bytes, or to its end. So much, and one frame, is in memory then.
///
/// It waits for as long as that takes: who calls says how long that may be.
///
/// # Errors
///
/// What the body fails with.
pub async fn peek(mut body: Body, limit: usize) -> Result<Peeked, Error> {
    let mut first = BytesMut::new();
    let mut trailers = None;
    while first.len() <= limit && trailers.is_none() {
        let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        let Some(frame) = frame.transpose()? else {
            break;
        };
        match frame.into_data() {
            Ok(data) => first.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    let first = first.freeze();
    let complete = first.len() <= limit;
    let begun = Begun {
        first: Some(first.clone()).filter(|first| !first.is_empty()),
        trailers,
        rest: body,
    };
    Ok(Peeked {
        first,
        complete,
        body: Body::boxed(begun),
    })
}

/// What has been read, and what comes after it.
struct Begun {
    first: Option<Bytes>,
    trailers: Option<HeaderMap>,
    rest: Body,
}

impl http_body::Body for Begun {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        match self.trailers.take() {
            Some(trailers) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.trailers.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().map_or(0, |first| first.len() as u64);
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(first.saturating_add(rest.lower()));
        if let Some(upper) = rest.upper().and_then(|upper| first.checked_add(upper)) {
            hint.set_upper(upper);
        }
        hint
    }
}
