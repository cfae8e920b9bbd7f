//! Redirects: the `location` that a client is sent to.

use http::StatusCode;

use crate::head::RequestHead;
use crate::rewrite::{self, PathRewrite};

/// A redirect. What it does not name stays as the request had it.
#[derive(Debug, Clone)]
pub struct Redirect {
    /// The status: 301, 302, 303, 307 or 308.
    pub status: StatusCode,
    /// `http` or `https`.
    pub scheme: Option<Box<str>>,
    /// Host, perhaps with a port.
    pub authority: Option<Box<str>>,
    /// The port.
    pub port: Option<RedirectPort>,
    /// The path. A replacement with a query of its own replaces the request's query too.
    pub path: Option<PathRewrite>,
}

/// The port of a redirect; a scheme's own port is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectPort {
    /// This one.
    Number(u16),
    /// 80 for `http`, 443 for `https`.
    OfScheme,
}

/// The URL that `redirect` sends the client of `head` to.
pub fn location(redirect: &Redirect, head: &RequestHead<'_>) -> String {
    let scheme = redirect.scheme.as_deref().unwrap_or(head.scheme);
    let authority = redirect.authority.as_deref().unwrap_or(head.authority);
    let mut location = format!("{scheme}://");
    match redirect.port {
        Some(port) => {
            location.push_str(without_port(authority));
            if let RedirectPort::Number(number) = port
                && default_port(scheme) != Some(number)
            {
                location.push_str(&format!(":{number}"));
            }
        }
        // A port that only said what the old scheme says anyway would be wrong under the new one.
        None if redirect.authority.is_none() && scheme != head.scheme => {
            let implied = default_port(head.scheme).map(|port| format!(":{port}"));
            let host = implied.and_then(|port| authority.strip_suffix(port.as_str()));
            location.push_str(host.unwrap_or(authority));
        }
        None => location.push_str(authority),
    }
    let path = redirect.path.as_ref().map(|path| rewrite::path(path, head.path));
    let path = path.as_deref().unwrap_or(head.path);
    location.push_str(path);
    if let Some(query) = head.query
        && !path.contains('?')
    {
        location.push('?');
        location.push_str(query);
    }
    location
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// `authority` without its port; an IPv6 address keeps its brackets.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests;
