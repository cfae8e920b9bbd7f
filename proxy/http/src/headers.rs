//! Header fields that are a proxy's business.

#[cfg(test)]
mod tests;

use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use rand::RngExt as _;

/// `x-request-id`.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Removes the fields that end at this hop (RFC 9110 section 7.6.1): those that `Connection` names, `Connection` itself,
/// `Keep-Alive`, `Proxy-Connection`, `Transfer-Encoding`, `Upgrade` and `TE`; `te: trailers` stays, because gRPC servers
/// insist on it.
///
/// Names that carry the meaning of a message rather than of its connection are not removed however often `Connection`
/// names them: a client must not strip what a policy or the upstream relies on.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        strip_named(headers);
    }
    for name in [KEEP_ALIVE, PROXY_CONNECTION, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    if headers.contains_key(TE) {
        let trailers = headers.get_all(TE).iter().any(lists_trailers);
        headers.remove(TE);
        if trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
    }
}

#[cold]
fn strip_named(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
        .filter(|name| !is_end_to_end(name))
        .collect();
    headers.remove(CONNECTION);
    for name in named {
        headers.remove(name);
    }
}

/// Fields that no `Connection` may name: losing them changes what the message means or whose it is.
fn is_end_to_end(name: &HeaderName) -> bool {
    name == TE
        || name == CONTENT_LENGTH
        || name == http::header::HOST
        || name == http::header::AUTHORIZATION
        || name == http::header::COOKIE
        || name == http::header::CONTENT_TYPE
        || name == http::header::CACHE_CONTROL
        || name == X_REQUEST_ID
        || name.as_str().starts_with("x-forwarded-")
        || name.as_str().starts_with("x-envoy-")
}

fn lists_trailers(te: &HeaderValue) -> bool {
    te.as_bytes()
        .split(|&byte| byte == b',')
        .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// Gives a request an `x-request-id` if it has none. A present one is kept, as Istio's waypoint keeps it.
pub fn ensure_request_id(headers: &mut HeaderMap) {
    if !headers.contains_key(X_REQUEST_ID)
        && let Ok(value) = HeaderValue::from_bytes(&request_id())
    {
        headers.insert(X_REQUEST_ID, value);
    }
}

/// A random UUID, version 4 (RFC 9562 section 5.4), as text.
pub fn request_id() -> [u8; 36] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let random: u128 = rand::rng().random();
    // Version 4 in the 13th digit, variant 10 in the top bits of the 17th.
    let bits = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let mut text = [b'-'; 36];
    let mut shift = 128;
    for (at, place) in text.iter_mut().enumerate() {
        if matches!(at, 8 | 13 | 18 | 23) {
            continue;
        }
        shift -= 4;
        let nibble = usize::from((bits >> shift) as u8 & 0xf);
        *place = DIGITS.get(nibble).copied().unwrap_or(b'0');
    }
    text
}
