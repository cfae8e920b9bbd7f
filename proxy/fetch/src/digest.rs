//! SHA-256, the one hash that images and plugins are named by.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};

/// A SHA-256 digest.
///
/// It is read from 64 hexadecimal digits, with or without `sha256:` before them, and shown with it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// A text that is no SHA-256 digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no SHA-256 digest; write its 64 hexadecimal digits")]
pub struct DigestError {
    text: String,
}

impl Digest {
    /// The digest of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut value = [0; 32];
        value.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Self(value)
    }

    /// The digest itself.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its 64 hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let wrong = || DigestError {
            text: text.to_owned(),
        };
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        if digits.len() != 64 {
            return Err(wrong());
        }
        let mut value = [0; 32];
        for (byte, pair) in value.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            let &[high, low] = pair else { return Err(wrong()) };
            *byte = nibble(high)
                .zip(nibble(low))
                .map(|(high, low)| high << 4 | low)
                .ok_or_else(wrong)?;
        }
        Ok(Self(value))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16)?.try_into().ok()
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn reads_what_it_shows() {
        let digest = Digest::of(b"");
        assert_eq!(digest.to_string(), format!("sha256:{EMPTY}"));
        assert_eq!(EMPTY.parse(), Ok(digest));
        assert_eq!(format!("sha256:{}", EMPTY.to_uppercase()).parse(), Ok(digest));
    }

    #[test]
    fn refuses_what_is_none() {
        for text in [
            "",
            "sha256:",
            "abc",
            &EMPTY[1..],
            &EMPTY.replace('e', "g"),
            "sha512:00",
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
        assert!("é".repeat(32).parse::<Digest>().is_err());
    }
}
