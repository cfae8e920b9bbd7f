//! What of a request is looked at.

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use http::{HeaderMap, Method};

/// The head of a request.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Method.
    pub method: &'a Method,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// `:authority` or `Host`.
    pub authority: &'a str,
    /// Path without query.
    pub path: &'a str,
    /// What is after `?`.
    pub query: Option<&'a str>,
    /// Header fields, each line by itself.
    pub headers: &'a HeaderMap,
}

impl Request<'_> {
    /// Whether this is the question of a browser before the request itself, which never carries a token.
    pub(crate) fn is_preflight(&self) -> bool {
        let has = |name| self.headers.get(name).is_some_and(|value| !value.is_empty());
        self.method == Method::OPTIONS && has(ORIGIN) && has(ACCESS_CONTROL_REQUEST_METHOD)
    }
}
