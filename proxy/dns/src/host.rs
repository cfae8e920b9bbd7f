//! The names that may be asked for.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

/// Longest name in text, without a closing dot: 255 octets on the wire (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 253;

/// Longest label (RFC 1035, section 2.3.4).
const MAX_LABEL: usize = 63;

/// A host as a ServiceEntry or a request names it: a DNS name, or an address, which is its own resolution.
///
/// It is checked before anything is asked: labels of 1 to 63 letters, digits, `-` and `_`, 253 in all. Underscores are no
/// part of RFC 1123, but names with them are in use. Names in other scripts are expected in their ASCII form (`xn--…`).
/// What ends in a number without being an address, such as `127.1`, is refused: some libraries take it for an address, so
/// what a policy sees and what is connected to could differ.
///
/// Names are compared without case. A closing dot is kept: such a name is absolute, and the system's search list is not
/// tried with it.
///
/// ```
/// use cairn_dns::Host;
///
/// let host: Host = "API.Example.com".parse()?;
/// assert_eq!(host.to_string(), "api.example.com");
/// assert_eq!("[::1]".parse::<Host>()?.address(), Some(std::net::Ipv6Addr::LOCALHOST.into()));
/// assert!("*.example.com".parse::<Host>().is_err());
/// # Ok::<(), cairn_dns::HostError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(Kind);

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Kind {
    Address(IpAddr),
    Name(Arc<str>),
}

/// Why a text names no host that can be resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// Longer than DNS carries, or nothing at all.
    #[error("a host name has 1 to 253 characters, not {length}")]
    Length {
        /// The length in bytes.
        length: usize,
    },
    /// A part between dots that is no label.
    #[error(
        "{label:?} in {host:?} is no part of a host name: 1 to 63 letters, digits, '-' and '_', with no '-' at its ends"
    )]
    Label {
        /// The whole name.
        host: String,
        /// The part.
        label: String,
    },
    /// A number at the end, as addresses have it, but no address.
    #[error("{host:?} ends in a number but is no IP address; write the address in full")]
    Number {
        /// The whole name.
        host: String,
    },
}

impl Host {
    /// The address, when the host is one.
    pub fn address(&self) -> Option<IpAddr> {
        match self.0 {
            Kind::Address(address) => Some(address),
            Kind::Name(_) => None,
        }
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        Self(Kind::Address(address))
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let inside = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Some(address) = inside.and_then(|inside| inside.parse().ok()) {
            return Ok(Self(Kind::Address(IpAddr::V6(address))));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(Kind::Address(address)));
        }
        let relative = text.strip_suffix('.').unwrap_or(text);
        if relative.is_empty() || relative.len() > MAX_NAME {
            return Err(HostError::Length {
                length: relative.len(),
            });
        }
        let mut last = relative;
        for label in relative.split('.') {
            if !is_label(label) {
                return Err(HostError::Label {
                    host: text.to_owned(),
                    label: label.to_owned(),
                });
            }
            last = label;
        }
        if is_number(last) {
            return Err(HostError::Number {
                host: text.to_owned(),
            });
        }
        Ok(Self(Kind::Name(text.to_ascii_lowercase().into())))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Address(address) => address.fmt(formatter),
            Kind::Name(name) => formatter.write_str(name),
        }
    }
}

fn is_label(text: &str) -> bool {
    (1..=MAX_LABEL).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A number as `inet_aton` reads it, decimal, octal or hexadecimal.
fn is_number(label: &str) -> bool {
    let hexadecimal = label
        .strip_prefix("0x")
        .or_else(|| label.strip_prefix("0X"))
        .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    hexadecimal || label.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_read_without_case() {
        for (text, read) in [
            ("Example.COM", "example.com"),
            ("example.com.", "example.com."),
            ("db", "db"),
            ("_http._tcp.x-1.example", "_http._tcp.x-1.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("1.2.3.4.example", "1.2.3.4.example"),
            ("127.0.0.1", "127.0.0.1"),
            ("[2001:DB8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
        ] {
            let host: Host = text.parse().unwrap();
            assert_eq!(host.to_string(), read);
            assert_eq!(host.address().is_some(), read.parse::<IpAddr>().is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let label = "a".repeat(64);
        let long = ["a".repeat(63).as_str(); 4].join(".");
        for text in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a..",
            "*.example.com",
            "a b",
            "a/b",
            "a:80",
            "user@a",
            "a\0b",
            "ä.example",
            "-a.example",
            "a-.example",
            "[127.0.0.1]",
            "[::1",
            "::1]",
            "fe80::1%eth0",
            &label,
            &long,
        ] {
            assert!(text.parse::<Host>().is_err(), "{text:?}");
        }
        for text in [
            "127.1",
            "1",
            "0x7f.0.0.0x1",
            "1.2.3.4.",
            "1.2.3.256",
            "017700000001",
            "0x",
        ] {
            assert!(
                matches!(text.parse::<Host>(), Err(HostError::Number { .. })),
                "{text:?}"
            );
        }
        assert!(long[..MAX_NAME].parse::<Host>().is_ok());
    }

    proptest! {
        #[test]
        fn what_was_read_reads_the_same_again(text in "\\PC{0,40}|[a-zA-Z0-9_.:\\[\\]-]{0,80}") {
            if let Ok(host) = text.parse::<Host>() {
                let written = host.to_string();
                prop_assert_eq!(written.parse::<Host>(), Ok(host));
                prop_assert!(written.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte)));
            }
        }
    }
}
