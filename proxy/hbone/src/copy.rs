//! Carrying the bytes of a TCP connection through a tunnel.

use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::io::{self, IoSlice};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep_until};

use crate::{Tunnel, TunnelReceiver, TunnelSender};

pub use cairn_net::copy::{Count, Counters, Timeouts as CopyTimeouts};

/// Sizes of reads, and the number of bytes after which a connection moves on to the next one. Most connections carry
/// little and should cost little. A little below the powers of two, so that an allocation with its header stays in
/// the size class.
const READS: [(usize, u64); 3] = [
    (1 << 10, 128 << 10),
    ((16 << 10) - 64, 10 << 20),
    ((256 << 10) - 64, u64::MAX),
];

/// Bounds of what is taken from a tunnel for one write to the socket.
const MAX_BATCH: usize = 256 << 10;
const MAX_SLICES: usize = 32;

/// How a copy ended.
#[derive(Debug)]
pub struct CopyOutcome {
    /// Bytes from the TCP connection into the tunnel.
    pub sent: u64,
    /// Bytes from the tunnel into the TCP connection.
    pub received: u64,
    /// Why it ended before both ends had closed, if it did.
    pub error: Option<CopyError>,
}

/// Why a copy ended before both ends had closed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The TCP connection failed.
    #[error("the connection failed: {0}")]
    Tcp(#[source] io::Error),
    /// The tunnel failed: reset by the peer, or its connection is gone.
    #[error("the tunnel failed: {0}")]
    Tunnel(#[source] io::Error),
    /// Not a byte in either direction.
    #[error("no data for {0:?}")]
    Idle(Duration),
    /// One direction has ended, and the other one has neither carried a byte nor ended.
    #[error("half-closed and no data for {0:?}")]
    HalfClosed(Duration),
}

/// Copies both ways until both have ended, one side has failed, or nothing has moved for too long.
///
/// The end of one direction is passed on, and the other one goes on. A failure is passed on as a reset, never as an
/// orderly end: nobody must take half a message for a whole one. `counters` counts from the view of `tcp`: *sent* went
/// into the tunnel, *received* came out of it.
pub async fn bidirectional(
    mut tcp: TcpStream,
    tunnel: Tunnel,
    timeouts: CopyTimeouts,
    counters: &impl Count,
) -> CopyOutcome {
    let totals = Totals::default();
    let (sender, receiver) = tunnel.into_split();
    let result = both(&mut tcp, sender, receiver, &timeouts, &totals, counters).await;
    if result.is_err()
        && let Err(error) = tcp.set_zero_linger()
    {
        tracing::debug!(%error, "a reset could not be passed on");
    }
    let read = |total: &AtomicU64| total.load(Ordering::Relaxed);
    CopyOutcome {
        sent: read(&totals.sent),
        received: read(&totals.received),
        error: result.err(),
    }
}

#[derive(Default)]
struct Totals {
    sent: AtomicU64,
    received: AtomicU64,
}

async fn both(
    tcp: &mut TcpStream,
    mut sender: TunnelSender,
    receiver: TunnelReceiver,
    timeouts: &CopyTimeouts,
    totals: &Totals,
    counters: &impl Count,
) -> Result<(), CopyError> {
    let (reader, writer) = tcp.split();
    let activity = Activity::start();
    let result = {
        let mut sending = pin!(send(reader, &mut sender, &activity, |bytes| {
            totals.sent.fetch_add(bytes, Ordering::Relaxed);
            counters.sent(bytes);
        }));
        let mut receiving = pin!(receive(receiver, writer, &activity, |bytes| {
            totals.received.fetch_add(bytes, Ordering::Relaxed);
            counters.received(bytes);
        }));
        let (mut sent, mut received) = (false, false);
        loop {
            let half_closed = sent || received;
            let allowed = if half_closed {
                timeouts.half_closed
            } else {
                timeouts.idle
            };
            let ended = tokio::select! {
                ended = &mut sending, if !sent => {
                    sent = true;
                    ended
                }
                ended = &mut receiving, if !received => {
                    received = true;
                    ended
                }
                after = activity.nothing_for(allowed) => {
                    Err(if half_closed { CopyError::HalfClosed(after) } else { CopyError::Idle(after) })
                }
            };
            if ended.is_err() || (sent && received) {
                break ended;
            }
        }
    };
    if result.is_err() {
        sender.reset();
    }
    result
}

/// From the socket into the tunnel, without copying.
async fn send(
    mut reader: ReadHalf<'_>,
    sender: &mut TunnelSender,
    activity: &Activity,
    count: impl Fn(u64),
) -> Result<(), CopyError> {
    let mut buffer = BytesMut::new();
    let mut total = 0;
    for (size, until) in READS {
        while total < until {
            if buffer.capacity() < size / 2 {
                buffer.reserve(size);
            }
            match read_now(&mut reader, &mut buffer).await {
                Poll::Ready(Ok(0)) => {
                    activity.end();
                    return sender.finish().map_err(CopyError::Tunnel);
                }
                Poll::Ready(Ok(length)) => {
                    activity.touch();
                    match sender.send(buffer.split().freeze()).await {
                        Ok(()) => {}
                        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                            return unwanted(sender, activity).await;
                        }
                        Err(error) => return Err(CopyError::Tunnel(error)),
                    }
                    activity.touch();
                    total += length as u64;
                    count(length as u64);
                }
                Poll::Ready(Err(error)) => return Err(CopyError::Tcp(error)),
                Poll::Pending => {
                    // An idle connection holds no buffer.
                    buffer = BytesMut::new();
                    tokio::select! {
                        readable = reader.readable() => readable.map_err(CopyError::Tcp)?,
                        // Where the other direction has ended nothing else would tell.
                        ended = unwanted(sender, activity) => return ended,
                    }
                }
            }
        }
    }
    Ok(())
}

/// The end of a direction that the peer takes nothing from any more. In order, if the peer has ended its own: that may
/// not have been received yet, and nobody may lose an answer because it came early.
async fn unwanted(sender: &mut TunnelSender, activity: &Activity) -> Result<(), CopyError> {
    sender.lost().await.map_err(CopyError::Tunnel)?;
    activity.end();
    Ok(())
}

/// Reads what there is. Polled, for it makes no system call when the last one has shown that there is nothing.
async fn read_now(reader: &mut ReadHalf<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
    let mut read = pin!(reader.read_buf(buffer));
    poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx))).await
}

/// From the tunnel into the socket: whatever has arrived in one write.
async fn receive(
    mut receiver: TunnelReceiver,
    mut writer: WriteHalf<'_>,
    activity: &Activity,
    count: impl Fn(u64),
) -> Result<(), CopyError> {
    let mut batch = VecDeque::new();
    loop {
        let is_more = tokio::select! {
            biased;
            taken = take(&mut receiver, &mut batch) => taken.map_err(CopyError::Tunnel)?,
            error = broken(writer.as_ref(), activity) => return Err(CopyError::Tcp(error)),
        };
        if !is_more {
            break;
        }
        activity.touch();
        while !batch.is_empty() {
            let length = write(&mut writer, &batch).await.map_err(CopyError::Tcp)?;
            advance(&mut batch, length);
            activity.touch();
            count(length as u64);
        }
    }
    activity.end();
    // The application may have gone already; the opposite direction will tell.
    let _ = writer.shutdown().await;
    Ok(())
}

/// Resolves when a connection whose input has ended is reset: nobody reads it any more, which would tell.
async fn broken(tcp: &TcpStream, activity: &Activity) -> io::Error {
    // Polled again when the other direction has ended, for both are in one task.
    poll_fn(|_| {
        if activity.has_ended.load(Ordering::Relaxed) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    match tcp.ready(Interest::ERROR).await.and_then(|_| tcp.take_error()) {
        Ok(Some(error)) | Err(error) => error,
        Ok(None) => pending().await,
    }
}

/// Waits for data and takes what there is of it; `false` at the end.
async fn take(receiver: &mut TunnelReceiver, batch: &mut VecDeque<Bytes>) -> io::Result<bool> {
    let mut length = 0;
    poll_fn(|cx| {
        while length < MAX_BATCH && batch.len() < MAX_SLICES {
            match receiver.poll_recv(cx) {
                Poll::Ready(Ok(Some(chunk))) => {
                    length += chunk.len();
                    batch.push_back(chunk);
                }
                // The end, or an error, shows again when what came before it has been written.
                Poll::Ready(Ok(None) | Err(_)) | Poll::Pending if !batch.is_empty() => break,
                Poll::Ready(Ok(_)) => return Poll::Ready(Ok(false)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(true))
    })
    .await
}

async fn write(writer: &mut WriteHalf<'_>, batch: &VecDeque<Bytes>) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); MAX_SLICES];
    for (slice, chunk) in slices.iter_mut().zip(batch) {
        *slice = IoSlice::new(chunk);
    }
    match writer
        .write_vectored(slices.get(..batch.len()).unwrap_or_default())
        .await
    {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        other => other,
    }
}

/// Removes the first `length` bytes.
fn advance(batch: &mut VecDeque<Bytes>, mut length: usize) {
    while let Some(chunk) = batch.front_mut() {
        if chunk.len() > length {
            chunk.advance(length);
            return;
        }
        length -= chunk.len();
        batch.pop_front();
    }
}

/// When a byte moved last: one store per read or write instead of a timer that is armed anew each time.
struct Activity {
    start: Instant,
    /// In microseconds since the start.
    last: AtomicU64,
    /// Whether one of the directions has come to its end.
    has_ended: AtomicBool,
}

impl Activity {
    fn start() -> Activity {
        Activity {
            start: Instant::now(),
            last: AtomicU64::default(),
            has_ended: AtomicBool::default(),
        }
    }

    fn touch(&self) {
        let now = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    fn end(&self) {
        self.touch();
        self.has_ended.store(true, Ordering::Relaxed);
    }

    /// Waits until nothing has moved for `allowed`, and returns it.
    async fn nothing_for(&self, allowed: Option<Duration>) -> Duration {
        let Some(allowed) = allowed else {
            return pending().await;
        };
        loop {
            let deadline = self.start + Duration::from_micros(self.last.load(Ordering::Relaxed)) + allowed;
            if deadline <= Instant::now() {
                return allowed;
            }
            sleep_until(deadline).await;
        }
    }
}
