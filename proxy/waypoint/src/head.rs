//! Phase 4, head: what a client sent becomes a request that cannot be misread.
//!
//! After this the target is in origin-form with a normalised path, the authority is known, and what a client must not
//! say of itself is gone. What policies match, what routes match and what is forwarded are the same bytes.

use cairn_api::istio::PathNormalization;
use cairn_http::headers;
use cairn_http::upgrade::{self, OnUpgrade, Wanted};
use cairn_route::controls;
use http::header::{COOKIE, HOST};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use crate::exchange::{Exchange, Switch};
use crate::failure::Failure;
use crate::target;

const FORWARDED_CLIENT_CERT: HeaderName = HeaderName::from_static("x-forwarded-client-cert");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Checks, normalises and sanitises the head of a request in place.
pub(crate) fn check(exchange: &mut Exchange) -> Result<(), Failure> {
    let normalization = exchange.plans.mesh.mesh.path_normalization;
    let checked = normalise(&mut exchange.parts, normalization, &exchange.authority);
    let switch = switch(&mut exchange.parts);
    let wanted = switch.as_ref().map(|(wanted, _)| wanted);
    let connect = connect(&mut exchange.parts, wanted);
    sanitise(&mut exchange.parts);
    if let Ok(authority) = &checked {
        exchange.authority = authority.clone();
    }
    exchange.switch = switch.map(|(wanted, stream)| Switch {
        wanted,
        stream,
        request: None,
    });
    exchange.recorder.headed(&exchange.parts, &exchange.authority);
    checked.and(connect)
}

/// Puts what filters have made of the target into its one form again.
pub(crate) fn changed(exchange: &mut Exchange) -> Result<(), Failure> {
    let normalization = exchange.plans.mesh.mesh.path_normalization;
    target::settle(&mut exchange.parts, normalization)?;
    // Of a switch the endpoint sees a GET, or a CONNECT that says as much.
    if exchange.switch.is_some() && exchange.parts.method != Method::GET {
        return Err(Failure::UpgradeRefused);
    }
    exchange.recorder.headed(&exchange.parts, &exchange.authority);
    Ok(())
}

/// Puts the target into its one form; gives the authority. `addressed` stands in for the Host that HTTP/1.0 need not
/// send.
pub(crate) fn normalise(
    parts: &mut Parts,
    normalization: PathNormalization,
    addressed: &Authority,
) -> Result<Authority, Failure> {
    let authority = authority(parts, addressed)?;
    // A plain CONNECT inside a tunnel would make this an open proxy; the extended form has a path.
    if parts.method == Method::CONNECT && parts.uri.path_and_query().is_none() {
        return Err(Failure::BadTarget);
    }
    target::settle(parts, normalization)?;
    Ok(authority)
}

/// The authority of an absolute target or of HTTP/2, else Host. RFC 9112 section 3.2.2: the target's overrides Host.
fn authority(parts: &Parts, addressed: &Authority) -> Result<Authority, Failure> {
    let authority = match (parts.uri.authority(), parts.headers.get(HOST)) {
        (Some(authority), _) => authority.clone(),
        (None, Some(host)) => Authority::try_from(host.as_bytes()).map_err(|_| Failure::MissingHost)?,
        (None, None) if parts.version == Version::HTTP_10 => addressed.clone(),
        (None, None) => return Err(Failure::MissingHost),
    };
    // User information in an authority has no meaning here and could hide the host.
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return Err(Failure::MissingHost);
    }
    Ok(authority)
}

/// A WebSocket is a GET for policies and routes, whichever version of HTTP asks for it, as in Envoy. Any other CONNECT
/// would be something else for the endpoint than for the policies.
pub(crate) fn connect(parts: &mut Parts, wanted: Option<&Wanted>) -> Result<(), Failure> {
    if parts.method != Method::CONNECT {
        return Ok(());
    }
    if !wanted.is_some_and(Wanted::is_websocket) {
        return Err(Failure::UpgradeRefused);
    }
    parts.method = Method::GET;
    Ok(())
}

/// What the request asks to switch to. Has to be seen before the fields that end at this hop are removed.
fn switch(parts: &mut Parts) -> Option<(Wanted, OnUpgrade)> {
    let request = http::Request::from_parts(std::mem::replace(parts, empty()), ());
    let wanted = upgrade::requested(&request);
    *parts = request.into_parts().0;
    let stream = OnUpgrade::take(&mut parts.extensions)?;
    Some((wanted?, stream))
}

fn empty() -> Parts {
    http::Request::new(()).into_parts().0
}

/// HTTP/2 may send a cookie in pieces (RFC 9113 section 8.2.3); policies, routes and HTTP/1.1 want it whole.
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(COOKIE, whole);
    }
}

/// Removes what ends here and what only the mesh may say, and adds what it says of every request.
pub(crate) fn sanitise(parts: &mut Parts) {
    headers::strip_hop_by_hop(&mut parts.headers);
    controls::strip(&mut parts.headers);
    join_cookies(&mut parts.headers);
    parts.headers.remove(FORWARDED_CLIENT_CERT);
    parts
        .headers
        .entry(FORWARDED_PROTO)
        .or_insert(HeaderValue::from_static("http"));
    headers::ensure_request_id(&mut parts.headers);
}

#[cfg(test)]
mod tests;
