//! The `forwarded` header (RFC 7239) of a CONNECT: the client behind the tunnel, and the service that it asked for.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header.
pub const HEADER: HeaderName = HeaderName::from_static("forwarded");

/// Longest header that is read.
const MAX_HEADER: usize = 8192;

/// Longest host that is kept: a host name with a port.
const MAX_HOST: usize = 259;

/// What the first proxy on the way has said. It proves nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// `for`: the address of the client.
    pub client: Option<IpAddr>,
    /// The port of the client.
    pub client_port: Option<u16>,
    /// `host`: what the client asked for.
    pub host: Option<String>,
}

impl Forwarded {
    /// A client, and the service that it has asked for.
    #[must_use]
    pub fn new(client: SocketAddr, host: Option<&str>) -> Forwarded {
        Forwarded {
            client: Some(client.ip()),
            client_port: Some(client.port()),
            host: host.map(str::to_owned),
        }
    }

    /// Reads the first header of that name.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Forwarded> {
        parse(headers.get(HEADER)?.to_str().ok()?)
    }

    /// The header value; `None` when there is nothing to say.
    #[must_use]
    pub fn to_header(&self) -> Option<HeaderValue> {
        let text = self.to_string();
        if text.is_empty() {
            None
        } else {
            HeaderValue::try_from(text).ok()
        }
    }
}

/// Reads the first element of a header value: that of the proxy nearest to the client.
///
/// `None` when the element is malformed, or says nothing about client and host. Obfuscated identifiers (`_gazonk`,
/// `unknown`) are passed over.
///
/// ```
/// let forwarded = cairn_hbone::forwarded::parse(r#"for="10.0.0.1:1234";host=hello.default.svc"#).unwrap();
/// assert_eq!(forwarded.client_port, Some(1234));
/// assert_eq!(forwarded.host.as_deref(), Some("hello.default.svc"));
/// ```
#[must_use]
pub fn parse(text: &str) -> Option<Forwarded> {
    if text.len() > MAX_HEADER {
        return None;
    }
    let mut forwarded = Forwarded::default();
    let mut rest = text;
    loop {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = read_value(after)?;
        let name = name.trim();
        if name.eq_ignore_ascii_case("for") {
            (forwarded.client, forwarded.client_port) = read_node(&value);
        } else if name.eq_ignore_ascii_case("host") {
            forwarded.host = Some(value).filter(|host| is_host(host));
        }
        match after.trim_start().as_bytes().split_first() {
            Some((b';', _)) => rest = after.trim_start().get(1..)?,
            None | Some((b',', _)) => break,
            Some(_) => return None,
        }
    }
    (forwarded != Forwarded::default()).then_some(forwarded)
}

/// A token or a quoted string, and what follows it.
fn read_value(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',']).unwrap_or(text.len());
        let (value, rest) = text.split_at_checked(end)?;
        return Some((value.trim_end().to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    loop {
        match characters.next()? {
            (end, '"') => return Some((value, quoted.get(end + 1..)?)),
            (_, '\\') => value.push(characters.next()?.1),
            (_, character) => value.push(character),
        }
    }
}

/// The address and the port of a node identifier (RFC 7239, section 6).
fn read_node(text: &str) -> (Option<IpAddr>, Option<u16>) {
    let (address, rest) = if let Some(inner) = text.strip_prefix('[') {
        match inner.split_once(']') {
            Some((address, rest)) => (Ipv6Addr::from_str(address).ok().map(IpAddr::V6), rest),
            None => (None, ""),
        }
    } else {
        let end = text.find(':').unwrap_or(text.len());
        let (address, rest) = text.split_at_checked(end).unwrap_or_default();
        (address.parse().ok().map(IpAddr::V4), rest)
    };
    match (address, rest.strip_prefix(':')) {
        (Some(address), None) if rest.is_empty() => (Some(address), None),
        (Some(address), Some(port)) => (Some(address), port.parse().ok()),
        _ => (None, None),
    }
}

fn is_host(text: &str) -> bool {
    let known = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'[' | b']' | b'*')
    };
    !text.is_empty() && text.len() <= MAX_HOST && text.bytes().all(known)
}

/// The header value.
impl fmt::Display for Forwarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(client) = self.client {
            match (client, self.client_port) {
                (client, Some(port)) => write!(f, "for=\"{}\"", SocketAddr::new(client, port))?,
                (IpAddr::V4(client), None) => write!(f, "for={client}")?,
                (IpAddr::V6(client), None) => write!(f, "for=\"[{client}]\"")?,
            }
            separator = ";";
        }
        match &self.host {
            // A token may not hold a colon (RFC 7230, section 3.2.6).
            Some(host) if is_host(host) && host.contains([':', '[']) => {
                write!(f, "{separator}host=\"{host}\"")
            }
            Some(host) if is_host(host) => write!(f, "{separator}host={host}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
