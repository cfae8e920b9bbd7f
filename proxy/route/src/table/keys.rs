//! Under which keys a route can be found: conditions that a request must satisfy to match it.

use http::header::HeaderName;

use crate::matcher::{HeaderField, Matcher};
use crate::pattern::{Literal, Pattern};
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
    /// Having one of them is all that is asked for.
    pub(super) is_sufficient: bool,
}

/// What an index can answer about a matcher.
#[derive(Debug, Clone, Default)]
pub(super) struct Conditions {
    pub(super) known: Vec<Condition>,
    /// There are further conditions.
    pub(super) has_more: bool,
}

impl Conditions {
    /// Every condition of `matcher` that an index can answer. A request that fails one of them does not
    /// match; one that satisfies all of them matches if there are no more, and all are sufficient.
    pub(super) fn of(matcher: &Matcher) -> Conditions {
        let mut conditions = Conditions::default();
        if let Some(path) = &matcher.path {
            let folded = path.ignore_case && !matches!(path.text, TextMatch::Regex(_));
            let field = if folded { Field::FoldedPath } else { Field::Path };
            conditions.add(field, Some(&path.text));
        }
        for header in &matcher.headers {
            if header.negated {
                conditions.has_more = true;
                continue;
            }
            let field = match &header.field {
                HeaderField::Method => Field::Method,
                HeaderField::Scheme => Field::Scheme,
                HeaderField::Authority => Field::Authority,
                HeaderField::Named(name) => Field::Header(name.clone()),
                HeaderField::Noted(..) | HeaderField::Claim(_) => {
                    conditions.has_more = true;
                    continue;
                }
            };
            conditions.add(field, header.value.as_ref());
        }
        for parameter in &matcher.query {
            conditions.add(Field::Query(parameter.name.clone()), parameter.value.as_ref());
        }
        if let Some(namespace) = &matcher.source.namespace {
            conditions.add(Field::SourceNamespace, Some(&TextMatch::Exact(namespace.clone())));
        }
        for (key, value) in &matcher.source.labels {
            let value = TextMatch::Exact(value.as_str().into());
            conditions.add(Field::SourceLabel(key.clone()), Some(&value));
        }
        conditions
    }

    fn add(&mut self, field: Field, text: Option<&TextMatch>) {
        let bytes = |text: &str| -> Box<[u8]> {
            match field {
                Field::FoldedPath => text.to_ascii_lowercase().into_bytes().into(),
                _ => text.as_bytes().into(),
            }
        };
        let (texts, is_sufficient) = match text {
            None => (vec![TextKey::Prefix(Box::default())], true),
            Some(TextMatch::Exact(exact)) => (vec![TextKey::Exact(bytes(exact))], true),
            Some(TextMatch::Prefix(prefix)) => (vec![TextKey::Prefix(bytes(prefix))], true),
            Some(TextMatch::PathPrefix(prefix)) => {
                let below = TextKey::Prefix(bytes(&format!("{prefix}/")));
                (vec![TextKey::Exact(bytes(prefix)), below], true)
            }
            Some(TextMatch::Regex(pattern)) => (beginnings(pattern), false),
        };
        // Of a repeated parameter only the first value counts, which an index does not look at.
        let is_sufficient = is_sufficient && !matches!(field, Field::Query(_));
        let is_always_there = matches!(
            field,
            Field::Path | Field::FoldedPath | Field::Method | Field::Scheme | Field::Authority
        );
        if is_always_there && texts.contains(&TextKey::Prefix(Box::default())) {
            // It tells no request from another.
            self.has_more |= !is_sufficient;
            return;
        }
        self.known.push(Condition {
            field,
            texts,
            is_sufficient,
        });
    }
}

fn beginnings(pattern: &Pattern) -> Vec<TextKey> {
    let Some(literals) = pattern.literals() else {
        return vec![TextKey::Prefix(Box::default())];
    };
    let key = |literal: Literal| match literal.complete {
        true => TextKey::Exact(literal.bytes),
        false => TextKey::Prefix(literal.bytes),
    };
    literals.into_iter().map(key).collect()
}
