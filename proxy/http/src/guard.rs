//! A strict reading of HTTP/1 in front of hyper's.
//!
//! hyper is lenient where RFC 9112 allows it, and answers bad requests itself, unseen and without a body. A proxy that
//! enforces policy can afford neither: what it lets through must mean the same to every upstream, and every refusal has
//! to be logged. [`StrictHead`] wraps the byte stream under hyper's server, follows the framing of the messages in what is
//! read, and checks every head before hyper sees a byte of it. A request that is refused is replaced by a marker that the
//! service above turns into the answer, so that the answers to earlier pipelined requests come first and in full.
//!
//! In the common case, a whole head in one read, the bytes are parsed where hyper's buffer has them and nothing is copied.

mod chunked;
mod head;
mod link;
mod refusal;

#[cfg(test)]
mod tests;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use chunked::{Chunked, Step};
use head::{Checked, Framing, Rewrite};
pub use refusal::Refusal;

pub(crate) use head::is_host;
pub(crate) use link::{Link, MARKER_METHOD, Switch};

/// What a request head may be at most, and how long it may take.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Request line and fields together, in bytes; default 60 KiB. Beyond: 431.
    pub head_bytes: usize,
    /// Fields; default 100. Beyond: 431.
    pub headers: usize,
    /// Request line, in bytes; default 60 KiB. Beyond: 414.
    pub request_line_bytes: usize,
    /// From the first byte of a head to its last; default 60 s. Beyond: 408.
    pub head_timeout: Duration,
    /// Without any request; default 1 h. Then the connection is closed.
    pub idle_timeout: Duration,
    /// Protocols that `Upgrade` may ask for in a GET without a body; default `websocket`. Otherwise the field is taken out
    /// of the request, as RFC 9110 section 7.8 allows and clients that always ask for `TLS/1.2` or `h2c` expect.
    pub upgrades: &'static [&'static str],
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 60 * 1024,
            headers: 100,
            request_line_bytes: 60 * 1024,
            head_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(3600),
            upgrades: &["websocket"],
        }
    }
}

/// Bytes that a client may send before it knows whether its request to switch protocols is granted.
const EARLY_LIMIT: usize = 64 * 1024;

/// Empty lines in front of a request line that are skipped (RFC 9112 section 2.2 asks for one).
const BLANK_LINES: u8 = 4;

/// A byte stream that yields well-formed HTTP/1 requests only.
pub struct StrictHead<IO> {
    io: IO,
    link: Arc<Link>,
    limits: Limits,
    place: Place,
    /// Checked and not delivered yet.
    ready: BytesMut,
    /// Read and not checked yet: the beginning of a head, or bytes that wait for the answer to a switch.
    held: BytesMut,
    /// Interim responses of which the beginning may have been written.
    hints: Bytes,
    blank_lines: u8,
    ended: bool,
    /// When the head in `held` began.
    head_since: Option<Instant>,
    /// When the stream fell silent.
    idle_since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// What the next byte of the stream belongs to.
#[derive(Debug)]
enum Place {
    Head,
    Length(u64),
    Chunked(Chunked),
    /// After the end of a request that may switch protocols, before its answer.
    Switching,
    /// After a switch: not HTTP any more.
    Open,
    /// After a refused head. Nothing more is delivered.
    Refused,
    /// Inside a body whose framing is broken.
    Broken,
}

/// Why following the bytes stopped before their end.
enum Stop {
    /// More bytes are needed, or a decision.
    Wait,
    Rewritten(Rewrite),
    Refuse(Refusal),
    Break(Refusal),
}

impl<IO> StrictHead<IO> {
    /// Guards `io`, with its own link to a service that nobody listens to: for tests and tools. Servers use
    /// [`crate::serve::serve_http1`].
    pub fn new(io: IO, limits: Limits) -> Self {
        Self::linked(io, limits, Arc::new(Link::default()))
    }

    pub(crate) fn linked(io: IO, limits: Limits, link: Arc<Link>) -> Self {
        Self {
            io,
            link,
            limits,
            place: Place::Head,
            ready: BytesMut::new(),
            held: BytesMut::new(),
            hints: Bytes::new(),
            blank_lines: 0,
            ended: false,
            head_since: None,
            idle_since: None,
            timer: None,
        }
    }

    /// Why a request was refused, once one was.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.link.refusal()
    }

    /// Whether the stream ended where a request may end: nothing of one was left unread.
    pub(crate) fn is_between_requests(&self) -> bool {
        match self.place {
            Place::Head => self.held.is_empty() && self.ready.is_empty(),
            Place::Open => true,
            _ => false,
        }
    }

    pub(crate) fn into_inner(self) -> IO {
        self.io
    }

    /// Follows the messages in `bytes` and returns how many of them may be delivered, and why not all.
    fn follow(&mut self, bytes: &[u8]) -> (usize, Stop) {
        let mut rest = bytes;
        loop {
            let done = bytes.len() - rest.len();
            if rest.is_empty() {
                return (done, Stop::Wait);
            }
            match &mut self.place {
                Place::Open => return (bytes.len(), Stop::Wait),
                Place::Switching | Place::Refused | Place::Broken => return (done, Stop::Wait),
                Place::Length(left) => {
                    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    rest.advance(count);
                    *left -= count as u64;
                    if *left == 0 {
                        self.end_of_body();
                    }
                }
                Place::Chunked(chunked) => match chunked.step(rest) {
                    Step::More => rest = &[],
                    Step::End(count) => {
                        rest.advance(count);
                        self.end_of_body();
                    }
                    Step::Bad(reason) => {
                        return (
                            done,
                            Stop::Break(Refusal::bad_request("http1.codec_error", reason)),
                        );
                    }
                },
                Place::Head => {
                    if let Some(after) = rest.strip_prefix(b"\r\n")
                        && self.blank_lines < BLANK_LINES
                    {
                        self.blank_lines += 1;
                        rest = after;
                        continue;
                    }
                    match head::check(rest, &self.limits) {
                        Checked::Partial => return (done, Stop::Wait),
                        Checked::Refused(refusal) => return (done, Stop::Refuse(refusal)),
                        Checked::Rewrite(rewrite) => {
                            self.enter(rewrite.framing, rewrite.switches);
                            return (done, Stop::Rewritten(rewrite));
                        }
                        Checked::Good {
                            length,
                            framing,
                            switches,
                        } => {
                            rest.advance(length);
                            self.enter(framing, switches);
                        }
                    }
                }
            }
        }
    }

    fn enter(&mut self, framing: Framing, switches: bool) {
        self.blank_lines = 0;
        self.head_since = None;
        if switches {
            self.link.expect_switch();
        }
        self.place = match framing {
            Framing::None => return self.end_of_body(),
            Framing::Length(length) => Place::Length(length),
            Framing::Chunked => Place::Chunked(Chunked::default()),
        };
    }

    fn end_of_body(&mut self) {
        self.place = if self.link.switch() == Switch::None {
            Place::Head
        } else {
            Place::Switching
        };
    }

    /// Checks what is held, moving what is good to `ready`.
    fn examine(&mut self) {
        loop {
            let held = std::mem::take(&mut self.held);
            let (count, stop) = self.follow(&held);
            self.held = held;
            let good = self.held.split_to(count);
            self.deliver_later(good);
            if !self.stopped_by(stop) {
                return;
            }
        }
    }

    fn deliver_later(&mut self, bytes: BytesMut) {
        if self.ready.is_empty() {
            self.ready = bytes;
        } else {
            self.ready.extend_from_slice(&bytes);
        }
    }

    /// Acts on a stop; `held` starts with the bytes that caused it. True if there may be more to examine.
    fn stopped_by(&mut self, stop: Stop) -> bool {
        match stop {
            Stop::Wait => false,
            Stop::Rewritten(rewrite) => {
                self.held.advance(rewrite.length);
                self.ready.extend_from_slice(&rewrite.head);
                !self.held.is_empty()
            }
            Stop::Refuse(refusal) => {
                self.refuse(refusal);
                false
            }
            Stop::Break(refusal) => {
                self.link.refuse(refusal);
                self.held.clear();
                self.place = Place::Broken;
                false
            }
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.link.refuse(refusal);
        self.held.clear();
        self.ready.extend_from_slice(link::MARKER);
        self.place = Place::Refused;
    }

    /// Puts the answer to a request for a switch into effect.
    fn settle_switch(&mut self, reader: &Waker) {
        if !matches!(self.place, Place::Switching) {
            return;
        }
        match self.link.switch() {
            Switch::Expected => self.link.wake_on_answer(reader),
            Switch::Granted => {
                self.place = Place::Open;
                let held = std::mem::take(&mut self.held);
                self.deliver_later(held);
            }
            Switch::None => {
                self.place = Place::Head;
                self.examine();
            }
        }
    }

    /// Looks at the clock after the stream had nothing to read. True if the wait has been too long.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        if !matches!(self.place, Place::Head) {
            return false;
        }
        let now = Instant::now();
        let since = if self.held.is_empty() {
            &mut self.idle_since
        } else {
            &mut self.head_since
        };
        let since = *since.get_or_insert(now);
        let patience = if self.held.is_empty() {
            self.limits.idle_timeout
        } else {
            self.limits.head_timeout
        };
        let mut deadline = since + patience;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        // A timer that fires early belonged to an earlier silence, and is not moved before it fires.
        while timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if deadline <= now {
                if !self.held.is_empty() || !self.link.in_flight() {
                    return true;
                }
                self.idle_since = Some(now);
                deadline = now + patience;
            }
            timer.as_mut().reset(deadline);
        }
        false
    }
}

impl<IO> AsyncRead for StrictHead<IO>
where
    IO: AsyncRead + Unpin,
{
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            this.settle_switch(cx.waker());
            if !this.ready.is_empty() {
                let count = this.ready.len().min(buf.remaining());
                buf.put_slice(&this.ready.split_to(count));
                return Poll::Ready(Ok(()));
            }
            match this.place {
                Place::Broken => {
                    this.link.set_broken();
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                }
                // hyper needs nothing more: the answer to the marker closes the connection.
                Place::Refused => return Poll::Pending,
                Place::Switching if this.held.len() >= EARLY_LIMIT => return Poll::Pending,
                _ if this.ended => return Poll::Ready(Ok(())),
                _ => {}
            }
            let start = buf.filled().len();
            match Pin::new(&mut this.io).poll_read(cx, buf) {
                Poll::Ready(read) => read?,
                Poll::Pending if !this.poll_overdue(cx) => return Poll::Pending,
                Poll::Pending if this.held.is_empty() => {
                    this.ended = true;
                    continue;
                }
                Poll::Pending => {
                    this.refuse(Refusal::timeout());
                    continue;
                }
            }
            this.idle_since = None;
            let fresh = buf.filled().get(start..).unwrap_or_default();
            if fresh.is_empty() {
                this.ended = true;
                // What never became a line may still be too wrong to be dropped in silence.
                this.examine();
                continue;
            }
            if !this.held.is_empty() {
                let line_ended = fresh.contains(&b'\n');
                this.held.extend_from_slice(fresh);
                buf.set_filled(start);
                // A head that comes in drips is only parsed when a line of it ends, or when it has grown too long.
                if line_ended || this.held.len() > this.limits.request_line_bytes.min(this.limits.head_bytes)
                {
                    this.examine();
                }
                continue;
            }
            let (count, stop) = this.follow(fresh);
            if count == fresh.len() {
                return Poll::Ready(Ok(()));
            }
            this.held
                .extend_from_slice(fresh.get(count..).unwrap_or_default());
            buf.set_filled(start + count);
            if this.stopped_by(stop) {
                this.examine();
            }
            if count > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<IO> StrictHead<IO>
where
    IO: AsyncWrite + Unpin,
{
    /// Writes what is left of interim responses: nothing may come between their bytes.
    fn poll_hints(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.hints.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, &self.hints))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.hints.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO> AsyncWrite for StrictHead<IO>
where
    IO: AsyncWrite + Unpin,
{
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_hints(cx))?;
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_hints(cx))?;
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes what is under it when it has nothing left to write itself: here no response is cut in two.
        if self.hints.is_empty()
            && let Some(hints) = self.link.hints()
        {
            self.hints = hints.into();
        }
        ready!(self.poll_hints(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_hints(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
