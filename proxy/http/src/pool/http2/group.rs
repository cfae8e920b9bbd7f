//! All connections to one endpoint, and the attempts at making more.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;
use tokio::time::{Duration, sleep};

use super::connection::{Connection, Lease};
use crate::pool::{Failure, Settings};

pub(super) struct Group<E> {
    state: Mutex<State<E>>,
    closed: AtomicBool,
}

struct State<E> {
    open: Vec<Arc<Connection>>,
    attempts: Vec<Attempt<E>>,
    sweeping: bool,
}

/// What a group has for a request.
pub(super) enum Place<E> {
    /// A place on a connection that is there.
    Open(Lease),
    /// A connection that is being made.
    Opening(Attempt<E>),
    /// The same, and it is the caller's to have it made.
    Start(Attempt<E>, Outcome<E>),
}

impl<E> Group<E>
where
    E: Send + Sync + 'static,
{
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                open: Vec::new(),
                attempts: Vec::new(),
                sweeping: false,
            }),
            closed: AtomicBool::new(false),
        })
    }

    /// A place on an open connection, or else on one that is being made.
    pub(super) fn reserve(&self, settings: &Settings) -> Place<E> {
        let mut state = self.state();
        state.open.retain(|it| !it.is_spent());
        // Filling them in order lets the last ones fall idle.
        if let Some(lease) = state.open.iter().find_map(|it| it.try_lease(settings)) {
            return Place::Open(lease);
        }
        state.attempts.retain(Attempt::is_under_way);
        // As many attempts as it takes for all who wait: a burst does not queue up behind one connection after another.
        if let Some(attempt) = state.attempts.iter().find(|it| it.join()) {
            return Place::Opening(attempt.clone());
        }
        if state.open.len() + state.attempts.len() >= settings.max_connections {
            if let Some(least) = state.open.iter().min_by_key(|it| it.streams()) {
                return Place::Open(least.lease());
            }
            if let Some(attempt) = state.attempts.first() {
                return Place::Opening(attempt.clone());
            }
        }
        let (sender, result) = watch::channel(None);
        let requests = settings
            .max_requests
            .and_then(|most| usize::try_from(most.get()).ok());
        let seats = settings.max_streams.min(requests.unwrap_or(usize::MAX));
        let seats = Arc::new(AtomicUsize::new(seats.saturating_sub(1)));
        let attempt = Attempt { result, seats };
        state.attempts.push(attempt.clone());
        let outcome = Outcome {
            sender,
            attempt: Arc::clone(&attempt.seats),
        };
        Place::Start(attempt, outcome)
    }

    /// Tells all who wait what has become of an attempt, and keeps the connection that it made.
    pub(super) fn settle(self: &Arc<Self>, outcome: &Outcome<E>, made: Made<E>, settings: &Settings) {
        {
            let mut state = self.state();
            state
                .attempts
                .retain(|it| !Arc::ptr_eq(&it.seats, &outcome.attempt));
            if let Ok(connection) = &made
                && !self.is_closed()
            {
                state.open.push(Arc::clone(connection));
                if !std::mem::replace(&mut state.sweeping, true) {
                    let interval = settings.sweep_interval.min(settings.idle_timeout);
                    tokio::spawn(sweep(Arc::downgrade(self), interval, settings.idle_timeout));
                }
            }
        }
        outcome.sender.send_replace(Some(made));
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn close(&self) {
        let mut state = self.state();
        self.closed.store(true, Ordering::Release);
        state.open.clear();
    }

    pub(super) fn open(&self) -> usize {
        self.state().open.iter().filter(|it| !it.is_spent()).count()
    }

    fn state(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops what nobody has used for `idle`, while there is something to look after.
async fn sweep<E>(group: Weak<Group<E>>, interval: Duration, idle: Duration)
where
    E: Send + Sync + 'static,
{
    loop {
        sleep(interval).await;
        let Some(group) = group.upgrade() else { return };
        let mut state = group.state();
        state.open.retain(|it| !it.is_superfluous(idle));
        if state.open.is_empty() {
            state.sweeping = false;
            return;
        }
    }
}

/// What an attempt has come to.
pub(super) type Made<E> = Result<Arc<Connection>, Unopened<E>>;

/// Why there is no connection: shared by all who wait for it.
pub(super) enum Unopened<E> {
    Connect(Arc<E>),
    Timeout,
    Handshake(Arc<h2::Error>),
}

impl<E> Clone for Unopened<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Connect(error) => Self::Connect(Arc::clone(error)),
            Self::Timeout => Self::Timeout,
            Self::Handshake(error) => Self::Handshake(Arc::clone(error)),
        }
    }
}

impl<E> From<Unopened<E>> for Failure<E> {
    fn from(unopened: Unopened<E>) -> Self {
        match unopened {
            Unopened::Connect(error) => Failure::Connect(error),
            Unopened::Timeout => Failure::ConnectTimeout,
            Unopened::Handshake(error) => Failure::ResetBeforeSent(error.into()),
        }
    }
}

/// A connection that is being made.
pub(super) struct Attempt<E> {
    result: watch::Receiver<Option<Made<E>>>,
    /// How many more may wait for it.
    seats: Arc<AtomicUsize>,
}

impl<E> Clone for Attempt<E> {
    fn clone(&self) -> Self {
        Self {
            result: self.result.clone(),
            seats: Arc::clone(&self.seats),
        }
    }
}

impl<E> Attempt<E> {
    fn join(&self) -> bool {
        self.seats
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seats| seats.checked_sub(1))
            .is_ok()
    }

    /// Whether its task is still there to end it.
    fn is_under_way(&self) -> bool {
        self.result.has_changed().is_ok()
    }

    /// The connection, once it is made.
    pub(super) async fn connection(mut self) -> Result<Arc<Connection>, Failure<E>> {
        match self.result.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(made)) => made.clone().map_err(Failure::from),
            _ => Err(Failure::ResetBeforeSent(
                "the attempt to connect was abandoned".into(),
            )),
        }
    }
}

/// The end of an attempt that its waiters do not hold.
pub(super) struct Outcome<E> {
    sender: watch::Sender<Option<Made<E>>>,
    /// Tells the attempt from others.
    attempt: Arc<AtomicUsize>,
}
