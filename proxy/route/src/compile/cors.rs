//! From `corsPolicy` to [`Cors`].

use cairn_api::istio::{CorsPolicy, UnmatchedPreflights};
use http::HeaderValue;

use super::conditions;
use super::findings::Findings;
use crate::cors::{Allowed, Cors};
use crate::text::TextMatch;

const ANY: &str = "*";

/// Compiles `policy`, whose path in the object is `field`. `None`: part of it does not compile, and there is a finding
/// that says so.
pub(super) fn compile(policy: &CorsPolicy, field: &str, findings: &mut Findings) -> Option<Cors> {
    let before = findings.len();
    let origins = if policy.allow_origins.is_empty() {
        let exact = policy.allow_origin.iter();
        exact
            .map(|origin| TextMatch::Exact(origin.as_str().into()))
            .collect()
    } else {
        let written = policy.allow_origins.iter().enumerate();
        written
            .filter_map(|(place, origin)| {
                conditions::said(origin, &format!("{field}.allowOrigins[{place}]"), findings)
            })
            .collect::<Vec<_>>()
    };
    if origins.is_empty() && findings.error_since(before).is_none() {
        findings.warning(
            field,
            "no origin is allowed, so browsers keep what is answered from every other origin",
            "list the origins that may read it, `allowOrigins: [{exact: \"https://example.com\"}]`",
        );
    }
    let mut list = |name: &str, values: &[String]| listed(values, &format!("{field}.{name}"), findings);
    let methods = list("allowMethods", &policy.allow_methods)?;
    let headers = list("allowHeaders", &policy.allow_headers)?;
    let expose = list("exposeHeaders", &policy.expose_headers)?;
    findings.error_since(before).is_none().then(|| Cors {
        origins,
        methods: methods.map(allowed),
        headers: headers.map(allowed),
        expose,
        max_age: policy
            .max_age
            .map(|max_age| HeaderValue::from(max_age.get().as_secs())),
        credentials: policy.allow_credentials == Some(true),
        forwards_unmatched: policy.unmatched_preflights != Some(UnmatchedPreflights::Ignore),
    })
}

/// A list as one value; nothing for an empty list. `None`: it cannot be one.
pub(super) fn listed(values: &[String], field: &str, findings: &mut Findings) -> Option<Option<HeaderValue>> {
    if values.is_empty() {
        return Some(None);
    }
    match HeaderValue::from_str(&values.join(",")) {
        Ok(value) => Some(Some(value)),
        Err(_) => {
            findings.error(
                field,
                "a name in the list has characters that no header may have",
                "remove what is not ASCII",
            );
            None
        }
    }
}

/// `*` stands for all only when nothing stands beside it, as in Envoy.
pub(super) fn allowed(list: HeaderValue) -> Allowed {
    if list == ANY {
        Allowed::Asked
    } else {
        Allowed::Listed(list)
    }
}
