//! Changes that filters ask for, checked before any of them is made.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Method, StatusCode};

use crate::bindings::cairn::filter::types::{Edit, LocalReply as WitReply};
use crate::exchange::{RequestHead, ResponseHead};
use crate::failure::{HookFailure, Reason};
use crate::verdict::LocalReply;

/// Lines of a head after the changes.
const MAX_LINES: usize = 200;
/// Bytes of names and values of a head after the changes.
const MAX_BYTES: usize = 64 << 10;

/// One change that is legal.
enum Change {
    Set(HeaderName, HeaderValue),
    Append(HeaderName, HeaderValue),
    Remove(HeaderName),
    Method(Method),
    Target(PathAndQuery),
    Authority(Authority),
    Status(StatusCode),
}

/// Changes the head of a request; whether anything was changed.
pub(crate) fn request(head: &mut RequestHead, edits: Vec<Edit>) -> Result<bool, HookFailure> {
    let changes = parse(edits, Part::Request)?;
    bounded(&head.headers, &changes)?;
    let heads = |method: &Method| *method == Method::HEAD;
    let other =
        |change: &Change| matches!(change, Change::Method(method) if heads(method) != heads(&head.method));
    if changes.iter().any(other) {
        // Whether the response has a body is decided by the method, for the client by that which it sent.
        return Err(illegal(
            "`:method` can neither become nor cease to be HEAD".to_owned(),
        ));
    }
    let changed = !changes.is_empty();
    for change in changes {
        match change {
            Change::Method(method) => head.method = method,
            Change::Target(target) => head.target = target,
            Change::Authority(authority) => head.authority = authority,
            other => apply(&mut head.headers, other),
        }
    }
    Ok(changed)
}

/// Changes the head of a response.
pub(crate) fn response(head: &mut ResponseHead, edits: Vec<Edit>) -> Result<bool, HookFailure> {
    let changes = parse(edits, Part::Response)?;
    bounded(&head.headers, &changes)?;
    let switches = head.status == StatusCode::SWITCHING_PROTOCOLS;
    if switches && changes.iter().any(|change| matches!(change, Change::Status(_))) {
        return Err(illegal(
            "`:status` 101 stays: what follows it is no body".to_owned(),
        ));
    }
    let changed = !changes.is_empty();
    for change in changes {
        match change {
            Change::Status(status) => {
                // The length that it tells is that of the body which it does not have.
                if head.status == StatusCode::NOT_MODIFIED {
                    head.headers.remove(CONTENT_LENGTH);
                }
                head.status = status;
            }
            other => apply(&mut head.headers, other),
        }
    }
    Ok(changed)
}

/// Changes trailers.
pub(crate) fn trailers(trailers: &mut HeaderMap, edits: Vec<Edit>) -> Result<(), HookFailure> {
    let changes = parse(edits, Part::Trailers)?;
    bounded(trailers, &changes)?;
    for change in changes {
        apply(trailers, change);
    }
    Ok(())
}

/// A response that a filter gives.
pub(crate) fn reply(reply: WitReply) -> Result<LocalReply, HookFailure> {
    let wrong = |message: String| HookFailure::new(Reason::Reply, message);
    let status = StatusCode::from_u16(reply.status)
        .ok()
        .filter(|status| (200..600).contains(&status.as_u16()))
        .ok_or_else(|| wrong(format!("status {} is none of a response", reply.status)))?;
    let mut headers = HeaderMap::new();
    let edits = reply.headers.into_iter().map(Edit::Append).collect();
    let changes = parse(edits, Part::Trailers).map_err(|failure| wrong(failure.message))?;
    bounded(&headers, &changes).map_err(|failure| wrong(failure.message))?;
    for change in changes {
        apply(&mut headers, change);
    }
    if !reply.body.is_empty() && matches!(status.as_u16(), 204 | 205 | 304) {
        return Err(wrong(format!("status {status} has no body")));
    }
    let details = reply.details;
    let plain = details.bytes().all(|byte| byte.is_ascii_graphic()) && details.len() <= 100;
    if !plain {
        return Err(wrong(
            "details are a word of at most 100 visible characters".to_owned(),
        ));
    }
    Ok(LocalReply {
        status,
        headers,
        body: reply.body.into(),
        grpc_status: reply.grpc_status.map(|code| u8::try_from(code).unwrap_or(2)),
        details,
    })
}

/// Where a change is to be made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Request,
    Response,
    Trailers,
}

fn parse(edits: Vec<Edit>, part: Part) -> Result<Vec<Change>, HookFailure> {
    edits
        .into_iter()
        .map(|edit| {
            let (name, value, append) = match edit {
                Edit::Set((name, value)) => (name, value, false),
                Edit::Append((name, value)) => (name, value, true),
                Edit::Remove(name) => return field(&name).map(Change::Remove),
            };
            if name.starts_with(':') {
                return pseudo(&name, &value, part, append);
            }
            let name = field(&name)?;
            let value = HeaderValue::from_bytes(&value)
                .map_err(|_| illegal(format!("the value of `{name}` has characters that no field has")))?;
            Ok(if append {
                Change::Append(name, value)
            } else {
                Change::Set(name, value)
            })
        })
        .collect()
}

/// A name that filters may change.
fn field(name: &str) -> Result<HeaderName, HookFailure> {
    let parsed = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| illegal("a name is not that of a field".to_owned()))?;
    let framing = [
        CONTENT_LENGTH,
        TRANSFER_ENCODING,
        CONNECTION,
        UPGRADE,
        TE,
        TRAILER,
    ];
    if framing.contains(&parsed)
        || matches!(
            parsed.as_str(),
            "keep-alive" | "proxy-connection" | "http2-settings"
        )
    {
        return Err(illegal(format!(
            "`{parsed}` belongs to the connection, not to filters"
        )));
    }
    if parsed == HOST {
        return Err(illegal("the host is changed as `:authority`".to_owned()));
    }
    if parsed == "x-forwarded-client-cert" {
        return Err(illegal(format!(
            "`{parsed}` says who the client is, which only the proxy may"
        )));
    }
    Ok(parsed)
}

fn pseudo(name: &str, value: &[u8], part: Part, append: bool) -> Result<Change, HookFailure> {
    // What it was may be a secret.
    let wrong = || illegal(format!("`{name}` cannot be what it was set to"));
    if append {
        return Err(illegal(format!("`{name}` is there once; set it")));
    }
    match (part, name) {
        (Part::Request, ":method") => {
            let method = Method::from_bytes(value).map_err(|_| wrong())?;
            if method == Method::CONNECT {
                return Err(wrong());
            }
            Ok(Change::Method(method))
        }
        (Part::Request, ":path") => {
            let target = PathAndQuery::try_from(value).map_err(|_| wrong())?;
            if !value.starts_with(b"/") || target.as_str().as_bytes() != value {
                return Err(wrong());
            }
            Ok(Change::Target(target))
        }
        (Part::Request, ":authority") => {
            let authority = Authority::try_from(value).map_err(|_| wrong())?;
            if authority.as_str().contains('@') || authority.host().is_empty() {
                return Err(wrong());
            }
            Ok(Change::Authority(authority))
        }
        (Part::Response, ":status") => {
            let status = StatusCode::from_bytes(value).map_err(|_| wrong())?;
            // These say how long the body is.
            if !(200..600).contains(&status.as_u16()) || matches!(status.as_u16(), 204 | 205 | 304) {
                return Err(wrong());
            }
            Ok(Change::Status(status))
        }
        _ => Err(illegal(format!(
            "there is no `{name}` here that could be changed"
        ))),
    }
}

/// Neither a flood of lines nor one of bytes may come out of a filter.
fn bounded(headers: &HeaderMap, changes: &[Change]) -> Result<(), HookFailure> {
    if changes.is_empty() {
        return Ok(());
    }
    let size = |name: &HeaderName, value: &HeaderValue| name.as_str().len() + value.len();
    let mut lines = headers.len();
    let mut bytes: usize = headers.iter().map(|(name, value)| size(name, value)).sum();
    for change in changes {
        if let Change::Set(name, value) | Change::Append(name, value) = change {
            lines += 1;
            bytes += size(name, value);
        }
    }
    if lines > MAX_LINES || bytes > MAX_BYTES {
        return Err(illegal(
            "the head would have more than 200 lines or 64 KiB".to_owned(),
        ));
    }
    Ok(())
}

fn apply(headers: &mut HeaderMap, change: Change) {
    match change {
        Change::Set(name, value) => {
            headers.insert(name, value);
        }
        Change::Append(name, value) => {
            headers.append(name, value);
        }
        Change::Remove(name) => {
            headers.remove(name);
        }
        Change::Method(_) | Change::Target(_) | Change::Authority(_) | Change::Status(_) => {}
    }
}

fn illegal(message: String) -> HookFailure {
    HookFailure::new(Reason::Edit, message)
}

#[cfg(test)]
mod tests;
