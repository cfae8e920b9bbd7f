//! Names that are kept resolved.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rand::RngExt as _;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

use crate::ask::{Answer, Asker};
use crate::error::{DnsError, TooManyNames};
use crate::host::Host;
use crate::options::{Backoff, Options};
use crate::resolution::Resolution;

/// A refresh is later by a random part of this: resolvers on the way count the same TTL down for every proxy of a mesh.
/// It is Istio's `PILOT_DNS_JITTER_DURATION`.
const JITTER: Duration = Duration::from_millis(100);

/// A name that is kept resolved, for as long as it is followed. Whoever keeps this one reads the last that was known.
#[derive(Debug, Clone)]
pub struct Followed(Arc<ArcSwap<Resolution>>);

impl Followed {
    fn new(resolution: Resolution) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(resolution)))
    }

    /// What is known of the name now. It takes no lock.
    pub fn resolution(&self) -> Arc<Resolution> {
        self.0.load_full()
    }
}

/// All names that are kept resolved, each by a task of its own: so no name is asked for twice at a time.
#[derive(Debug)]
pub(crate) struct Following {
    asking: Arc<Asking>,
    names: ArcSwap<HashMap<Host, Followed>>,
    tasks: Mutex<HashMap<Host, Task>>,
    /// Told when other names are followed.
    replaced: Notify,
}

/// What the tasks share.
#[derive(Debug)]
struct Asking {
    asker: Arc<Asker>,
    options: Arc<Options>,
    permits: Semaphore,
    changes: watch::Sender<u64>,
}

/// A task that ends when its name is no longer followed.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Following {
    pub(crate) fn new(asker: Arc<Asker>, options: Arc<Options>) -> Self {
        Self {
            asking: Arc::new(Asking {
                asker,
                permits: Semaphore::new(options.max_queries.clamp(1, Semaphore::MAX_PERMITS)),
                options,
                changes: watch::Sender::new(0),
            }),
            names: ArcSwap::default(),
            tasks: Mutex::default(),
            replaced: Notify::new(),
        }
    }

    pub(crate) fn follow(&self, hosts: BTreeSet<Host>) -> Result<(), TooManyNames> {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|host, _| hosts.contains(host));
        let before = self.names.load();
        let mut names = HashMap::new();
        // Those that are followed already come first: a further name takes none of them its place.
        let (known, new): (Vec<_>, Vec<_>) = hosts.into_iter().partition(|host| before.contains_key(host));
        let mut refused = Vec::new();
        for host in known.into_iter().chain(new) {
            if names.len() >= self.asking.options.max_names {
                refused.push(host);
            } else if let Some(followed) = before.get(&host) {
                names.insert(host, followed.clone());
            } else if let Some(address) = host.address() {
                names.insert(host, Followed::new(Resolution::fixed(address)));
            } else {
                let followed = Followed::new(Resolution::default());
                let task = tokio::spawn(keep_resolved(host.clone(), followed.clone(), self.asking.clone()));
                tasks.insert(host.clone(), Task(task));
                names.insert(host, followed);
            }
        }
        self.names.store(Arc::new(names));
        self.replaced.notify_waiters();
        if refused.is_empty() {
            Ok(())
        } else {
            Err(TooManyNames {
                refused,
                limit: self.asking.options.max_names,
            })
        }
    }

    pub(crate) fn get(&self, host: &Host) -> Option<Followed> {
        self.names.load().get(host).cloned()
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.asking.changes.subscribe()
    }

    pub(crate) async fn settled(&self) {
        let mut changes = self.changes();
        loop {
            changes.mark_unchanged();
            let replaced = self.replaced.notified();
            let names = self.names.load_full();
            if names.values().all(|followed| followed.resolution().is_asked()) {
                return;
            }
            tokio::select! {
                _ = changes.changed() => {}
                () = replaced => {}
            }
        }
    }
}

async fn keep_resolved(host: Host, followed: Followed, asking: Arc<Asking>) {
    let options = &asking.options;
    let mut backoff = Backoff::new(options);
    loop {
        let outcome = match asking.permits.acquire().await {
            Ok(_permit) => asking.asker.ask(&host).await,
            // Nobody closes it.
            Err(_) => return,
        };
        let before = followed.resolution();
        let (after, pause) = match outcome {
            Ok(Answer { addresses, ttl }) => {
                backoff = Backoff::new(options);
                (before.answered(addresses), refresh(options, Some(ttl)))
            }
            Err(error @ DnsError::NoAddresses { .. }) => {
                backoff = Backoff::new(options);
                (before.failed(error), refresh(options, None))
            }
            Err(error) => (before.failed(error), backoff.pause()),
        };
        tell(&host, &before, &after, pause);
        let changed = after.differs(&before);
        followed.0.store(Arc::new(after));
        if changed {
            asking
                .changes
                .send_modify(|version| *version = version.wrapping_add(1));
        }
        tokio::time::sleep(pause).await;
    }
}

fn refresh(options: &Options, ttl: Option<Duration>) -> Duration {
    let jitter = JITTER.mul_f64(rand::rng().random_range(0.0..1.0));
    options.until_refresh(ttl) + jitter
}

/// Logs what is new: a name that goes on failing says so once.
fn tell(host: &Host, before: &Resolution, after: &Resolution, pause: Duration) {
    match (before.error(), after.error()) {
        (Some(known), Some(error)) if known == error => debug!(%host, %error, ?pause, "still not resolved"),
        (_, Some(error)) => {
            warn!(%host, %error, kept = after.addresses().len(), ?pause, "a name was not resolved; its last addresses are used until it is");
        }
        (Some(_), None) => info!(%host, addresses = ?after.addresses(), "a name is resolved again"),
        (None, None) => debug!(%host, addresses = ?after.addresses(), ?pause, "a name was resolved"),
    }
}
