//! A byte stream that breaks when it cannot be written to for too long.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::guard::{Link, Switch};
use crate::silence::Silence;

/// Wraps the stream of a whole connection: what is written to it and not read would wait for ever.
pub(super) struct Patient<IO> {
    io: IO,
    patience: Option<Duration>,
    silence: Silence,
    link: Arc<Link>,
}

impl<IO> Patient<IO> {
    pub(super) fn new(io: IO, patience: Option<Duration>, link: Arc<Link>) -> Self {
        Self {
            io,
            patience,
            silence: Silence::default(),
            link,
        }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.silence.end();
            return polled;
        }
        match self.patience {
            // Whoever has the stream after a switch has timeouts of its own.
            Some(patience) if self.link.switch() != Switch::Granted => self
                .silence
                .poll(cx, patience)
                .map(|()| Err(io::ErrorKind::TimedOut.into())),
            _ => polled,
        }
    }
}

impl<IO> AsyncRead for Patient<IO>
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

impl<IO> AsyncWrite for Patient<IO>
where
    IO: AsyncWrite + Unpin,
{
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        self.watch(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.watch(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(cx);
        self.watch(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
