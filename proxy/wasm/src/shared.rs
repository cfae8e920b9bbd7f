//! The store that all instances of a plugin share.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is counted for an entry beside its key and value.
const OVERHEAD: usize = 128;

/// Values by key, of one plugin. They survive its generations.
#[derive(Debug)]
pub struct SharedStore {
    capacity: AtomicUsize,
    content: Mutex<Content>,
}

#[derive(Debug, Default)]
struct Content {
    entries: HashMap<Arc<str>, Entry>,
    /// The keys of entries that expire, the first to do so first.
    expiring: BTreeMap<Expiry, Arc<str>>,
    bytes: usize,
    version: u64,
}

/// When an entry expires, and the version that it had when it was put there, which no other had.
type Expiry = (Instant, u64);

#[derive(Debug)]
struct Entry {
    value: Vec<u8>,
    version: u64,
    expires: Option<Expiry>,
}

/// Why a value was not stored.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SetError {
    /// It has this version by now.
    Conflict(u64),
    /// There is no room.
    Full,
}

impl SharedStore {
    /// An empty store for so many bytes.
    pub fn new(capacity: usize) -> SharedStore {
        SharedStore {
            capacity: capacity.into(),
            content: Mutex::default(),
        }
    }

    /// Makes it a store for so many bytes. What it holds beyond stays until it expires or is deleted.
    pub fn resize(&self, capacity: usize) {
        self.capacity.store(capacity, Ordering::Relaxed);
    }

    pub(crate) fn get(&self, key: &str) -> Option<(Vec<u8>, u64)> {
        let content = self.lock();
        let entry = content.live(key, Instant::now())?;
        Some((entry.value.clone(), entry.version))
    }

    pub(crate) fn set(
        &self,
        key: String,
        value: Vec<u8>,
        expected: Option<u64>,
        ttl: Option<Duration>,
    ) -> Result<u64, SetError> {
        let now = Instant::now();
        let mut content = self.lock();
        let current = content.live(&key, now).map_or(0, |entry| entry.version);
        if expected.is_some_and(|expected| expected != current) {
            return Err(SetError::Conflict(current));
        }
        content.put(
            self.capacity.load(Ordering::Relaxed),
            key,
            value,
            ttl.map(|ttl| now + ttl),
            now,
        )
    }

    /// The sum after adding. A value that is no number counts as 0.
    pub(crate) fn add(&self, key: String, by: i64, ttl: Option<Duration>) -> Result<i64, SetError> {
        let now = Instant::now();
        let mut content = self.lock();
        if let Some(entry) = content.entries.get_mut(&*key)
            && entry.is_live(now)
            && let Ok(bytes) = <[u8; 8]>::try_from(entry.value.as_slice())
        {
            let sum = i64::from_le_bytes(bytes).saturating_add(by);
            entry.value.copy_from_slice(&sum.to_le_bytes());
            content.version += 1;
            let version = content.version;
            if let Some(entry) = content.entries.get_mut(&*key) {
                entry.version = version;
            }
            return Ok(sum);
        }
        let value = by.to_le_bytes().to_vec();
        content.put(
            self.capacity.load(Ordering::Relaxed),
            key,
            value,
            ttl.map(|ttl| now + ttl),
            now,
        )?;
        Ok(by)
    }

    pub(crate) fn delete(&self, key: &str) {
        self.lock().remove(key);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    fn live(&self, key: &str, now: Instant) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| entry.is_live(now))
    }

    fn put(
        &mut self,
        capacity: usize,
        key: String,
        value: Vec<u8>,
        expires: Option<Instant>,
        now: Instant,
    ) -> Result<u64, SetError> {
        let size = key.len() + value.len() + OVERHEAD;
        // What has expired is only looked for when its room is needed.
        while !self.fits(&key, size, capacity) {
            let expired = self.expiring.first_key_value().filter(|((at, _), _)| *at <= now);
            let Some((_, expired)) = expired else {
                return Err(SetError::Full);
            };
            let expired = Arc::clone(expired);
            self.remove(&expired);
        }
        self.remove(&key);
        self.version += 1;
        self.bytes += size;
        let key: Arc<str> = key.into();
        let expires = expires.map(|at| (at, self.version));
        if let Some(expiry) = expires {
            self.expiring.insert(expiry, Arc::clone(&key));
        }
        let entry = Entry {
            value,
            version: self.version,
            expires,
        };
        self.entries.insert(key, entry);
        Ok(self.version)
    }

    fn fits(&self, key: &str, size: usize, capacity: usize) -> bool {
        let replaced = self.entries.get(key).map_or(0, |entry| entry.size(key));
        self.bytes - replaced + size <= capacity
    }

    fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.size(key);
            if let Some(expiry) = entry.expires {
                self.expiring.remove(&expiry);
            }
        }
    }
}

impl Entry {
    fn is_live(&self, now: Instant) -> bool {
        self.expires.is_none_or(|(at, _)| now < at)
    }

    fn size(&self, key: &str) -> usize {
        key.len() + self.value.len() + OVERHEAD
    }
}

#[cfg(test)]
mod tests;
