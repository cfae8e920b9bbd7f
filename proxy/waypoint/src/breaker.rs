//! What a destination may have under way at a time: more is turned away before it costs anything (DestinationRule's
//! `connectionPool`, Envoy's circuit breakers).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cairn_balance::Recent;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::clock;

/// The longest that a request waits for a connection: what was authorized is not sent much later.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much may be under way; `u32::MAX`: as much as wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Connections of TCP, and of HTTP/1 those that are in use.
    pub(crate) connections: u32,
    /// Requests and connections that wait for one of them.
    pub(crate) pending: u32,
    pub(crate) requests: u32,
    pub(crate) retries: Retries,
}

/// How many of the requests under way may be retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retries {
    AtMost(u32),
    /// A share of all requests under way, in millionths, and in any case so many.
    Budget {
        millionths: u32,
        least: u32,
        /// Of all requests of this time instead.
        interval: Option<Duration>,
    },
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: u32::MAX,
            pending: u32::MAX,
            requests: u32::MAX,
            retries: Retries::AtMost(u32::MAX),
        }
    }
}

/// What is under way to one destination.
#[derive(Debug)]
pub(crate) struct Breaker {
    limits: Limits,
    requests: AtomicU32,
    retries: AtomicU32,
    pending: AtomicU32,
    connections: Option<Arc<Semaphore>>,
    /// The requests of the time over which a budget counts them.
    recent: Option<Recent>,
}

/// A limit is reached.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

/// A request that is under way until this is dropped.
#[derive(Debug)]
#[must_use = "the request is under way until this is dropped"]
pub(crate) struct Admitted {
    breaker: Arc<Breaker>,
    connection: Option<OwnedSemaphorePermit>,
}

/// A retry that is under way until this is dropped.
#[derive(Debug)]
#[must_use = "the retry is under way until this is dropped"]
pub(crate) struct Retrying(Arc<Breaker>);

/// What an attempt has of its destination's limits.
#[derive(Debug, Default)]
#[must_use = "the attempt is under way until this is dropped"]
pub(crate) struct UnderWay {
    #[expect(dead_code, reason = "held")]
    admitted: Option<Admitted>,
    retrying: Option<Retrying>,
}

impl UnderWay {
    pub(crate) fn new(admitted: Option<Admitted>, retrying: Option<Retrying>) -> UnderWay {
        UnderWay { admitted, retrying }
    }

    /// It is no retry any more.
    pub(crate) fn tried(&mut self) {
        self.retrying = None;
    }
}

impl Breaker {
    pub(crate) fn new(limits: Limits) -> Breaker {
        let connections = usize::try_from(limits.connections).unwrap_or(usize::MAX);
        let limited = limits.connections < u32::MAX && connections <= Semaphore::MAX_PERMITS;
        let recent = match limits.retries {
            Retries::Budget { interval, .. } => interval.map(Recent::new),
            Retries::AtMost(_) => None,
        };
        Breaker {
            limits,
            recent,
            requests: AtomicU32::new(0),
            retries: AtomicU32::new(0),
            pending: AtomicU32::new(0),
            connections: limited.then(|| Arc::new(Semaphore::new(connections))),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// Lets a request in, as soon as there is a connection for it when it needs one of its own.
    pub(crate) async fn admit(self: &Arc<Self>, needs_connection: bool) -> Result<Admitted, Overflow> {
        take(&self.requests, self.limits.requests)?;
        if let Some(recent) = &self.recent {
            recent.note(clock::now());
        }
        // From here on it is given back however this ends.
        let mut admitted = Admitted {
            breaker: Arc::clone(self),
            connection: None,
        };
        if needs_connection {
            admitted.connection = self.connect().await?;
        }
        Ok(admitted)
    }

    /// Lets a connection be made, as soon as there are few enough; none is counted where there is no limit.
    pub(crate) async fn connect(&self) -> Result<Option<OwnedSemaphorePermit>, Overflow> {
        let Some(connections) = &self.connections else {
            return Ok(None);
        };
        if let Ok(permit) = Arc::clone(connections).try_acquire_owned() {
            return Ok(Some(permit));
        }
        take(&self.pending, self.limits.pending)?;
        let _waiting = Waiting(&self.pending);
        match timeout(PATIENCE, Arc::clone(connections).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Some(permit)),
            _ => Err(Overflow),
        }
    }

    /// Lets a request be sent again.
    pub(crate) fn retry(self: &Arc<Self>) -> Result<Retrying, Overflow> {
        let limit = match self.limits.retries {
            Retries::AtMost(limit) => limit,
            Retries::Budget {
                millionths, least, ..
            } => {
                let requests = match &self.recent {
                    Some(recent) => recent.count(clock::now()),
                    None => u64::from(self.requests.load(Ordering::Relaxed)),
                };
                let share = requests * u64::from(millionths) / 1_000_000;
                u32::try_from(share).unwrap_or(u32::MAX).max(least)
            }
        };
        take(&self.retries, limit)?;
        Ok(Retrying(Arc::clone(self)))
    }
}

/// Counts one more, up to a limit.
fn take(count: &AtomicU32, limit: u32) -> Result<(), Overflow> {
    let more = |count: u32| count.checked_add(1).filter(|more| *more <= limit);
    let taken = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    taken.map(drop).map_err(|_| Overflow)
}

struct Waiting<'a>(&'a AtomicU32);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.breaker.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Retrying {
    fn drop(&mut self) {
        self.0.retries.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
