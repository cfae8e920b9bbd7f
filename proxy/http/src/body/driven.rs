//! A response body that drives its own HTTP/1 connection.
//!
//! hyper's client connection is a future of its own. Spawned, it costs two wake-ups across tasks per request; polled by
//! whoever reads the body, it costs none. The price is that an idle connection is not watched: the pool looks at it when
//! it takes it up again.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body as _, Frame};
use hyper::body::Incoming;

/// How far a driven connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// In the middle of a message.
    Busy,
    /// Ready for the next request.
    Idle,
    /// Closed by either side.
    Over,
}

/// A connection that only moves when it is polled.
pub(crate) trait Drive: Send {
    /// Moves the connection as far as it goes without blocking.
    fn poll_drive(&mut self, cx: &mut Context<'_>) -> Progress;

    /// Takes an idle connection back to where it came from.
    fn release(self: Box<Self>);
}

/// The body and the connection that it comes from.
pub(crate) struct Driven {
    incoming: Incoming,
    connection: Option<Box<dyn Drive>>,
}

impl Driven {
    pub(crate) fn new(incoming: Incoming, connection: Box<dyn Drive>) -> Self {
        Self {
            incoming,
            connection: Some(connection),
        }
    }

    pub(crate) fn incoming(&self) -> &Incoming {
        &self.incoming
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(connection) = &mut self.connection
            && connection.poll_drive(cx) == Progress::Over
        {
            self.connection = None;
        }
        // Only the connection, polled above, can fill the body: its own waker would wake this very task once more.
        let mut quiet = Context::from_waker(Waker::noop());
        let polled = Pin::new(&mut self.incoming).poll_frame(&mut quiet);
        match &polled {
            Poll::Ready(None) => self.finish(cx),
            Poll::Ready(Some(Ok(_))) if self.incoming.is_end_stream() => self.finish(cx),
            Poll::Ready(Some(Err(_))) => self.connection = None,
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }

    /// A connection that still has something to say after the end of its response is not worth keeping.
    fn finish(&mut self, cx: &mut Context<'_>) {
        if let Some(mut connection) = self.connection.take()
            && connection.poll_drive(cx) == Progress::Idle
        {
            connection.release();
        }
    }
}
