//! Under which keys a route can be found: conditions that a request must satisfy to match it.

use http::header::HeaderName;

use crate::matcher::{HeaderField, Matcher};
use crate::text::TextMatch;

/// What of a request a key looks at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Field {
    Path,
    /// The path in lower case.
    FoldedPath,
    Method,
    Scheme,
    Authority,
    SourceNamespace,
    SourceLabel(String),
    Header(HeaderName),
    Query(Box<str>),
}

/// A text that the field is, or begins with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum TextKey {
    Exact(Box<[u8]>),
    Prefix(Box<[u8]>),
}

/// A request that matches has one of `texts` in `field`.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub(super) field: Field,
    pub(super) texts: Vec<TextKey>,
}

/// Every condition of `matcher` that an index can answer. A request that fails one of them does not
/// match; one that satisfies all of them still has to be tested.
pub(super) fn conditions(matcher: &Matcher) -> Vec<Condition> {
    let path = matcher.path.iter().flat_map(|path| {
        let folded = path.ignore_case && !matches!(path.text, TextMatch::Regex(_));
        condition(
            if folded { Field::FoldedPath } else { Field::Path },
            Some(&path.text),
            folded,
        )
    });
    let headers = matcher
        .headers
        .iter()
        .filter(|header| !header.negated)
        .flat_map(|header| {
            let field = match &header.field {
                HeaderField::Method => Field::Method,
                HeaderField::Scheme => Field::Scheme,
                HeaderField::Authority => Field::Authority,
                HeaderField::Named(name) => Field::Header(name.clone()),
            };
            condition(field, header.value.as_ref(), false)
        });
    let query = matcher.query.iter().flat_map(|parameter| {
        condition(
            Field::Query(parameter.name.clone()),
            parameter.value.as_ref(),
            false,
        )
    });
    let namespace = matcher.source.namespace.iter().map(|namespace| Condition {
        field: Field::SourceNamespace,
        texts: vec![TextKey::Exact(namespace.as_bytes().into())],
    });
    let labels = matcher.source.labels.iter().map(|(key, value)| Condition {
        field: Field::SourceLabel(key.clone()),
        texts: vec![TextKey::Exact(value.as_bytes().into())],
    });
    path.chain(headers)
        .chain(query)
        .chain(namespace)
        .chain(labels)
        .collect()
}

fn condition(field: Field, text: Option<&TextMatch>, folded: bool) -> Option<Condition> {
    let bytes = |text: &str| -> Box<[u8]> {
        if folded {
            text.to_ascii_lowercase().into_bytes().into()
        } else {
            text.as_bytes().into()
        }
    };
    let texts = match text {
        None => anything(),
        Some(TextMatch::Exact(exact)) => vec![TextKey::Exact(bytes(exact))],
        Some(TextMatch::Prefix(prefix)) => vec![TextKey::Prefix(bytes(prefix))],
        Some(TextMatch::Regex(pattern)) => pattern.literals().map_or_else(anything, |literals| {
            literals
                .into_iter()
                .map(|literal| match literal.complete {
                    true => TextKey::Exact(literal.bytes),
                    false => TextKey::Prefix(literal.bytes),
                })
                .collect()
        }),
    };
    // A field that every request has tells nothing by being there; a header or parameter does.
    let optional = matches!(field, Field::Header(_) | Field::Query(_));
    let tells = optional || !texts.contains(&TextKey::Prefix(Box::default()));
    tells.then_some(Condition { field, texts })
}

fn anything() -> Vec<TextKey> {
    vec![TextKey::Prefix(Box::default())]
}
