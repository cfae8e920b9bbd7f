//! A way to the checks of what guests ask for, without a guest, for `tests/fuzz`.

use http::HeaderMap;

use crate::bindings::cairn::filter::types::Edit as WitEdit;
use crate::edit;
use crate::exchange::{RequestHead, ResponseHead};
use crate::failure::HookFailure;

/// A change that a guest asks for.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Puts this line in place of all of its name.
    Set(String, Vec<u8>),
    /// Adds a line.
    Append(String, Vec<u8>),
    /// Removes all lines of a name.
    Remove(String),
}

/// Changes the head of a request.
///
/// # Errors
///
/// One of the changes is illegal; none is made then.
pub fn request(head: &mut RequestHead, edits: Vec<Edit>) -> Result<bool, HookFailure> {
    edit::request(head, raw(edits))
}

/// Changes the head of a response.
///
/// # Errors
///
/// As [`request`].
pub fn response(head: &mut ResponseHead, edits: Vec<Edit>) -> Result<bool, HookFailure> {
    edit::response(head, raw(edits))
}

/// Changes trailers.
///
/// # Errors
///
/// As [`request`].
pub fn trailers(trailers: &mut HeaderMap, edits: Vec<Edit>) -> Result<(), HookFailure> {
    edit::trailers(trailers, raw(edits))
}

fn raw(edits: Vec<Edit>) -> Vec<WitEdit> {
    let raw = edits.into_iter().map(|edit| match edit {
        Edit::Set(name, value) => WitEdit::Set((name, value)),
        Edit::Append(name, value) => WitEdit::Append((name, value)),
        Edit::Remove(name) => WitEdit::Remove(name),
    });
    raw.collect()
}
