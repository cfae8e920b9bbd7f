//! Names that requests bring, looked up when they are wanted.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tracing::debug;

use crate::ask::{Answer, Asker};
use crate::error::DnsError;
use crate::host::Host;
use crate::options::Options;

type Outcome = Result<Arc<[IpAddr]>, DnsError>;

/// What was looked up lately, and what is being looked up: each name once at a time.
#[derive(Debug, Clone)]
pub(crate) struct Lookups(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    asker: Arc<Asker>,
    options: Arc<Options>,
    permits: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<Host, Known>,
    under_way: HashMap<Host, watch::Receiver<Option<Outcome>>>,
    /// Counts uses, so that the name whose last one is longest ago can be told.
    uses: u64,
}

#[derive(Debug)]
struct Known {
    outcome: Outcome,
    /// Until when it is the answer.
    fresh: Instant,
    /// Until when it is better than an error.
    stale: Instant,
    used: u64,
}

impl Lookups {
    pub(crate) fn new(asker: Arc<Asker>, options: Arc<Options>) -> Self {
        Self(Arc::new(Shared {
            asker,
            permits: Semaphore::new(options.max_queries.clamp(1, Semaphore::MAX_PERMITS)),
            options,
            state: Mutex::default(),
        }))
    }

    pub(crate) async fn lookup(&self, host: &Host) -> Outcome {
        let mut result = match self.enter(host) {
            Ok(outcome) => return outcome,
            Err(result) => result,
        };
        match result.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(ended(host))),
            Err(_) => Err(ended(host)),
        }
    }

    /// What is known, or else where it will be told.
    fn enter(&self, host: &Host) -> Result<Outcome, watch::Receiver<Option<Outcome>>> {
        let mut state = self.0.lock();
        state.uses += 1;
        let now = state.uses;
        if let Some(known) = state.known.get_mut(host) {
            known.used = now;
            if Instant::now() < known.fresh {
                return Ok(known.outcome.clone());
            }
        }
        if let Some(result) = state.under_way.get(host) {
            return Err(result.clone());
        }
        let limit = self.0.options.max_cached;
        if state.under_way.len() >= limit {
            return Ok(Err(DnsError::Busy {
                host: host.clone(),
                limit,
            }));
        }
        let (sender, result) = watch::channel(None);
        state.under_way.insert(host.clone(), result.clone());
        let landing = Landing {
            shared: self.0.clone(),
            host: host.clone(),
        };
        // A task of its own: whoever waits may leave, and it goes on for the others.
        tokio::spawn(async move {
            let outcome = landing.shared.resolve(&landing.host).await;
            drop(landing);
            sender.send_replace(Some(outcome));
        });
        Err(result)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn resolve(&self, host: &Host) -> Outcome {
        let limit = self.options.lookup_timeout;
        let asked = tokio::time::timeout(limit, async {
            let _permit = self.permits.acquire().await;
            self.asker.ask(host).await
        });
        let answer = asked.await.unwrap_or_else(|_| {
            Err(DnsError::Timeout {
                host: host.clone(),
                limit,
            })
        });
        self.remember(host, answer)
    }

    /// Keeps an answer for as long as it holds, and returns what holds now: that may be an earlier one.
    fn remember(&self, host: &Host, answer: Result<Answer, DnsError>) -> Outcome {
        let now = Instant::now();
        let mut state = self.lock();
        let (outcome, ttl) = match answer {
            Ok(Answer { addresses, ttl }) => (Ok(addresses.into()), self.options.until_refresh(Some(ttl))),
            Err(error @ DnsError::NoAddresses { .. }) => (Err(error), self.options.until_refresh(None)),
            Err(error) => {
                let fresh = later(now, self.options.min_backoff);
                match state.known.get_mut(host) {
                    Some(known) if known.outcome.is_ok() && now < known.stale => {
                        debug!(%host, %error, "a name was not resolved; its last addresses are used");
                        known.fresh = fresh.min(known.stale);
                        return known.outcome.clone();
                    }
                    _ => (Err(error), self.options.min_backoff),
                }
            }
        };
        state.insert(
            host,
            outcome.clone(),
            later(now, ttl),
            self.options.keep_stale,
            self.options.max_cached,
        );
        outcome
    }
}

impl State {
    fn insert(&mut self, host: &Host, outcome: Outcome, fresh: Instant, keep_stale: Duration, limit: usize) {
        if !self.known.contains_key(host) {
            while self.known.len() >= limit.max(1) {
                // A look at each of them; a question to a server has just been waited for.
                let oldest = self.known.iter().min_by_key(|(_, known)| known.used);
                let Some(oldest) = oldest.map(|(host, _)| host.clone()) else {
                    break;
                };
                self.known.remove(&oldest);
            }
        }
        self.uses += 1;
        let known = Known {
            outcome,
            fresh,
            stale: later(fresh, keep_stale),
            used: self.uses,
        };
        self.known.insert(host.clone(), known);
    }
}

/// Takes a name off the list of those under way, also when its task is ended.
struct Landing {
    shared: Arc<Shared>,
    host: Host,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.shared.lock().under_way.remove(&self.host);
    }
}

/// A time so far away that it cannot be told has the same effect as a year.
fn later(from: Instant, time: Duration) -> Instant {
    from + time.min(Duration::from_secs(365 * 24 * 3600))
}

fn ended(host: &Host) -> DnsError {
    DnsError::Failed {
        host: host.clone(),
        reason: "the proxy is shutting down".to_owned(),
    }
}
