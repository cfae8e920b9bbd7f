//! From a match of the Gateway API to a [`Matcher`].

use cairn_api::gateway::{GrpcMethodMatch, GrpcRouteMatch, HttpPathMatch, HttpValueMatch};
use cairn_api::gateway::{PathMatchType, ValueMatchType};
use http::header::{HOST, HeaderName};

use super::document::Match;
use super::precedence::{PathRank, Rank};
use crate::compile::findings::Findings;
use crate::matcher::{HeaderField, HeaderMatch, Matcher, PathMatch, QueryMatch};
use crate::pattern::Pattern;
use crate::text::TextMatch;

/// A match, compiled.
#[derive(Debug)]
pub(super) struct Matched {
    /// `None`: every request matches.
    pub(super) matcher: Option<Matcher>,
    pub(super) rank: Rank,
    /// What of it does not compile is left out, so that it matches more than was meant: nothing may be forwarded for it.
    pub(super) is_complete: bool,
}

impl Matched {
    /// The match of a rule without one.
    pub(super) fn all() -> Matched {
        Matched {
            matcher: None,
            rank: Rank::of_all(),
            is_complete: true,
        }
    }
}

/// Compiles a match, whose path in the object is `field`.
pub(super) fn compile(written: &Match<'_>, field: &str, findings: &mut Findings) -> Matched {
    let before = findings.len();
    let (path, rank, method, headers, query) = match written {
        Match::Http(written) => {
            let (text, rank) = path(written.path.as_ref(), &format!("{field}.path"), findings);
            let method = written.method.map(|method| method.as_str());
            (
                text,
                rank,
                method,
                &written.headers,
                written.query_params.as_slice(),
            )
        }
        Match::Grpc(written) => {
            let (text, rank) = call(written, &format!("{field}.method"), findings);
            (text, rank, None, &written.headers, [].as_slice())
        }
    };
    let mut matcher = Matcher {
        path: path.map(|text| PathMatch {
            text,
            ignore_case: false,
        }),
        ..Matcher::default()
    };
    headers_into(&mut matcher.headers, headers, field, findings);
    query_into(&mut matcher.query, query, field, findings);
    let rank = Rank::new(rank, method.is_some(), matcher.headers.len(), matcher.query.len());
    if let Some(method) = method {
        matcher.headers.push(HeaderMatch {
            field: HeaderField::Method,
            value: Some(TextMatch::Exact(method.into())),
            negated: false,
        });
    }
    Matched {
        matcher: Some(matcher).filter(|matcher| *matcher != Matcher::default()),
        rank,
        is_complete: findings.error_since(before).is_none(),
    }
}

fn path(
    written: Option<&HttpPathMatch>,
    field: &str,
    findings: &mut Findings,
) -> (Option<TextMatch>, PathRank) {
    let kind = written.and_then(|path| path.type_).unwrap_or_default();
    let value = written.and_then(|path| path.value.as_deref()).unwrap_or("/");
    if kind != PathMatchType::RegularExpression && !value.starts_with('/') {
        findings.warning(
            format!("{field}.value"),
            format!("no path begins with `{value}`"),
            format!("write `/{value}`"),
        );
    }
    match kind {
        PathMatchType::Exact => (Some(TextMatch::Exact(value.into())), PathRank::Exact),
        PathMatchType::PathPrefix => {
            let prefix = value.strip_suffix('/').unwrap_or(value);
            let text = (!prefix.is_empty()).then(|| TextMatch::PathPrefix(prefix.into()));
            (text, PathRank::Prefix(prefix.len().max(1)))
        }
        PathMatchType::RegularExpression => {
            let text = regex(value, &format!("{field}.value"), findings);
            (text, PathRank::Regex(value.len(), 0))
        }
    }
}

/// The path of a gRPC call: `/service/method`.
fn call(written: &GrpcRouteMatch, field: &str, findings: &mut Findings) -> (Option<TextMatch>, PathRank) {
    let Some(call) = &written.method else {
        return (None, PathRank::Prefix(1));
    };
    let GrpcMethodMatch {
        type_,
        service,
        method,
    } = call;
    let given = |part: &Option<String>| part.clone().filter(|text| !text.is_empty());
    let (service, method) = (given(service), given(method));
    let length = |part: &Option<String>| part.as_ref().map_or(0, String::len);
    let rank = PathRank::Regex(length(&service), length(&method));
    match (type_.unwrap_or_default(), service, method) {
        (_, None, None) => {
            findings.error(
                field,
                "neither a service nor a method is given",
                "write `service`, `method` or both, or leave out the match to match every call",
            );
            (None, PathRank::Regex(0, 0))
        }
        (ValueMatchType::Exact, Some(service), Some(method)) => (
            Some(TextMatch::Exact(format!("/{service}/{method}").into())),
            PathRank::Exact,
        ),
        (ValueMatchType::Exact, Some(service), None) => {
            let prefix = format!("/{service}/");
            let length = prefix.len();
            (Some(TextMatch::Prefix(prefix.into())), PathRank::Prefix(length))
        }
        (ValueMatchType::Exact, None, Some(method)) => {
            let expression = format!("/[^/]+/{}", regex_syntax::escape(&method));
            (regex(&expression, field, findings), rank)
        }
        (ValueMatchType::RegularExpression, service, method) => {
            let part = |part: Option<String>| part.map_or("[^/]+".to_owned(), |text| format!("(?:{text})"));
            let expression = format!("/{}/{}", part(service), part(method));
            (regex(&expression, field, findings), rank)
        }
    }
}

fn headers_into(
    matches: &mut Vec<HeaderMatch>,
    written: &[HttpValueMatch],
    field: &str,
    findings: &mut Findings,
) {
    for (place, header) in written.iter().enumerate() {
        let field = format!("{field}.headers[{place}]");
        let Ok(name) = HeaderName::from_bytes(header.name.as_bytes()) else {
            findings.error(
                format!("{field}.name"),
                format!("`{}` is not a header name", header.name),
                "write a name such as `x-user`",
            );
            continue;
        };
        let name = match name {
            HOST => HeaderField::Authority,
            name => HeaderField::Named(name),
        };
        // Of several for one name, the specification takes the first.
        if matches.iter().all(|known| known.field != name) {
            matches.push(HeaderMatch {
                field: name,
                value: value(header, &field, findings),
                negated: false,
            });
        }
    }
}

fn query_into(
    matches: &mut Vec<QueryMatch>,
    written: &[HttpValueMatch],
    field: &str,
    findings: &mut Findings,
) {
    for (place, parameter) in written.iter().enumerate() {
        if matches.iter().all(|known| *known.name != *parameter.name) {
            matches.push(QueryMatch {
                name: parameter.name.as_str().into(),
                value: value(parameter, &format!("{field}.queryParams[{place}]"), findings),
            });
        }
    }
}

/// What the value must look like; without one that compiles, it has to be there.
fn value(written: &HttpValueMatch, field: &str, findings: &mut Findings) -> Option<TextMatch> {
    match written.type_.unwrap_or_default() {
        ValueMatchType::Exact => Some(TextMatch::Exact(written.value.as_str().into())),
        ValueMatchType::RegularExpression => regex(&written.value, &format!("{field}.value"), findings),
    }
}

fn regex(expression: &str, field: &str, findings: &mut Findings) -> Option<TextMatch> {
    match Pattern::new(expression) {
        Ok(pattern) => Some(TextMatch::Regex(pattern)),
        Err(error) => {
            findings.error(
                field,
                format!(
                    "`{expression}` is not a regular expression: {error}; what it may have matched is answered 500"
                ),
                "write an RE2 expression; it must match the whole text",
            );
            None
        }
    }
}
