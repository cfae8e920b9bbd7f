//! Comparison of text: `x`, `x*`, `*x`, `*`.

use std::cmp::Ordering;

/// A list of values of which one has to match.
///
/// Only one `*`, at the start or at the end, is a wildcard. Bytes are compared, since header values need not be UTF-8.
#[derive(Debug, Clone, Default)]
pub(crate) struct Texts {
    ignore_case: bool,
    wildcard: Option<Wildcard>,
    /// Sorted.
    exact: Box<[Box<str>]>,
    prefixes: Box<[Box<str>]>,
    suffixes: Box<[Box<str>]>,
}

/// What the value `*` matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wildcard {
    /// Whatever is there, even if it is empty.
    Present,
    /// At least one character.
    NonEmpty,
}

/// One value, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pattern<'a> {
    Any,
    Exact(&'a str),
    Prefix(&'a str),
    Suffix(&'a str),
}

impl<'a> Pattern<'a> {
    pub(crate) fn parse(value: &'a str) -> Pattern<'a> {
        if value == "*" {
            Pattern::Any
        } else if let Some(suffix) = value.strip_prefix('*') {
            Pattern::Suffix(suffix)
        } else if let Some(prefix) = value.strip_suffix('*') {
            Pattern::Prefix(prefix)
        } else {
            Pattern::Exact(value)
        }
    }

    /// The part that is compared literally.
    pub(crate) fn literal(self) -> &'a str {
        match self {
            Pattern::Any => "",
            Pattern::Exact(text) | Pattern::Prefix(text) | Pattern::Suffix(text) => text,
        }
    }
}

impl Texts {
    pub(crate) fn new<'a>(values: impl IntoIterator<Item = &'a str>, wildcard: Wildcard) -> Texts {
        let (mut any, mut exact, mut prefixes, mut suffixes) = (false, vec![], vec![], vec![]);
        for value in values {
            match Pattern::parse(value) {
                Pattern::Any => any = true,
                Pattern::Exact(text) => exact.push(Box::from(text)),
                Pattern::Prefix(text) => prefixes.push(Box::from(text)),
                Pattern::Suffix(text) => suffixes.push(Box::from(text)),
            }
        }
        exact.sort_unstable();
        Texts {
            ignore_case: false,
            wildcard: any.then_some(wildcard),
            exact: exact.into(),
            prefixes: prefixes.into(),
            suffixes: suffixes.into(),
        }
    }

    /// Compares ASCII letters without regard to case.
    pub(crate) fn ignoring_case(mut self) -> Texts {
        for text in self
            .exact
            .iter_mut()
            .chain(&mut self.prefixes)
            .chain(&mut self.suffixes)
        {
            text.make_ascii_lowercase();
        }
        self.exact.sort_unstable();
        self.ignore_case = true;
        self
    }

    pub(crate) fn matches(&self, value: &[u8]) -> bool {
        match self.wildcard {
            Some(Wildcard::Present) => return true,
            Some(Wildcard::NonEmpty) if !value.is_empty() => return true,
            Some(Wildcard::NonEmpty) | None => {}
        }
        let whole = self
            .exact
            .binary_search_by(|text| self.compare(text.as_bytes(), value))
            .is_ok();
        whole
            || self.prefixes.iter().any(|text| {
                value
                    .get(..text.len())
                    .is_some_and(|start| self.compare(text.as_bytes(), start).is_eq())
            })
            || self.suffixes.iter().any(|text| {
                let start = value.len().checked_sub(text.len());
                let end = start.and_then(|start| value.get(start..));
                end.is_some_and(|end| self.compare(text.as_bytes(), end).is_eq())
            })
    }

    fn compare(&self, text: &[u8], value: &[u8]) -> Ordering {
        if self.ignore_case {
            text.iter().copied().cmp(value.iter().map(u8::to_ascii_lowercase))
        } else {
            text.cmp(value)
        }
    }

    /// The values, if all of them are exact.
    pub(crate) fn exact_only(&self) -> Option<&[Box<str>]> {
        let only = self.wildcard.is_none() && self.prefixes.is_empty() && self.suffixes.is_empty();
        only.then_some(&self.exact)
    }

    /// The values one by one, unless one of them is `*`.
    pub(crate) fn patterns(&self) -> Option<impl Iterator<Item = Pattern<'_>>> {
        let exact = self.exact.iter().map(|text| Pattern::Exact(text));
        let prefixes = self.prefixes.iter().map(|text| Pattern::Prefix(text));
        let suffixes = self.suffixes.iter().map(|text| Pattern::Suffix(text));
        self.wildcard
            .is_none()
            .then(|| exact.chain(prefixes).chain(suffixes))
    }
}

/// A list of names of which one has to match; any number of `*`, each of them any run of characters.
///
/// Istio compares namespaces and trust domains this way.
#[derive(Debug, Clone)]
pub(crate) struct Globs {
    /// Sorted.
    exact: Box<[Box<str>]>,
    globs: Box<[Glob]>,
}

/// The pieces between the asterisks: the first is where the name starts, the last is where it ends.
#[derive(Debug, Clone)]
struct Glob {
    start: Box<str>,
    middle: Box<[Box<str>]>,
    end: Box<str>,
}

impl Globs {
    pub(crate) fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Globs {
        let (mut exact, mut globs) = (vec![], vec![]);
        for value in values {
            match value.split_once('*') {
                None => exact.push(Box::from(value)),
                Some((start, rest)) => {
                    let mut middle: Vec<Box<str>> = rest.split('*').map(Box::from).collect();
                    let end = middle.pop().unwrap_or_default();
                    globs.push(Glob {
                        start: start.into(),
                        middle: middle.into(),
                        end,
                    });
                }
            }
        }
        exact.sort_unstable();
        Globs {
            exact: exact.into(),
            globs: globs.into(),
        }
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        self.exact.binary_search_by(|text| (**text).cmp(name)).is_ok()
            || self.globs.iter().any(|g| g.matches(name))
    }

    /// The values, if all of them are exact.
    pub(crate) fn exact_only(&self) -> Option<&[Box<str>]> {
        self.globs.is_empty().then_some(&self.exact)
    }
}

impl Glob {
    fn matches(&self, name: &str) -> bool {
        let Some(mut rest) = name
            .strip_prefix(&*self.start)
            .and_then(|rest| rest.strip_suffix(&*self.end))
        else {
            return false;
        };
        // The leftmost occurrence of each piece leaves the most for those that follow.
        for piece in &self.middle {
            let Some((_, after)) = rest.split_once(&**piece) else {
                return false;
            };
            rest = after;
        }
        true
    }
}

#[cfg(test)]
mod tests;
