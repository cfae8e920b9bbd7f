//! A route's timeout: over all attempts and the whole response, from the end of the request. Of a client that does not
//! come to the end of its request [`crate::upload`] takes care; of an endpoint that does not read on to it, the timeout.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use cairn_http::body::{Body, Error};
use http_body::{Frame, SizeHint};
use tokio::sync::watch;

use crate::upload::Progress;

/// Ends when the time is up.
pub(crate) type Timer = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A request's body that is being sent.
#[derive(Clone)]
pub(crate) struct Sending {
    pub(crate) ended: watch::Receiver<bool>,
    pub(crate) progress: Arc<Progress>,
}

/// Runs from the end of the request's body; from now, when there is none.
pub(crate) fn timer(timeout: Duration, body: Option<Sending>) -> Timer {
    Box::pin(up(timeout, body))
}

/// Waits until the time of a [`timer`] is up.
pub(crate) async fn up(timeout: Duration, body: Option<Sending>) {
    if let Some(sending) = body
        && read(sending, timeout).await.is_err()
    {
        return;
    }
    tokio::time::sleep(timeout).await;
}

/// The endpoint has read nothing of what there was for it.
struct Unread;

/// Waits for the end of a body for as long as it is the client's turn, or the endpoint goes on reading.
async fn read(sending: Sending, timeout: Duration) -> Result<(), Unread> {
    let Sending { mut ended, progress } = sending;
    let mut before = progress.received.load(Ordering::Relaxed);
    loop {
        tokio::select! {
            // Dropped unsent means that the body will not go on either.
            _ = ended.wait_for(|ended| *ended) => return Ok(()),
            () = tokio::time::sleep(timeout) => {}
        }
        let now = progress.received.load(Ordering::Relaxed);
        if now == before && !progress.wanted.load(Ordering::Relaxed) {
            return Err(Unread);
        }
        before = now;
    }
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
