//! What an answer changes of the query of a request.

use std::borrow::Cow;

use http::uri::PathAndQuery;
use percent_encoding::percent_decode_str;

use crate::change::Invalid;

/// Most parameters that an answer may name.
const MAX_PARAMETERS: usize = 100;

/// Parameters to write and to remove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueryChanges {
    set: Vec<(String, String)>,
    remove: Vec<String>,
}

impl QueryChanges {
    /// Parameters as a query has them, percent-encoded.
    pub(crate) fn new(set: Vec<(String, String)>, remove: Vec<String>) -> Result<QueryChanges, Invalid> {
        let encoded = set.iter().all(|(name, value)| {
            !name.is_empty() && !name.contains('=') && is_encoded(name) && is_encoded(value)
        });
        if encoded && set.len() + remove.len() <= MAX_PARAMETERS {
            Ok(QueryChanges { set, remove })
        } else {
            Err(Invalid)
        }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }

    /// The target with them made.
    ///
    /// A parameter is the same however it is encoded: one that is removed because it is a secret must not stay because the
    /// client wrote it in an unusual way. What is not changed stays in its place.
    pub(crate) fn apply(&self, target: &PathAndQuery) -> Result<PathAndQuery, Invalid> {
        let query = target.query().unwrap_or_default();
        let mut parameters: Vec<Cow<'_, str>> = query
            .split('&')
            .filter(|one| !one.is_empty())
            .map(Cow::Borrowed)
            .collect();
        for (name, value) in &self.set {
            let written = Cow::Owned(format!("{name}={value}"));
            let wanted = decoded(name);
            match parameters.iter_mut().find(|one| name_of(one) == wanted) {
                Some(first) => {
                    *first = written;
                    let mut found = false;
                    parameters.retain(|one| name_of(one) != wanted || !std::mem::replace(&mut found, true));
                }
                None => parameters.push(written),
            }
        }
        for name in &self.remove {
            let wanted = decoded(name);
            parameters.retain(|one| name_of(one) != wanted);
        }
        let path = target.path();
        let changed = match parameters.as_slice() {
            [] => path.to_owned(),
            some => format!("{path}?{}", some.join("&")),
        };
        PathAndQuery::try_from(changed).map_err(|_| Invalid)
    }
}

/// The name of a parameter, decoded.
fn name_of(parameter: &str) -> Vec<u8> {
    decoded(parameter.split('=').next().unwrap_or_default())
}

fn decoded(name: &str) -> Vec<u8> {
    percent_decode_str(&name.replace('+', " ")).collect()
}

/// Whether a text can stand in a query as it is, RFC 3986 section 3.4, without ending the parameter.
fn is_encoded(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let fine = match byte {
            b'%' => {
                let digit = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_hexdigit());
                digit(bytes.next()) && digit(bytes.next())
            }
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';'
            | b'=' | b':' | b'@' | b'/' | b'?' => true,
            other => other.is_ascii_alphanumeric(),
        };
        if !fine {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn applied(target: &str, set: &[(&str, &str)], remove: &[&str]) -> Result<String, Invalid> {
        let set = set
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let remove = remove.iter().map(|name| (*name).to_owned());
        let changes = QueryChanges::new(set.collect(), remove.collect())?;
        Ok(changes.apply(&target.parse().unwrap())?.to_string())
    }

    #[test]
    fn parameters_are_written_and_removed() {
        for (target, set, remove, expected) in [
            ("/a", &[][..], &[][..], "/a"),
            ("/a", &[("x", "1")], &[], "/a?x=1"),
            ("/a?y=2&x=1&z", &[("x", "3")], &[], "/a?y=2&x=3&z"),
            ("/a?x=1&y=2&x=4", &[("x", "3")], &[], "/a?x=3&y=2"),
            ("/a?x=1&y=2&x=4", &[], &["x"], "/a?y=2"),
            ("/a?x=1", &[], &["x", "y"], "/a"),
            ("/a?x", &[("x", "")], &[], "/a?x="),
            (
                "/a?%78=1&t%6Fken=s&a+b=1",
                &[("x", "2")],
                &["token", "a%20b"],
                "/a?x=2",
            ),
            ("/a?x=1", &[("y", "1")], &["y"], "/a?x=1"),
            ("/a?&&x=1", &[("y", "%C3%A4")], &[], "/a?x=1&y=%C3%A4"),
        ] {
            assert_eq!(
                applied(target, set, remove).as_deref(),
                Ok(expected),
                "{target} {set:?} {remove:?}"
            );
        }
    }

    #[test]
    fn what_is_not_encoded_is_invalid() {
        for (name, value) in [
            ("x", "a&y=1"),
            ("x", "a b"),
            ("x", "a#b"),
            ("x", "%4"),
            ("x", "%zz"),
            ("x", "\u{e4}"),
            ("x", "a\r\nb"),
            ("x=y", "1"),
            ("", "1"),
            ("a&b", "1"),
        ] {
            assert_eq!(
                applied("/", &[(name, value)], &[]),
                Err(Invalid),
                "{name}={value}"
            );
        }
    }
}
