//! An HTTP/2 stream as a byte stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Longest piece that one write copies: larger ones only deepen the queue inside h2.
const WRITE_LIMIT: usize = 64 * 1024;

/// Both halves of the stream of an extended CONNECT.
pub(crate) struct Tunnel {
    recv: RecvStream,
    send: SendStream<Bytes>,
    read: Bytes,
    closed: bool,
    /// Keeps the stream counted against its connection.
    _lease: Box<dyn Send>,
}

impl Tunnel {
    pub(crate) fn new(recv: RecvStream, send: SendStream<Bytes>, lease: Box<dyn Send>) -> Self {
        Self {
            recv,
            send,
            read: Bytes::new(),
            closed: false,
            _lease: lease,
        }
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.read.is_empty() {
            match ready!(self.recv.poll_data(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(Ok(bytes)) => self.read = bytes,
                Some(Err(error)) if error.reason() == Some(Reason::NO_ERROR) => return Poll::Ready(Ok(())),
                Some(Err(error)) => return Poll::Ready(Err(to_io(error))),
            }
        }
        let taken = self.read.len().min(buf.remaining());
        buf.put_slice(self.read.get(..taken).unwrap_or_default());
        self.read.advance(taken);
        let _ = self.recv.flow_control().release_capacity(taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.send.reserve_capacity(buf.len().min(WRITE_LIMIT));
        let capacity = loop {
            match self.send.capacity() {
                0 => match ready!(self.send.poll_capacity(cx)) {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Poll::Ready(Err(to_io(error))),
                    None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                },
                capacity => break capacity,
            }
        };
        let taken = buf.get(..capacity.min(buf.len())).unwrap_or(buf);
        let sent = self.send.send_data(Bytes::copy_from_slice(taken), false);
        Poll::Ready(sent.map(|()| taken.len()).map_err(to_io))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.closed, true) {
            // A stream that the peer has reset is closed as well.
            let _ = self.send.send_data(Bytes::new(), true);
        }
        Poll::Ready(Ok(()))
    }
}

fn to_io(error: h2::Error) -> io::Error {
    let kind = match error.reason() {
        Some(Reason::CANCEL | Reason::STREAM_CLOSED) => io::ErrorKind::ConnectionReset,
        _ => io::ErrorKind::Other,
    };
    if error.is_io() {
        error.into_io().unwrap_or_else(|| kind.into())
    } else {
        io::Error::new(kind, error)
    }
}
