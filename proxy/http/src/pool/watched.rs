//! A byte stream that tells whether it is blocked on writing, and that ends as what it carried did.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Wraps the stream of an HTTP/1 connection. hyper has no other way to tell that bytes of a request are still in its
/// buffer after the body has been read.
pub(super) struct Watched<IO> {
    io: IO,
    signs: Arc<Signs>,
    shut_down: bool,
    known: Known<IO>,
}

/// What can be done with a stream and learned of it beside reading and writing; see [`super::Connect`].
pub(super) struct Known<IO> {
    /// Called when the stream is dropped after a switch without having been shut down.
    pub(super) reset: fn(&mut IO),
    pub(super) is_over: fn(&IO) -> bool,
    pub(super) unacknowledged: fn(&IO) -> Option<u64>,
}

/// What a stream and the owner of its connection tell each other.
#[derive(Default)]
pub(super) struct Signs {
    /// Bytes are waiting to be written.
    pub(super) blocked: AtomicBool,
    /// It is not HTTP any more.
    pub(super) switched: AtomicBool,
    /// Whoever reads next wants to know whether it is over.
    doubted: AtomicBool,
    /// Bytes of the request.
    written: AtomicU64,
    /// It has ended, and nothing of the request has come to the peer.
    unseen: AtomicBool,
}

impl Signs {
    /// A request follows. `doubted`: it must not be lost on a stream that the peer has closed meanwhile.
    pub(super) fn begin(&self, doubted: bool) {
        self.doubted.store(doubted, Ordering::Relaxed);
        self.written.store(0, Ordering::Relaxed);
        self.unseen.store(false, Ordering::Relaxed);
    }

    /// Whether the stream has ended before anything of the request came to the peer.
    pub(super) fn is_unseen(&self) -> bool {
        self.unseen.load(Ordering::Relaxed)
    }
}

impl<IO> Watched<IO> {
    pub(super) fn new(io: IO, signs: Arc<Signs>, known: Known<IO>) -> Self {
        Self {
            io,
            signs,
            shut_down: false,
            known,
        }
    }

    fn note<T>(&self, polled: Poll<T>) -> Poll<T> {
        self.signs.blocked.store(polled.is_pending(), Ordering::Relaxed);
        polled
    }

    fn note_written(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &polled {
            Poll::Ready(Ok(written)) => {
                self.signs.written.fetch_add(*written as u64, Ordering::Relaxed);
            }
            // The peer has closed first, and then reset what came to a connection that it had no more.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => self.note_end(),
            _ => {}
        }
        self.note(polled)
    }

    /// The peer has closed: had anything of the request come to it by then?
    fn note_end(&self) {
        let written = self.signs.written.load(Ordering::Relaxed);
        let unseen =
            written == 0 || (self.known.unacknowledged)(&self.io).is_some_and(|left| left >= written);
        self.signs.unseen.store(unseen, Ordering::Relaxed);
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
        if self.signs.doubted.swap(false, Ordering::Relaxed) && (self.known.is_over)(&self.io) {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if matches!(polled, Poll::Ready(Ok(()))) && buf.filled().len() == before && buf.remaining() > 0 {
            self.note_end();
        }
        polled
    }
}

impl<IO> AsyncWrite for Watched<IO>
where
    IO: AsyncWrite + Unpin,
{
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        self.note_written(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.note_written(polled)
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
            (self.known.reset)(&mut self.io);
        }
    }
}
