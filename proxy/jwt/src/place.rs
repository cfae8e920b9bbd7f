//! Where in a request tokens are, and how they are taken out of it.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

use crate::request::Request;

/// A place that may hold tokens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Header(HeaderPlace),
    /// A query parameter.
    Param(Box<str>),
    Cookie(Box<str>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeaderPlace {
    pub(crate) name: HeaderName,
    /// What is before the token, `Bearer ` with its space; may be empty.
    pub(crate) prefix: Box<str>,
}

impl PartialOrd for HeaderPlace {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for HeaderPlace {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |place: &Self| (place.name.as_str().to_owned(), place.prefix.clone());
        key(self).cmp(&key(other))
    }
}

impl Place {
    /// Where tokens are when a rule names no place.
    pub(crate) fn defaults() -> [Self; 2] {
        let bearer = HeaderPlace {
            name: AUTHORIZATION,
            prefix: "Bearer ".into(),
        };
        [Self::Header(bearer), Self::Param("access_token".into())]
    }

    /// All tokens at this place: each line of the header, each parameter or cookie of the name.
    pub(crate) fn collect<'r>(&self, request: &Request<'r>, tokens: &mut Vec<Cow<'r, [u8]>>) {
        match self {
            Self::Header(place) => {
                let lines = request.headers.get_all(&place.name).iter();
                tokens.extend(
                    lines
                        .filter_map(|line| place.token(line.as_bytes()))
                        .map(Cow::from),
                );
            }
            Self::Param(name) => {
                let pairs = request.query.unwrap_or_default().split('&');
                tokens.extend(
                    pairs
                        .filter(|pair| is_param(pair, name))
                        .map(|pair| percent_decode_str(value_of(pair)).into()),
                );
            }
            Self::Cookie(name) => {
                let lines = request.headers.get_all(COOKIE).iter();
                let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
                tokens.extend(pairs.filter_map(|pair| cookie(pair, name)).map(Cow::from));
            }
        }
    }

    /// Takes the tokens at this place out of the header fields. A header goes as a whole, as Envoy has it; of cookies only
    /// those that are meant.
    pub(crate) fn remove(&self, headers: &mut HeaderMap) {
        match self {
            Self::Header(place) => {
                let lines = headers.get_all(&place.name);
                if lines.iter().any(|line| place.token(line.as_bytes()).is_some()) {
                    headers.remove(&place.name);
                }
            }
            Self::Param(_) => {}
            Self::Cookie(name) => remove_cookie(headers, name),
        }
    }
}

impl HeaderPlace {
    /// The token of a line. As Envoy has it, what comes before the prefix does not matter, nor what is between the prefix
    /// and the first letter that a token may have.
    fn token<'v>(&self, line: &'v [u8]) -> Option<&'v [u8]> {
        if self.prefix.is_empty() {
            return Some(line);
        }
        let prefix = self.prefix.as_bytes();
        // Schemes of authentication are the same in any case (RFC 9110, section 11.1): `bearer` is no way round.
        let any_case = self.name == AUTHORIZATION;
        let is_prefix = |window: &[u8]| match any_case {
            true => window.eq_ignore_ascii_case(prefix),
            false => window == prefix,
        };
        let at = line.windows(prefix.len()).position(is_prefix)?;
        let rest = line.get(at + prefix.len()..)?;
        if rest.trim_ascii().is_empty() {
            return None;
        }
        let letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        match rest.iter().position(letter) {
            Some(begin) => rest.get(begin..),
            None => Some(line),
        }
    }
}

/// A query without the parameters of these names. `None`: there are none of them.
pub(crate) fn without_params<'n>(
    query: &str,
    names: &(impl Iterator<Item = &'n str> + Clone),
) -> Option<String> {
    let goes = |pair: &&str| names.clone().any(|name| is_param(pair, name));
    if !query.split('&').any(|pair| goes(&pair)) {
        return None;
    }
    let stays: Vec<&str> = query.split('&').filter(|pair| !goes(pair)).collect();
    Some(stays.join("&"))
}

fn is_param(pair: &str, name: &str) -> bool {
    let key = pair.split('=').next().unwrap_or_default();
    if key.contains('%') {
        percent_decode_str(key).eq(name.bytes())
    } else {
        key == name
    }
}

fn value_of(pair: &str) -> &str {
    pair.split_once('=').map_or("", |(_, value)| value)
}

/// The value of a cookie, if the pair is of that name.
fn cookie<'v>(pair: &'v [u8], name: &str) -> Option<&'v [u8]> {
    let pair = pair.trim_ascii();
    let value = pair.strip_prefix(name.as_bytes())?.trim_ascii_start();
    let value = value.strip_prefix(b"=")?.trim_ascii_start();
    let bare = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    Some(bare.unwrap_or(value))
}

fn remove_cookie(headers: &mut HeaderMap, name: &str) {
    let pairs = |line: &HeaderValue| -> Vec<Vec<u8>> {
        line.as_bytes()
            .split(|byte| *byte == b';')
            .map(<[u8]>::to_vec)
            .collect()
    };
    let lines: Vec<HeaderValue> = headers.get_all(COOKIE).iter().cloned().collect();
    let goes = |pair: &Vec<u8>| cookie(pair, name).is_some();
    if !lines.iter().any(|line| pairs(line).iter().any(goes)) {
        return;
    }
    headers.remove(COOKIE);
    for line in lines {
        let stays: Vec<Vec<u8>> = pairs(&line).into_iter().filter(|pair| !goes(pair)).collect();
        let joined = stays.join(&b';');
        if let Ok(value) = HeaderValue::from_bytes(joined.trim_ascii())
            && !value.is_empty()
        {
            headers.append(COOKIE, value);
        }
    }
}

#[cfg(test)]
mod tests;
