//! Putting a request into the form of the upstream's version of HTTP.

use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, HeaderValue, Method, Request, Version};

use super::Cause;

/// Origin-form and `Host` (RFC 9112 section 3.2); authority-form for CONNECT.
///
/// # Errors
///
/// When it is a CONNECT for anything else than a tunnel to a host and port: an extended one, whose path and protocol
/// HTTP/1 has no place for, would become a tunnel to its host.
pub(super) fn for_http1<B>(request: &mut Request<B>) -> Result<(), Cause> {
    if *request.method() == Method::CONNECT && !is_tunnel(request) {
        return Err("a CONNECT on HTTP/1 needs a host and port, and nothing else".into());
    }
    *request.version_mut() = Version::HTTP_11;
    let Some(authority) = request.uri().authority() else {
        return Ok(());
    };
    if !request.headers().contains_key(HOST)
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(HOST, host);
    }
    if request.method() != Method::CONNECT {
        *request.uri_mut() = origin_form(std::mem::take(request.uri_mut()));
    }
    Ok(())
}

/// Whether the target of a CONNECT is in authority-form (RFC 9112 section 3.2.3), and means it.
fn is_tunnel<B>(request: &Request<B>) -> bool {
    let uri = request.uri();
    uri.port().is_some()
        && uri.path_and_query().is_none()
        && request.extensions().get::<hyper::ext::Protocol>().is_none()
        && request.extensions().get::<h2::ext::Protocol>().is_none()
}

fn origin_form(uri: Uri) -> Uri {
    let path = uri.into_parts().path_and_query;
    Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")))
}

/// Scheme and authority in place of `Host`, and none of the fields that HTTP/2 has no use for (RFC 9113 section 8.2.2).
///
/// # Errors
///
/// When the request has no authority, or one that is none.
pub(super) fn for_http2<B>(request: &mut Request<B>) -> Result<(), Cause> {
    *request.version_mut() = Version::HTTP_2;
    if request.uri().authority().is_none() || request.uri().scheme().is_none() {
        let uri = std::mem::take(request.uri_mut());
        *request.uri_mut() = absolute_form(uri, request.headers(), request.method())?;
    }
    let headers = request.headers_mut();
    for name in [HOST, CONNECTION, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
    if headers.get(TE).is_some_and(|te| te != "trailers") {
        headers.remove(TE);
    }
    let protocol = request.extensions_mut().remove::<hyper::ext::Protocol>();
    if let Some(protocol) = protocol {
        request
            .extensions_mut()
            .insert(h2::ext::Protocol::from(protocol.as_str()));
    }
    Ok(())
}

fn absolute_form(uri: Uri, headers: &HeaderMap, method: &Method) -> Result<Uri, Cause> {
    let mut parts = uri.into_parts();
    if parts.authority.is_none() {
        let host = headers
            .get(HOST)
            .ok_or("the request has neither an authority nor a Host")?;
        parts.authority = Some(Authority::try_from(host.as_bytes())?);
    }
    // A plain CONNECT has an authority and nothing else.
    if *method != Method::CONNECT || parts.path_and_query.is_some() {
        parts.scheme.get_or_insert(Scheme::HTTP);
        parts
            .path_and_query
            .get_or_insert_with(|| PathAndQuery::from_static("/"));
    }
    Ok(Uri::from_parts(parts)?)
}

/// Frees a response from the framing of its connection: hyper or h2 frames it anew.
pub(super) fn response(headers: &mut HeaderMap) {
    if headers.remove(TRANSFER_ENCODING).is_some() {
        // RFC 9112 section 6.3: Transfer-Encoding overrides, and a proxy must not pass both on.
        headers.remove(CONTENT_LENGTH);
    }
}

/// How long a connection can be relied on that the upstream keeps as its `Keep-Alive` says: a little less than it says, for a
/// request takes its time to get there. Node.js says 5 s, Apache's server too.
pub(super) fn kept_for(headers: &HeaderMap) -> Option<Duration> {
    let said = headers.get("keep-alive")?.to_str().ok()?;
    let seconds = said.split(',').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let named = name.trim().eq_ignore_ascii_case("timeout");
        named.then(|| value.trim().parse::<u32>().ok())?
    })?;
    let said = Duration::from_secs(seconds.into());
    Some(said.saturating_sub(MARGIN).max(said / 2))
}

/// How much earlier than an upstream we let go of a connection.
const MARGIN: Duration = Duration::from_secs(1);
