//! A bounded map from labels to series, read by every request and swept at every scrape.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard};
use std::time::{Duration, Instant};

use super::labels::Labels;

/// A power of two; requests on that many cores seldom meet.
const SHARDS: usize = 16;
/// A series may have to give way to a new one only when it has been idle for this long.
const GRACE: Duration = Duration::from_secs(60);
/// When a search for room has found none, the next one is not before this.
const SEARCH_PAUSE: Duration = Duration::from_secs(1);

/// How many series there may be.
///
/// An HTTP series is some 60 kB of text in each scrape, whether it moves or not, and labels that a client can
/// influence would let their number grow without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesOptions {
    /// A series that has not moved for this long, and that nobody holds, is removed. Default 1 h.
    pub idle: Duration,
    /// At most this many series. When it is reached, those that have been idle longest, a minute at least, are
    /// removed; when there are none, what is new is counted under labels that all say `other`. Default 5,000.
    pub max_series: usize,
}

impl Default for SeriesOptions {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(3600),
            max_series: 5000,
        }
    }
}

/// What a series has to offer to be swept.
pub(super) trait Series: Send + Sync + 'static {
    type Labels: Labels;

    fn new(labels: &Self::Labels) -> Self;

    /// A number that has changed if the series has moved.
    fn activity(&self) -> u64;

    /// The labels as text.
    fn rendered(&self) -> &str;
}

/// The series of one kind.
pub(super) struct SeriesMap<S: Series> {
    shards: [RwLock<Shard<S>>; SHARDS],
    length: AtomicUsize,
    overflow: Arc<S>,
    options: SeriesOptions,
    /// When a search for room last found none. Locked for the whole search: one is enough.
    search: Mutex<Option<Instant>>,
}

type Shard<S> = HashMap<<S as Series>::Labels, Entry<S>, BuildHasherDefault<Mix>>;

struct Entry<S> {
    series: Arc<S>,
    /// The activity when it was last looked at, and since when it has been that.
    activity: u64,
    since: Instant,
}

impl<S: Series> SeriesMap<S> {
    pub(super) fn new(options: SeriesOptions) -> Self {
        Self {
            shards: std::array::from_fn(|_| RwLock::default()),
            length: AtomicUsize::new(0),
            overflow: Arc::new(S::new(&S::Labels::overflow())),
            options,
            search: Mutex::new(None),
        }
    }

    /// The series of these labels.
    pub(super) fn series(&self, labels: &S::Labels) -> Arc<S> {
        let Some(shard) = self.shard(labels) else {
            return self.overflow.clone();
        };
        if let Some(entry) = shard.read().unwrap_or_else(PoisonError::into_inner).get(labels) {
            return entry.series.clone();
        }
        self.insert(shard, labels, Instant::now())
    }

    fn insert(&self, shard: &RwLock<Shard<S>>, labels: &S::Labels, now: Instant) -> Arc<S> {
        if self.length.load(Ordering::Relaxed) >= self.options.max_series && !self.make_room(now) {
            return self.overflow.clone();
        }
        // Made before the lock is taken: it formats two dozen labels.
        let fresh = Arc::new(S::new(labels));
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        let entry = shard.entry(labels.clone()).or_insert_with(|| {
            self.length.fetch_add(1, Ordering::Relaxed);
            Entry {
                series: fresh,
                activity: 0,
                since: now,
            }
        });
        entry.series.clone()
    }

    /// Every series that there is, in the order of their labels, after the idle ones have been removed.
    pub(super) fn sweep(&self, now: Instant) -> Vec<Arc<S>> {
        let mut all = Vec::with_capacity(self.length.load(Ordering::Relaxed) + 1);
        for mut shard in self.write_each() {
            let before = shard.len();
            shard.retain(|_, entry| entry.idle(now) < self.options.idle);
            self.length.fetch_sub(before - shard.len(), Ordering::Relaxed);
            all.extend(shard.values().map(|entry| entry.series.clone()));
        }
        if self.overflow.activity() > 0 {
            all.push(self.overflow.clone());
        }
        all.sort_unstable_by(|a, b| a.rendered().cmp(b.rendered()));
        all
    }

    /// Removes the series that have been idle longest, a sixteenth of all. False: there are none.
    fn make_room(&self, now: Instant) -> bool {
        let mut failed = self.search.lock().unwrap_or_else(PoisonError::into_inner);
        if self.length.load(Ordering::Relaxed) < self.options.max_series {
            return true; // another thread has just made room
        }
        if failed.is_some_and(|at| now.saturating_duration_since(at) < SEARCH_PAUSE) {
            return false;
        }
        let mut idle = Vec::new();
        for mut shard in self.write_each() {
            let candidates = shard.iter_mut().map(|(labels, entry)| (entry.idle(now), labels));
            idle.extend(
                candidates
                    .filter(|(idle, _)| *idle >= GRACE)
                    .map(|(idle, labels)| (idle, labels.clone())),
            );
        }
        idle.sort_unstable_by_key(|(idle, _)| Reverse(*idle));
        idle.truncate((self.options.max_series / 16).max(1));
        let mut removed = 0;
        for (_, labels) in &idle {
            let Some(shard) = self.shard(labels) else { continue };
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            // It may have been taken up again meanwhile.
            if shard
                .get_mut(labels)
                .is_some_and(|entry| entry.idle(now) >= GRACE)
            {
                shard.remove(labels);
                removed += 1;
            }
        }
        self.length.fetch_sub(removed, Ordering::Relaxed);
        *failed = (removed == 0).then_some(now);
        removed > 0
    }

    /// Chosen by bits that the map inside the shard does not look at.
    fn shard(&self, labels: &S::Labels) -> Option<&RwLock<Shard<S>>> {
        let hash = BuildHasherDefault::<Mix>::default().hash_one(labels);
        self.shards.get((hash >> 32) as usize % SHARDS)
    }

    fn write_each(&self) -> impl Iterator<Item = RwLockWriteGuard<'_, Shard<S>>> {
        self.shards
            .iter()
            .map(|shard| shard.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Series> Entry<S> {
    /// How long the series has neither moved nor been held. Called with the shard locked for writing, so that
    /// nobody can take it up meanwhile.
    fn idle(&mut self, now: Instant) -> Duration {
        let held = Arc::strong_count(&self.series) > 1;
        // In this order: what a holder has counted before it let go is seen in the activity.
        fence(Ordering::Acquire);
        let activity = self.series.activity();
        if held || activity != self.activity {
            self.activity = activity;
            self.since = now;
        }
        now.saturating_duration_since(self.since)
    }
}

/// Mixes the few words that labels hash to, much faster than SipHash. What a client can choose is among them only as
/// the keyed hash of an `Interned`, so that nobody can aim at collisions.
#[derive(Default)]
struct Mix(u64);

impl Mix {
    fn word(&mut self, word: u64) {
        // Multiply and fold, as wyhash does; the constants are the golden ratio's and one of splitmix64's.
        let seeded = self.0.rotate_left(5) ^ word ^ 0x9e37_79b9_7f4a_7c15;
        let product = u128::from(seeded) * 0x94d0_49bb_1331_11eb;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
}

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            self.word(chunk.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte)));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.word(word);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
