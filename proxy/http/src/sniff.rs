//! What a stream speaks, told from its first bytes.

#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

/// The first bytes of every HTTP/2 connection (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Longest method that is waited for.
const LONGEST_METHOD: usize = 24;

/// What a stream turned out to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.0 or 1.1.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
    /// Anything else, and anything that waits for the server to speak first.
    Opaque,
}

/// How long and how far to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes to read at most before deciding; default 8 KiB.
    pub bytes: usize,
    /// Time to wait at most before deciding; default 5 s, as Istio's `protocolDetectionTimeout` where it is set.
    pub timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 8 * 1024,
            timeout: Duration::from_secs(5),
        }
    }
}

/// Reads until the protocol of `io` is certain or a limit is reached, and returns a stream that starts from the first
/// byte again.
///
/// A stream that looks like HTTP as far as it goes when a limit is reached is HTTP/1 if its method is a known one, so that
/// a slow or overlong request is answered and not tunnelled past HTTP's policies; otherwise it is opaque.
///
/// # Errors
///
/// When reading fails. An end of stream is no error, the stream is opaque.
pub async fn detect<IO>(mut io: IO, limits: Limits) -> io::Result<(Protocol, Rewound<IO>)>
where
    IO: AsyncRead + Unpin,
{
    let mut seen = BytesMut::new();
    let decided = timeout(limits.timeout, decide(&mut io, &mut seen, limits.bytes)).await;
    let protocol = match decided {
        Ok(decided) => decided?,
        Err(_elapsed) => at_limit(&seen),
    };
    Ok((protocol, Rewound::new(io, seen.freeze())))
}

async fn decide<IO>(io: &mut IO, seen: &mut BytesMut, limit: usize) -> io::Result<Protocol>
where
    IO: AsyncRead + Unpin,
{
    loop {
        match judge(seen) {
            Some(protocol) => return Ok(protocol),
            None if seen.len() >= limit => return Ok(at_limit(seen)),
            None => {}
        }
        if read_some(io, seen, limit).await? == 0 {
            return Ok(Protocol::Opaque);
        }
    }
}

async fn read_some<IO>(io: &mut IO, seen: &mut BytesMut, limit: usize) -> io::Result<usize>
where
    IO: AsyncRead + Unpin,
{
    let mut space = [std::mem::MaybeUninit::uninit(); 1024];
    poll_fn(|cx| {
        let room = limit.saturating_sub(seen.len()).clamp(1, space.len());
        let mut buf = ReadBuf::uninit(space.get_mut(..room).unwrap_or_default());
        ready!(Pin::new(&mut *io).poll_read(cx, &mut buf))?;
        seen.extend_from_slice(buf.filled());
        Poll::Ready(Ok(buf.filled().len()))
    })
    .await
}

/// The protocol, as soon as it is certain.
fn judge(seen: &[u8]) -> Option<Protocol> {
    let common = seen.iter().zip(PREFACE).take_while(|(a, b)| a == b).count();
    if common == PREFACE.len() {
        return Some(Protocol::Http2);
    }
    if common == seen.len() {
        return None;
    }
    let line = request_line(seen);
    let Some(space) = line.iter().position(|&byte| byte == b' ') else {
        let token = line.len() <= LONGEST_METHOD && line.iter().all(|&byte| is_method_byte(byte));
        return (!token).then_some(Protocol::Opaque);
    };
    let (method, rest) = line.split_at(space);
    if method.is_empty() || method.len() > LONGEST_METHOD || !method.iter().all(|&byte| is_method_byte(byte))
    {
        return Some(Protocol::Opaque);
    }
    match rest.iter().position(|&byte| byte == b'\n') {
        Some(end) => {
            let line = rest.get(..end).unwrap_or_default().trim_ascii_end();
            let version = line.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
            Some(if version.starts_with(b"HTTP/1.") {
                Protocol::Http1
            } else {
                Protocol::Opaque
            })
        }
        None if rest
            .iter()
            .any(|&byte| byte < b' ' && !matches!(byte, b'\r' | b'\t')) =>
        {
            Some(Protocol::Opaque)
        }
        None => None,
    }
}

/// The protocol of a stream that has not shown more than this.
fn at_limit(seen: &[u8]) -> Protocol {
    const KNOWN: [&[u8]; 9] = [
        b"GET", b"POST", b"PUT", b"DELETE", b"HEAD", b"PATCH", b"OPTIONS", b"CONNECT", b"TRACE",
    ];
    let line = request_line(seen);
    let mut words = line.split(|&byte| byte == b' ');
    let known = words.next().is_some_and(|method| KNOWN.contains(&method));
    if known && words.next().is_some() {
        Protocol::Http1
    } else {
        Protocol::Opaque
    }
}

/// Upper-case tokens: no protocol of note starts like this and goes on with a space, and lower-case methods are refused.
fn is_method_byte(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
}

/// A server skips empty lines in front of a request line (RFC 9112 section 2.2).
fn request_line(seen: &[u8]) -> &[u8] {
    let start = seen
        .iter()
        .position(|byte| !matches!(byte, b'\r' | b'\n'))
        .unwrap_or(seen.len());
    seen.get(start..).unwrap_or_default()
}

/// A stream whose first bytes have been read and are read again.
#[derive(Debug)]
pub struct Rewound<IO> {
    io: IO,
    first: Bytes,
}

impl<IO> Rewound<IO> {
    /// A stream that yields `first`, then what `io` yields.
    pub fn new(io: IO, first: Bytes) -> Self {
        Self { io, first }
    }

    /// The stream, and the bytes that have not been read again.
    pub fn into_parts(self) -> (IO, Bytes) {
        (self.io, self.first)
    }

    /// The bytes that have not been read again.
    pub fn first(&self) -> &[u8] {
        &self.first
    }

    /// The stream underneath.
    pub fn inner(&self) -> &IO {
        &self.io
    }
}

impl<IO> AsyncRead for Rewound<IO>
where
    IO: AsyncRead + Unpin,
{
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.first.is_empty() {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        }
        let count = this.first.len().min(buf.remaining());
        buf.put_slice(this.first.get(..count).unwrap_or_default());
        this.first.advance(count);
        if this.first.is_empty() {
            this.first = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO> AsyncWrite for Rewound<IO>
where
    IO: AsyncWrite + Unpin,
{
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
