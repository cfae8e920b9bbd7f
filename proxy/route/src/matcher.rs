//! The conditions of one route.

use cairn_jwt::ClaimPath;
use http::header::HeaderName;

use crate::head::{RequestHead, SourceWorkload};
use crate::text::TextMatch;

/// All conditions of one match block: a request satisfies it when it satisfies each of them. The
/// default has none and matches every request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matcher {
    /// What the path, without query, must look like.
    pub path: Option<PathMatch>,
    /// Conditions on header fields and pseudo-headers.
    pub headers: Vec<HeaderMatch>,
    /// Conditions on query parameters.
    pub query: Vec<QueryMatch>,
    /// Conditions on the client's workload.
    pub source: SourceMatch,
}

/// A condition on the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathMatch {
    /// What it must look like.
    pub text: TextMatch,
    /// Whether upper and lower case are alike; an expression stays case-sensitive.
    pub ignore_case: bool,
}

/// A condition on a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderMatch {
    /// The header.
    pub field: HeaderField,
    /// What a value must look like; `None`: the header must be there.
    pub value: Option<TextMatch>,
    /// Whether the condition is turned round (`withoutHeaders`).
    pub negated: bool,
}

/// A header field, or what HTTP/2 carries as a pseudo-header.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HeaderField {
    /// `:method`.
    Method,
    /// `:scheme`.
    Scheme,
    /// `:authority`, which is also `host`.
    Authority,
    /// A header field.
    Named(HeaderName),
    /// What a filter has noted, by the filter's name and a key: `@filter.metadata[NAME][KEY]`.
    Noted(Box<str>, Box<str>),
    /// A claim of the request's verified token: `@request.auth.claims.NAME`.
    Claim(ClaimPath),
}

/// A condition on a query parameter. Only the first value of a repeated parameter counts, and it is
/// compared as it came, with its percent-escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryMatch {
    /// The parameter.
    pub name: Box<str>,
    /// What the value must look like; `None`: the parameter must be there.
    pub value: Option<TextMatch>,
}

/// Conditions on the client's workload. A request whose workload is unknown satisfies none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceMatch {
    /// Its namespace.
    pub namespace: Option<Box<str>>,
    /// Labels that it must have, among others.
    pub labels: Vec<(String, String)>,
}

impl Matcher {
    /// Whether `head` satisfies every condition.
    pub fn matches(&self, head: &RequestHead<'_>) -> bool {
        self.path.as_ref().is_none_or(|path| path.matches(head.path))
            && self.headers.iter().all(|header| header.matches(head))
            && self.query.iter().all(|parameter| parameter.matches(head))
            && self.source.matches(head.source)
    }

    /// Whether every request satisfies it.
    pub fn is_catch_all(&self) -> bool {
        let any_path = self.path.as_ref().is_none_or(|path| match &path.text {
            TextMatch::Exact(_) | TextMatch::PathPrefix(_) => false,
            TextMatch::Prefix(prefix) => matches!(prefix.as_ref(), "" | "/"),
            TextMatch::Regex(pattern) => pattern.is_anything(),
        });
        any_path && self.headers.is_empty() && self.query.is_empty() && self.source == SourceMatch::default()
    }
}

impl PathMatch {
    fn matches(&self, path: &str) -> bool {
        if self.ignore_case {
            self.text.matches_ignoring_case(path.as_bytes())
        } else {
            self.text.matches(path.as_bytes())
        }
    }
}

impl HeaderMatch {
    fn matches(&self, head: &RequestHead<'_>) -> bool {
        let found = match &self.field {
            HeaderField::Method => self.value_matches(head.method.as_bytes()),
            HeaderField::Scheme => self.value_matches(head.scheme.as_bytes()),
            HeaderField::Authority => self.value_matches(head.authority.as_bytes()),
            HeaderField::Named(name) => {
                let values = head.headers.get_all(name).iter();
                self.any_matches(values.map(|value| value.as_bytes()))
            }
            HeaderField::Noted(filter, key) => {
                let notes = head.noted.iter();
                let notes = notes.filter(|(by, name, _)| **by == **filter && *name == *key);
                self.any_matches(notes.map(|(_, _, value)| value.as_bytes()))
            }
            HeaderField::Claim(path) => {
                let values = head.token.into_iter().flat_map(|token| token.values(path));
                self.any_matches(values.map(str::as_bytes))
            }
        };
        found != self.negated
    }

    fn any_matches<'a>(&self, values: impl Iterator<Item = &'a [u8]>) -> bool {
        let mut values = values.peekable();
        if self.negated && self.value.is_some() && values.peek().is_none() {
            // A header that is not there counts as empty where its absence is asked for.
            return self.value_matches(b"");
        }
        // Value by value, never joined with commas: a joined text would let a client evade an exact match by sending
        // the header twice.
        values.any(|value| self.value_matches(value))
    }

    fn value_matches(&self, value: &[u8]) -> bool {
        self.value.as_ref().is_none_or(|expected| expected.matches(value))
    }
}

impl QueryMatch {
    fn matches(&self, head: &RequestHead<'_>) -> bool {
        head.query_parameter(&self.name).is_some_and(|value| {
            self.value
                .as_ref()
                .is_none_or(|expected| expected.matches(value.as_bytes()))
        })
    }
}

impl SourceMatch {
    /// Whether the workload satisfies them.
    pub(crate) fn matches(&self, source: Option<SourceWorkload<'_>>) -> bool {
        if self.namespace.is_none() && self.labels.is_empty() {
            return true;
        }
        source.is_some_and(|source| {
            self.namespace
                .as_deref()
                .is_none_or(|namespace| namespace == source.namespace)
                && self
                    .labels
                    .iter()
                    .all(|(key, value)| source.labels.get(key) == Some(value))
        })
    }
}

#[cfg(test)]
mod tests;
