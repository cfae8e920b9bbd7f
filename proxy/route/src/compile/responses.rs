//! From `redirect` and `directResponse` to what a client is answered.

use bytes::Bytes;
use cairn_api::istio::{self, HttpRedirect};
use http::{HeaderValue, StatusCode};

use super::findings::Findings;
use super::rewrites::Change;
use crate::base64;
use crate::redirect::{Redirect, RedirectPort};
use crate::route::DirectResponse;

/// Largest body of a direct response in bytes; each route holds its own.
const BODY_LIMIT: usize = 1 << 20;

/// Compiles `redirect`, whose path in the object is `field`, of requests to `port`. The change of
/// path comes beside it, since it depends on the match. `None`: part of it does not compile, and there
/// is a finding that says so.
pub(super) fn redirect(
    redirect: &HttpRedirect,
    port: u16,
    field: &str,
    findings: &mut Findings,
) -> Option<(Redirect, Option<Change>)> {
    let mut complete = true;
    let mut refuse = |name: &str, message: String, hint: &str| {
        findings.error(format!("{field}.{name}"), message, hint);
        complete = false;
    };
    let status = match redirect.redirect_code.unwrap_or(0) {
        0 | 301 => StatusCode::MOVED_PERMANENTLY,
        302 => StatusCode::FOUND,
        303 => StatusCode::SEE_OTHER,
        307 => StatusCode::TEMPORARY_REDIRECT,
        308 => StatusCode::PERMANENT_REDIRECT,
        other => {
            refuse(
                "redirectCode",
                format!("{other} is not a redirect"),
                "write 301, 302, 303, 307 or 308",
            );
            StatusCode::MOVED_PERMANENTLY
        }
    };
    if !matches!(redirect.scheme.as_str(), "" | "http" | "https") {
        refuse(
            "scheme",
            format!("`{}` is not a scheme of HTTP", redirect.scheme),
            "write `http` or `https`",
        );
    }
    if !redirect.uri.is_empty() && !redirect.prefix_rewrite.is_empty() {
        refuse(
            "uri",
            "both `uri` and `prefixRewrite` are given".to_owned(),
            "keep the one that is meant",
        );
    }
    for (name, text) in [
        ("uri", &redirect.uri),
        ("prefixRewrite", &redirect.prefix_rewrite),
        ("authority", &redirect.authority),
    ] {
        if HeaderValue::from_str(text).is_err() {
            refuse(
                name,
                format!("`{text}` cannot be part of a URL"),
                "percent-encode what is not ASCII",
            );
        }
    }
    let target = match (redirect.port, redirect.derive_port) {
        (Some(number), _) => match u16::try_from(number) {
            Ok(number) if number > 0 => Some(RedirectPort::Number(number)),
            _ => {
                refuse(
                    "port",
                    format!("{number} is not a port"),
                    "write one from 1 to 65535",
                );
                None
            }
        },
        (None, Some(istio::RedirectPort::FromRequestPort)) => Some(RedirectPort::Number(port)),
        (None, Some(istio::RedirectPort::FromProtocolDefault)) => Some(RedirectPort::OfScheme),
        (None, None) => None,
    };
    let change = match (redirect.uri.as_str(), redirect.prefix_rewrite.as_str()) {
        ("", "") => None,
        ("", prefix) => Some(Change::Matched(prefix.into())),
        (uri, _) => Some(Change::Whole(uri.into())),
    };
    let says_nothing =
        change.is_none() && target.is_none() && redirect.authority.is_empty() && redirect.scheme.is_empty();
    if complete && says_nothing {
        findings.error(
            field,
            "the redirect leads to where the request came from",
            "give `uri`, `authority`, `scheme` or `port`",
        );
        complete = false;
    }
    let (scheme, authority) = (given(&redirect.scheme), given(&redirect.authority));
    complete.then_some((
        Redirect {
            status,
            scheme,
            authority,
            port: target,
            path: None,
        },
        change,
    ))
}

/// Compiles `response`, whose path in the object is `field`. `None` as above.
pub(super) fn direct(
    response: &istio::DirectResponse,
    field: &str,
    findings: &mut Findings,
) -> Option<DirectResponse> {
    let number = response.status.unwrap_or(0);
    let code = u16::try_from(number)
        .ok()
        .filter(|code| (200..600).contains(code));
    let status = code.and_then(|code| StatusCode::from_u16(code).ok());
    if status.is_none() {
        findings.error(
            format!("{field}.status"),
            format!("{number} is not a status"),
            "write one from 200 to 599",
        );
    }
    let body = body(response.body.as_ref(), &format!("{field}.body"), findings);
    Some(DirectResponse {
        status: status?,
        body: body?,
    })
}

fn body(body: Option<&istio::HttpBody>, field: &str, findings: &mut Findings) -> Option<Bytes> {
    let Some(body) = body else {
        return Some(Bytes::new());
    };
    let bytes = match (&body.string, &body.bytes) {
        (None, None) => Bytes::new(),
        (Some(text), None) => Bytes::from(text.clone()),
        (None, Some(encoded)) => match base64::decode(encoded) {
            Some(bytes) => Bytes::from(bytes),
            None => {
                findings.error(
                    format!("{field}.bytes"),
                    "the body is not base64",
                    "encode it, or use `string`",
                );
                return None;
            }
        },
        (Some(_), Some(_)) => {
            findings.error(
                field,
                "both `string` and `bytes` are given",
                "keep the one that is meant",
            );
            return None;
        }
    };
    if bytes.len() > BODY_LIMIT {
        findings.error(
            field,
            format!(
                "the body has {} bytes; a direct response holds at most {BODY_LIMIT}",
                bytes.len()
            ),
            "serve it from a service",
        );
        return None;
    }
    Some(bytes)
}

fn given(text: &str) -> Option<Box<str>> {
    (!text.is_empty()).then(|| text.into())
}
