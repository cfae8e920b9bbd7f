//! One HTTP/2 connection, and places among its streams.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Ping, PingPong};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Duration, Instant, sleep, timeout};

use crate::pool::{Keepalive, Settings};

pub(super) struct Connection {
    pub(super) sender: SendRequest<Bytes>,
    pub(super) local: Option<SocketAddr>,
    streams: AtomicUsize,
    /// Streams that there have been.
    served: AtomicU32,
    /// It takes no new streams: closed, broken or told to go away.
    spent: AtomicBool,
    /// There until the first ping is sent.
    pings: Mutex<Option<PingPong>>,
    settled: watch::Sender<Option<Settled>>,
    unused_since: Mutex<Instant>,
    born: Instant,
}

/// A place among the streams of a connection.
pub(super) struct Lease(pub(super) Arc<Connection>);

impl Drop for Lease {
    fn drop(&mut self) {
        if self.0.streams.fetch_sub(1, Ordering::AcqRel) == 1 {
            *self.0.unused_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    }
}

impl Connection {
    pub(super) fn new(
        sender: SendRequest<Bytes>,
        pings: Option<PingPong>,
        local: Option<SocketAddr>,
    ) -> Arc<Self> {
        Arc::new(Self {
            sender,
            local,
            streams: AtomicUsize::new(0),
            served: AtomicU32::new(0),
            spent: AtomicBool::new(false),
            pings: Mutex::new(pings),
            settled: watch::Sender::new(None),
            unused_since: Mutex::new(Instant::now()),
            born: Instant::now(),
        })
    }

    /// A place, whether or not there is room.
    pub(super) fn lease(self: &Arc<Self>) -> Lease {
        self.streams.fetch_add(1, Ordering::AcqRel);
        Lease(Arc::clone(self))
    }

    /// A place, if there is room by the settings and by the peer's own limit. The last one retires the connection.
    pub(super) fn try_lease(self: &Arc<Self>, settings: &Settings) -> Option<Lease> {
        if settings.max_age.is_some_and(|age| self.born.elapsed() >= age) {
            self.retire();
            return None;
        }
        if let Some(most) = settings.max_requests {
            self.serve(most)?;
        }
        let limit = settings.max_streams.min(self.sender.current_max_send_streams());
        let leased = self
            .streams
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |streams| {
                (streams < limit).then_some(streams + 1)
            });
        match settings.max_requests {
            Some(_) if leased.is_err() => {
                self.served.fetch_sub(1, Ordering::AcqRel);
            }
            Some(most) if self.served.load(Ordering::Acquire) >= most.get() => self.retire(),
            _ => {}
        }
        leased.ok()?;
        Some(Lease(Arc::clone(self)))
    }

    /// Counts one more stream, unless there have been `most`.
    fn serve(&self, most: NonZeroU32) -> Option<()> {
        let more = |served: u32| (served < most.get()).then_some(served.saturating_add(1));
        let served = self
            .served
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        served.is_ok().then_some(())
    }

    pub(super) fn streams(&self) -> usize {
        self.streams.load(Ordering::Acquire)
    }

    /// Lets no further stream on it.
    pub(super) fn retire(&self) {
        self.spent.store(true, Ordering::Release);
    }

    pub(super) fn is_spent(&self) -> bool {
        self.spent.load(Ordering::Acquire)
    }

    pub(super) fn is_superfluous(&self, idle: Duration) -> bool {
        let unused_since = *self.unused_since.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_spent() || (self.streams() == 0 && unused_since.elapsed() >= idle)
    }

    /// Whether the peer takes extended CONNECT. Its settings come before its answer to the first ping, so that on a new
    /// connection that answer is waited for (RFC 8441 section 3 forbids guessing), by all together and for `patience`.
    pub(super) async fn extended_connect(self: &Arc<Self>, patience: Duration) -> Offer {
        if self.sender.is_extended_connect_protocol_enabled() {
            return Offer::Made;
        }
        let unused = self.pings.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(pings) = unused {
            // In a task of its own: the request that asks first may give up, and the answer is for the others as well.
            tokio::spawn(Arc::clone(self).settle(pings, patience));
        }
        let mut settled = self.settled.subscribe();
        let settled = settled.wait_for(Option::is_some).await.map(|it| *it);
        match settled {
            Ok(Some(Settled::Yes)) if self.sender.is_extended_connect_protocol_enabled() => Offer::Made,
            Ok(Some(Settled::Yes)) => Offer::NotMade,
            Ok(Some(Settled::Silent)) => Offer::Silent,
            _ => Offer::Lost,
        }
    }

    /// Asks the peer again and again whether it is there. One that does not answer is given up: `task` is what drives the connection.
    pub(super) fn keep_alive(self: &Arc<Self>, keepalive: Keepalive, task: AbortHandle) {
        let unused = self.pings.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut pings) = unused else { return };
        let connection = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                let answered = timeout(keepalive.timeout, pings.ping(Ping::opaque())).await;
                let Some(connection) = connection.upgrade() else {
                    return;
                };
                let settled = match answered {
                    Ok(Ok(_)) => Settled::Yes,
                    Ok(Err(_)) => Settled::Lost,
                    Err(_) => Settled::Silent,
                };
                connection.settled.send_replace(Some(settled));
                if settled != Settled::Yes {
                    connection.retire();
                    task.abort();
                    return;
                }
                drop(connection);
                sleep(keepalive.interval).await;
            }
        });
    }

    async fn settle(self: Arc<Self>, mut pings: PingPong, patience: Duration) {
        let settled = match timeout(patience, pings.ping(Ping::opaque())).await {
            Ok(Ok(_)) => Settled::Yes,
            Ok(Err(_)) => Settled::Lost,
            Err(_) => Settled::Silent,
        };
        if settled != Settled::Yes {
            self.retire();
        }
        self.settled.send_replace(Some(settled));
    }
}

/// What a connection says of extended CONNECT.
pub(super) enum Offer {
    Made,
    NotMade,
    /// Nothing at all has come from the peer.
    Silent,
    /// The connection ended first.
    Lost,
}

/// Whether the settings of the peer have come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Settled {
    Yes,
    Silent,
    Lost,
}
