//! The connections to one destination, and the attempts at making more.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use tokio::sync::watch;
use tokio::time::Instant;

use super::connection::{Connection, Lease};
use super::error::ConnectError;

/// All there is to one destination. Everything happens under the lock of the pool.
#[derive(Default)]
pub(super) struct Group {
    connections: Vec<Arc<Connection>>,
    attempts: Vec<Attempt>,
}

/// What a group has for a caller.
pub(super) enum Reserved {
    /// A place on a connection.
    Lease(Lease),
    /// A place in the queue for a connection that is being made.
    Attempt(Attempt),
    /// The same, and the caller has to make it.
    Start(Attempt, Outcome),
}

impl Group {
    /// A place on a kept connection, if `kept` and there is room, or else on one that is being made.
    pub(super) fn reserve(&mut self, max_streams: usize, kept: bool) -> Reserved {
        self.connections.retain(|connection| connection.is_usable());
        if kept
            && let Some(lease) = self
                .connections
                .iter()
                .find_map(|connection| connection.reserve(max_streams))
        {
            return Reserved::Lease(lease);
        }
        self.attempts.retain(Attempt::is_under_way);
        // As many attempts as it takes for all who wait: a burst does not queue up behind one handshake after another.
        if let Some(attempt) = self.attempts.iter().find(|attempt| attempt.join()) {
            return Reserved::Attempt(attempt.clone());
        }
        let (sender, result) = watch::channel(None);
        let attempt = Attempt {
            result,
            seats: Arc::new(AtomicUsize::new(max_streams.saturating_sub(1))),
        };
        self.attempts.push(attempt.clone());
        Reserved::Start(
            attempt.clone(),
            Outcome {
                sender,
                attempt: attempt.seats,
            },
        )
    }

    /// Ends the attempt of `outcome`, with the connection that it made.
    pub(super) fn settle(&mut self, outcome: &Outcome, connection: Option<&Arc<Connection>>) {
        self.attempts
            .retain(|attempt| !Arc::ptr_eq(&outcome.attempt, &attempt.seats));
        // One that has ended already has been looked for in vain.
        self.connections
            .extend(connection.filter(|connection| connection.is_usable()).cloned());
    }

    pub(super) fn remove(&mut self, gone: &Weak<Connection>) {
        self.connections
            .retain(|connection| !std::ptr::eq(Arc::as_ptr(connection), gone.as_ptr()));
    }

    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether nothing is left, and nobody waits for anything.
    pub(super) fn is_empty(&self) -> bool {
        self.connections.is_empty() && self.attempts.is_empty()
    }

    /// When the connection that comes first to be let go was used last.
    pub(super) fn last_used(&self) -> Option<(bool, Instant)> {
        self.connections
            .iter()
            .map(|connection| connection.last_used())
            .min()
    }

    /// Lets that connection go.
    pub(super) fn release_oldest(&mut self) {
        let oldest = self
            .connections
            .iter()
            .enumerate()
            .min_by_key(|(_, connection)| connection.last_used());
        if let Some((index, _)) = oldest {
            self.connections.remove(index).retire();
        }
    }
}

/// A connection that is being made.
#[derive(Clone)]
pub(super) struct Attempt {
    result: watch::Receiver<Option<Result<Arc<Connection>, ConnectError>>>,
    /// How many more may wait for it.
    seats: Arc<AtomicUsize>,
}

impl Attempt {
    fn join(&self) -> bool {
        let taken = self
            .seats
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seats| seats.checked_sub(1));
        taken.is_ok()
    }

    /// Whether its task is still there to end it.
    fn is_under_way(&self) -> bool {
        self.result.has_changed().is_ok()
    }

    /// The connection, once it is made.
    pub(super) async fn connection(mut self) -> Result<Arc<Connection>, ConnectError> {
        match self
            .result
            .wait_for(Option::is_some)
            .await
            .map(|result| result.clone())
        {
            Ok(Some(result)) => result,
            _ => Err(ConnectError::Abandoned),
        }
    }
}

/// The end of an attempt that its waiters do not hold.
pub(super) struct Outcome {
    sender: watch::Sender<Option<Result<Arc<Connection>, ConnectError>>>,
    /// Tells the attempt from others.
    attempt: Arc<AtomicUsize>,
}

impl Outcome {
    pub(super) fn settle(self, result: Result<Arc<Connection>, ConnectError>) {
        self.sender.send_replace(Some(result));
    }
}
