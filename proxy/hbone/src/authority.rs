//! The `:authority` of a CONNECT: where the bytes of the tunnel are to go.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// Longest host name (RFC 1035, section 2.3.4, without the final dot).
const MAX_HOST: usize = 253;

/// Longest label of a host name.
const MAX_LABEL: usize = 63;

/// The destination that a client names: an address, or a host name that the server has to know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Authority {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// A host name and a port.
    Host {
        /// The name in lower case, without a final dot.
        host: String,
        /// The port, never 0.
        port: u16,
    },
}

impl Authority {
    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Authority::Ip(address) => address.port(),
            Authority::Host { port, .. } => *port,
        }
    }
}

/// Reads `ip:port`, `[ipv6]:port` or `host:port`.
///
/// An IPv4 address in the form of an IPv6 one (`::ffff:10.0.0.1`) becomes the IPv4 address, so that a policy on that
/// address cannot be passed by another way of writing it. A name that some resolvers would take for an address
/// (`127.1`, `0x7f000001`, `2130706433`) is refused.
///
/// ```
/// use cairn_hbone::{Authority, authority};
///
/// assert_eq!(authority::parse("[::1]:80"), Ok(Authority::Ip("[::1]:80".parse().unwrap())));
/// assert!(authority::parse("10.0.0.1").is_err(), "there is no default port");
/// ```
///
/// # Errors
/// Which part is missing or wrong.
pub fn parse(text: &str) -> Result<Authority, AuthorityError> {
    let (host, port) = text.rsplit_once(':').ok_or(AuthorityError::Port)?;
    let port = parse_port(port)?;
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or(AuthorityError::Host)?;
        let address = Ipv6Addr::from_str(inner).map_err(|_| AuthorityError::Host)?;
        return Ok(Authority::Ip(SocketAddr::new(
            IpAddr::V6(address).to_canonical(),
            port,
        )));
    }
    if let Ok(address) = host.parse() {
        return Ok(Authority::Ip(SocketAddr::new(IpAddr::V4(address), port)));
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    if !is_host(host) {
        return Err(AuthorityError::Host);
    }
    Ok(Authority::Host {
        host: host.to_ascii_lowercase(),
        port,
    })
}

fn parse_port(text: &str) -> Result<u16, AuthorityError> {
    // `u16::from_str` takes a sign.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AuthorityError::Port);
    }
    text.parse()
        .ok()
        .filter(|port| *port != 0)
        .ok_or(AuthorityError::Port)
}

fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !label.is_empty() && label.len() <= MAX_LABEL && label.bytes().all(known)
    };
    text.len() <= MAX_HOST && text.split('.').all(is_label) && !text.rsplit('.').next().is_some_and(is_number)
}

/// Whether a last label makes a name a number, as the WHATWG URL standard has it.
fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Authority::Ip(address) => address.fmt(f),
            Authority::Host { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

impl FromStr for Authority {
    type Err = AuthorityError;

    fn from_str(text: &str) -> Result<Authority, AuthorityError> {
        parse(text)
    }
}

impl From<SocketAddr> for Authority {
    fn from(address: SocketAddr) -> Authority {
        Authority::Ip(address)
    }
}

/// Why a text is no authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// The port is missing, or not a number from 1 to 65535.
    #[error("the authority has no valid port")]
    Port,
    /// The host is neither an address nor a host name.
    #[error("the host of the authority is neither an IP address nor a host name")]
    Host,
}

#[cfg(test)]
mod tests;
