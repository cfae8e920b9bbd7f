//! The shared store, in memory.

use std::collections::BTreeMap;

use crate::bindings::cairn::filter::shared::{Entry, SetError};

/// Values with their versions. Times are of the monotonic clock, in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Store {
    values: BTreeMap<String, Stored>,
    versions: u64,
    /// Nothing more fits.
    pub(crate) full: bool,
}

#[derive(Clone, Debug)]
struct Stored {
    value: Vec<u8>,
    version: u64,
    expires: Option<u64>,
}

impl Store {
    pub(crate) fn get(&mut self, key: &str, now: u64) -> Option<Entry> {
        self.values
            .retain(|_, stored| stored.expires.is_none_or(|expires| now < expires));
        let stored = self.values.get(key)?;
        Some(Entry {
            value: stored.value.clone(),
            version: stored.version,
        })
    }

    pub(crate) fn set(
        &mut self,
        key: &str,
        value: &[u8],
        version: Option<u64>,
        ttl_ms: Option<u32>,
        now: u64,
    ) -> Result<u64, SetError> {
        let there = self.get(key, now).map_or(0, |entry| entry.version);
        if version.is_some_and(|version| version != there) {
            return Err(SetError::Conflict(there));
        }
        if self.full {
            return Err(SetError::Full);
        }
        self.versions += 1;
        let stored = Stored {
            value: value.to_vec(),
            version: self.versions,
            expires: ttl_ms.map(|ms| now + u64::from(ms) * 1_000_000),
        };
        self.values.insert(key.to_owned(), stored);
        Ok(self.versions)
    }

    /// The time to live of what is there stays.
    pub(crate) fn add(&mut self, key: &str, by: i64, ttl_ms: Option<u32>, now: u64) -> Result<i64, SetError> {
        let Some(entry) = self.get(key, now) else {
            self.set(key, &by.to_le_bytes(), None, ttl_ms, now)?;
            return Ok(by);
        };
        let number = <[u8; 8]>::try_from(entry.value.as_slice()).map_or(0, i64::from_le_bytes);
        let sum = number.saturating_add(by);
        let expires = self.values.get(key).and_then(|stored| stored.expires);
        self.set(key, &sum.to_le_bytes(), None, None, now)?;
        if let Some(stored) = self.values.get_mut(key) {
            stored.expires = expires;
        }
        Ok(sum)
    }

    pub(crate) fn delete(&mut self, key: &str) {
        self.values.remove(key);
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.values.keys().cloned().collect()
    }
}
