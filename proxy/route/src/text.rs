//! One text against one expectation.

use crate::pattern::Pattern;

/// What a text must look like: Istio's `StringMatch`, compiled. Matching is case-sensitive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextMatch {
    /// It is this text.
    Exact(Box<str>),
    /// It begins with this text.
    Prefix(Box<str>),
    /// The whole of it matches.
    Regex(Pattern),
}

impl TextMatch {
    /// Whether `text` is as expected.
    pub fn matches(&self, text: &[u8]) -> bool {
        match self {
            TextMatch::Exact(exact) => text == exact.as_bytes(),
            TextMatch::Prefix(prefix) => text.starts_with(prefix.as_bytes()),
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
            TextMatch::Regex(pattern) => pattern.matches(text),
        }
    }
}
