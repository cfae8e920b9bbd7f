//! The TCP connection under TLS.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How much is read at once while there is a lot to read.
const BULK: usize = 32 << 10;

/// How long a connection that has ended is kept for its peer to end it as well: in all, and without a byte.
const LINGER: Duration = Duration::from_secs(30);
const LINGER_SILENCE: Duration = Duration::from_secs(5);

/// A TCP connection that is read in large pieces while there is a lot to read, and that is closed with care.
///
/// rustls asks for 4 KiB at a time, which would make four system calls of every record of a bulk transfer. Small
/// messages are read straight into its buffer, and a connection without traffic holds no buffer here. Writes go
/// straight through.
///
/// The kernel resets a socket that is closed with unread input, and throws away what it has not sent yet: a window
/// update that nobody needs any more would cost the end of the last tunnel. Dropped after an orderly shutdown, this
/// therefore goes on to read for a while, in the background, until the peer has closed as well.
#[derive(Debug)]
pub struct Transport {
    /// `None` only while this is being dropped.
    tcp: Option<TcpStream>,
    /// Whether our direction has ended in order, and whether that of the peer has.
    has_shut_down: bool,
    has_ended: bool,
    /// What has been read at once; empty unless there is a lot to read.
    buffer: Vec<u8>,
    /// The part of it that has not been handed out.
    start: usize,
    end: usize,
    /// Whether the last read has shown that there is more.
    is_bulk: bool,
}

/// Prepares a TCP connection for TLS.
#[must_use]
pub fn transport(tcp: TcpStream) -> Transport {
    Transport {
        tcp: Some(tcp),
        has_shut_down: false,
        has_ended: false,
        buffer: Vec::new(),
        start: 0,
        end: 0,
        is_bulk: false,
    }
}

impl Transport {
    fn hand_out(&mut self, buffer: &mut ReadBuf<'_>) {
        let left = self.buffer.get(self.start..self.end).unwrap_or_default();
        let piece = left.get(..buffer.remaining()).unwrap_or(left);
        buffer.put_slice(piece);
        self.start += piece.len();
    }

    fn poll_straight(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.remaining();
        ready!(socket(&mut self.tcp)?.poll_read(cx, buffer))?;
        self.has_ended = buffer.remaining() == before && before > 0;
        self.is_bulk = buffer.remaining() == 0;
        Poll::Ready(Ok(()))
    }

    fn poll_bulk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.buffer.is_empty() {
            self.buffer = vec![0; BULK];
        }
        let mut all = ReadBuf::new(&mut self.buffer);
        let read = socket(&mut self.tcp)?.poll_read(cx, &mut all);
        (self.start, self.end) = (0, all.filled().len());
        if matches!(read, Poll::Ready(Ok(()))) {
            self.has_ended = self.end == 0;
        } else {
            self.buffer = Vec::new();
            self.is_bulk = false;
        }
        read
    }
}

fn socket(tcp: &mut Option<TcpStream>) -> io::Result<Pin<&mut TcpStream>> {
    tcp.as_mut()
        .map(Pin::new)
        .ok_or_else(|| io::ErrorKind::NotConnected.into())
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.start == self.end {
            if !self.is_bulk {
                return self.poll_straight(cx, buffer);
            }
            ready!(self.poll_bulk(cx))?;
        }
        self.hand_out(buffer);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        socket(&mut self.tcp)?.poll_write(cx, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        socket(&mut self.tcp)?.poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        socket(&mut self.tcp)?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(socket(&mut self.tcp)?.poll_shutdown(cx))?;
        self.has_shut_down = true;
        Poll::Ready(Ok(()))
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        if self.has_shut_down
            && !self.has_ended
            && let Some(tcp) = self.tcp.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move { timeout(LINGER, linger(tcp)).await });
        }
    }
}

/// Reads and throws away until the peer has closed, or is silent.
async fn linger(tcp: TcpStream) {
    let mut void = [0; 1 << 10];
    while let Ok(Ok(())) = timeout(LINGER_SILENCE, tcp.readable()).await {
        match tcp.try_read(&mut void) {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
