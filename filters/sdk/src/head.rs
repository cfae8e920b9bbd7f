//! Heads and trailers, read where they lie.

pub(crate) mod query;

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use crate::bindings::cairn::filter::types::{Block, Head as RawHead};

/// The lines of a head or of trailers. They came in one piece, and are read there without being copied.
#[derive(Clone, PartialEq)]
pub struct Fields(Block);

impl Fields {
    /// The first value of a name, if it is UTF-8. The name may be written in any case.
    pub fn get(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.bytes(name)?).ok()
    }

    /// The first value of a name, whatever its bytes are.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        let (name, bytes) = (name.as_bytes(), &*self.0.bytes);
        let place = |end: u32| usize::try_from(end).ok();
        let mut at = 0;
        for line in self.0.ends.as_chunks::<2>().0 {
            let [middle, end] = line.map(place);
            let (middle, end) = (middle?, end?);
            // Most are told apart by their lengths.
            if middle.checked_sub(at)? == name.len() && bytes.get(at..middle)?.eq_ignore_ascii_case(name) {
                return bytes.get(middle..end);
            }
            at = end;
        }
        None
    }

    /// All values of a name that are UTF-8, one for each line.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .filter_map(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// There is a line of this name.
    pub fn has(&self, name: &str) -> bool {
        self.bytes(name).is_some()
    }

    /// All lines, those first that begin with a colon.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            ends: self.0.ends.iter(),
            bytes: &self.0.bytes,
            at: 0,
        }
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.0.ends.len() / 2
    }

    /// There are no lines.
    pub fn is_empty(&self) -> bool {
        self.0.ends.is_empty()
    }

    /// A request's method.
    pub fn method(&self) -> Option<&str> {
        self.get(":method")
    }

    /// A request's path without its query.
    pub fn path(&self) -> Option<&str> {
        let target = self.target()?;
        Some(target.split_once('?').map_or(target, |(path, _)| path))
    }

    /// A request's path with its query, as it was sent.
    pub fn target(&self) -> Option<&str> {
        self.get(":path")
    }

    /// The host, and the port if one was given, that a request is for.
    pub fn authority(&self) -> Option<&str> {
        self.get(":authority")
    }

    /// A response's status.
    pub fn status(&self) -> Option<u16> {
        self.get(":status")?.parse().ok()
    }

    /// A request's query, without the question mark.
    pub fn query(&self) -> Option<&str> {
        self.target()?.split_once('?').map(|(_, query)| query)
    }

    /// The pairs of a request's query, decoded.
    pub fn query_pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        query::pairs(self.query().unwrap_or_default())
    }

    /// The value of a cookie that the client sent, without quotes around it.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let mut pairs = self.get_all("cookie").flat_map(|line| line.split(';'));
        let value = pairs.find_map(|pair| {
            let (known, value) = pair.split_once('=')?;
            (known.trim() == name).then(|| value.trim())
        })?;
        let bare = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        Some(bare.unwrap_or(value))
    }

    #[doc(hidden)]
    pub fn from_raw(block: Block) -> Fields {
        Fields(block)
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self
            .iter()
            .map(|(name, value)| (name, String::from_utf8_lossy(value)));
        f.debug_map().entries(lines).finish()
    }
}

impl<'a> IntoIterator for &'a Fields {
    type Item = (&'a str, &'a [u8]);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The lines of [`Fields`], one after the other.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    ends: std::slice::Iter<'a, u32>,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iter<'a> {
    fn piece(&mut self) -> Option<&'a [u8]> {
        let end = usize::try_from(*self.ends.next()?).ok()?;
        let piece = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(piece)
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<(&'a str, &'a [u8])> {
        let name = self.piece()?;
        let value = self.piece()?;
        // Names are ASCII: the waypoint has parsed them.
        Some((std::str::from_utf8(name).unwrap_or_default(), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.ends.len() / 2))
    }
}

/// A head, as a hook sees it: the lines that were subscribed to. What [`Fields`] can do, it can do.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    fields: Fields,
    end_of_stream: bool,
}

impl Head {
    /// Nothing follows this head: neither a body nor trailers.
    pub fn end_of_stream(&self) -> bool {
        self.end_of_stream
    }

    #[doc(hidden)]
    pub fn from_raw(head: RawHead) -> Head {
        Head {
            fields: Fields(head.fields),
            end_of_stream: head.end_of_stream,
        }
    }
}

impl Deref for Head {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.fields
    }
}

#[cfg(test)]
mod tests;
