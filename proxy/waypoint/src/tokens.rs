//! The keys that tokens are verified by, fetched off the data path, and the tokens that have been.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cairn_fetch::{Documents, Options};
use cairn_jwt::{Accepted, Cache, Fetch, KeyRing, Keys};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

/// Fetches under way at a time.
const AT_ONCE: usize = 16;
/// How often it is looked whether something is due that nobody has told of.
const LOOK: Duration = Duration::from_secs(60);

/// What all requests and all versions of the configuration share.
#[derive(Default)]
pub(crate) struct Tokens {
    pub(crate) ring: KeyRing,
    pub(crate) verified: Cache,
    due: Notify,
}

impl Tokens {
    /// Has what is due fetched at once: there are other keys in use, or a token names one that is not there.
    pub(crate) fn wake(&self) {
        self.due.notify_one();
    }

    /// Keeps the keys up to date for as long as it is polled.
    pub(crate) async fn keep(self: Arc<Tokens>) {
        let documents = Arc::new(Documents::new(&Options::default()));
        let mut under_way = JoinSet::new();
        loop {
            let mut next = Instant::now() + LOOK;
            for keys in self.ring.remote() {
                let now = Instant::now();
                if under_way.len() < AT_ONCE
                    && let Some(wanted) = keys.due(now)
                {
                    under_way.spawn(fetch(Arc::clone(&documents), Arc::clone(&keys), wanted));
                }
                next = keys.next_due(now).map_or(next, |due| due.min(next));
            }
            // With as many fetches under way as may be, the end of one of them is what is waited for.
            let full = under_way.len() >= AT_ONCE;
            tokio::select! {
                () = self.due.notified() => {}
                () = sleep_until(next.into()), if !full => {}
                Some(_) = under_way.join_next() => {}
            }
        }
    }
}

async fn fetch(documents: Arc<Documents>, keys: Arc<Keys>, wanted: Fetch) {
    // What may be secret in it is nobody's business in a log.
    let place = wanted.url.split(['?', '#']).next().unwrap_or_default();
    let url = place.rsplit_once('@').map_or(place, |(_, host)| host);
    let limit = u64::try_from(wanted.max_bytes).unwrap_or(u64::MAX);
    match documents.get(&wanted.url, wanted.timeout, limit).await {
        Ok(document) => match keys.accept(&document.bytes, document.max_age, Instant::now()) {
            Ok(Accepted::NewKeys) => tracing::info!(url, "new keys for tokens"),
            Ok(Accepted::SameKeys | Accepted::Discovered) => {}
            Err(error) => tracing::warn!(url, "the keys for tokens cannot be read: {error}"),
        },
        Err(error) => {
            keys.failed(Instant::now());
            tracing::warn!(failures = keys.failures(), "no keys for tokens: {error}");
        }
    }
}
