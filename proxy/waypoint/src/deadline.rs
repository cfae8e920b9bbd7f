//! A route's timeout: over all attempts and the whole response, from the end of the request. Of a request that does not
//! come to its end [`crate::upload`] takes care.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use cairn_http::body::{Body, Error};
use http_body::{Frame, SizeHint};
use tokio::sync::oneshot;

/// Ends when the time is up.
pub(crate) type Timer = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs from the end of the request's body; from now, when there is none.
pub(crate) fn timer(timeout: Duration, request_body: Option<oneshot::Receiver<()>>) -> Timer {
    Box::pin(async move {
        if let Some(ended) = request_body {
            // Dropped unsent means that the body will not go on either.
            let _ = ended.await;
        }
        tokio::time::sleep(timeout).await;
    })
}

/// The time was up while the response was being received.
#[derive(Debug, thiserror::Error)]
#[error("upstream request timeout")]
pub(crate) struct TimedOut;

/// A response body that fails when the time is up.
pub(crate) struct Timed {
    body: Body,
    timer: Timer,
}

impl Timed {
    pub(crate) fn new(body: Body, timer: Timer) -> Timed {
        Timed { body, timer }
    }
}

impl http_body::Body for Timed {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(Error::Producer(Box::new(TimedOut)))));
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
