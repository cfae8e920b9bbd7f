//! Where a rule's keys come from, and when they are to be fetched.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwapOption, Guard};

use crate::claim::{Claim, Claims};
use crate::key_set::{KeySet, KeySetError, MAX_BYTES};

/// How long a set is good for when its server says nothing: as istiod has it.
const LIFETIME: Duration = Duration::from_secs(20 * 60);
/// Bounds of what a server may say.
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// A `kid` that no key has may make one fetch in this time, however many tokens name one.
const UNKNOWN_KID: Duration = Duration::from_secs(60);
/// Between attempts that fail: doubled each time, up to a bound that is lower while there are no keys at all.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY_WITHOUT: Duration = Duration::from_secs(30);
const LAST_RETRY_WITH: Duration = Duration::from_secs(300);
/// After so many failures in a row, what discovery said is asked for anew.
const REDISCOVER: u32 = 3;
/// What an attempt may take beyond its own timeout before it is believed lost.
const GRACE: Duration = Duration::from_secs(30);

/// Where keys are written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// In the rule itself (`jwks`).
    Inline(Box<str>),
    /// At a URL (`jwksUri`).
    Url {
        /// The URL, with scheme `http` or `https`.
        url: Box<str>,
        /// How long a fetch may take.
        timeout: Duration,
    },
    /// Where the issuer's OpenID Connect discovery document says: a rule with neither `jwks` nor `jwksUri`.
    Discovery {
        /// URL of the document: `ISSUER/.well-known/openid-configuration`.
        url: Box<str>,
        /// How long a fetch may take.
        timeout: Duration,
    },
}

/// The keys of one source, shared by all rules that name it.
///
/// Requests read [`Keys::current`]; whoever fetches asks [`Keys::due`] and reports with [`Keys::accept`] or
/// [`Keys::failed`]. Nothing here looks at a clock or waits.
pub struct Keys {
    source: KeySource,
    set: ArcSwapOption<KeySet>,
    schedule: Mutex<Schedule>,
    jitter: RandomState,
}

#[derive(Debug, Default)]
struct Schedule {
    /// `None`: at once.
    next: Option<Instant>,
    in_flight_since: Option<Instant>,
    failures: u32,
    unknown_kid_at: Option<Instant>,
    /// What discovery has said.
    discovered: Option<Box<str>>,
    /// Number of delays drawn, from which the next is.
    draws: u64,
}

/// What is to be fetched now. Until it is reported on, or is long overdue, there is no other fetch for these keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The URL.
    pub url: Box<str>,
    /// How long it may take, from connecting to the last byte.
    pub timeout: Duration,
    /// How many bytes the answer may have.
    pub max_bytes: usize,
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// Keys other than those before.
    NewKeys,
    /// The same keys as before.
    SameKeys,
    /// It was the discovery document: the keys themselves are due at once.
    Discovered,
}

/// Why an answer is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The key set is none.
    #[error(transparent)]
    KeySet(#[from] KeySetError),
    /// The discovery document does not say where the keys are.
    #[error("the discovery document has no jwks_uri with scheme http or https")]
    Discovery,
}

impl Keys {
    /// The keys of a source. Inline ones are read here; why they cannot be is the error beside.
    pub fn new(source: KeySource) -> (Self, Result<(), KeySetError>) {
        let (set, result) = match &source {
            KeySource::Inline(text) => match KeySet::parse(text.as_bytes()) {
                Ok(set) => (Some(Arc::new(set)), Ok(())),
                Err(error) => (None, Err(error)),
            },
            KeySource::Url { .. } | KeySource::Discovery { .. } => (None, Ok(())),
        };
        let keys = Self {
            source,
            set: ArcSwapOption::new(set),
            schedule: Mutex::default(),
            jitter: RandomState::new(),
        };
        (keys, result)
    }

    /// Where they come from.
    pub fn source(&self) -> &KeySource {
        &self.source
    }

    /// Whether they are fetched, rather than written in the rule.
    pub fn is_remote(&self) -> bool {
        self.timeout().is_some()
    }

    /// The keys as they are now.
    pub fn current(&self) -> Guard<Option<Arc<KeySet>>> {
        self.set.load()
    }

    /// What is to be fetched now, if anything is. To have asked is to have undertaken it.
    pub fn due(&self, now: Instant) -> Option<Fetch> {
        let timeout = self.timeout()?;
        let mut schedule = self.schedule();
        if schedule.is_in_flight(now, timeout) || schedule.next.is_some_and(|next| now < next) {
            return None;
        }
        schedule.in_flight_since = Some(now);
        let url = match (&self.source, &schedule.discovered) {
            (KeySource::Inline(_), _) => return None,
            (KeySource::Discovery { .. }, Some(url)) => url.clone(),
            (KeySource::Url { url, .. } | KeySource::Discovery { url, .. }, _) => url.clone(),
        };
        Some(Fetch {
            url,
            timeout,
            max_bytes: MAX_BYTES,
        })
    }

    /// When to ask again whether something is due; `None` for keys that are not fetched.
    pub fn next_due(&self, now: Instant) -> Option<Instant> {
        let timeout = self.timeout()?;
        let schedule = self.schedule();
        let at = match schedule.in_flight_since {
            Some(since) if schedule.is_in_flight(now, timeout) => since + timeout + GRACE,
            _ => schedule.next.unwrap_or(now),
        };
        Some(at.max(now))
    }

    /// Reports the answer of a fetch with status 200: its body, and what its `Cache-Control: max-age` says. An answer that is
    /// of no use is a failure, and the keys of before stay.
    pub fn accept(
        &self,
        body: &[u8],
        max_age: Option<Duration>,
        now: Instant,
    ) -> Result<Accepted, AnswerError> {
        let discovers =
            matches!(self.source, KeySource::Discovery { .. }) && self.schedule().discovered.is_none();
        let answer = if discovers {
            discovered(body).map(|url| {
                let mut schedule = self.schedule();
                schedule.discovered = Some(url);
                schedule.in_flight_since = None;
                schedule.next = None;
                Accepted::Discovered
            })
        } else {
            KeySet::parse(body).map_err(AnswerError::from).map(|set| {
                let accepted = self.adopt(set);
                let lifetime = max_age.unwrap_or(LIFETIME).clamp(SHORTEST, LONGEST);
                let mut schedule = self.schedule();
                schedule.failures = 0;
                schedule.in_flight_since = None;
                // Ahead of its end, and not all at the same time.
                schedule.next = Some(now + lifetime.mul_f64(0.75 + 0.15 * self.draw(&mut schedule)));
                accepted
            })
        };
        if answer.is_err() {
            self.failed(now);
        }
        answer
    }

    /// Reports a fetch that brought nothing. The keys of before stay for as long as it takes.
    pub fn failed(&self, now: Instant) {
        let last = match self.set.load().is_some() {
            true => LAST_RETRY_WITH,
            false => LAST_RETRY_WITHOUT,
        };
        let mut schedule = self.schedule();
        schedule.in_flight_since = None;
        let doubled = FIRST_RETRY.saturating_mul(1 << schedule.failures.min(16));
        schedule.failures = schedule.failures.saturating_add(1);
        if schedule.failures >= REDISCOVER {
            schedule.discovered = None;
        }
        let delay = doubled.min(last).mul_f64(0.5 + 0.5 * self.draw(&mut schedule));
        schedule.next = Some(now + delay);
    }

    /// Says that a token names a key that is not among these. True: a fetch has become due because of it, and whoever
    /// fetches should be woken.
    pub fn unknown_kid(&self, now: Instant) -> bool {
        let Some(timeout) = self.timeout() else {
            return false;
        };
        let mut schedule = self.schedule();
        let recently = |at: Instant| now < at + UNKNOWN_KID;
        if schedule.is_in_flight(now, timeout)
            || schedule.failures > 0
            || schedule.unknown_kid_at.is_some_and(recently)
        {
            return false;
        }
        schedule.unknown_kid_at = Some(now);
        schedule.next = None;
        true
    }

    /// How many fetches in a row have failed.
    pub fn failures(&self) -> u32 {
        self.schedule().failures
    }

    /// The same keys keep the set of before, and with it what was verified by it.
    fn adopt(&self, set: KeySet) -> Accepted {
        if self.set.load().as_ref().is_some_and(|held| held.is_same(&set)) {
            return Accepted::SameKeys;
        }
        self.set.store(Some(Arc::new(set)));
        Accepted::NewKeys
    }

    fn timeout(&self) -> Option<Duration> {
        match &self.source {
            KeySource::Inline(_) => None,
            KeySource::Url { timeout, .. } | KeySource::Discovery { timeout, .. } => Some(*timeout),
        }
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number from 0 to 1 that other processes do not share.
    fn draw(&self, schedule: &mut Schedule) -> f64 {
        schedule.draws = schedule.draws.wrapping_add(1);
        self.jitter.hash_one(schedule.draws) as f64 / u64::MAX as f64
    }
}

impl Schedule {
    fn is_in_flight(&self, now: Instant, timeout: Duration) -> bool {
        self.in_flight_since
            .is_some_and(|since| now < since + timeout + GRACE)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("source", &self.source)
            .field("set", &*self.set.load())
            .finish_non_exhaustive()
    }
}

/// Whether a URL is one that keys can be fetched from.
pub(crate) fn is_fetchable(url: &str) -> bool {
    url.parse::<http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri
                .authority()
                .is_some_and(|authority| !authority.host().is_empty())
    })
}

fn discovered(document: &[u8]) -> Result<Box<str>, AnswerError> {
    let document = Claims::parse(document).ok_or(AnswerError::Discovery)?;
    let url = document.get("jwks_uri").and_then(Claim::as_text);
    url.filter(|url| is_fetchable(url))
        .map(Box::from)
        .ok_or(AnswerError::Discovery)
}

#[cfg(test)]
mod tests;
