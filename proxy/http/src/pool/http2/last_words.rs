//! A connection that is read to its end although nothing can be written to it any more.
//!
//! Who closes a connection on which something arrives that it has not read resets it. What it had said before, its answers
//! and which streams it has not looked at (GOAWAY), is there to be read all the same, and must not be given up because
//! writing has failed first.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// What was sent before the end has arrived with it; it takes a moment until that is told.
const PATIENCE: Duration = Duration::from_secs(1);

/// Reads on where writing has failed; what is written from then on goes nowhere.
pub(super) struct LastWords<IO> {
    io: IO,
    failed: Option<Failed>,
}

/// Writing has failed.
struct Failed {
    why: io::ErrorKind,
    /// So long there may be something to read.
    patience: Pin<Box<Sleep>>,
}

impl<IO> LastWords<IO> {
    pub(super) fn new(io: IO) -> Self {
        Self { io, failed: None }
    }

    /// What is to be said of an attempt to write that would have done `done`.
    fn forgive<T>(&mut self, written: Poll<io::Result<T>>, done: T) -> Poll<io::Result<T>> {
        written.map(|written| {
            written.or_else(|error| {
                self.failed = Some(Failed {
                    why: error.kind(),
                    patience: Box::pin(sleep(PATIENCE)),
                });
                Ok(done)
            })
        })
    }
}

impl<IO> AsyncRead for LastWords<IO>
where
    IO: AsyncRead + Unpin,
{
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        match &mut self.failed {
            Some(failed) if read.is_pending() => {
                let over = failed.patience.as_mut().poll(cx);
                over.map(|()| Err(failed.why.into()))
            }
            _ => read,
        }
    }
}

impl<IO> AsyncWrite for LastWords<IO>
where
    IO: AsyncWrite + Unpin,
{
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.failed.is_some() {
            return Poll::Ready(Ok(buf.len()));
        }
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        let written = self.forgive(written, buf.len());
        self.wake_reader(cx);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all = bufs.iter().map(|buf| buf.len()).sum();
        if self.failed.is_some() {
            return Poll::Ready(Ok(all));
        }
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        let written = self.forgive(written, all);
        self.wake_reader(cx);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.failed.is_some() {
            return Poll::Ready(Ok(()));
        }
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        let flushed = self.forgive(flushed, ());
        self.wake_reader(cx);
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.failed.is_some() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl<IO> LastWords<IO> {
    /// Whoever has read and waits for more must come again, so as not to wait for ever.
    fn wake_reader(&self, cx: &Context<'_>) {
        if self.failed.is_some() {
            cx.waker().wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::VecDeque;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Cannot be written to, and has this to read; nothing: wait for ever.
    struct Reset(VecDeque<&'static [u8]>, bool);

    impl AsyncRead for Reset {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            match self.0.pop_front() {
                Some(bytes) => buf.put_slice(bytes),
                None if self.1 => return Poll::Pending,
                None => {}
            }
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Reset {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn what_was_said_before_the_end_is_heard() {
        let mut io = LastWords::new(Reset([&b"go"[..], b"away"].into(), false));
        io.write_all(b"more").await.unwrap();
        io.flush().await.unwrap();
        let mut read = Vec::new();
        io.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"goaway");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_what_will_not_come() {
        let mut io = LastWords::new(Reset([&b"go"[..]].into(), true));
        io.write_all(b"more").await.unwrap();
        let mut read = Vec::new();
        let error = io.read_to_end(&mut read).await.unwrap_err();
        assert_eq!(
            (&*read, error.kind()),
            (&b"go"[..], io::ErrorKind::ConnectionReset)
        );
    }
}
