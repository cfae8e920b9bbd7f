//! Changes to heads and trailers.

use crate::bindings::cairn::filter::types::Edit;

/// Changes to a head or to trailers, made in their order when the hook has returned.
///
/// Names may be written in any case. `:method`, `:path` and `:authority` of a request and `:status` of a response are
/// changed as if they were fields. A change that would make the message illegal (a line break in a value, a
/// `content-length` of your own) makes the hook fail as a whole.
///
/// ```
/// use cairn_filter::Edits;
///
/// let edits = Edits::new().set("x-tenant", "blue").append("via", "1.1 cairn").remove("x-debug");
/// assert!(!edits.is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edits(Vec<Edit>);

impl Edits {
    /// No changes yet.
    pub fn new() -> Edits {
        Edits::default()
    }

    /// Puts this one line in place of all lines of its name.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<Vec<u8>>) -> Edits {
        self.0.push(Edit::Set((lower(name), value.into())));
        self
    }

    /// Adds a line after those that are there.
    #[must_use]
    pub fn append(mut self, name: &str, value: impl Into<Vec<u8>>) -> Edits {
        self.0.push(Edit::Append((lower(name), value.into())));
        self
    }

    /// Removes all lines of a name.
    #[must_use]
    pub fn remove(mut self, name: &str) -> Edits {
        self.0.push(Edit::Remove(lower(name)));
        self
    }

    /// These changes, and then those.
    #[must_use]
    pub fn and(mut self, then: Edits) -> Edits {
        self.0.extend(then.0);
        self
    }

    /// Nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[doc(hidden)]
    pub fn into_raw(self) -> Vec<Edit> {
        self.0
    }
}

pub(crate) fn lower(name: &str) -> String {
    name.to_ascii_lowercase()
}
