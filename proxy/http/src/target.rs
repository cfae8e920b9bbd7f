//! The request target (RFC 9112 section 3.2) and the authority that a request is meant for.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use http::header::HOST;
use http::uri::{PathAndQuery, Uri};
use http::{Request, request};

use crate::path::{Normalization, PathError, normalize};

/// Splits a path with an optional query at the first `?`.
///
/// ```
/// assert_eq!(cairn_http::target::split("/a?b=c?d"), ("/a", Some("b=c?d")));
/// assert_eq!(cairn_http::target::split("/a"), ("/a", None));
/// ```
pub fn split(path_and_query: &str) -> (&str, Option<&str>) {
    match path_and_query.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path_and_query, None),
    }
}

/// The authority of a request: that of an absolute-form or HTTP/2 target, else `Host` (RFC 9112 section 3.2.2).
///
/// Empty when there is neither, which only HTTP/1.0 requests get through with, or when `Host` is not visible ASCII.
pub fn authority<B>(request: &Request<B>) -> &str {
    match request.uri().authority() {
        Some(authority) => authority.as_str(),
        None => request
            .headers()
            .get(HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or_default(),
    }
}

/// Normalises the path of a request in place, and puts an absolute-form target into origin-form with its authority in
/// `Host`, so that everything behind sees one form. `*` and CONNECT targets are left alone.
///
/// # Errors
///
/// See [`PathError`].
pub fn normalize_head(head: &mut request::Parts, mode: Normalization) -> Result<(), PathError> {
    let Some(path) = head.uri.path_and_query() else {
        return Ok(());
    };
    if path.as_str() == "*" {
        return Ok(());
    }
    let normal = match normalize(path.as_str(), mode)? {
        Cow::Borrowed(_) => None,
        Cow::Owned(normal) => Some(PathAndQuery::try_from(normal).map_err(|_| PathError::Control)?),
    };
    let absolute = head.version <= http::Version::HTTP_11 && head.uri.authority().is_some();
    if normal.is_none() && !absolute {
        return Ok(());
    }
    let mut parts = std::mem::take(&mut head.uri).into_parts();
    if normal.is_some() {
        parts.path_and_query = normal;
    }
    if absolute {
        if let Some(authority) = parts.authority.take()
            && let Ok(host) = http::HeaderValue::from_str(authority.as_str())
        {
            head.headers.insert(HOST, host);
        }
        parts.scheme = None;
    }
    head.uri = Uri::from_parts(parts).map_err(|_| PathError::NotAbsolute)?;
    Ok(())
}
