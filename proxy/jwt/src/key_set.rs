//! The public keys of an issuer (RFC 7517, section 5).

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{Digest, SHA256, digest};

use crate::algorithm::Algorithm;
use crate::claim::{Claim, Claims};
use crate::fault::Fault;
use crate::key::{Key, Signed, Unusable};

/// Bytes of a set.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// Keys of a set. A token without `kid` may be tried with each.
const MAX_KEYS: usize = 100;

/// Each set that was ever parsed in this process has a number of its own.
static NEXT_VERSION: AtomicU64 = AtomicU64::new(1);

/// A key set, with what of it can be used.
pub struct KeySet {
    version: u64,
    text: Digest,
    keys: Vec<Key>,
    skipped: Vec<(usize, Unusable)>,
}

/// Why a key set is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// More than 1 MiB.
    #[error("the key set is larger than 1 MiB")]
    TooLarge,
    /// No JSON object.
    #[error("the key set is not a JSON object with each member once")]
    NotJson,
    /// There is no member `keys`.
    #[error("the key set has no keys")]
    NoKeys,
    /// `keys` is no array.
    #[error("the keys of the key set are not an array")]
    NotAList,
    /// More keys than any issuer has.
    #[error("the key set has more than 100 keys")]
    TooMany,
    /// `keys` is empty.
    #[error("the key set is empty")]
    Empty,
    /// Not one key can be used.
    #[error("no key of the key set can be used; of the first, {0}")]
    NoneUsable(Unusable),
}

impl KeySet {
    /// Reads a set. Keys that cannot be used are skipped.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        if json.len() > MAX_BYTES {
            return Err(KeySetError::TooLarge);
        }
        let set = Claims::parse(json).ok_or(KeySetError::NotJson)?;
        let list = match set.get("keys") {
            None => return Err(KeySetError::NoKeys),
            Some(Claim::List(list)) => list,
            Some(_) => return Err(KeySetError::NotAList),
        };
        if list.len() > MAX_KEYS {
            return Err(KeySetError::TooMany);
        }
        let (mut keys, mut skipped) = (Vec::new(), Vec::new());
        for (index, one) in list.iter().enumerate() {
            match Key::parse(one) {
                Ok(key) => keys.push(key),
                Err(unusable) => skipped.push((index, unusable)),
            }
        }
        if keys.is_empty() {
            return Err(match skipped.first() {
                Some((_, unusable)) => KeySetError::NoneUsable(*unusable),
                None => KeySetError::Empty,
            });
        }
        Ok(Self {
            version: NEXT_VERSION.fetch_add(1, Ordering::Relaxed),
            text: digest(&SHA256, json),
            keys,
            skipped,
        })
    }

    /// Number of keys that can be used.
    pub fn usable(&self) -> usize {
        self.keys.len()
    }

    /// The keys that are not used: the index of each, and why.
    pub fn skipped(&self) -> &[(usize, Unusable)] {
        &self.skipped
    }

    /// Tells this set from all others.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Whether both were read from the same bytes.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.text.as_ref() == other.text.as_ref()
    }

    /// Whether one of the keys has signed `message`. With an id, those of that id are asked and those of none; without, all.
    pub(crate) fn verify(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Fault> {
        let mut fault = Fault::NoFittingKey;
        for key in &self.keys {
            match key.has_signed(id, algorithm, message, signature) {
                Signed::Yes => return Ok(()),
                Signed::No => fault = Fault::VerificationFails,
                Signed::OtherKey => {}
            }
        }
        Err(fault)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet")
            .field("version", &self.version)
            .field("keys", &self.keys)
            .field("skipped", &self.skipped)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
