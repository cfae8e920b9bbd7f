//! From `rewrite` and the match that it belongs to, to a [`PathRewrite`].

use cairn_api::istio::HttpRewrite;
use http::uri::PathAndQuery;

use super::findings::Findings;
use crate::matcher::Matcher;
use crate::rewrite::{PathRewrite, RegexRewrite};
use crate::text::TextMatch;

/// A change of the path, before it is known what part of the path the match takes.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// The matched part becomes this.
    Matched(Box<str>),
    /// The matched segments become these.
    Segments(Box<str>),
    /// The whole path becomes this.
    Whole(Box<str>),
    /// An expression is replaced.
    Regex(RegexRewrite),
}

/// Compiles the path of `rewrite`, whose path in the object is `field`. `None`: it does not compile,
/// and there is a finding that says so.
pub(super) fn compile(
    rewrite: Option<&HttpRewrite>,
    field: &str,
    findings: &mut Findings,
) -> Option<Option<Change>> {
    let Some(rewrite) = rewrite else { return Some(None) };
    match (rewrite.uri.as_str(), &rewrite.uri_regex_rewrite) {
        ("", None) => {
            if rewrite.authority.is_empty() {
                findings.error(
                    field,
                    "the rewrite changes nothing",
                    "give `uri`, `uriRegexRewrite` or `authority`",
                );
                return None;
            }
            Some(None)
        }
        ("", Some(regex)) => {
            if regex.matches.is_empty() || regex.rewrite.is_empty() {
                findings.error(
                    format!("{field}.uriRegexRewrite"),
                    "both `match` and `rewrite` are needed",
                    "give the one that is missing",
                );
                return None;
            }
            match RegexRewrite::new(&regex.matches, &regex.rewrite) {
                Ok(compiled) => Some(Some(Change::Regex(compiled))),
                Err(error) => {
                    findings.error(
                        format!("{field}.uriRegexRewrite"),
                        format!("`{}` → `{}`: {error}", regex.matches, regex.rewrite),
                        "write an RE2 expression, and `\\1` for its first group",
                    );
                    None
                }
            }
        }
        (uri, None) if is_path(uri) => Some(Some(Change::Matched(uri.into()))),
        (uri, None) => {
            findings.error(
                format!("{field}.uri"),
                format!("`{uri}` cannot be part of a path"),
                "percent-encode what is not allowed in a URL",
            );
            None
        }
        (_, Some(_)) => {
            findings.error(
                field,
                "both `uri` and `uriRegexRewrite` are given",
                "keep the one that is meant",
            );
            None
        }
    }
}

impl Change {
    /// The change for requests that match `matcher`: a prefix match has matched its prefix, any other match on the
    /// path all of it, and a match on something else the leading `/`, which is before the first segment.
    pub(super) fn of(&self, matcher: Option<&Matcher>) -> PathRewrite {
        let replacement = match self {
            Change::Regex(regex) => return PathRewrite::Regex(regex.clone()),
            Change::Whole(replacement) => return PathRewrite::Whole(replacement.clone()),
            Change::Matched(replacement) | Change::Segments(replacement) => replacement.clone(),
        };
        let path = matcher.and_then(|matcher| matcher.path.as_ref());
        match path.map(|path| &path.text) {
            None => PathRewrite::Prefix {
                matched: usize::from(!matches!(self, Change::Segments(_))),
                replacement,
            },
            Some(TextMatch::Prefix(prefix) | TextMatch::PathPrefix(prefix)) => PathRewrite::Prefix {
                matched: prefix.len(),
                replacement,
            },
            Some(TextMatch::Exact(_) | TextMatch::Regex(_)) => PathRewrite::Whole(replacement),
        }
    }
}

fn is_path(text: &str) -> bool {
    PathAndQuery::try_from(format!("/{text}")).is_ok()
}
