//! From a match block to a [`Matcher`].

use cairn_api::istio::{HttpMatchRequest, StringMatch};
use cairn_jwt::ClaimPath;
use http::header::HeaderName;

use super::findings::Findings;
use crate::matcher::{HeaderField, HeaderMatch, Matcher, PathMatch, QueryMatch, SourceMatch};
use crate::pattern::Pattern;
use crate::text::TextMatch;

/// What a `StringMatch` asks for.
enum Expected {
    /// The text must look like this.
    Text(TextMatch),
    /// The text must be there.
    Presence,
}

/// The conditions of `block`, whose path in the object is `field`. `None`: one of them does not
/// compile, and there is a finding that says so. The port and the gateways are the caller's matter.
pub(super) fn matcher(block: &HttpMatchRequest, field: &str, findings: &mut Findings) -> Option<Matcher> {
    let mut complete = true;
    let path = block.uri.as_ref().and_then(|uri| {
        let field = format!("{field}.uri");
        let said = says_something(uri, &field, findings);
        let Some(expected) = expected(uri, &field, findings).filter(|_| said) else {
            complete = false;
            return None;
        };
        let Expected::Text(text) = expected else {
            return None;
        };
        warn_of_unmatchable_path(&text, &field, findings);
        Some(PathMatch {
            text,
            ignore_case: block.ignore_uri_case,
        })
    });
    let mut headers = Vec::new();
    let pseudo = [
        ("method", HeaderField::Method, &block.method),
        ("authority", HeaderField::Authority, &block.authority),
        ("scheme", HeaderField::Scheme, &block.scheme),
    ];
    for (name, header, condition) in pseudo {
        let Some(condition) = condition else { continue };
        let field = format!("{field}.{name}");
        complete &= says_something(condition, &field, findings);
        match expected(condition, &field, findings) {
            Some(Expected::Text(text)) => {
                if header == HeaderField::Method {
                    warn_of_lower_case(&text, &field, findings);
                }
                headers.push(HeaderMatch {
                    field: header,
                    value: Some(text),
                    negated: false,
                });
            }
            // Every request has it.
            Some(Expected::Presence) => {}
            None => complete = false,
        }
    }
    let named = block
        .headers
        .iter()
        .map(|(name, condition)| (name, condition, false));
    let without = block
        .without_headers
        .iter()
        .map(|(name, condition)| (name, condition, true));
    for (name, condition, negated) in named.chain(without) {
        let list = if negated { "withoutHeaders" } else { "headers" };
        let field = format!("{field}.{list}.{name}");
        match (
            header_field(name, &field, findings),
            expected(condition, &field, findings),
        ) {
            (Some(header), Some(expected)) => {
                let value = match expected {
                    Expected::Text(text) => Some(text),
                    Expected::Presence => None,
                };
                headers.push(HeaderMatch {
                    field: header,
                    value,
                    negated,
                });
            }
            _ => complete = false,
        }
    }
    let mut query = Vec::new();
    for (name, condition) in &block.query_params {
        match expected(condition, &format!("{field}.queryParams.{name}"), findings) {
            Some(Expected::Text(text)) => {
                query.push(QueryMatch {
                    name: name.as_str().into(),
                    value: Some(text),
                });
            }
            Some(Expected::Presence) => query.push(QueryMatch {
                name: name.as_str().into(),
                value: None,
            }),
            None => complete = false,
        }
    }
    let namespace = Some(block.source_namespace.as_str()).filter(|namespace| !namespace.is_empty());
    let source = SourceMatch {
        namespace: namespace.map(Into::into),
        labels: block
            .source_labels
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
    };
    complete.then_some(Matcher {
        path,
        headers,
        query,
        source,
    })
}

/// What a text must look like that is always there. `None`: it does not compile, and there is a finding that says so.
pub(super) fn said(condition: &StringMatch, field: &str, findings: &mut Findings) -> Option<TextMatch> {
    let said = says_something(condition, field, findings);
    match expected(condition, field, findings).filter(|_| said)? {
        Expected::Text(text) => Some(text),
        Expected::Presence => Some(TextMatch::Prefix("".into())),
    }
}

/// Every request has a path, a method, an authority and a scheme. A condition on one of them that asks for nothing is a
/// slip of the pen, and would make the route one for all requests.
fn says_something(condition: &StringMatch, field: &str, findings: &mut Findings) -> bool {
    let said = *condition != StringMatch::default();
    if !said {
        findings.error(
            field,
            "does not say what to match",
            "write `exact`, `prefix` or `regex`, or remove it to match every request",
        );
    }
    said
}

fn expected(condition: &StringMatch, field: &str, findings: &mut Findings) -> Option<Expected> {
    match (&condition.exact, &condition.prefix, &condition.regex) {
        (None, None, None) => Some(Expected::Presence),
        (Some(exact), None, None) => Some(Expected::Text(TextMatch::Exact(exact.as_str().into()))),
        (None, Some(prefix), None) => Some(Expected::Text(TextMatch::Prefix(prefix.as_str().into()))),
        // Not an expression, but what Istio's users write for "any value".
        (None, None, Some(regex)) if regex == "*" => Some(Expected::Presence),
        (None, None, Some(regex)) => match Pattern::new(regex) {
            Ok(pattern) => Some(Expected::Text(TextMatch::Regex(pattern))),
            Err(error) => {
                findings.error(
                    format!("{field}.regex"),
                    format!("`{regex}` is not a regular expression: {error}"),
                    "write an RE2 expression; it must match the whole text",
                );
                None
            }
        },
        _ => {
            findings.error(
                field,
                "more than one of `exact`, `prefix` and `regex` is given",
                "keep the one that is meant",
            );
            None
        }
    }
}

/// `@filter.metadata[NAME][KEY]`, written as Istio writes the claims of tokens.
fn noted(name: &str, field: &str, findings: &mut Findings) -> Option<HeaderField> {
    let inner = name.split_once('[').and_then(|(_, rest)| rest.strip_suffix(']'));
    match inner.and_then(|inner| inner.split_once("][")) {
        Some((filter, key)) if !filter.is_empty() && !key.is_empty() => {
            Some(HeaderField::Noted(filter.into(), key.into()))
        }
        _ => {
            findings.error(
                field,
                format!("`{name}` does not name a filter and a key of its metadata"),
                "write @filter.metadata[NAME][KEY] with the pluginName of a filter, or its plugin's name",
            );
            None
        }
    }
}

fn header_field(name: &str, field: &str, findings: &mut Findings) -> Option<HeaderField> {
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        ":method" => return Some(HeaderField::Method),
        ":scheme" => return Some(HeaderField::Scheme),
        ":authority" | "host" => return Some(HeaderField::Authority),
        ":path" => {
            findings.error(
                field,
                "the path cannot be matched as a header",
                "match it with `uri`",
            );
            return None;
        }
        _ if lower.starts_with("@request.auth.claims") => {
            let path = ClaimPath::of_header(name);
            if path.is_none() {
                findings.error(
                    field,
                    format!("`{name}` does not name a claim"),
                    "write @request.auth.claims.NAME, or @request.auth.claims[NAME][NAME] where names have dots",
                );
            }
            return path.map(HeaderField::Claim);
        }
        _ if lower.starts_with("@filter.metadata") => return noted(name, field, findings),
        _ => {}
    }
    match HeaderName::from_bytes(lower.as_bytes()) {
        Ok(name) => Some(HeaderField::Named(name)),
        Err(_) => {
            findings.error(
                field,
                format!("`{name}` is not a header name"),
                "write a name such as `x-user`",
            );
            None
        }
    }
}

fn warn_of_unmatchable_path(text: &TextMatch, field: &str, findings: &mut Findings) {
    let (TextMatch::Exact(path) | TextMatch::Prefix(path)) = text else {
        return;
    };
    if path.contains(['?', '#']) {
        findings.warning(
            field,
            format!("no path is `{path}`: the query is not part of it"),
            "match the query with `queryParams`",
        );
    } else if !path.is_empty() && !path.starts_with(['/', '*']) {
        findings.warning(
            field,
            format!("no path begins with `{path}`"),
            format!("write `/{path}`"),
        );
    }
}

fn warn_of_lower_case(text: &TextMatch, field: &str, findings: &mut Findings) {
    let TextMatch::Exact(method) = text else { return };
    let upper = method.to_ascii_uppercase();
    if upper != method.as_ref() {
        findings.warning(
            field,
            format!("methods are case-sensitive, and clients send `{upper}`"),
            format!("write `{upper}`"),
        );
    }
}
