//! One text against one expectation.

use crate::pattern::Pattern;

/// What a text must look like: Istio's `StringMatch`, compiled. Matching is case-sensitive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextMatch {
    /// It is this text.
    Exact(Box<str>),
    /// It begins with this text.
    Prefix(Box<str>),
    /// It is this path, or begins with it and a `/`: the prefix of the Gateway API, which ends between segments.
    PathPrefix(Box<str>),
    /// The whole of it matches.
    Regex(Pattern),
}

impl TextMatch {
    /// Whether `text` is as expected.
    pub fn matches(&self, text: &[u8]) -> bool {
        match self {
            TextMatch::Exact(exact) => text == exact.as_bytes(),
            TextMatch::Prefix(prefix) => text.starts_with(prefix.as_bytes()),
            TextMatch::PathPrefix(prefix) => text.strip_prefix(prefix.as_bytes()).is_some_and(ends_segment),
            TextMatch::Regex(pattern) => pattern.matches(text),
        }
    }

    /// As [`matches`](Self::matches), with ASCII letters of either case alike. An expression stays
    /// case-sensitive, as in Istio: it can say `(?i)` itself.
    pub fn matches_ignoring_case(&self, text: &[u8]) -> bool {
        match self {
            TextMatch::Exact(exact) => text.eq_ignore_ascii_case(exact.as_bytes()),
            TextMatch::Prefix(prefix) => text
                .get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes())),
            TextMatch::PathPrefix(prefix) => {
                text.split_at_checked(prefix.len()).is_some_and(|(start, rest)| {
                    start.eq_ignore_ascii_case(prefix.as_bytes()) && ends_segment(rest)
                })
            }
            TextMatch::Regex(pattern) => pattern.matches(text),
        }
    }
}

/// Whether a segment of a path ends where `rest` follows.
fn ends_segment(rest: &[u8]) -> bool {
    matches!(rest.first(), None | Some(b'/'))
}
