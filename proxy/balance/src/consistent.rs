//! Consistent hashing: requests with the same key go to the same endpoint, and few keys move when endpoints come or go.

mod maglev;
mod ring;

use xxhash_rust::xxh64::xxh64;

use maglev::Maglev;
use ring::Ring;

/// How keys are laid out over endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashTable {
    /// Points on a ring (D. Karger et al., "Consistent Hashing and Random Trees", STOC 1997): when an endpoint goes mostly its
    /// own keys move. A choice is a binary search.
    Ring {
        /// Fewest points on the ring, of all endpoints together; Envoy's default is 1024.
        minimum_size: u64,
    },
    /// D. Eisenbud et al., "Maglev", NSDI 2016, section 3.4: more even, and a choice is one look; when an endpoint goes a
    /// few keys of others move too.
    Maglev {
        /// Entries of the table; a prime, of which Envoy's default is 65537.
        size: u64,
    },
}

/// The hash of a key, XXH64: stable across processes and versions, and the one that Envoy uses.
///
/// ```
/// assert_eq!(cairn_balance::hash(b"user-1"), cairn_balance::hash(b"user-1"));
/// assert_ne!(cairn_balance::hash(b"user-1"), cairn_balance::hash(b"user-2"));
/// ```
pub fn hash(key: &[u8]) -> u64 {
    xxh64(key, 0)
}

/// How many places of the table are looked at for an endpoint that is not excluded.
const WALK: usize = 64;

/// What tells an endpoint from the others, and its weight.
pub(crate) struct Member<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) weight: u32,
}

/// Keys laid out over endpoints.
#[derive(Debug)]
pub(crate) enum Table {
    Ring(Ring),
    Maglev(Maglev),
}

impl Table {
    pub(crate) fn new(layout: HashTable, members: &[Member<'_>]) -> Self {
        match layout {
            HashTable::Ring { minimum_size } => Self::Ring(Ring::new(minimum_size, members)),
            HashTable::Maglev { size } => Self::Maglev(Maglev::new(size, members)),
        }
    }

    /// The places of the members that are asked in turn for a key; the same one may come several times.
    pub(crate) fn candidates(&self, hash: u64) -> impl Iterator<Item = usize> + '_ {
        let (start, size) = match self {
            Self::Ring(ring) => (ring.place(hash), ring.size()),
            Self::Maglev(maglev) => (maglev.place(hash), maglev.size()),
        };
        (0..size.min(WALK)).filter_map(move |step| {
            let place = (start + step) % size;
            match self {
                Self::Ring(ring) => ring.at(place),
                Self::Maglev(maglev) => maglev.at(place),
            }
        })
    }
}

#[cfg(test)]
mod tests;
