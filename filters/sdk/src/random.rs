//! Chance.

use crate::imports::random;

/// So many bytes that nobody can foretell; at most 4096.
pub fn bytes(len: u32) -> Vec<u8> {
    random::bytes(len)
}

/// A number that nobody can foretell.
pub fn number() -> u64 {
    bytes(8)
        .into_iter()
        .fold(0, |number, byte| number << 8 | u64::from(byte))
}

/// A number from 0 up to and without 1.
pub fn unit() -> f64 {
    // 26 bits convert without loss.
    let bits = u32::try_from(number() >> 38).unwrap_or_default();
    f64::from(bits) / f64::from(1_u32 << 26)
}
