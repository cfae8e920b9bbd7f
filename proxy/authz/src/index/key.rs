//! Hashes of what rules are filed by.

use std::hash::Hasher;

use http::HeaderName;

/// What rules are filed by, best first: of two equally good choices the earlier one is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dimension {
    Account = 1,
    Path = 2,
    Header = 4,
    Host = 8,
    Namespace = 16,
    Method = 32,
    Port = 64,
}

pub(super) const DIMENSIONS: [Dimension; 7] = [
    Dimension::Account,
    Dimension::Path,
    Dimension::Header,
    Dimension::Host,
    Dimension::Namespace,
    Dimension::Method,
    Dimension::Port,
];

/// Ends of a path key, which keep a path apart from the same text as a prefix.
pub(super) const WHOLE: u8 = 1;
pub(super) const PREFIX: u8 = 2;
/// Ends every other key.
const END: u8 = 0;

pub(super) fn account_key(namespace: &str, name: &str) -> u64 {
    let mut hash = Hash::new(Dimension::Account);
    namespace.bytes().for_each(|byte| hash.byte(byte));
    hash.byte(b'/');
    name.bytes().for_each(|byte| hash.byte(byte));
    hash.finish(END)
}

pub(super) fn namespace_key(name: &str) -> u64 {
    key(Dimension::Namespace, name.bytes(), END)
}

pub(super) fn host_key(host: &str) -> u64 {
    key(
        Dimension::Host,
        host.bytes().map(|byte| byte.to_ascii_lowercase()),
        END,
    )
}

pub(super) fn header_key(name: &HeaderName, value: &[u8]) -> u64 {
    let mut hash = Hash::new(Dimension::Header);
    name.as_str().bytes().for_each(|byte| hash.byte(byte));
    hash.byte(b':');
    value.iter().for_each(|byte| hash.byte(*byte));
    hash.finish(END)
}

pub(super) fn method_key(method: &str) -> u64 {
    key(Dimension::Method, method.bytes(), END)
}

pub(super) fn port_key(port: u16) -> u64 {
    key(Dimension::Port, port.to_be_bytes(), END)
}

pub(super) fn path_key(path: &str, end: u8) -> u64 {
    key(Dimension::Path, path.bytes(), end)
}

fn key(dimension: Dimension, bytes: impl IntoIterator<Item = u8>, end: u8) -> u64 {
    let mut hash = Hash::new(dimension);
    bytes.into_iter().for_each(|byte| hash.byte(byte));
    hash.finish(end)
}

/// FNV-1a, because the hashes of all prefixes of a path come out of one pass over it.
///
/// Nobody gains by colliding: the keys are those of policies, and a request only looks them up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hash(u64);

impl Hash {
    pub(super) fn new(dimension: Dimension) -> Hash {
        let mut hash = Hash(0xcbf2_9ce4_8422_2325);
        hash.byte(dimension as u8);
        hash
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }

    pub(super) fn finish(mut self, end: u8) -> u64 {
        self.byte(end);
        // FNV mixes upwards only, and hash tables look at the lowest bits too.
        self.0 ^ (self.0 >> 32)
    }
}

/// Passes keys that are hashes already.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}
