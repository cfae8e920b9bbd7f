//! Lists of header names, as the fields of providers write them.

use http::HeaderName;

/// Names of header fields. Case does not matter: Istio's `generateHeaders` says so to Envoy, and names are lower-case here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Patterns(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Exact(String),
    Prefix(String),
    Suffix(String),
}

/// What is wrong with an entry of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// It is `*`, which Istio refuses too.
    Everything,
    /// It is empty.
    Nothing,
    /// There is no such name.
    NoName,
}

impl Flaw {
    /// Whether the provider cannot be used because of it.
    pub(crate) fn is_error(self) -> bool {
        self != Flaw::NoName
    }

    pub(crate) fn message(self, entry: &str) -> String {
        match self {
            Flaw::Everything => "`*` would be every header".to_owned(),
            Flaw::Nothing => "it names no header".to_owned(),
            Flaw::NoName => format!("no header has a name like `{entry}`"),
        }
    }

    pub(crate) fn hint(self) -> &'static str {
        match self {
            Flaw::Everything => "write names, or beginnings or ends of names: `x-auth-*`, `*-id`",
            Flaw::Nothing => "remove it",
            Flaw::NoName => "write a name, with at most one `*`, at its beginning or its end",
        }
    }
}

impl Patterns {
    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them is this name.
    pub(crate) fn matches(&self, name: &HeaderName) -> bool {
        let name = name.as_str();
        self.0.iter().any(|pattern| match pattern {
            Pattern::Exact(exact) => name == exact,
            Pattern::Prefix(prefix) => name.starts_with(prefix.as_str()),
            Pattern::Suffix(suffix) => name.ends_with(suffix.as_str()),
        })
    }

    /// Adds an entry; one that is flawed in whatever way is not added.
    pub(crate) fn push(&mut self, entry: &str) -> Result<(), Flaw> {
        let entry = entry.to_ascii_lowercase();
        let (pattern, rest) = if entry == "*" {
            return Err(Flaw::Everything);
        } else if let Some(suffix) = entry.strip_prefix('*') {
            (Pattern::Suffix(suffix.to_owned()), suffix)
        } else if let Some(prefix) = entry.strip_suffix('*') {
            (Pattern::Prefix(prefix.to_owned()), prefix)
        } else {
            (Pattern::Exact(entry.clone()), entry.as_str())
        };
        if rest.is_empty() {
            return Err(Flaw::Nothing);
        }
        // A star inside is a character that names may have; nobody means it.
        if rest.contains('*') || HeaderName::from_bytes(rest.as_bytes()).is_err() {
            return Err(Flaw::NoName);
        }
        self.0.push(pattern);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn matches(entry: &str, name: &str) -> bool {
        let mut patterns = Patterns::default();
        patterns.push(entry).unwrap();
        patterns.matches(&name.parse().unwrap())
    }

    #[test]
    fn names_match_wholly_or_by_one_end() {
        for (entry, name, expected) in [
            ("x-auth", "x-auth", true),
            ("X-Auth", "x-auth", true),
            ("x-auth", "x-auth-user", false),
            ("x-auth", "x-aut", false),
            ("x-auth-*", "x-auth-user", true),
            ("X-AUTH-*", "x-auth-", true),
            ("x-auth-*", "x-auth", false),
            ("*-id", "x-user-id", true),
            ("*-ID", "x-user-id", true),
            ("*-id", "x-user-ids", false),
        ] {
            assert_eq!(matches(entry, name), expected, "{entry} {name}");
        }
    }

    #[test]
    fn what_names_nothing_is_told() {
        for (entry, flaw) in [
            ("*", Flaw::Everything),
            ("", Flaw::Nothing),
            ("**", Flaw::NoName),
            ("*x*", Flaw::NoName),
            ("x*y", Flaw::NoName),
            ("a b", Flaw::NoName),
            (":path", Flaw::NoName),
        ] {
            let mut patterns = Patterns::default();
            assert_eq!(patterns.push(entry), Err(flaw), "{entry}");
            assert!(patterns.is_empty());
        }
    }
}
