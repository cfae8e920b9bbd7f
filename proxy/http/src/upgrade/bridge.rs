//! Copying between two byte streams.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

/// Size of the buffer of one direction.
const BUFFER: usize = 16 * 1024;

/// What a bridge has carried when it ended.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Bridged {
    /// Bytes from the first stream to the second.
    pub sent: u64,
    /// Bytes from the second stream to the first.
    pub received: u64,
    /// Nothing moved in either direction for the idle timeout.
    pub idle: bool,
    /// What broke one of the streams.
    pub error: Option<io::Error>,
}

/// Copies both ways between `a` and `b` until both have ended, either breaks, or nothing moves for `idle`.
///
/// The end of one direction is passed on as a shutdown of writing, and the other direction goes on: half-close survives.
pub async fn bridge<A, B>(mut a: A, mut b: B, idle: Duration) -> Bridged
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let mut there = Direction::default();
    let mut back = Direction::default();
    let mut moved_at = Instant::now();
    let mut timer = pin!(sleep_until(moved_at + idle));
    let ended = poll_fn(|cx| {
        let before = there.copied + back.copied;
        let first = there.poll(cx, &mut a, &mut b)?;
        let second = back.poll(cx, &mut b, &mut a)?;
        if first.is_ready() && second.is_ready() {
            return Poll::Ready(Ok(false));
        }
        if there.copied + back.copied != before {
            moved_at = Instant::now();
        }
        // The timer is only moved when it fires: most bridges never get there.
        while timer.as_mut().poll(cx).is_ready() {
            let deadline = moved_at + idle;
            if deadline <= Instant::now() {
                return Poll::Ready(Ok(true));
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    })
    .await;
    let (idle, error) = match ended {
        Ok(idle) => (idle, None),
        Err(error) => (false, Some(error)),
    };
    Bridged {
        sent: there.copied,
        received: back.copied,
        idle,
        error,
    }
}

struct Direction {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    copied: u64,
    unflushed: bool,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Copying,
    Closing,
    Closed,
}

impl Default for Direction {
    fn default() -> Self {
        Self {
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            copied: 0,
            unflushed: false,
            state: State::Copying,
        }
    }
}

impl Direction {
    fn poll<R, W>(&mut self, cx: &mut Context<'_>, reader: &mut R, writer: &mut W) -> Poll<io::Result<()>>
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
                let written = ready!(Pin::new(&mut *writer).poll_write(cx, rest))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.start += written;
                self.copied += written as u64;
                self.unflushed = true;
            }
            match self.state {
                State::Closed => return Poll::Ready(Ok(())),
                State::Closing => {
                    ready!(Pin::new(&mut *writer).poll_shutdown(cx))?;
                    self.state = State::Closed;
                }
                State::Copying => {
                    let mut buf = ReadBuf::new(&mut self.buffer);
                    match Pin::new(&mut *reader).poll_read(cx, &mut buf)? {
                        Poll::Ready(()) => {
                            (self.start, self.end) = (0, buf.filled().len());
                            if self.end == 0 {
                                self.state = State::Closing;
                            }
                        }
                        Poll::Pending => {
                            if self.unflushed {
                                ready!(Pin::new(&mut *writer).poll_flush(cx))?;
                                self.unflushed = false;
                            }
                            return Poll::Pending;
                        }
                    }
                }
            }
        }
    }
}
