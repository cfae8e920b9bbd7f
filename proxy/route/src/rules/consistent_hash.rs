//! The same endpoint for the same attribute of requests.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use cairn_api::istio::{ConsistentHashLb, HttpCookie};
use http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue};

use super::field::Field;

/// The same endpoint for the same attribute of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistentHash {
    /// The attribute.
    pub key: HashKey,
    /// How endpoints are laid out.
    pub layout: HashLayout,
}

/// An attribute of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashKey {
    /// A header.
    Header(HeaderName),
    /// A cookie.
    Cookie(HashCookie),
    /// The address of the caller.
    SourceIp,
    /// A query parameter.
    Query(String),
}

/// A cookie, and how it is made when it is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashCookie {
    /// Its name.
    pub name: String,
    /// Where it is sent; empty: wherever the browser thinks.
    pub path: String,
    /// How long it lives; zero: until the session ends. `None`: it is not made.
    pub ttl: Option<Duration>,
    /// Further attributes, with an empty value where there is none.
    pub attributes: Vec<(String, String)>,
}

/// How endpoints are laid out over the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HashLayout {
    /// On a ring.
    Ring {
        /// Fewest points on it.
        minimum_size: u64,
    },
    /// In a Maglev table.
    Maglev {
        /// Its entries, a prime.
        size: u64,
    },
}

/// Sizes of Envoy, by default and at most.
const RING: u64 = 1024;
const LARGEST_RING: u64 = 8_388_608;
const MAGLEV: u64 = 65_537;
const LARGEST_MAGLEV: u64 = 5_000_011;

impl ConsistentHash {
    /// `None`, and a problem: there is nothing to hash by.
    pub(super) fn new(form: &ConsistentHashLb, field: &mut Field<'_>) -> Option<ConsistentHash> {
        let layout = HashLayout::new(form, field);
        let given = [
            form.http_header_name.is_some(),
            form.http_cookie.is_some(),
            form.use_source_ip == Some(true),
            form.http_query_parameter_name.is_some(),
        ];
        match given.iter().filter(|given| **given).count() {
            0 => {
                field.error(
                    "it is not said what is hashed; endpoints are chosen by LEAST_REQUEST",
                    "write one of `httpHeaderName`, `httpCookie`, `useSourceIp`, `httpQueryParameterName`",
                );
                return None;
            }
            1 => {}
            _ => field.error(
                "requests are hashed by one attribute; the first of those given acts",
                "write one of `httpHeaderName`, `httpCookie`, `useSourceIp`, `httpQueryParameterName`",
            ),
        }
        let key = if let Some(name) = &form.http_header_name {
            header(name, &mut field.at("httpHeaderName"))?
        } else if let Some(cookie) = &form.http_cookie {
            HashKey::Cookie(HashCookie::new(cookie, &mut field.at("httpCookie"))?)
        } else if form.use_source_ip == Some(true) {
            HashKey::SourceIp
        } else {
            query(
                form.http_query_parameter_name.as_deref()?,
                &mut field.at("httpQueryParameterName"),
            )?
        };
        Some(ConsistentHash { key, layout })
    }
}

fn header(name: &str, field: &mut Field<'_>) -> Option<HashKey> {
    let header = name.parse().ok().map(HashKey::Header);
    if header.is_none() {
        field.error(
            format!("`{name}` cannot be the name of a header; endpoints are chosen by LEAST_REQUEST"),
            "write the name of a header, such as `x-user`",
        );
    }
    header
}

fn query(name: &str, field: &mut Field<'_>) -> Option<HashKey> {
    if name.is_empty() {
        field.error(
            "the query parameter has no name; endpoints are chosen by LEAST_REQUEST",
            "write the name of a query parameter",
        );
        return None;
    }
    Some(HashKey::Query(name.to_owned()))
}

impl HashLayout {
    fn new(form: &ConsistentHashLb, field: &mut Field<'_>) -> HashLayout {
        if form.maglev.is_some() && form.ring_hash.is_some() {
            field.error(
                "both `ringHash` and `maglev` are given; the latter acts",
                "write one of the two",
            );
        }
        if let Some(maglev) = &form.maglev {
            let given = maglev.table_size.filter(|size| *size > 0).unwrap_or(MAGLEV);
            let size = Some(given).filter(|size| *size <= LARGEST_MAGLEV && is_prime(*size));
            if size.is_none() {
                field.at("maglev.tableSize").error(
                    format!("{given} is not a prime up to {LARGEST_MAGLEV}; the table has {MAGLEV} entries"),
                    format!("write a prime, such as {MAGLEV}"),
                );
            }
            return HashLayout::Maglev {
                size: size.unwrap_or(MAGLEV),
            };
        }
        let (name, given) = match &form.ring_hash {
            Some(ring) => ("ringHash.minimumRingSize", ring.minimum_ring_size),
            None => ("minimumRingSize", form.minimum_ring_size),
        };
        let given = given.filter(|size| *size > 0).unwrap_or(RING);
        if given > LARGEST_RING {
            field.at(name).error(
                format!("no ring has more than {LARGEST_RING} points; it has {RING} or more"),
                format!("write a number up to {LARGEST_RING}"),
            );
        }
        HashLayout::Ring {
            minimum_size: Some(given).filter(|size| *size <= LARGEST_RING).unwrap_or(RING),
        }
    }
}

fn is_prime(number: u64) -> bool {
    number >= 2
        && (2..)
            .take_while(|divisor| divisor * divisor <= number)
            .all(|divisor| !number.is_multiple_of(divisor))
}

impl HashCookie {
    fn new(form: &HttpCookie, field: &mut Field<'_>) -> Option<HashCookie> {
        if !is_token(&form.name) {
            field.at("name").error(
                "this cannot be the name of a cookie; endpoints are chosen by LEAST_REQUEST",
                "write a name such as `user`",
            );
            return None;
        }
        let path = Some(&form.path).filter(|path| is_value(path));
        if path.is_none() {
            field.at("path").error(
                "this cannot stand in a cookie; it has no path",
                "write a path such as `/`, without `;`",
            );
        }
        let mut list = field.at("attributes");
        let mut attributes = Vec::new();
        for (place, attribute) in form.attributes.iter().enumerate() {
            if is_token(&attribute.name) && is_value(&attribute.value) {
                attributes.push((attribute.name.clone(), attribute.value.clone()));
            } else {
                list.item(place).error(
                    "this cannot stand in a cookie; it is left out",
                    "write a name such as `SameSite`, and a value without `;`",
                );
            }
        }
        Some(HashCookie {
            name: form.name.clone(),
            path: path.cloned().unwrap_or_default(),
            ttl: form.ttl.map(cairn_api::value::Duration::get),
            attributes,
        })
    }

    /// The value of `set-cookie` that makes the cookie, in the form of Envoy; `value` is taken as it is. `None`: the cookie is
    /// not made, or `value` cannot stand in one.
    pub fn issue(&self, value: &str) -> Option<HeaderValue> {
        let ttl = self.ttl?;
        let mut text = format!("{}=\"{value}\"", self.name);
        // Writing to a string cannot fail.
        if !ttl.is_zero() {
            let _ = write!(text, "; Max-Age={}", ttl.as_secs());
        }
        if !self.path.is_empty() {
            let _ = write!(text, "; Path={}", self.path);
        }
        for (name, value) in &self.attributes {
            let _ = match value.as_str() {
                "" => write!(text, "; {name}"),
                value => write!(text, "; {name}={value}"),
            };
        }
        text.push_str("; HttpOnly");
        let sound = is_value(value) && !value.contains('"');
        text.parse().ok().filter(|_| sound)
    }

    /// The value of the cookie in a request.
    fn value<'a>(&self, headers: &'a HeaderMap) -> Option<&'a [u8]> {
        let lines = headers.get_all(COOKIE).into_iter();
        let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
        pairs.map(<[u8]>::trim_ascii).find_map(|pair| {
            let value = pair.strip_prefix(self.name.as_bytes())?.strip_prefix(b"=")?;
            let quoted = value
                .strip_prefix(b"\"")
                .and_then(|value| value.strip_suffix(b"\""));
            Some(quoted.unwrap_or(value))
        })
    }
}

impl HashKey {
    /// What is hashed of a request; `None`: it has no such attribute. Of a header with several values, all of them whatever
    /// their order; of a query parameter the first, as it is written.
    pub fn of<'a>(
        &self,
        headers: &'a HeaderMap,
        query: Option<&'a str>,
        source: IpAddr,
    ) -> Option<Cow<'a, [u8]>> {
        match self {
            HashKey::Header(name) => {
                let mut values: Vec<&[u8]> =
                    headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
                match *values.as_slice() {
                    [] => None,
                    [only] => Some(only.into()),
                    _ => {
                        values.sort_unstable();
                        // A line break is in no value, so that no two lists look alike.
                        Some(values.join(&b'\n').into())
                    }
                }
            }
            HashKey::Cookie(cookie) => cookie.value(headers).map(Cow::Borrowed),
            HashKey::SourceIp => Some(source.to_canonical().to_string().into_bytes().into()),
            HashKey::Query(name) => {
                let found = query?.split('&').find_map(|pair| {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (key == name).then_some(value)
                });
                found.map(|value| value.as_bytes().into())
            }
        }
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// What may stand in an attribute of a cookie: RFC 6265, section 4.1.1.
fn is_value(text: &str) -> bool {
    text.bytes()
        .all(|byte| (b' '..=b'~').contains(&byte) && byte != b';')
}

#[cfg(test)]
mod tests;
