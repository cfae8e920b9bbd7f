//! The body of a request on its way to an endpoint: counted, and not waited for for ever.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use cairn_http::body::{Body, Error};
use cairn_http::grpc::Messages;
use cairn_http::serve::STREAM_IDLE;
use cairn_http::silence::Silence;
use http_body::{Frame, SizeHint};
use tokio::sync::watch;

/// How far a request has come, for whoever else looks at it.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Bytes of the body so far.
    pub(crate) received: AtomicU64,
    /// gRPC messages so far, of a request that is gRPC.
    pub(crate) messages: AtomicU64,
    /// Its response has begun and not ended. A stream that goes both ways may then be silent.
    pub(crate) answering: AtomicBool,
    /// It is the client's turn: who sends the body on waits for more of it.
    pub(crate) wanted: AtomicBool,
}

/// The client has begun a body and sends no more of it.
#[derive(Debug, thiserror::Error)]
#[error("stream timeout")]
pub(crate) struct Stalled;

/// Whether a body failed because its client had fallen silent.
pub(crate) fn is_stalled(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.is::<Stalled>() || cause.source().is_some_and(is_stalled)
}

/// A request body that fails when its client is silent for too long.
///
/// Istio has no such timeout for the sake of long streams. What those need is left: a stream of gRPC may be silent at any
/// time, and any other once it is being answered.
pub(crate) struct Upload {
    body: Body,
    progress: Arc<Progress>,
    patience: Option<Duration>,
    silence: Silence,
    /// `None`: not gRPC.
    messages: Option<Messages>,
    /// Told when there is nothing more to come; dropped, when the body is.
    ended: Option<watch::Sender<bool>>,
}

impl Upload {
    /// The body, and the news of its end.
    pub(crate) fn new(body: Body, progress: Arc<Progress>, grpc: bool) -> (Upload, watch::Receiver<bool>) {
        let (ended, news) = watch::channel(false);
        let upload = Upload {
            body,
            progress,
            patience: (!grpc).then_some(STREAM_IDLE),
            silence: Silence::default(),
            messages: grpc.then(Messages::default),
            ended: Some(ended),
        };
        (upload, news)
    }

    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(patience) = self.patience else {
            return Poll::Pending;
        };
        while self.silence.poll(cx, patience).is_ready() {
            if !self.progress.answering.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            self.silence.end();
        }
        Poll::Pending
    }

    fn end(&mut self) {
        if let Some(ended) = self.ended.take() {
            // Nobody waits for it when the route has no timeout.
            let _ = ended.send(true);
        }
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        this.progress.wanted.store(polled.is_pending(), Ordering::Relaxed);
        match &polled {
            Poll::Pending if this.poll_stalled(cx).is_ready() => {
                return Poll::Ready(Some(Err(Error::Producer(Box::new(Stalled)))));
            }
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => {
                this.silence.end();
                if let Some(data) = frame.data_ref() {
                    this.progress
                        .received
                        .fetch_add(data.len() as u64, Ordering::Relaxed);
                    if let Some(messages) = &mut this.messages {
                        messages.pass(data);
                        this.progress.messages.store(messages.count(), Ordering::Relaxed);
                    }
                }
                // Whoever sends it asks no further once it knows the end.
                if frame.is_trailers() || this.body.is_end_stream() {
                    this.end();
                }
            }
            Poll::Ready(None | Some(Err(_))) => this.end(),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
