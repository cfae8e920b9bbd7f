//! One CONNECT stream as a stream of bytes.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::Baggage;

/// Most that one write puts into one frame: larger ones only make the other streams wait.
const MAX_CHUNK: usize = 256 << 10;

/// A tunnel that has been accepted: bytes both ways, each direction ending on its own.
///
/// There are two ways to use it, which may be mixed. As [`AsyncRead`] and [`AsyncWrite`], what is written is copied
/// once. [`Tunnel::recv`] and [`Tunnel::send`] copy nothing.
///
/// The end of a direction (END_STREAM) is the end of the input, and is sent by [`Tunnel::finish`] or
/// `poll_shutdown`. A reset by the peer is [`io::ErrorKind::ConnectionReset`], never the end of the input: what has
/// been received may then be a part only. Dropping a tunnel whose two directions have not ended resets it.
pub struct Tunnel {
    sender: TunnelSender,
    receiver: TunnelReceiver,
    baggage: Option<Box<Baggage>>,
}

/// Something that is held until both directions are gone: the place on a pooled connection.
pub(crate) type Lease = Arc<dyn Send + Sync>;

/// The sending direction of a [`Tunnel`].
pub struct TunnelSender {
    stream: SendStream<Bytes>,
    finished: bool,
    _lease: Option<Lease>,
}

/// The receiving direction of a [`Tunnel`].
pub struct TunnelReceiver {
    stream: RecvStream,
    /// What [`AsyncRead`] has not handed out yet.
    chunk: Bytes,
    /// Received, and not yet given back to the window.
    unreleased: usize,
    release_at: usize,
    ended: bool,
    _lease: Option<Lease>,
}

impl Tunnel {
    pub(crate) fn new(
        stream: SendStream<Bytes>,
        body: RecvStream,
        release_at: usize,
        lease: Option<Lease>,
    ) -> Tunnel {
        let sender = TunnelSender {
            stream,
            finished: false,
            _lease: lease.clone(),
        };
        let chunk = Bytes::new();
        let receiver = TunnelReceiver {
            stream: body,
            chunk,
            unreleased: 0,
            release_at,
            ended: false,
            _lease: lease,
        };
        Tunnel {
            sender,
            receiver,
            baggage: None,
        }
    }

    pub(crate) fn with_baggage(mut self, baggage: Baggage) -> Tunnel {
        self.baggage = (baggage != Baggage::default()).then(|| Box::new(baggage));
        self
    }

    /// What the server said about the workload at its end, if it said anything.
    #[must_use]
    pub fn baggage(&self) -> Option<&Baggage> {
        self.baggage.as_deref()
    }

    /// The next bytes from the peer; `None` at the end. Cancelling loses nothing.
    ///
    /// # Errors
    /// The peer has reset the tunnel, or the connection is gone.
    pub async fn recv(&mut self) -> io::Result<Option<Bytes>> {
        self.receiver.recv().await
    }

    /// [`Tunnel::recv`] as a poll function.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        self.receiver.poll_recv(cx)
    }

    /// Sends all of `data`, waiting for as long as the peer does not take it. Cancelling may lose a part of it.
    ///
    /// # Errors
    /// The peer has reset the tunnel, the connection is gone, or this direction has been finished.
    pub async fn send(&mut self, data: Bytes) -> io::Result<()> {
        self.sender.send(data).await
    }

    /// Ends the sending direction. What has been sent before still arrives.
    ///
    /// # Errors
    /// The peer has reset the tunnel, or the connection is gone.
    pub fn finish(&mut self) -> io::Result<()> {
        self.sender.finish()
    }

    /// Resets the tunnel in both directions. What waits to be sent is thrown away.
    pub fn reset(mut self) {
        self.sender.stream.send_reset(Reason::CANCEL);
    }

    /// The two directions, for tasks of their own. The tunnel ends when both have been dropped.
    #[must_use]
    pub fn into_split(self) -> (TunnelSender, TunnelReceiver) {
        (self.sender, self.receiver)
    }
}

impl TunnelReceiver {
    /// As [`Tunnel::recv`].
    ///
    /// # Errors
    /// As [`Tunnel::recv`].
    pub async fn recv(&mut self) -> io::Result<Option<Bytes>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`Tunnel::poll_recv`].
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        if !self.chunk.is_empty() {
            let chunk = std::mem::take(&mut self.chunk);
            self.release(chunk.len());
            return Poll::Ready(Ok(Some(chunk)));
        }
        let chunk = ready!(self.poll_chunk(cx))?;
        self.release(chunk.as_ref().map_or(0, Bytes::len));
        Poll::Ready(Ok(chunk))
    }

    /// The next frame that holds anything, not yet given back to the window.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        while !self.ended {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(chunk)) if chunk.is_empty() => {}
                Some(Ok(chunk)) => return Poll::Ready(Ok(Some(chunk))),
                // A server that has ended its direction may reset the rest so (RFC 9113, section 8.1).
                Some(Err(error)) if error.is_reset() && error.reason() == Some(Reason::NO_ERROR) => break,
                Some(Err(error)) => return Poll::Ready(Err(lost(error))),
                None => break,
            }
        }
        self.ended = true;
        Poll::Ready(Ok(None))
    }

    /// Gives `length` bytes back to the windows. In batches: each takes the lock that all streams share.
    fn release(&mut self, length: usize) {
        self.unreleased += length;
        if self.unreleased >= self.release_at || self.ended {
            // An error would mean that the stream is gone, and its share of the window with it.
            let _ = self.stream.flow_control().release_capacity(self.unreleased);
            self.unreleased = 0;
        }
    }
}

impl TunnelSender {
    /// As [`Tunnel::send`].
    ///
    /// # Errors
    /// As [`Tunnel::send`].
    pub async fn send(&mut self, mut data: Bytes) -> io::Result<()> {
        while !data.is_empty() {
            let room = poll_fn(|cx| self.poll_room(cx, data.len())).await?;
            self.put(data.split_to(room))?;
        }
        Ok(())
    }

    /// As [`Tunnel::finish`].
    ///
    /// # Errors
    /// As [`Tunnel::finish`].
    pub fn finish(&mut self) -> io::Result<()> {
        if self.finished {
            return Ok(());
        }
        self.finished = true;
        self.stream.send_data(Bytes::new(), true).map_err(lost)
    }

    /// As [`Tunnel::reset`]; it ends both directions.
    pub fn reset(mut self) {
        self.stream.send_reset(Reason::CANCEL);
    }

    /// Resolves when nothing that is sent arrives any more. What the peer has sent may still be on its way.
    ///
    /// # Errors
    /// The peer has reset the tunnel, or the connection is gone. It is no error when a server has said all that it has
    /// to say and wants no more (RST_STREAM with NO_ERROR; RFC 9113, section 8.1).
    pub async fn lost(&mut self) -> io::Result<()> {
        match poll_fn(|cx| self.stream.poll_reset(cx)).await {
            Ok(Reason::NO_ERROR) => Ok(()),
            Ok(reason) => Err(lost(reason.into())),
            Err(error) => Err(lost(error)),
        }
    }

    /// Waits for room for up to `wanted` bytes, which must not be 0.
    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        if self.finished {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let wanted = wanted.min(MAX_CHUNK);
        self.stream.reserve_capacity(wanted);
        loop {
            // What is assigned already is not announced again.
            let room = self.stream.capacity();
            if room > 0 {
                return Poll::Ready(Ok(room.min(wanted)));
            }
            match ready!(self.stream.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(lost(error))),
                None => return Poll::Ready(Err(self.why_closed(cx))),
            }
        }
    }

    fn put(&mut self, data: Bytes) -> io::Result<()> {
        self.stream.send_data(data, false).map_err(lost)
    }

    fn why_closed(&mut self, cx: &mut Context<'_>) -> io::Error {
        match self.stream.poll_reset(cx) {
            // The peer has all that it wanted.
            Poll::Ready(Ok(Reason::NO_ERROR)) => io::ErrorKind::BrokenPipe.into(),
            Poll::Ready(Ok(reason)) => lost(reason.into()),
            Poll::Ready(Err(error)) => lost(error),
            Poll::Pending => io::ErrorKind::BrokenPipe.into(),
        }
    }
}

/// The error that a TCP connection would have given.
fn lost(error: h2::Error) -> io::Error {
    if error.is_reset() || error.is_go_away() || error.reason().is_some() {
        return io::Error::new(io::ErrorKind::ConnectionReset, error);
    }
    match error.get_io().map(io::Error::kind) {
        Some(io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof) => {
            io::Error::new(io::ErrorKind::ConnectionReset, error)
        }
        Some(kind) => io::Error::new(kind, error),
        None => io::Error::new(io::ErrorKind::BrokenPipe, error),
    }
}

impl AsyncRead for TunnelReceiver {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if self.chunk.is_empty() {
            match ready!(self.poll_chunk(cx))? {
                Some(chunk) => self.chunk = chunk,
                None => {
                    self.release(0);
                    return Poll::Ready(Ok(()));
                }
            }
        }
        // Whatever has arrived already, up to the size of the buffer: a reader should not be called per frame.
        loop {
            let length = self.chunk.len().min(buffer.remaining());
            buffer.put_slice(self.chunk.get(..length).unwrap_or_default());
            self.chunk.advance(length);
            self.release(length);
            if buffer.remaining() == 0 || !self.chunk.is_empty() {
                return Poll::Ready(Ok(()));
            }
            match self.poll_chunk(cx) {
                Poll::Ready(Ok(Some(chunk))) => self.chunk = chunk,
                // The end shows again at the next call, and so does an error.
                _ => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl AsyncWrite for TunnelSender {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let room = ready!(self.poll_room(cx, buffer.len()))?;
        self.put(Bytes::copy_from_slice(buffer.get(..room).unwrap_or_default()))?;
        Poll::Ready(Ok(room))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let total = buffers.iter().map(|buffer| buffer.len()).sum();
        if total == 0 {
            return Poll::Ready(Ok(0));
        }
        let room = ready!(self.poll_room(cx, total))?;
        // One frame for all of it: a head and a body in two would cost the peer two of everything.
        let mut data = BytesMut::with_capacity(room);
        for buffer in buffers {
            let length = buffer.len().min(room - data.len());
            data.put_slice(buffer.get(..length).unwrap_or_default());
        }
        self.put(data.freeze())?;
        Poll::Ready(Ok(room))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The task of the connection writes on its own.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.finish())
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.receiver).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.sender).poll_write(cx, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.sender).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.finish())
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel")
            .field("stream", &self.sender.stream.stream_id())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TunnelSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TunnelSender")
            .field("stream", &self.stream.stream_id())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TunnelReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TunnelReceiver")
            .field("stream", &self.stream.stream_id())
            .finish_non_exhaustive()
    }
}
