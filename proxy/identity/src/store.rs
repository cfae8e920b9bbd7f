//! The certificates of the workloads that a process speaks for: minted on first use, renewed in time.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::verify::TrustDomains;
use crate::{CertificateDetail, Credential, CredentialError, IssueError, Issuer, SpiffeId};

/// How many certificates are asked for at the same time.
const CONCURRENCY: usize = 8;

/// Longest pause between two attempts.
const MAX_RETRY: Duration = Duration::from_secs(150);

/// Settings of [`Identities`].
#[derive(Clone, Debug)]
pub struct Options {
    /// The trust domain of this mesh.
    pub trust_domain: String,
    /// Other trust domains whose identities are accepted as peers.
    pub aliases: Vec<String>,
    /// How long a certificate is wished to be valid.
    pub ttl: Duration,
    /// The pause after the first failure; it doubles up to 150 s, give or take a fifth.
    pub retry: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            trust_domain: "cluster.local".to_owned(),
            aliases: Vec::new(),
            ttl: Duration::from_secs(24 * 60 * 60),
            retry: Duration::from_millis(500),
        }
    }
}

/// The certificate store. Clones share it.
///
/// Each identity has one task that mints its certificate and renews it at half of its life. While the CA fails, the
/// certificate at hand stays in use until it expires. The tasks end when the last clone is dropped.
#[derive(Clone)]
pub struct Identities {
    shared: Arc<Shared>,
    entries: Arc<RwLock<HashMap<SpiffeId, Entry>>>,
}

impl Identities {
    /// An empty store over `issuer`.
    #[must_use]
    pub fn new(issuer: Arc<dyn Issuer>, options: Options) -> Identities {
        let domains = TrustDomains::new(&options.trust_domain, &options.aliases);
        let permits = Semaphore::new(CONCURRENCY);
        let shared = Arc::new(Shared {
            issuer,
            options,
            domains,
            permits,
        });
        Identities {
            shared,
            entries: Arc::default(),
        }
    }

    /// The certificate of `id`, minted if there is none.
    ///
    /// However many callers ask at once, the CA is asked once. Needs a tokio runtime, on which the certificate is
    /// kept from then on, until [`Identities::forget`].
    ///
    /// # Errors
    /// What the last attempt failed with; the next one is made in the background after a pause.
    pub async fn credential(&self, id: &SpiffeId) -> Result<Arc<Credential>, IdentityError> {
        let (mut state, renew) = self.subscribe(id);
        loop {
            {
                let state = state.borrow_and_update();
                match (&state.credential, &state.failure) {
                    (Some(credential), _) if credential.is_current() => return Ok(credential.clone()),
                    (_, Some(failure)) => return Err(failure.clone()),
                    // The clock has been set, or the machine slept through the renewal.
                    (Some(_), None) => renew.notify_one(),
                    (None, None) => {}
                }
            }
            if state.changed().await.is_err() {
                return Err(IdentityError::Forgotten(id.clone()));
            }
        }
    }

    /// The certificate of `id` if there is a valid one already.
    #[must_use]
    pub fn cached(&self, id: &SpiffeId) -> Option<Arc<Credential>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let credential = entries.get(id)?.state.borrow().credential.clone()?;
        credential.is_current().then_some(credential)
    }

    /// Stops keeping a certificate for `id`. Connections that use it are not touched.
    pub fn forget(&self, id: &SpiffeId) {
        self.entries
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
    }

    /// What is held, by identity.
    #[must_use]
    pub fn dump(&self) -> Vec<CertificateInfo> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let mut dump: Vec<_> = entries.iter().map(|(id, entry)| entry.describe(id)).collect();
        dump.sort_by(|a, b| a.id.cmp(&b.id));
        dump
    }

    fn subscribe(&self, id: &SpiffeId) -> (watch::Receiver<State>, Arc<Notify>) {
        {
            let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(entry) = entries.get(id) {
                return (entry.state.clone(), entry.renew.clone());
            }
        }
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let entry = entries
            .entry(id.clone())
            .or_insert_with(|| Entry::start(self.shared.clone(), id.clone()));
        (entry.state.clone(), entry.renew.clone())
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identities")
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

/// What every keeper needs.
struct Shared {
    issuer: Arc<dyn Issuer>,
    options: Options,
    domains: TrustDomains,
    permits: Semaphore,
}

impl Shared {
    async fn mint(&self, id: &SpiffeId) -> Result<Credential, IdentityError> {
        let failed = |reason: MintError| IdentityError::Mint {
            id: id.clone(),
            reason: Arc::new(reason),
        };
        let _permit = self.permits.acquire().await;
        let issued = self
            .issuer
            .issue(id, self.options.ttl)
            .await
            .map_err(|error| failed(error.into()))?;
        Credential::new(id.clone(), issued, self.domains.clone()).map_err(|error| failed(error.into()))
    }
}

#[derive(Default)]
struct State {
    credential: Option<Arc<Credential>>,
    /// Of the last attempt, if it failed.
    failure: Option<IdentityError>,
}

struct Entry {
    state: watch::Receiver<State>,
    renew: Arc<Notify>,
    keeper: JoinHandle<()>,
}

impl Entry {
    fn start(shared: Arc<Shared>, id: SpiffeId) -> Entry {
        let (sender, state) = watch::channel(State::default());
        let renew = Arc::new(Notify::new());
        let keeper = tokio::spawn(keep(shared, id, sender, renew.clone()));
        Entry { state, renew, keeper }
    }

    fn describe(&self, id: &SpiffeId) -> CertificateInfo {
        let state = self.state.borrow();
        let details =
            |certificates| Vec::from_iter(Iterator::filter_map(certificates, CertificateDetail::read));
        let credential = state.credential.as_deref();
        CertificateInfo {
            id: id.clone(),
            state: match (credential, &state.failure) {
                (Some(credential), _) if credential.is_current() => CertificateState::Available,
                (_, Some(failure)) => CertificateState::Unavailable(failure.to_string()),
                _ => CertificateState::Initializing,
            },
            chain: details(credential.map(Credential::chain).unwrap_or_default().iter()),
            roots: details(credential.map(Credential::roots).unwrap_or_default().iter()),
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Keeps the certificate of `id` fresh for as long as the task lives.
async fn keep(shared: Arc<Shared>, id: SpiffeId, state: watch::Sender<State>, renew: Arc<Notify>) {
    let mut pause = shared.options.retry;
    loop {
        let wait = match shared.mint(&id).await {
            Ok(credential) => {
                tracing::debug!(%id, serial = credential.serial(), not_after = %credential.not_after(), "certificate minted");
                pause = shared.options.retry;
                let wait = half_life(&credential);
                state.send_replace(State {
                    credential: Some(Arc::new(credential)),
                    failure: None,
                });
                wait
            }
            Err(error) => {
                let wait = jitter(pause);
                pause = (pause * 2).min(MAX_RETRY);
                tracing::warn!(%id, %error, retry_in = ?wait, "no new certificate");
                state.send_modify(|state| state.failure = Some(error));
                wait
            }
        };
        let due = Instant::now() + wait;
        loop {
            tokio::select! {
                () = sleep_until(due) => break,
                () = renew.notified() => {
                    // A request that came in while the answer to it was on its way.
                    let current = state.borrow().credential.as_ref().is_some_and(|held| held.is_current());
                    if !current && state.borrow().failure.is_none() {
                        break;
                    }
                }
            }
        }
    }
}

/// Half of what is left of a certificate. Not less than a moment, so that a CA with a wrong clock is not stormed.
fn half_life(credential: &Credential) -> Duration {
    let left = credential.not_after().duration_since(Timestamp::now());
    let half = Duration::try_from(left).unwrap_or_default() / 2;
    half.max(Duration::from_millis(500))
}

/// `pause` give or take a fifth, so that the workloads of a node do not come back all at once.
fn jitter(pause: Duration) -> Duration {
    let permille = 800 + RandomState::new().hash_one(()) % 401;
    pause.mul_f64(permille as f64 / 1000.0)
}

/// One identity in the store.
#[derive(Clone, Debug)]
pub struct CertificateInfo {
    /// The identity.
    pub id: SpiffeId,
    /// Whether its certificate can be used.
    pub state: CertificateState,
    /// The leaf, then the intermediates.
    pub chain: Vec<CertificateDetail>,
    /// The trust anchors.
    pub roots: Vec<CertificateDetail>,
}

/// Whether a certificate can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateState {
    /// It is being minted.
    Initializing,
    /// It is valid.
    Available,
    /// There is none, for this reason.
    Unavailable(String),
}

/// Why there is no certificate for an identity.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The last attempt to mint failed.
    #[error("no certificate for {id}: {reason}")]
    Mint {
        /// The identity.
        id: SpiffeId,
        /// What went wrong.
        reason: Arc<MintError>,
    },
    /// The identity was given up while its certificate was awaited.
    #[error("{0} is no longer served here")]
    Forgotten(SpiffeId),
}

/// What went wrong while a certificate was minted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// The CA did not issue one.
    #[error("{}", chain(.0))]
    Issue(#[from] IssueError),
    /// The CA issued something that cannot be used.
    #[error(transparent)]
    Credential(#[from] CredentialError),
}

/// An error with its causes in one line: where this is logged nobody walks the sources.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
