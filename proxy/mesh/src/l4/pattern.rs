//! How a policy writes a text: whole, by its beginning, by its end, or `*` for anything at all.

use std::fmt;

/// A text as a policy writes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pattern {
    /// Anything but nothing: `*`.
    Present,
    /// Exactly this.
    Exact(Box<str>),
    /// Anything that begins with this: `x*`.
    Prefix(Box<str>),
    /// Anything that ends with this: `*x`.
    Suffix(Box<str>),
}

impl Pattern {
    /// Reads a pattern. `None` when it is empty or has a `*` elsewhere than at one end: no name of Kubernetes holds one, so
    /// such a value could never match, which nobody means.
    pub(crate) fn parse(text: &str) -> Option<Pattern> {
        if text == "*" {
            return Some(Pattern::Present);
        }
        let (pattern, rest): (fn(Box<str>) -> Pattern, &str) =
            match (text.strip_prefix('*'), text.strip_suffix('*')) {
                (Some(rest), _) => (Pattern::Suffix, rest),
                (None, Some(rest)) => (Pattern::Prefix, rest),
                (None, None) => (Pattern::Exact, text),
            };
        (!rest.is_empty() && !rest.contains('*')).then(|| pattern(rest.into()))
    }

    /// Whether `text` is of this pattern.
    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Pattern::Present => !text.is_empty(),
            Pattern::Exact(exact) => text == &**exact,
            Pattern::Prefix(prefix) => text.starts_with(&**prefix),
            Pattern::Suffix(suffix) => text.ends_with(&**suffix),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Present => f.write_str("*"),
            Pattern::Exact(text) => f.write_str(text),
            Pattern::Prefix(text) => write!(f, "{text}*"),
            Pattern::Suffix(text) => write!(f, "*{text}"),
        }
    }
}
