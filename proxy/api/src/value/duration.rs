use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

/// A span of time as resources write it.
///
/// Reads the three notations in use: protobuf JSON (`1.5s`), Go (`1h2m3.5s`, `250ms`, `0`) and the Gateway
/// API's (GEP-2257, `1h30m`), which is a subset of Go's. Negative spans are errors, and so are spans beyond
/// Go's limit of about 292 years, which keeps arithmetic with instants from overflowing. Written as protobuf
/// JSON.
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
            Self::Empty => "it is empty",
            Self::Negative => "it is negative",
            Self::MissingUnit => "a number has no unit",
            Self::UnknownUnit => "a unit is none of h, m, s, ms, us, ns",
            Self::InvalidNumber => "a number was expected",
            Self::TooLong => "it exceeds 292 years",
        })
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
        text.parse().map_err(|error| {
            E::custom(format_args!(
                "invalid duration `{text}`: {error} (write it like 1.5s, 250ms or 1h30m)"
            ))
        })
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
        let (number, after) = split_where(rest, |c| !is_numeric(c));
        let (unit, next) = split_where(after, is_numeric);
        total = total.saturating_add(amount(number, unit)?);
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
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(DurationError::InvalidNumber);
    }
    let scale: u64 = match unit {
        "" => return Err(DurationError::MissingUnit),
        "ns" => 1,
        // The micro sign and the Greek letter look alike; Go takes both.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return Err(DurationError::UnknownUnit),
    };
    let mut nanos: u64 = 0;
    for digit in whole.bytes() {
        nanos = nanos.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    }
    Ok(nanos
        .saturating_mul(scale)
        .saturating_add(part_of(scale, fraction)))
}

/// The nanoseconds that a decimal fraction of a unit amounts to.
fn part_of(scale: u64, fraction: &str) -> u64 {
    // Beyond 18 digits nothing is left, of an hour even; up to there, 64 bits hold numerator and denominator.
    let digits = fraction.get(..18).unwrap_or(fraction);
    let (mut numerator, mut denominator) = (0_u64, 1_u64);
    for digit in digits.bytes() {
        numerator = numerator * 10 + u64::from(digit - b'0');
        denominator *= 10;
    }
    let nanos = u128::from(scale) * u128::from(numerator) / u128::from(denominator);
    // Less than `scale`, because the fraction is less than one.
    u64::try_from(nanos).unwrap_or(scale)
}

fn is_numeric(c: char) -> bool {
    c.is_ascii_digit() || c == '.'
}

fn split_where(text: &str, boundary: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(boundary).unwrap_or(text.len()))
}
