//! Tokens that have been verified, so that the next request with the same token costs a comparison.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use crate::token::Token;

const SHARDS: usize = 16;

/// What a token takes when it is parsed, at most, for each of its bytes: a list of empty lists is the worst.
const BYTES_EACH: usize = 10;

/// Key sets that a token is remembered to have been verified by: two rules may have different keys for one issuer.
const VERSIONS: usize = 4;

/// A bounded store of verified tokens, shared by all workers.
///
/// A token is found by a keyed hash of all of it, and is the same only if all of its bytes are. It remembers which key sets
/// have verified it: new keys verify anew. Times, issuers and audiences are checked each time.
pub struct Cache {
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    tokens: usize,
    bytes: usize,
}

/// Two generations: what was not asked for during a whole one goes.
#[derive(Default)]
struct Shard {
    young: HashMap<u64, Entry>,
    old: HashMap<u64, Entry>,
    young_bytes: usize,
}

#[derive(Clone)]
struct Entry {
    token: Arc<Token>,
    verified_by: Versions,
}

/// The key sets that have verified a token, the latest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Versions([u64; VERSIONS]);

impl Cache {
    /// A cache of at most this many tokens, which take at most about this many bytes.
    pub fn new(tokens: usize, bytes: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
            // Each shard has two generations.
            tokens: (tokens / SHARDS / 2).max(1),
            bytes: bytes / SHARDS / 2,
        }
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
            .map(|shard| shard.young.len() + shard.old.len())
            .sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn find(&self, text: &[u8]) -> Option<(Arc<Token>, Versions)> {
        let hash = self.hasher.hash_one(text);
        let mut shard = self.shard(hash)?.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |entry: &&Entry| entry.token.text().as_ref() == text;
        if let Some(entry) = shard.young.get(&hash).filter(is_it) {
            return Some((entry.token.clone(), entry.verified_by));
        }
        let entry = shard.old.get(&hash).filter(is_it)?.clone();
        shard.old.remove(&hash);
        self.put(&mut shard, hash, entry.clone());
        Some((entry.token, entry.verified_by))
    }

    /// Remembers a token that has just been verified.
    pub(crate) fn insert(&self, token: &Arc<Token>, verified_by: Versions) {
        let hash = self.hasher.hash_one(token.text().as_ref());
        let Some(shard) = self.shard(hash) else { return };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = Entry {
            token: token.clone(),
            verified_by,
        };
        self.put(&mut shard, hash, entry);
    }

    /// Forgets a token whose time is over.
    pub(crate) fn remove(&self, token: &Token) {
        let hash = self.hasher.hash_one(token.text().as_ref());
        let Some(shard) = self.shard(hash) else { return };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = shard.young.remove(&hash) {
            shard.young_bytes = shard.young_bytes.saturating_sub(entry.weight());
        }
        shard.old.remove(&hash);
    }

    fn put(&self, shard: &mut Shard, hash: u64, entry: Entry) {
        let weight = entry.weight();
        if weight > self.bytes {
            return;
        }
        if shard.young.len() >= self.tokens || shard.young_bytes + weight > self.bytes {
            shard.old = std::mem::take(&mut shard.young);
            shard.young_bytes = 0;
        }
        shard.young_bytes += weight;
        if let Some(before) = shard.young.insert(hash, entry) {
            shard.young_bytes = shard.young_bytes.saturating_sub(before.weight());
        }
    }

    fn shard(&self, hash: u64) -> Option<&Mutex<Shard>> {
        // The low bits choose the place in the map of the shard.
        self.shards.get((hash >> 60) as usize % SHARDS)
    }
}

impl Default for Cache {
    /// 4,096 tokens in 64 MiB at most.
    fn default() -> Self {
        Self::new(4096, 64 << 20)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("tokens", &self.len())
            .finish_non_exhaustive()
    }
}

impl Entry {
    fn weight(&self) -> usize {
        self.token.text().len() * BYTES_EACH
    }
}

impl Versions {
    pub(crate) fn contains(self, version: u64) -> bool {
        self.0.contains(&version)
    }

    /// With one more; the one that was added first makes room.
    pub(crate) fn with(self, version: u64) -> Self {
        let mut versions = [version; VERSIONS];
        for (place, before) in versions.iter_mut().skip(1).zip(self.0) {
            *place = before;
        }
        Self(versions)
    }
}

#[cfg(test)]
mod tests;
