//! Path normalisation: one spelling of a path for policies, routes and the upstream.
//!
//! The modes are those of Istio's `meshConfig.pathNormalization`, and [`Normalization::Base`] gives what Envoy's
//! `normalize_path` does with a path: RFC 3986 section 6.2.2 as browsers apply it. Whoever compares paths must compare
//! normalised ones, and forward them, or a policy on `/admin` is passed by `/%61dmin` and `/x/../admin`.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

/// How far paths are normalised before anything looks at them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Normalization {
    /// Not at all.
    None,
    /// Dot segments are resolved, `\` becomes `/`, escapes of unreserved characters are decoded, and bytes that a path
    /// may not contain are escaped.
    #[default]
    Base,
    /// The same, and runs of slashes become one.
    MergeSlashes,
    /// The same, after `%2F` and `%5C` have been decoded.
    DecodeAndMergeSlashes,
}

/// A path that nothing safe can be made of. The answer is 400, details `path_normalization_failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// It does not start with `/`.
    #[error("the path does not start with a slash")]
    NotAbsolute,
    /// It contains `#`: a fragment is never sent, what follows would be hidden from whoever cuts it off.
    #[error("the path contains a fragment")]
    Fragment,
    /// It contains `%00`, which ends a string for some upstreams.
    #[error("the path contains an escaped NUL")]
    Nul,
    /// It contains a control byte.
    #[error("the path contains a control character")]
    Control,
}

/// Normalises `path`, which may be followed by a query; the query is left alone.
///
/// Asterisk-form and absolute-form are the caller's to set aside, see [`crate::target`]. A path that is normal already
/// is borrowed. An escape that is not one (`%zz`) is kept, as Envoy keeps it.
///
/// ```
/// use cairn_http::path::{Normalization, PathError, normalize};
///
/// assert_eq!(normalize("/a/./b/%2e%2E/%61dmin?x=/../y", Normalization::Base).unwrap(), "/a/admin?x=/../y");
/// assert_eq!(normalize("//a%2Fb", Normalization::Base).unwrap(), "//a%2Fb");
/// assert_eq!(normalize("//a%2Fb", Normalization::DecodeAndMergeSlashes).unwrap(), "/a/b");
/// assert_eq!(normalize("/a%00", Normalization::Base), Err(PathError::Nul));
/// ```
///
/// # Errors
///
/// See [`PathError`]. [`Normalization::None`] refuses fragments and control bytes only.
pub fn normalize(path: &str, mode: Normalization) -> Result<Cow<'_, str>, PathError> {
    let bytes = path.as_bytes();
    let end = bytes.iter().position(|&byte| byte == b'?').unwrap_or(bytes.len());
    let (path_bytes, query) = bytes.split_at(end);
    if !path_bytes.starts_with(b"/") {
        return Err(PathError::NotAbsolute);
    }
    if query.contains(&b'#') {
        return Err(PathError::Fragment);
    }
    match survey(path_bytes, mode)? {
        Survey::Normal => Ok(Cow::Borrowed(path)),
        Survey::Odd => rewrite(path_bytes, query, mode).map(Cow::Owned),
    }
}

enum Survey {
    Normal,
    Odd,
}

/// One pass without writing: nearly every path is normal.
fn survey(path: &[u8], mode: Normalization) -> Result<Survey, PathError> {
    let mut odd = false;
    let mut after_slash = false;
    for &byte in path {
        match byte {
            b'/' => {
                odd |= after_slash && merges(mode);
                after_slash = true;
                continue;
            }
            // Dot files exist, but they are rare enough for the slow way.
            b'.' => odd |= after_slash,
            b'#' => return Err(PathError::Fragment),
            0..=0x1f | 0x7f => return Err(PathError::Control),
            byte => odd |= is_odd(byte),
        }
        after_slash = false;
    }
    Ok(if odd && mode != Normalization::None {
        Survey::Odd
    } else {
        Survey::Normal
    })
}

fn merges(mode: Normalization) -> bool {
    matches!(
        mode,
        Normalization::MergeSlashes | Normalization::DecodeAndMergeSlashes
    )
}

fn is_odd(byte: u8) -> bool {
    matches!(byte, b'%' | b'\\') || must_be_escaped(byte)
}

/// The bytes that RFC 3986 leaves no room for in a path.
fn must_be_escaped(byte: u8) -> bool {
    !byte.is_ascii() || matches!(byte, b' ' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}')
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn rewrite(path: &[u8], query: &[u8], mode: Normalization) -> Result<String, PathError> {
    let mut out = Output::with_capacity(path.len() + query.len() + 8);
    let mut rest = path;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'/' | b'\\' => out.slash(),
            b'%' => match escape(tail) {
                None => out.stray_percent(),
                Some((0, _)) => return Err(PathError::Nul),
                Some((b'/' | b'\\', after)) if mode == Normalization::DecodeAndMergeSlashes => {
                    out.slash();
                    rest = after;
                }
                Some((value, after)) if is_unreserved(value) => {
                    out.decoded(value);
                    rest = after;
                }
                Some((_, after)) => {
                    out.copy(rest.get(..2).unwrap_or_default());
                    rest = after;
                }
            },
            byte if must_be_escaped(byte) => out.escaped(byte),
            byte => out.plain(byte),
        }
    }
    out.end_segment(true);
    if merges(mode) {
        // After the dot segments, as Envoy does: `/a//..` is `/a/`, not `/`.
        out.bytes.dedup_by(|next, byte| *next == b'/' && *byte == b'/');
    }
    out.bytes.extend_from_slice(query);
    // Everything that is not ASCII has been escaped in the path, and the query is a whole piece of the input.
    String::from_utf8(out.bytes).map_err(|_| PathError::Control)
}

/// The byte that two hexadecimal digits stand for, and what follows them.
fn escape(after_percent: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = after_percent.split_first_chunk::<2>()?;
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    let value = u8::try_from(high? * 16 + low?).ok()?;
    Some((value, rest))
}

/// The path as it is written, with the start of its last segment.
struct Output {
    bytes: Vec<u8>,
    segment: usize,
    /// Where a `%` was kept that starts no escape.
    stray: Option<usize>,
}

impl Output {
    fn with_capacity(capacity: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(capacity),
            segment: 0,
            stray: None,
        }
    }

    fn plain(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    fn copy(&mut self, digits: &[u8]) {
        self.bytes.push(b'%');
        self.bytes.extend_from_slice(digits);
    }

    fn escaped(&mut self, byte: u8) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
        self.bytes
            .extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 0xf)]);
    }

    fn stray_percent(&mut self) {
        self.stray = Some(self.bytes.len());
        self.bytes.push(b'%');
    }

    /// Writes a decoded character. `%%32e` must not become `%2e`, which the next reader would decode once more: a stray
    /// percent sign is escaped before a decoded digit can make an escape of it.
    fn decoded(&mut self, byte: u8) {
        if let Some(stray) = self.stray
            && byte.is_ascii_hexdigit()
            && self.bytes.len() <= stray + 2
        {
            self.bytes.splice(stray..=stray, *b"%25");
            self.stray = None;
        }
        self.bytes.push(byte);
    }

    fn slash(&mut self) {
        self.end_segment(false);
        self.bytes.push(b'/');
        self.segment = self.bytes.len();
    }

    /// Resolves the segment that has just been written, if it is `.` or `..`. Before a slash the segment goes with the
    /// slash in front of it, so that the new one takes its place; at the end that slash stays.
    fn end_segment(&mut self, last: bool) {
        let dots = match self.bytes.get(self.segment..) {
            Some(b".") => 1,
            Some(b"..") => 2,
            _ => return,
        };
        self.bytes.truncate(self.segment);
        if dots == 2 {
            let parent = self.bytes.iter().rev().skip(1).position(|&byte| byte == b'/');
            let kept = parent.map_or(1, |distance| self.bytes.len() - 1 - distance);
            self.bytes.truncate(kept);
        }
        if !last {
            self.bytes.pop();
        }
        self.segment = self.bytes.len();
        self.stray = self.stray.filter(|&stray| stray < self.bytes.len());
    }
}
