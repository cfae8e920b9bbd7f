//! From `filters` to what happens to requests and responses.

use std::borrow::Cow;

use cairn_api::gateway::{
    CorsFilter, HttpRouteFilter, HttpRouteFilterType, PathModifier, PathModifierType, RequestMirror,
    RequestRedirect,
};
use http::uri::PathAndQuery;
use http::{HeaderValue, StatusCode};

use super::lookup::Lookup;
use crate::compile::cors::{allowed, listed};
use crate::compile::findings::Findings;
use crate::compile::operations::{self, Modifier, Operations};
use crate::compile::rewrites::Change;
use crate::cors::{Allowed, Cors};
use crate::destination::Destination;
use crate::fault::Percentage;
use crate::headers::HeaderOperations;
use crate::mirror::Mirror;
use crate::pattern::Pattern;
use crate::redirect::{Redirect, RedirectPort};
use crate::text::TextMatch;

/// What the filters of a rule ask for.
#[derive(Default)]
pub(super) struct Filtered {
    pub(super) operations: Operations,
    pub(super) authority: Option<HeaderValue>,
    pub(super) change: Option<Change>,
    pub(super) redirect: Option<(Redirect, Option<Change>)>,
    pub(super) mirrors: Vec<Mirror>,
    pub(super) cors: Option<Cors>,
}

/// Compiles the filters of the rule whose path in the object is `field`. `None`: one of them does not compile, and there
/// is a finding that says so. Then no request may pass: the specification wants an error for each.
pub(super) fn of_rule(
    filters: &[HttpRouteFilter],
    field: &str,
    lookup: &mut Lookup<'_, '_>,
    findings: &mut Findings,
) -> Option<Filtered> {
    let before = findings.len();
    let mut filtered = Filtered::default();
    let (mut request, mut response): (Option<Modifier<'_>>, Option<Modifier<'_>>) = (None, None);
    for (kind, filter, field) in typed(filters, field, findings) {
        let is_there = match kind {
            HttpRouteFilterType::RequestHeaderModifier => {
                request = named(&filter.request_header_modifier, &field, "requestHeaderModifier");
                request.is_some()
            }
            HttpRouteFilterType::ResponseHeaderModifier => {
                response = named(&filter.response_header_modifier, &field, "responseHeaderModifier");
                response.is_some()
            }
            HttpRouteFilterType::RequestMirror => {
                if let Some(mirror) = &filter.request_mirror {
                    let field = format!("{field}.requestMirror");
                    filtered
                        .mirrors
                        .extend(self::mirror(mirror, &field, lookup, findings));
                }
                filter.request_mirror.is_some()
            }
            HttpRouteFilterType::RequestRedirect => {
                if let Some(redirect) = &filter.request_redirect {
                    let port = lookup.inputs.port;
                    let field = format!("{field}.requestRedirect");
                    filtered.redirect = self::redirect(redirect, port, &field, findings);
                }
                filter.request_redirect.is_some()
            }
            HttpRouteFilterType::UrlRewrite => {
                if let Some(rewrite) = &filter.url_rewrite {
                    let field = format!("{field}.urlRewrite");
                    filtered.change = change(rewrite.path.as_ref(), &field, findings);
                    filtered.authority = hostname(rewrite.hostname.as_deref(), &field, findings);
                }
                filter.url_rewrite.is_some()
            }
            HttpRouteFilterType::Cors => {
                if let Some(cors) = &filter.cors {
                    filtered.cors = self::cors(cors, &format!("{field}.cors"), findings);
                }
                filter.cors.is_some()
            }
            HttpRouteFilterType::ExtensionRef => {
                findings.error(
                    format!("{field}.extensionRef"),
                    "there are no filters by reference; requests of this rule are answered 500",
                    "bind a WasmPlugin to the service with `targetRefs`",
                );
                true
            }
        };
        if !is_there {
            absent(kind, &field, findings);
        }
    }
    if filtered.redirect.is_some() && (filtered.change.is_some() || filtered.authority.is_some()) {
        findings.error(
            format!("{field}.filters"),
            "a rule cannot both redirect and rewrite",
            "keep the one that is meant",
        );
    }
    let operations = operations::modifiers(request, response, findings);
    filtered.operations = operations?;
    // A mirror that leads nowhere is left out, and nothing else.
    let failed = findings
        .errors_since(before)
        .any(|field| !field.contains(".requestMirror.backendRef"));
    (!failed).then_some(filtered)
}

/// Compiles the filters of a backend. `None` as above.
pub(super) fn of_backend(
    filters: &[HttpRouteFilter],
    field: &str,
    findings: &mut Findings,
) -> Option<Operations> {
    let before = findings.len();
    let (mut request, mut response): (Option<Modifier<'_>>, Option<Modifier<'_>>) = (None, None);
    for (kind, filter, field) in typed(filters, field, findings) {
        let is_there = match kind {
            HttpRouteFilterType::RequestHeaderModifier => {
                request = named(&filter.request_header_modifier, &field, "requestHeaderModifier");
                request.is_some()
            }
            HttpRouteFilterType::ResponseHeaderModifier => {
                response = named(&filter.response_header_modifier, &field, "responseHeaderModifier");
                response.is_some()
            }
            other => {
                findings.error(
                    format!("{field}.type"),
                    format!("a backend has no filter {other}; what it gets of the requests is answered 500"),
                    "write it among the filters of the rule",
                );
                true
            }
        };
        if !is_there {
            absent(kind, &field, findings);
        }
    }
    let operations = operations::modifiers(request, response, findings)?;
    findings.error_since(before).is_none().then_some(operations)
}

/// The filters with their types and the paths of their fields; one without a type, or that comes again, is an error.
fn typed<'a>(
    filters: &'a [HttpRouteFilter],
    field: &str,
    findings: &mut Findings,
) -> Vec<(HttpRouteFilterType, &'a HttpRouteFilter, String)> {
    let mut typed: Vec<(HttpRouteFilterType, &HttpRouteFilter, String)> = Vec::new();
    for (place, filter) in filters.iter().enumerate() {
        let field = format!("{field}.filters[{place}]");
        let Some(kind) = filter.type_ else {
            findings.error(
                format!("{field}.type"),
                "the filter has no type",
                "write which filter it is, `type: RequestHeaderModifier`",
            );
            continue;
        };
        if kind != HttpRouteFilterType::RequestMirror && typed.iter().any(|(known, ..)| *known == kind) {
            findings.error(
                format!("{field}.type"),
                format!("there is a filter {kind} before"),
                "merge the two",
            );
            continue;
        }
        typed.push((kind, filter, field));
    }
    typed
}

fn named<'a, T>(part: &'a Option<T>, field: &str, name: &str) -> Option<(&'a T, String)> {
    part.as_ref().map(|part| (part, format!("{field}.{name}")))
}

fn absent(kind: HttpRouteFilterType, field: &str, findings: &mut Findings) {
    findings.error(
        field,
        format!("the filter is a {kind}, but the field that goes with that is not there"),
        "give it, or write another `type`",
    );
}

fn mirror(
    mirror: &RequestMirror,
    field: &str,
    lookup: &mut Lookup<'_, '_>,
    findings: &mut Findings,
) -> Option<Mirror> {
    let share = match (&mirror.fraction, mirror.percent) {
        (Some(fraction), _) => {
            let denominator = f64::from(fraction.denominator.unwrap_or(100));
            Percentage::new(100.0 * f64::from(fraction.numerator.unwrap_or(0)) / denominator)
        }
        (None, Some(percent)) => Percentage::new(f64::from(percent)),
        (None, None) => Some(Percentage::ALL),
    };
    if share.is_none() {
        findings.error(
            field,
            "the share is not one",
            "write a `percent` from 0 to 100, or a `fraction` of at most one",
        );
    }
    let reference = mirror.backend_ref.clone().unwrap_or_default();
    let (host, port) = lookup
        .resolve(&reference, &format!("{field}.backendRef"), findings)
        .ok()?;
    let share = share.filter(|share| !share.is_zero())?;
    Some(Mirror {
        destination: Destination {
            host,
            subset: None,
            port: Some(port),
            weight: 1,
            authority: None,
            request_headers: HeaderOperations::default(),
            response_headers: HeaderOperations::default(),
            broken: None,
        },
        share,
    })
}

fn redirect(
    redirect: &RequestRedirect,
    port: u16,
    field: &str,
    findings: &mut Findings,
) -> Option<(Redirect, Option<Change>)> {
    let before = findings.len();
    let number = redirect.status_code.unwrap_or(302);
    let status = StatusCode::from_u16(number)
        .ok()
        .filter(|_| matches!(number, 301 | 302 | 303 | 307 | 308));
    if status.is_none() {
        findings.error(
            format!("{field}.statusCode"),
            format!("{number} is not a redirect"),
            "write 301, 302, 303, 307 or 308",
        );
    }
    let port = match (redirect.port, redirect.scheme) {
        (Some(port), _) => RedirectPort::Number(port),
        (None, Some(_)) => RedirectPort::OfScheme,
        (None, None) => RedirectPort::Number(port),
    };
    let change = change(redirect.path.as_ref(), field, findings);
    let authority = hostname(redirect.hostname.as_deref(), field, findings);
    let compiled = Redirect {
        status: status?,
        scheme: redirect.scheme.map(|scheme| scheme.as_str().into()),
        authority: authority
            .as_ref()
            .and_then(|host| host.to_str().ok())
            .map(Into::into),
        port: Some(port),
        path: None,
    };
    findings
        .error_since(before)
        .is_none()
        .then_some((compiled, change))
}

fn change(path: Option<&PathModifier>, field: &str, findings: &mut Findings) -> Option<Change> {
    let path = path?;
    let field = format!("{field}.path");
    let (name, replacement) = match path.type_ {
        Some(PathModifierType::ReplaceFullPath) => ("replaceFullPath", path.replace_full_path.as_deref()),
        Some(PathModifierType::ReplacePrefixMatch) => {
            ("replacePrefixMatch", path.replace_prefix_match.as_deref())
        }
        None => ("type", None),
    };
    let Some(replacement) = replacement else {
        findings.error(
            format!("{field}.{name}"),
            "the change of the path is not complete",
            "give `type` and the field that goes with it",
        );
        return None;
    };
    if PathAndQuery::try_from(format!("/{replacement}")).is_err() {
        findings.error(
            format!("{field}.{name}"),
            format!("`{replacement}` cannot be part of a path"),
            "percent-encode what is not allowed in a URL",
        );
        return None;
    }
    Some(match path.type_ {
        Some(PathModifierType::ReplacePrefixMatch) => {
            Change::Segments(replacement.strip_suffix('/').unwrap_or(replacement).into())
        }
        _ => Change::Whole(replacement.into()),
    })
}

fn hostname(hostname: Option<&str>, field: &str, findings: &mut Findings) -> Option<HeaderValue> {
    operations::fixed(hostname?, &format!("{field}.hostname"), findings)
}

fn cors(filter: &CorsFilter, field: &str, findings: &mut Findings) -> Option<Cors> {
    let origins = filter.allow_origins.iter().enumerate();
    let origins: Vec<Option<TextMatch>> = origins
        .map(|(place, origin)| self::origin(origin, &format!("{field}.allowOrigins[{place}]"), findings))
        .collect();
    let mut list = |name: &str, values: &[String]| {
        // Beside others, `*` still stands for all.
        let all = values.iter().any(|value| value == "*");
        let values = if all {
            Cow::Owned(vec!["*".to_owned()])
        } else {
            Cow::Borrowed(values)
        };
        listed(&values, &format!("{field}.{name}"), findings)
    };
    let methods: Option<Option<Allowed>> =
        list("allowMethods", &filter.allow_methods).map(|list| list.map(allowed));
    let headers = list("allowHeaders", &filter.allow_headers).map(|list| list.map(allowed));
    let expose = list("exposeHeaders", &filter.expose_headers);
    let max_age = u64::try_from(filter.max_age.unwrap_or(5));
    if max_age.is_err() {
        findings.error(
            format!("{field}.maxAge"),
            "the time is below zero",
            "write a number of seconds",
        );
    }
    Some(Cors {
        origins: origins.into_iter().collect::<Option<_>>()?,
        methods: methods?,
        headers: headers?,
        expose: expose?,
        max_age: Some(HeaderValue::from(max_age.ok()?)),
        credentials: filter.allow_credentials == Some(true),
        // The filter is there to answer preflights.
        forwards_unmatched: false,
    })
}

/// An origin; `*` in it stands for any number of labels of the host.
fn origin(origin: &str, field: &str, findings: &mut Findings) -> Option<TextMatch> {
    if origin == "*" || !origin.contains('*') {
        return Some(TextMatch::Exact(origin.into()));
    }
    let parts: Vec<String> = origin.split('*').map(regex_syntax::escape).collect();
    match Pattern::new(&parts.join(r"[-.0-9A-Za-z]+")) {
        Ok(pattern) => Some(TextMatch::Regex(pattern)),
        Err(error) => {
            findings.error(
                field,
                format!("`{origin}` is not an origin: {error}"),
                "write `https://*.example.com`",
            );
            None
        }
    }
}
