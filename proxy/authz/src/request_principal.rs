//! Comparison of the principals of tokens: issuer and subject.

/// A list of principals of which one has to match.
///
/// A value is taken apart at its last `/`, since issuers are URLs (Istio's `requestPrincipalGenerator`). Its one `*` stands at the
/// start, and then belongs to the issuer, or at the end, and then belongs to the subject. A value without `/` and with a `*` leaves the other
/// of the two open.
#[derive(Debug, Clone)]
pub(crate) struct RequestPrincipals {
    /// Issuer and subject; sorted.
    exact: Box<[(Box<str>, Box<str>)]>,
    patterns: Box<[(Part, Part)]>,
}

/// What the issuer or the subject has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Anything but the empty text.
    Any,
    Exact(Box<str>),
    Prefix(Box<str>),
    Suffix(Box<str>),
}

impl RequestPrincipals {
    pub(crate) fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> RequestPrincipals {
        let (mut exact, mut patterns) = (vec![], vec![]);
        for value in values {
            match parts(value) {
                (Part::Exact(issuer), Part::Exact(subject)) => exact.push((issuer, subject)),
                pattern => patterns.push(pattern),
            }
        }
        exact.sort_unstable();
        RequestPrincipals {
            exact: exact.into(),
            patterns: patterns.into(),
        }
    }

    pub(crate) fn matches(&self, issuer: &str, subject: &str) -> bool {
        let listed = self
            .exact
            .binary_search_by(|(first, second)| (&**first, &**second).cmp(&(issuer, subject)));
        listed.is_ok()
            || self
                .patterns
                .iter()
                .any(|(first, second)| first.matches(issuer) && second.matches(subject))
    }

    /// Why a value can hardly mean what it says.
    pub(crate) fn doubt(value: &str) -> Option<&'static str> {
        let (issuer, subject) = parts(value);
        if issuer.literal().contains('*') || subject.literal().contains('*') {
            return Some(
                "has a * that is compared literally: it is a wildcard only at the start, for issuers, or at the end, for subjects",
            );
        }
        (subject == Part::Exact("".into()))
            .then_some("names no subject, so it matches only tokens with an empty one")
    }
}

fn parts(value: &str) -> (Part, Part) {
    let (issuer, subject) = match value.rsplit_once('/') {
        Some((issuer, subject)) => (issuer, Some(subject)),
        None => (value, None),
    };
    let exact = |text: &str| Part::Exact(text.into());
    if value == "*" {
        return (Part::Any, Part::Any);
    }
    if let Some(end) = issuer.strip_prefix('*') {
        return match subject {
            Some(subject) if end.is_empty() => (Part::Any, exact(subject)),
            Some(subject) => (Part::Suffix(end.into()), exact(subject)),
            None => (Part::Any, Part::Suffix(end.into())),
        };
    }
    match subject {
        Some("*") => (exact(issuer), Part::Any),
        Some(subject) => match subject.strip_suffix('*') {
            Some(start) => (exact(issuer), Part::Prefix(start.into())),
            None => (exact(issuer), exact(subject)),
        },
        None => match issuer.strip_suffix('*') {
            Some(start) => (Part::Prefix(start.into()), Part::Any),
            None => (exact(issuer), exact("")),
        },
    }
}

impl Part {
    fn matches(&self, text: &str) -> bool {
        match self {
            Part::Any => !text.is_empty(),
            Part::Exact(whole) => **whole == *text,
            Part::Prefix(start) => text.starts_with(&**start),
            Part::Suffix(end) => text.ends_with(&**end),
        }
    }

    fn literal(&self) -> &str {
        match self {
            Part::Any => "",
            Part::Exact(text) | Part::Prefix(text) | Part::Suffix(text) => text,
        }
    }
}

#[cfg(test)]
mod tests;
