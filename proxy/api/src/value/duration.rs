use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

/// A span of time as resources write it.
///
/// Reads the three notations in use: protobuf JSON (`1.5s`), Go (`1h2m3.5s`, `250ms`, `0`) and the Gateway API's (GEP-2257, `1h30m`),
/// which is a subset of Go's. Negative spans are errors, and so are spans beyond Go's limit of about 292 years, which keeps arithmetic
/// with instants from overflowing. Written as protobuf JSON.
///
/// ```
/// use cairn_api::value::Duration;
///
/// let timeout: Duration = "1m0.25s".parse()?;
/// assert_eq!(*timeout, std::time::Duration::from_millis(60_250));
/// assert_eq!(timeout.to_string(), "60.25s");
/// # Ok::<(), cairn_api::value::DurationError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(std::time::Duration);

/// Why a text is not a [`Duration`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DurationError {
    /// The text is empty.
    Empty,
    /// The span is below zero.
    Negative,
    /// A number has no unit.
    MissingUnit,
    /// The unit is none of `h`, `m`, `s`, `ms`, `us`, `ns`.
    UnknownUnit,
    /// A number was expected, something else was found.
    InvalidNumber,
    /// The span exceeds 2⁶³−1 nanoseconds, about 292 years.
    TooLong,
}

impl Duration {
    /// The same span as the standard library's type.
    pub const fn get(self) -> std::time::Duration {
        self.0
    }
}

impl Deref for Duration {
    type Target = std::time::Duration;

    fn deref(&self) -> &std::time::Duration {
        &self.0
    }
}

impl From<std::time::Duration> for Duration {
    fn from(span: std::time::Duration) -> Self {
        Self(span)
    }
}

impl From<Duration> for std::time::Duration {
    fn from(span: Duration) -> Self {
        span.0
    }
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        if text.is_empty() {
            return Err(DurationError::Empty);
        }
        let (negative, magnitude) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let nanos = nanoseconds(magnitude)?;
        if negative && nanos > 0 {
            return Err(DurationError::Negative);
        }
        Ok(Self(std::time::Duration::from_nanos(nanos)))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.subsec_nanos();
        if nanos == 0 {
            return write!(f, "{}s", self.0.as_secs());
        }
        let fraction = format!("{nanos:09}");
        write!(f, "{}.{}s", self.0.as_secs(), fraction.trim_end_matches('0'))
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(DurationVisitor)
    }
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "an empty duration",
            Self::Negative => "a negative duration",
            Self::MissingUnit => "a duration without a unit",
            Self::UnknownUnit => "a duration with an unknown unit",
            Self::InvalidNumber => "a duration with an invalid number",
            Self::TooLong => "a duration longer than 292 years",
        })?;
        f.write_str(" (write it like 1.5s, 250ms or 1h30m)")
    }
}

impl std::error::Error for DurationError {}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration like 1.5s, 250ms or 1h30m")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        text.parse()
            .map_err(|error| E::custom(format_args!("`{text}`: {error}")))
    }
}

/// Go's grammar: one or more decimal numbers, each with a unit. Digits beyond a nanosecond are cut off.
fn nanoseconds(text: &str) -> Result<u64, DurationError> {
    // The only span that Go reads without a unit.
    if text == "0" {
        return Ok(0);
    }
    let mut total: u64 = 0;
    let mut rest = text;
    loop {
        let (number, after) = split_where(rest, |c| !(c.is_ascii_digit() || c == '.'));
        let (unit, next) = split_where(after, |c| c.is_ascii_digit() || c == '.');
        let part = amount(number, unit)?;
        total = total.checked_add(part).ok_or(DurationError::TooLong)?;
        if total > i64::MAX.unsigned_abs() {
            return Err(DurationError::TooLong);
        }
        if next.is_empty() {
            return Ok(total);
        }
        rest = next;
    }
}

fn amount(number: &str, unit: &str) -> Result<u64, DurationError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return Err(DurationError::InvalidNumber);
    }
    let scale: u64 = match unit {
        "" => return Err(DurationError::MissingUnit),
        "ns" => 1,
        // The micro sign and the Greek letter look alike; Go takes both.
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return Err(DurationError::UnknownUnit),
    };
    let whole = match whole {
        "" => 0,
        // Only digits are here, so the sole failure is size.
        digits => digits.parse::<u64>().map_err(|_| DurationError::TooLong)?,
    };
    let whole = whole.checked_mul(scale).ok_or(DurationError::TooLong)?;
    let mut place = u128::from(scale);
    let mut tenths: u128 = 0;
    // Each digit weighs a tenth of the one before; 10¹⁸ keeps the division exact for every unit.
    const EXACT: u128 = 1_000_000_000_000_000_000;
    place *= EXACT;
    for digit in fraction.bytes() {
        place /= 10;
        tenths += u128::from(digit - b'0') * place;
    }
    let fraction = u64::try_from(tenths / EXACT).map_err(|_| DurationError::TooLong)?;
    whole.checked_add(fraction).ok_or(DurationError::TooLong)
}

fn split_where(text: &str, boundary: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(boundary).unwrap_or(text.len()))
}
