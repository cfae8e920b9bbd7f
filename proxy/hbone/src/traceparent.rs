//! The `traceparent` header (W3C Trace Context): which trace a tunnel belongs to.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header.
pub const HEADER: HeaderName = HeaderName::from_static("traceparent");

/// A position in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace; never 0.
    pub trace_id: u128,
    /// The span within it; never 0.
    pub span_id: u64,
    /// Flags; the lowest bit is `sampled`.
    pub flags: u8,
}

impl TraceParent {
    /// The start of a new trace that nobody records.
    #[must_use]
    pub fn random() -> TraceParent {
        TraceParent {
            trace_id: rand::random::<u128>().max(1),
            span_id: rand::random::<u64>().max(1),
            flags: 0,
        }
    }

    /// Reads the header; a repeated one is no header.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<TraceParent> {
        let mut values = headers.get_all(HEADER).iter();
        let value = values.next()?;
        if values.next().is_some() {
            return None;
        }
        parse(value.to_str().ok()?)
    }

    /// The header value.
    #[must_use]
    pub fn to_header(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.to_string()).ok()
    }
}

/// Reads a header value of version 00, or what a later version has in common with it.
///
/// ```
/// let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let parent = cairn_hbone::traceparent::parse(text).unwrap();
/// assert_eq!(parent.to_string(), text);
/// ```
#[must_use]
pub fn parse(text: &str) -> Option<TraceParent> {
    let mut fields = text.split('-');
    let version = hexadecimal(fields.next()?, 2)?;
    let trace_id = hexadecimal(fields.next()?, 32)?;
    let span_id = hexadecimal(fields.next()?, 16)?;
    let flags = hexadecimal(fields.next()?, 2)?;
    let has_more = fields.next().is_some();
    if version == 0xff || (version == 0 && has_more) || trace_id == 0 || span_id == 0 {
        return None;
    }
    Some(TraceParent {
        trace_id,
        span_id: span_id.try_into().ok()?,
        flags: flags.try_into().ok()?,
    })
}

/// Exactly `digits` lower-case hexadecimal digits.
fn hexadecimal(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != digits || !text.bytes().all(is_digit) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

/// The header value, in version 00.
impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "00-{:032x}-{:016x}-{:02x}",
            self.trace_id, self.span_id, self.flags
        )
    }
}

#[cfg(test)]
mod tests;
