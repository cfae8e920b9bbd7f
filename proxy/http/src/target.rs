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

/// Normalises the path of a request in place, and puts an absolute-form target, as HTTP/2 always has it, into origin-form
/// with its authority in `Host`, so that everything behind sees one form. A CONNECT target without a path is left alone.
///
/// # Errors
///
/// See [`PathError`].
pub fn normalize_head(head: &mut request::Parts, mode: Normalization) -> Result<(), PathError> {
    let Some(path) = head.uri.path_and_query() else {
        return Ok(());
    };
    let normal = match path.as_str() {
        "*" => None,
        path => match normalize(path, mode)? {
            Cow::Borrowed(_) => None,
            Cow::Owned(normal) => Some(PathAndQuery::try_from(normal).map_err(|_| PathError::Control)?),
        },
    };
    if normal.is_none() && head.uri.authority().is_none() {
        return Ok(());
    }
    let parts = std::mem::take(&mut head.uri).into_parts();
    if let Some(authority) = parts.authority
        && let Ok(host) = http::HeaderValue::from_str(authority.as_str())
    {
        head.headers.insert(HOST, host);
    }
    let path = normal.or(parts.path_and_query).ok_or(PathError::NotAbsolute)?;
    head.uri = Uri::from(path);
    Ok(())
}
