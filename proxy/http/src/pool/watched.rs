//! A byte stream that tells whether it is blocked on writing, and that ends as what it carried did.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Wraps the stream of an HTTP/1 connection. hyper has no other way to tell that bytes of a request are still in its
/// buffer after the body has been read.
pub(super) struct Watched<IO> {
    io: IO,
    signs: Arc<Signs>,
    shut_down: bool,
    reset: fn(&mut IO),
}

/// What a stream and the owner of its connection tell each other.
#[derive(Default)]
pub(super) struct Signs {
    /// Bytes are waiting to be written.
    pub(super) blocked: AtomicBool,
    /// It is not HTTP any more.
    pub(super) switched: AtomicBool,
}

impl<IO> Watched<IO> {
    /// `reset` is called when the stream is dropped after a switch without having been shut down.
    pub(super) fn new(io: IO, signs: Arc<Signs>, reset: fn(&mut IO)) -> Self {
        Self {
            io,
            signs,
            shut_down: false,
            reset,
        }
    }

    fn note<T>(&self, polled: Poll<T>) -> Poll<T> {
        self.signs.blocked.store(polled.is_pending(), Ordering::Relaxed);
        polled
    }
}

impl<IO> AsyncRead for Watched<IO>
where
    IO: AsyncRead + Unpin,
{
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<IO> AsyncWrite for Watched<IO>
where
    IO: AsyncWrite + Unpin,
{
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        self.note(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.note(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(cx);
        self.note(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_shutdown(cx);
        self.shut_down |= matches!(polled, Poll::Ready(Ok(())));
        polled
    }
}

impl<IO> Drop for Watched<IO> {
    fn drop(&mut self) {
        if !self.shut_down && self.signs.switched.load(Ordering::Acquire) {
            (self.reset)(&mut self.io);
        }
    }
}
