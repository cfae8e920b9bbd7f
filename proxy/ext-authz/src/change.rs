//! What an answer changes of header fields.

use bytes::Bytes;
use cairn_api::ext_authz::HeaderValueOption;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::field;

/// Most lines that an answer may write, and that a request or response may have thereafter: what Envoy lets a request have.
pub(crate) const MAX_LINES: usize = 100;
/// Most bytes of them.
pub(crate) const MAX_BYTES: usize = 60 * 1024;

/// Something that an answer asks for cannot be done, or may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Invalid;

/// What becomes of the lines of a name, in the order in which Envoy goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    /// Another line.
    Add,
    /// One line instead of all.
    Set,
    /// A line, when there is none.
    AddIfAbsent,
    /// One line instead of all, when there is one.
    SetIfPresent,
    /// More of the line, when there is one.
    Extend,
}

/// Lines to write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    changes: Vec<(Action, HeaderName, HeaderValue)>,
    bytes: usize,
}

/// What a field is written to, when a server over gRPC asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// A request on its way.
    Request,
    /// The response to a request that passed.
    Response,
    /// A response that the server itself writes.
    Refusal,
}

impl Head {
    /// What `option` asks for.
    ///
    /// The number 0 is also what is there when a server says nothing. Of a request, nothing said means that the client's own
    /// lines go: that is how Envoy reads it (after envoyproxy/envoy#43310), and servers rely on it to tell who the user is.
    pub(crate) fn action(self, option: &HeaderValueOption) -> Result<Action, Invalid> {
        match (self, option.append, option.append_action) {
            (Head::Request, Some(true), _) => Ok(Action::Extend),
            (_, Some(true), _) | (Head::Response | Head::Refusal, None, 0) => Ok(Action::Add),
            // Envoy writes what a refusal says several times, such as cookies, as often as it is said.
            (Head::Refusal, Some(false), _) => Ok(Action::Add),
            (_, Some(false), _) | (Head::Request, None, 0) | (_, None, 2) => Ok(Action::Set),
            (_, None, 1) => Ok(Action::AddIfAbsent),
            (_, None, 3) => Ok(Action::SetIfPresent),
            (_, None, _) => Err(Invalid),
        }
    }
}

impl Changes {
    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Adds a line; those that say where a message ends are passed over.
    pub(crate) fn push(
        &mut self,
        action: Action,
        name: HeaderName,
        value: HeaderValue,
    ) -> Result<(), Invalid> {
        if field::is_framing(&name) {
            return Ok(());
        }
        self.bytes += name.as_str().len() + value.len();
        if self.changes.len() >= MAX_LINES || self.bytes > MAX_BYTES {
            return Err(Invalid);
        }
        self.changes.push((action, name, value));
        Ok(())
    }

    /// Brings them into the order in which they are made: what is said of one name in two ways depends on it.
    pub(crate) fn settle(mut self) -> Changes {
        self.changes.sort_by_key(|(action, ..)| *action);
        self
    }

    /// Makes them.
    pub(crate) fn apply(&self, headers: &mut HeaderMap) -> Result<(), Invalid> {
        for (action, name, value) in &self.changes {
            let there = headers.contains_key(name);
            let written = match action {
                Action::Add => headers.try_append(name, value.clone()).map(drop),
                Action::AddIfAbsent if there => Ok(()),
                Action::SetIfPresent if !there => Ok(()),
                Action::Set | Action::AddIfAbsent | Action::SetIfPresent => {
                    headers.try_insert(name, value.clone()).map(drop)
                }
                Action::Extend => match extended(headers, name, value)? {
                    Some(value) => headers.try_insert(name, value).map(drop),
                    None => Ok(()),
                },
            };
            written.map_err(|_| Invalid)?;
        }
        Ok(())
    }
}

/// The lines of a name as one, with `value` at its end.
fn extended(
    headers: &HeaderMap,
    name: &HeaderName,
    value: &HeaderValue,
) -> Result<Option<HeaderValue>, Invalid> {
    let Some(line) = field::line(headers, name) else {
        return Ok(None);
    };
    let mut line = line.into_owned();
    line.extend_from_slice(field::separator(name));
    line.extend_from_slice(value.as_bytes());
    HeaderValue::from_maybe_shared(Bytes::from(line))
        .map(Some)
        .map_err(|_| Invalid)
}

/// Whether a head that has been changed is as small as one may be, or at least no larger than it was.
pub(crate) fn fits(before: (usize, usize), headers: &HeaderMap) -> bool {
    let after = weight(headers);
    let within = |after: usize, before: usize, limit: usize| after <= before.max(limit);
    within(after.0, before.0, MAX_LINES) && within(after.1, before.1, MAX_BYTES)
}

/// Lines and bytes.
pub(crate) fn weight(headers: &HeaderMap) -> (usize, usize) {
    let bytes = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len());
    (headers.len(), bytes.sum())
}
