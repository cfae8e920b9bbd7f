//! Copying between two byte streams.

#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Duration, Instant, sleep};

pub use cairn_net::copy::{Count, Counters, Error as BridgeError, Timeouts};

/// Size of the buffer of one direction.
const BUFFER: usize = 16 * 1024;

/// What a bridge has carried when it ended.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Bridged {
    /// Bytes from downstream to upstream.
    pub sent: u64,
    /// Bytes from upstream to downstream.
    pub received: u64,
    /// What ended it before both sides had ended in order, if anything.
    pub error: Option<BridgeError>,
}

/// Copies both ways until both sides have ended, one has failed, or nothing has moved for too long.
///
/// The rules are those of [`cairn_net::copy`]. The end of one side is passed on as a shutdown of writing, and the other
/// direction goes on, on a clock of its own. A side that fails while it is read ends both: the other one must not take half
/// a message for a whole one. When a side takes no more bytes, what it had sent is still delivered. `counters` move with
/// every write, and keep what they have when this future is dropped.
///
/// Both streams are dropped at the end, and so they are with this future. One that has not been shut down by then has not
/// been given everything, and its drop has to tell its peer so. A tunnel and a stream of HTTP/2 are reset by being dropped;
/// for other connections see [`crate::pool::Connect::reset`].
pub async fn bridge<A, B>(
    mut downstream: A,
    mut upstream: B,
    timeouts: Timeouts,
    counters: &impl Count,
) -> Bridged
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let mut there = Direction::default();
    let mut back = Direction::default();
    let mut moved_at = Instant::now();
    let mut timer = pin!(sleep(timeouts.idle.unwrap_or(Duration::MAX)));
    let error = poll_fn(|cx| {
        let before = there.moves + back.moves;
        let sent = there.poll(cx, &mut downstream, &mut upstream, |bytes| counters.sent(bytes));
        let received = back.poll(cx, &mut upstream, &mut downstream, |bytes| {
            counters.received(bytes);
        });
        let truncated = there.is_truncated() || back.is_truncated();
        if truncated || (sent.is_ready() && received.is_ready()) {
            let sent = there.failure(BridgeError::Downstream, BridgeError::Upstream);
            let received = back.failure(BridgeError::Upstream, BridgeError::Downstream);
            return Poll::Ready(sent.or(received));
        }
        if there.moves + back.moves != before {
            moved_at = Instant::now();
        }
        let half_closed = sent.is_ready() || received.is_ready();
        let allowed = if half_closed {
            timeouts.half_closed
        } else {
            timeouts.idle
        };
        let Some(allowed) = allowed else {
            return Poll::Pending;
        };
        let deadline = moved_at + allowed;
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        // It is only moved on when it fires: most bridges never get there.
        while timer.as_mut().poll(cx).is_ready() {
            if deadline <= Instant::now() {
                return Poll::Ready(Some(if half_closed {
                    BridgeError::HalfClosed(allowed)
                } else {
                    BridgeError::Idle(allowed)
                }));
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    })
    .await;
    Bridged {
        sent: there.copied,
        received: back.copied,
        error,
    }
}

struct Direction {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    copied: u64,
    /// Everything that has happened, for the clock.
    moves: u64,
    unflushed: bool,
    state: State,
}

enum State {
    Copying,
    Closing,
    Ended(Result<(), Broken>),
}

/// Which end of a direction failed.
enum Broken {
    Reader(io::Error),
    Writer(io::Error),
}

impl Default for Direction {
    fn default() -> Self {
        Self {
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            copied: 0,
            moves: 0,
            unflushed: false,
            state: State::Copying,
        }
    }
}

impl Direction {
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        count: impl Fn(u64),
    ) -> Poll<()>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        if !matches!(self.state, State::Ended(_)) {
            let ended = ready!(self.copy(cx, reader, writer, count));
            self.state = State::Ended(ended);
            self.moves += 1;
        }
        Poll::Ready(())
    }

    fn copy<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        count: impl Fn(u64),
    ) -> Poll<Result<(), Broken>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            while let Some(rest) = self
                .buffer
                .get(self.start..self.end)
                .filter(|rest| !rest.is_empty())
            {
                let written = ready!(Pin::new(&mut *writer).poll_write(cx, rest)).map_err(Broken::Writer)?;
                if written == 0 {
                    return Poll::Ready(Err(Broken::Writer(io::ErrorKind::WriteZero.into())));
                }
                self.start += written;
                self.copied += written as u64;
                self.moves += 1;
                self.unflushed = true;
                count(written as u64);
            }
            if matches!(self.state, State::Closing) {
                // The other side may have gone already; the opposite direction will tell.
                let _ = ready!(Pin::new(&mut *writer).poll_shutdown(cx));
                return Poll::Ready(Ok(()));
            }
            let mut buf = ReadBuf::new(&mut self.buffer);
            let read = Pin::new(&mut *reader)
                .poll_read(cx, &mut buf)
                .map_err(Broken::Reader)?;
            if read.is_pending() {
                if self.unflushed {
                    ready!(Pin::new(&mut *writer).poll_flush(cx)).map_err(Broken::Writer)?;
                    self.unflushed = false;
                }
                return Poll::Pending;
            }
            (self.start, self.end) = (0, buf.filled().len());
            self.moves += 1;
            if self.end == 0 {
                self.state = State::Closing;
            }
        }
    }

    /// Whether bytes may be missing, so that the opposite side must not see an orderly end.
    fn is_truncated(&self) -> bool {
        matches!(self.state, State::Ended(Err(Broken::Reader(_))))
    }

    fn failure(
        &mut self,
        reader: fn(io::Error) -> BridgeError,
        writer: fn(io::Error) -> BridgeError,
    ) -> Option<BridgeError> {
        match std::mem::replace(&mut self.state, State::Ended(Ok(()))) {
            State::Ended(Err(Broken::Reader(error))) => Some(reader(error)),
            State::Ended(Err(Broken::Writer(error))) => Some(writer(error)),
            _ => None,
        }
    }
}
