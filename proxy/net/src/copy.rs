//! Copying bytes between two TCP connections, in both directions, until both have ended.

use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::{self, Instant};

/// Buffer sizes, and the number of bytes after which a direction moves on to the next one: most connections carry
/// little and should cost little, a bulk transfer should not pay a system call for every kilobyte.
const BUFFERS: [(usize, u64); 3] = [(1 << 10, 128 << 10), (16 << 10, 10 << 20), (256 << 10, u64::MAX)];

/// How long a pair of connections may stay without a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// While both directions are open. Default 1 h; `None`: for ever.
    pub idle: Option<Duration>,
    /// When one direction has ended. Default 5 min; `None`: for ever. Without it, peers that never close
    /// their half pile up in FIN-WAIT-2 and CLOSE-WAIT.
    pub half_closed: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            idle: Some(Duration::from_secs(3600)),
            half_closed: Some(Duration::from_secs(300)),
        }
    }
}

/// Where copied bytes are counted, once per write: metrics of a long connection move while it lasts.
pub trait Count: Sync {
    /// Bytes have gone from downstream to upstream.
    fn sent(&self, bytes: u64);
    /// Bytes have gone from upstream to downstream.
    fn received(&self, bytes: u64);
}

/// The plain [`Count`]: two numbers.
#[derive(Debug, Default)]
pub struct Counters {
    /// Bytes from downstream to upstream.
    pub sent: AtomicU64,
    /// Bytes from upstream to downstream.
    pub received: AtomicU64,
}

impl Count for Counters {
    fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    fn received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Why copying ended other than by both sides closing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The downstream connection failed.
    #[error("downstream connection failed: {0}")]
    Downstream(#[source] io::Error),
    /// The upstream connection failed.
    #[error("upstream connection failed: {0}")]
    Upstream(#[source] io::Error),
    /// Not a byte in either direction.
    #[error("no data for {0:?}")]
    Idle(Duration),
    /// One side has ended, and the other one has neither sent a byte nor ended.
    #[error("half-closed and no data for {0:?}")]
    HalfClosed(Duration),
}

/// Copies both ways until both sides have ended, one has failed, or nothing has moved for too long.
///
/// The end of one side is passed on as the end of the other side's input, and the opposite direction goes
/// on. A connection that fails while it is read is passed on as a reset, never as an orderly end: the peer must not
/// take half a message for a whole one. When a side takes no more bytes, what it had sent is still delivered.
///
/// # Errors
///
/// [`Error`]; both connections are closed in any case.
pub async fn bidirectional(
    mut downstream: TcpStream,
    mut upstream: TcpStream,
    timeouts: &Timeouts,
    counters: &impl Count,
) -> Result<(), Error> {
    let result = both(&mut downstream, &mut upstream, timeouts, counters).await;
    let reset = match &result {
        Err(Failure {
            error: Error::Downstream(_),
            truncated: true,
        }) => Some(&upstream),
        Err(Failure {
            error: Error::Upstream(_),
            truncated: true,
        }) => Some(&downstream),
        _ => None,
    };
    if let Some(stream) = reset
        && let Err(error) = stream.set_zero_linger()
    {
        tracing::debug!(%error, "a reset could not be passed on");
    }
    result.map_err(|failure| failure.error)
}

struct Failure {
    error: Error,
    /// Bytes may be missing: the opposite side must not see an orderly end.
    truncated: bool,
}

async fn both(
    downstream: &mut TcpStream,
    upstream: &mut TcpStream,
    timeouts: &Timeouts,
    counters: &impl Count,
) -> Result<(), Failure> {
    let (down_reader, down_writer) = downstream.split();
    let (up_reader, up_writer) = upstream.split();
    let activity = Activity::start();
    let mut sending = pin!(direction(down_reader, up_writer, &activity, |bytes| counters.sent(bytes)));
    let mut receiving = pin!(direction(up_reader, down_writer, &activity, |bytes| counters
        .received(bytes)));
    let (mut sent, mut received) = (false, false);
    let mut failed = None;
    while !(sent && received) {
        let half_closed = sent || received;
        let allowed = if half_closed {
            timeouts.half_closed
        } else {
            timeouts.idle
        };
        let ended = tokio::select! {
            result = &mut sending, if !sent => {
                sent = true;
                result.map_err(|side| side.map(Error::Downstream, Error::Upstream))
            }
            result = &mut receiving, if !received => {
                received = true;
                result.map_err(|side| side.map(Error::Upstream, Error::Downstream))
            }
            after = activity.nothing_for(allowed) => {
                let error = if half_closed { Error::HalfClosed(after) } else { Error::Idle(after) };
                return Err(Failure { error, truncated: false });
            }
        };
        match ended {
            Ok(()) => {}
            Err(failure) if failure.truncated => return Err(failure),
            Err(failure) => failed = failed.or(Some(failure)),
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Which end of a direction failed.
enum Side {
    Reader(io::Error),
    Writer(io::Error),
}

impl Side {
    fn map(self, reader: fn(io::Error) -> Error, writer: fn(io::Error) -> Error) -> Failure {
        match self {
            Side::Reader(error) => Failure {
                error: reader(error),
                truncated: true,
            },
            Side::Writer(error) => Failure {
                error: writer(error),
                truncated: false,
            },
        }
    }
}

async fn direction(
    mut reader: ReadHalf<'_>,
    mut writer: WriteHalf<'_>,
    activity: &Activity,
    count: impl Fn(u64),
) -> Result<(), Side> {
    let mut total = 0u64;
    for (size, until) in BUFFERS {
        let mut buffer = vec![0; size];
        while total < until {
            let length = reader.read(&mut buffer).await.map_err(Side::Reader)?;
            activity.touch();
            let Some(filled @ [_, ..]) = buffer.get(..length) else {
                // The other side may have gone already; the opposite direction will tell.
                drop(writer.shutdown().await);
                return Ok(());
            };
            writer.write_all(filled).await.map_err(Side::Writer)?;
            activity.touch();
            total += length as u64;
            count(length as u64);
        }
    }
    Ok(())
}

/// When a byte moved last: one store per read or write instead of a timer that is armed anew each time.
struct Activity {
    start: Instant,
    last: AtomicU64,
}

impl Activity {
    fn start() -> Self {
        Self {
            start: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    fn touch(&self) {
        // 2^64 µs are half a million years.
        self.last
            .store(self.start.elapsed().as_micros() as u64, Ordering::Relaxed);
    }

    /// Waits until nothing has moved for `allowed`, and returns it.
    async fn nothing_for(&self, allowed: Option<Duration>) -> Duration {
        let Some(allowed) = allowed else {
            return std::future::pending().await;
        };
        loop {
            let last = self.start + Duration::from_micros(self.last.load(Ordering::Relaxed));
            let deadline = last + allowed;
            if deadline <= Instant::now() {
                return allowed;
            }
            time::sleep_until(deadline).await;
        }
    }
}

#[cfg(test)]
mod tests;
