//! The TCP connection under TLS.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How much is read at once while there is a lot to read.
const BULK: usize = 32 << 10;

/// A TCP connection that is read in large pieces while there is a lot to read.
///
/// rustls asks for 4 KiB at a time, which would make four system calls of every record of a bulk transfer. Small
/// messages are read straight into its buffer, and a connection without traffic holds no buffer here. Writes go
/// straight through.
#[derive(Debug)]
pub struct Transport {
    tcp: TcpStream,
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
        tcp,
        buffer: Vec::new(),
        start: 0,
        end: 0,
        is_bulk: false,
    }
}

impl Transport {
    /// The connection, for its addresses and options.
    #[must_use]
    pub fn get_ref(&self) -> &TcpStream {
        &self.tcp
    }

    fn hand_out(&mut self, buffer: &mut ReadBuf<'_>) {
        let left = self.buffer.get(self.start..self.end).unwrap_or_default();
        let piece = left.get(..buffer.remaining()).unwrap_or(left);
        buffer.put_slice(piece);
        self.start += piece.len();
    }

    fn poll_straight(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buffer))?;
        self.is_bulk = buffer.remaining() == 0;
        Poll::Ready(Ok(()))
    }

    fn poll_bulk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.buffer.is_empty() {
            self.buffer = vec![0; BULK];
        }
        let mut all = ReadBuf::new(&mut self.buffer);
        let read = Pin::new(&mut self.tcp).poll_read(cx, &mut all);
        (self.start, self.end) = (0, all.filled().len());
        if !matches!(read, Poll::Ready(Ok(()))) {
            self.buffer = Vec::new();
            self.is_bulk = false;
        }
        read
    }
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
        Pin::new(&mut self.tcp).poll_write(cx, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
