//! A stream of bytes through a tunnel.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::body::{Body, Step};

/// What is read at once from the proxy, and the longest chunk that is sent.
const PIECE: usize = 16 << 10;

/// A stream through a tunnel, on a stream to the proxy.
///
/// Through `CONNECT` bytes go as they are. Through `POST` they are chunks of the request's body, and come in the body of
/// the answer, however the proxy marks that off; as with TLS, what has been written may wait for a flush.
#[derive(Debug)]
pub struct Tunneled<T> {
    stream: T,
    /// What has come and not been read yet.
    input: BytesMut,
    post: Option<Post>,
}

#[derive(Debug)]
struct Post {
    body: Body,
    /// What has been written and not been sent yet.
    output: BytesMut,
    finished: bool,
}

impl<T> Tunneled<T> {
    /// `input` is what came after the head of the answer; `body`, what of it is the tunnel's, for `POST`.
    pub(crate) fn new(stream: T, input: BytesMut, body: Option<Body>) -> Tunneled<T> {
        let post = body.map(|body| Post {
            body,
            output: BytesMut::new(),
            finished: false,
        });
        // The memory that the head was read into need not outlive it.
        let input = if input.is_empty() { BytesMut::new() } else { input };
        Tunneled { stream, input, post }
    }

    /// The stream to the proxy.
    #[must_use]
    pub fn get_ref(&self) -> &T {
        &self.stream
    }

    /// The stream to the proxy. Reading or writing there breaks what is above.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.stream
    }

    /// The stream to the proxy; what is above is gone.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.stream
    }
}

impl<T: AsyncRead + Unpin> Tunneled<T> {
    /// Reads from the proxy into `input`; whether there was anything.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let before = self.input.len();
        self.input.resize(before + PIECE, 0);
        let mut buffer = ReadBuf::new(self.input.get_mut(before..).unwrap_or_default());
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut buffer);
        let length = buffer.filled().len();
        self.input.truncate(before + length);
        ready!(polled)?;
        Poll::Ready(Ok(length > 0))
    }
}

/// Moves as much of `input` as there is room for, at most `most`.
fn hand_over(input: &mut BytesMut, most: usize, buffer: &mut ReadBuf<'_>) -> usize {
    let length = most.min(input.len()).min(buffer.remaining());
    buffer.put_slice(input.get(..length).unwrap_or_default());
    input.advance(length);
    length
}

impl<T: AsyncRead + Unpin> AsyncRead for Tunneled<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if this.post.is_none() {
            if this.input.is_empty() {
                return Pin::new(&mut this.stream).poll_read(cx, buffer);
            }
            let most = this.input.len();
            hand_over(&mut this.input, most, buffer);
            return Poll::Ready(Ok(()));
        }
        while let Some(post) = &mut this.post {
            let step = post
                .body
                .step(&mut this.input)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            match step {
                Step::Data(most) => {
                    let length = hand_over(&mut this.input, most, buffer);
                    post.body.taken(length);
                    return Poll::Ready(Ok(()));
                }
                Step::End => return Poll::Ready(Ok(())),
                Step::More => {}
            }
            if !ready!(this.poll_fill(cx))? {
                let ended = this.post.as_mut().is_some_and(|post| post.body.closed());
                return Poll::Ready(match ended {
                    true => Ok(()),
                    false => Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the proxy closed the tunnel within its answer",
                    )),
                });
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Post {
    /// Sends what waits.
    fn poll_drain<T: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut T,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            let sent = ready!(Pin::new(&mut *stream).poll_write(cx, &self.output))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.output.advance(sent);
        }
        Poll::Ready(Ok(()))
    }

    /// Sends the beginning of `buffers` as one chunk.
    fn poll_chunk<T: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut T,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.finished {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        ready!(self.poll_drain(stream, cx))?;
        let all: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let length = all.min(PIECE);
        // An empty chunk would be the end.
        if length == 0 {
            return Poll::Ready(Ok(0));
        }
        self.output
            .extend_from_slice(format!("{length:x}\r\n").as_bytes());
        let mut left = length;
        for buffer in buffers {
            let piece = buffer.get(..left.min(buffer.len())).unwrap_or_default();
            self.output.extend_from_slice(piece);
            left -= piece.len();
        }
        self.output.extend_from_slice(b"\r\n");
        // It has been taken, whether or not it can be sent yet.
        match self.poll_drain(stream, cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(length)),
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Tunneled<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        match &mut this.post {
            None => Pin::new(&mut this.stream).poll_write(cx, buffer),
            Some(post) => post.poll_chunk(&mut this.stream, cx, &[IoSlice::new(buffer)]),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        match &mut this.post {
            None => Pin::new(&mut this.stream).poll_write_vectored(cx, buffers),
            Some(post) => post.poll_chunk(&mut this.stream, cx, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.post.is_some() || self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(post) = &mut this.post {
            ready!(post.poll_drain(&mut this.stream, cx))?;
        }
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(post) = &mut this.post {
            if !post.finished {
                post.finished = true;
                post.output.extend_from_slice(b"0\r\n\r\n");
            }
            ready!(post.poll_drain(&mut this.stream, cx))?;
        }
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}
