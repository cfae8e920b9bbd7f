//! The path that a request is forwarded with, when it is not its own.

use http::uri::{InvalidUri, PathAndQuery};
use regex::bytes::Regex;

use crate::head::RequestHead;
use crate::pattern::{self, PatternError};

/// A change of the path; the query always stays.
#[derive(Debug, Clone)]
pub enum PathRewrite {
    /// The matched beginning is replaced: plain text for plain text, so that `/api` → `/` makes `//x` of
    /// `/api/x`, as in Envoy.
    Prefix {
        /// The length of the matched beginning in bytes.
        matched: usize,
        /// What takes its place.
        replacement: Box<str>,
    },
    /// The whole path is replaced.
    Whole(Box<str>),
    /// Every match of an expression is replaced.
    Regex(RegexRewrite),
}

/// A replacement of every match of an expression.
#[derive(Debug, Clone)]
pub struct RegexRewrite {
    pattern: Regex,
    substitution: Vec<Piece>,
}

/// Why a substitution was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RewriteError {
    /// The expression is not one.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A backslash stands before something else than a digit or a backslash.
    #[error("a `\\` must be followed by the number of a group or by another `\\`")]
    Escape,
    /// A group is named that the expression does not have.
    #[error("`\\{group}` names a group, but the expression has only {groups}")]
    Group {
        /// The group that is named.
        group: usize,
        /// How many there are.
        groups: usize,
    },
}

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Group(usize),
}

/// Path and query that the request is forwarded with.
///
/// # Errors
/// When the result is not a path; the request cannot be forwarded then.
pub fn apply(rewrite: &PathRewrite, head: &RequestHead<'_>) -> Result<PathAndQuery, InvalidUri> {
    let mut target = path(rewrite, head.path).into_bytes();
    if let Some(query) = head.query {
        target.push(b'?');
        target.extend_from_slice(query.as_bytes());
    }
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(target))
}

/// The path after the change, with a `/` before it if it lacks one.
pub(crate) fn path(rewrite: &PathRewrite, path: &str) -> String {
    let mut changed = match rewrite {
        // `OPTIONS *` has no path to change.
        _ if path == "*" => return path.to_owned(),
        PathRewrite::Prefix { matched, replacement } => {
            let rest = path.get(*matched..).unwrap_or_default();
            [replacement.as_ref(), rest].concat()
        }
        PathRewrite::Whole(replacement) => replacement.as_ref().to_owned(),
        PathRewrite::Regex(regex) => regex.replace(path),
    };
    if !changed.starts_with('/') {
        changed.insert(0, '/');
    }
    changed
}

impl RegexRewrite {
    /// Compiles an RE2 expression and its substitution, in which `\1` stands for the first group and
    /// `\0` for the whole match.
    ///
    /// # Errors
    /// When either is malformed, or the substitution names a group that is not there.
    pub fn new(expression: &str, substitution: &str) -> Result<RegexRewrite, RewriteError> {
        let pattern = pattern::searched(expression)?;
        let substitution = pieces(substitution)?;
        let groups = pattern.captures_len() - 1;
        let missing = substitution.iter().find_map(|piece| match piece {
            Piece::Group(group) if *group > groups => Some(*group),
            _ => None,
        });
        match missing {
            Some(group) => Err(RewriteError::Group { group, groups }),
            None => Ok(RegexRewrite {
                pattern,
                substitution,
            }),
        }
    }

    fn replace(&self, path: &str) -> String {
        let replaced = self
            .pattern
            .replace_all(path.as_bytes(), |captures: &regex::bytes::Captures<'_>| {
                let mut replacement = Vec::new();
                for piece in &self.substitution {
                    match piece {
                        Piece::Text(text) => replacement.extend_from_slice(text.as_bytes()),
                        Piece::Group(group) => {
                            replacement.extend_from_slice(
                                captures.get(*group).map_or(b"", |group| group.as_bytes()),
                            );
                        }
                    }
                }
                replacement
            });
        String::from_utf8_lossy(&replaced).into_owned()
    }
}

fn pieces(substitution: &str) -> Result<Vec<Piece>, RewriteError> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut characters = substitution.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('\\') => text.push('\\'),
            Some(digit) if digit.is_ascii_digit() => {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
                pieces.push(Piece::Group(digit.to_digit(10).map_or(0, |digit| digit as usize)));
            }
            _ => return Err(RewriteError::Escape),
        }
    }
    pieces.push(Piece::Text(text));
    Ok(pieces)
}

#[cfg(test)]
mod tests;
