//! Header fields of a request as an authorization server sees them, and those that nobody may change.

use std::borrow::Cow;

use http::header::{COOKIE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Tells the server whether it sees only the beginning of a body. Clients cannot say it: theirs is left out.
pub(crate) const PARTIAL_BODY: HeaderName = HeaderName::from_static("x-envoy-auth-partial-body");

/// The names of the fields that a request is to lose, in an answer over HTTP.
pub(crate) const HEADERS_TO_REMOVE: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");

/// Fields that belong to one connection, or say where a message ends. They are neither sent to a server nor taken from one,
/// who writes a head writes them.
pub(crate) fn is_framing(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "content-length"
            | "http2-settings"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// The fields that `wanted` wants, each name once: its lines are joined by commas, which means the same (RFC 9110 section
/// 5.3), cookies by semicolons (RFC 9113 section 8.2.3). `Host` is none of them.
pub(crate) fn joined(
    headers: &HeaderMap,
    wanted: impl Fn(&HeaderName) -> bool,
) -> impl Iterator<Item = (&HeaderName, Cow<'_, [u8]>)> {
    let names = headers
        .keys()
        .filter(move |name| **name != HOST && **name != PARTIAL_BODY && wanted(name));
    names.filter_map(|name| Some((name, line(headers, name)?)))
}

/// The lines of a name as one.
pub(crate) fn line<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
    let mut lines = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let first = Cow::Borrowed(lines.next()?);
    let separator = separator(name);
    Some(lines.fold(first, |joined, line| {
        let mut joined = joined.into_owned();
        joined.extend_from_slice(separator);
        joined.extend_from_slice(line);
        Cow::Owned(joined)
    }))
}

/// What stands between values that become one line.
pub(crate) fn separator(name: &HeaderName) -> &'static [u8] {
    if *name == COOKIE { b"; " } else { b"," }
}

/// Bytes as text; each that is not of UTF-8 becomes `!`, as Envoy's `sanitizeUtf8String` writes it.
pub(crate) fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '!'));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn lines_of_a_name_are_joined() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "a"),
            ("x-a", "1"),
            ("cookie", "a=1"),
            ("x-b", ""),
            ("x-a", "2"),
            ("cookie", "b=2"),
            ("x-a", "3"),
            ("x-envoy-auth-partial-body", "false"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let joined: Vec<String> = joined(&headers, |name| name != "x-c")
            .map(|(name, value)| format!("{name}: {}", String::from_utf8(value.into_owned()).unwrap()))
            .collect();
        assert_eq!(joined, ["x-a: 1,2,3", "cookie: a=1; b=2", "x-b: "]);
    }

    #[test]
    fn text_has_a_mark_for_each_bad_byte() {
        for (bytes, expected) in [
            (&b"plain \xc3\xa4"[..], "plain \u{e4}"),
            (b"\xff", "!"),
            (b"a\xe2\x82b", "a!!b"),
            (b"\xc3\xa4\xc3", "\u{e4}!"),
        ] {
            assert_eq!(text(bytes), expected);
        }
    }
}
