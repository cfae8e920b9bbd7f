//! What becomes of a message.

use crate::bindings::cairn::filter::types;
use crate::edits::{Edits, lower};
use crate::reply::Reply;

/// What becomes of a message whose head was seen.
///
/// ```
/// use cairn_filter::{HeadVerdict, Reply};
///
/// let changed = HeadVerdict::next().set("x-tenant", "blue").remove("x-debug");
/// let refused: HeadVerdict = Reply::new(403).details("not_welcome").into();
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum HeadVerdict {
    /// It goes on, changed.
    Next(Edits),
    /// It is kept back until a body hook answers [`BodyVerdict::Release`] or the body has ended. Needs a subscription to
    /// the body.
    Hold(Edits),
    /// It goes on, changed, and no other hook of this filter is called for this exchange. Its bodies are not buffered
    /// either, of whatever size they are.
    Done(Edits),
    /// The client gets this response instead.
    Reply(Reply),
}

impl HeadVerdict {
    /// It goes on.
    pub fn next() -> HeadVerdict {
        HeadVerdict::Next(Edits::new())
    }

    /// It is kept back for its body.
    pub fn hold() -> HeadVerdict {
        HeadVerdict::Hold(Edits::new())
    }

    /// It goes on, and the filter has nothing more to do with it.
    pub fn done() -> HeadVerdict {
        HeadVerdict::Done(Edits::new())
    }

    /// Puts one line in place of all lines of its name. Of a [`HeadVerdict::Reply`], it is the reply's head that changes.
    #[must_use]
    pub fn set(self, name: &str, value: impl Into<Vec<u8>>) -> HeadVerdict {
        let value = value.into();
        match self {
            HeadVerdict::Reply(mut reply) => {
                let name = lower(name);
                reply.fields_mut().retain(|(known, _)| *known != name);
                reply.fields_mut().push((name, value));
                HeadVerdict::Reply(reply)
            }
            other => other.edit(|edits| edits.set(name, value)),
        }
    }

    /// Adds a line after those that are there.
    #[must_use]
    pub fn append(self, name: &str, value: impl Into<Vec<u8>>) -> HeadVerdict {
        match self {
            HeadVerdict::Reply(reply) => HeadVerdict::Reply(reply.header(name, value)),
            other => other.edit(|edits| edits.append(name, value)),
        }
    }

    /// Removes all lines of a name.
    #[must_use]
    pub fn remove(self, name: &str) -> HeadVerdict {
        match self {
            HeadVerdict::Reply(mut reply) => {
                let name = lower(name);
                reply.fields_mut().retain(|(known, _)| *known != name);
                HeadVerdict::Reply(reply)
            }
            other => other.edit(|edits| edits.remove(name)),
        }
    }

    fn edit(self, change: impl FnOnce(Edits) -> Edits) -> HeadVerdict {
        match self {
            HeadVerdict::Next(edits) => HeadVerdict::Next(change(edits)),
            HeadVerdict::Hold(edits) => HeadVerdict::Hold(change(edits)),
            HeadVerdict::Done(edits) => HeadVerdict::Done(change(edits)),
            HeadVerdict::Reply(reply) => HeadVerdict::Reply(reply),
        }
    }

    #[doc(hidden)]
    pub fn into_raw(self) -> types::HeadVerdict {
        match self {
            HeadVerdict::Next(edits) => types::HeadVerdict::Next(edits.into_raw()),
            HeadVerdict::Hold(edits) => types::HeadVerdict::Hold(edits.into_raw()),
            HeadVerdict::Done(edits) => types::HeadVerdict::Done(edits.into_raw()),
            HeadVerdict::Reply(reply) => types::HeadVerdict::Reply(reply.into_raw()),
        }
    }
}

impl From<Reply> for HeadVerdict {
    fn from(reply: Reply) -> HeadVerdict {
        HeadVerdict::Reply(reply)
    }
}

impl From<Edits> for HeadVerdict {
    fn from(edits: Edits) -> HeadVerdict {
        HeadVerdict::Next(edits)
    }
}

/// What becomes of a part of a body.
#[derive(Clone, Debug, PartialEq)]
pub enum BodyVerdict {
    /// It goes on as it is. Nothing is copied. While a head is held, the part waits behind it, and is not seen again.
    Pass,
    /// This goes on in its place; it may be empty.
    Replace(Vec<u8>),
    /// It is kept back and comes again, with what follows, at the next call. The waypoint bounds how much is kept.
    Hold,
    /// The head that was held goes on, changed, and the part with it: as it is, or replaced.
    Release {
        /// Changes to the head that was held.
        edits: Edits,
        /// What goes on in place of the part, if not the part.
        body: Option<Vec<u8>>,
    },
    /// The client gets this response instead. Once the response has begun, its stream is ended with an error.
    Reply(Reply),
}

impl BodyVerdict {
    /// Releases the head, changed, and the part as it is.
    pub fn release(edits: Edits) -> BodyVerdict {
        BodyVerdict::Release { edits, body: None }
    }

    /// Releases the head, changed, and this in place of the part.
    pub fn release_with(edits: Edits, body: impl Into<Vec<u8>>) -> BodyVerdict {
        BodyVerdict::Release {
            edits,
            body: Some(body.into()),
        }
    }

    #[doc(hidden)]
    pub fn into_raw(self) -> types::BodyVerdict {
        match self {
            BodyVerdict::Pass => types::BodyVerdict::Pass,
            BodyVerdict::Replace(body) => types::BodyVerdict::Replace(body),
            BodyVerdict::Hold => types::BodyVerdict::Hold,
            BodyVerdict::Release { edits, body } => types::BodyVerdict::Release((edits.into_raw(), body)),
            BodyVerdict::Reply(reply) => types::BodyVerdict::Reply(reply.into_raw()),
        }
    }
}

impl From<Reply> for BodyVerdict {
    fn from(reply: Reply) -> BodyVerdict {
        BodyVerdict::Reply(reply)
    }
}
