//! Checking one request head.

use std::mem::MaybeUninit;

use httparse::{Error, Header, Request, Status};

use super::{Limits, Refusal};

/// The most fields that a head can be parsed with; [`Limits::headers`] may be lower.
const MOST_HEADERS: usize = 256;

/// How the body of a request is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    None,
    Length(u64),
    Chunked,
}

/// A head that is delivered in other words.
pub(super) struct Rewrite {
    /// Length of the head as it came.
    pub(super) length: usize,
    pub(super) head: Vec<u8>,
    pub(super) framing: Framing,
    pub(super) switches: bool,
}

pub(super) enum Checked {
    Partial,
    Good {
        length: usize,
        framing: Framing,
        switches: bool,
    },
    Rewrite(Rewrite),
    Refused(Refusal),
}

/// Checks the head that `bytes` start with.
pub(super) fn check(bytes: &[u8], limits: &Limits) -> Checked {
    let mut headers = [const { MaybeUninit::<Header<'_>>::uninit() }; MOST_HEADERS];
    let room = headers
        .get_mut(..(limits.headers + 1).min(MOST_HEADERS))
        .unwrap_or_default();
    let mut request = Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(bytes, room) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return too_long(bytes, limits).map_or(Checked::Partial, Checked::Refused),
        Err(Error::TooManyHeaders) => return Checked::Refused(Refusal::too_many_headers()),
        Err(error) => return Checked::Refused(too_long(bytes, limits).unwrap_or_else(|| invalid(error))),
    };
    let head = bytes.get(..length).unwrap_or_default();
    match judge(head, &request, limits) {
        Ok(Verdict {
            framing,
            switches,
            drop_upgrade: false,
            escape: false,
        }) => Checked::Good {
            length,
            framing,
            switches,
        },
        Ok(Verdict {
            framing,
            switches,
            drop_upgrade,
            ..
        }) => Checked::Rewrite(Rewrite {
            length,
            head: rewrite(&request, drop_upgrade),
            framing,
            switches,
        }),
        Err(refusal) => Checked::Refused(refusal),
    }
}

fn too_long(bytes: &[u8], limits: &Limits) -> Option<Refusal> {
    if bytes.len() <= limits.request_line_bytes.min(limits.head_bytes) {
        return None;
    }
    let line = bytes
        .iter()
        .position(|&byte| byte == b'\n')
        .unwrap_or(bytes.len());
    if line > limits.request_line_bytes {
        Some(Refusal::target_too_long())
    } else {
        (bytes.len() > limits.head_bytes).then(Refusal::head_too_large)
    }
}

fn invalid(error: Error) -> Refusal {
    Refusal::malformed(match error {
        Error::Token => "an invalid request line",
        Error::Version => "an invalid HTTP version",
        Error::HeaderName => "an invalid field name, a folded line or a space before the colon",
        Error::HeaderValue => "an invalid field value",
        _ => "an invalid line end",
    })
}

struct Verdict {
    framing: Framing,
    switches: bool,
    /// It asks for an upgrade that is ignored.
    drop_upgrade: bool,
    /// Its target has to be escaped for hyper.
    escape: bool,
}

fn judge(head: &[u8], request: &Request<'_, '_>, limits: &Limits) -> Result<Verdict, Refusal> {
    if let Some(refusal) = too_long(head, limits) {
        return Err(refusal);
    }
    if request.headers.len() > limits.headers {
        return Err(Refusal::too_many_headers());
    }
    if has_bare_line_feed(head, request) {
        return Err(Refusal::malformed("a line feed without carriage return"));
    }
    let http11 = request.version == Some(1);
    let method = request.method.unwrap_or_default();
    if method.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(Refusal::malformed("a method in lower case"));
    }
    let connect = method == "CONNECT";
    let target = check_target(method, request.path.unwrap_or_default())?;
    let fields = Fields::read(request.headers)?;
    match fields.host {
        None if http11 => return Err(Refusal::missing_host()),
        Some(host) if !is_host(host) => {
            return Err(if host.is_empty() {
                Refusal::missing_host()
            } else {
                Refusal::malformed("an invalid Host")
            });
        }
        _ => {}
    }
    let framing = fields.framing(http11)?;
    if connect && framing != Framing::None {
        return Err(Refusal::bad_request(
            "http1.body_disallowed",
            "a CONNECT with a body",
        ));
    }
    // On HTTP/2 an upgrade is a CONNECT, which has no body: what is authorized must be what is sent.
    let upgrades = http11
        && method == "GET"
        && framing == Framing::None
        && fields.connection_upgrade
        && matches!(fields.upgrade, Upgrade::One(wanted) if is_allowed(wanted, limits.upgrades));
    let ignored = !upgrades && !matches!(fields.upgrade, Upgrade::None);
    Ok(Verdict {
        framing,
        switches: connect || upgrades,
        drop_upgrade: ignored,
        escape: target == Target::Odd,
    })
}

/// Whether a line of a parsed head ends in a line feed alone. Every line but the last two is followed by a field, so
/// that looking in front of the fields' names is enough.
fn has_bare_line_feed(head: &[u8], request: &Request<'_, '_>) -> bool {
    let offset = |text: &str| text.as_ptr().addr() - head.as_ptr().addr();
    let before = request.method.map_or(0, offset);
    let blank = head.get(..before).unwrap_or_default();
    blank.chunks(2).any(|line| line != b"\r\n")
        || !head.ends_with(b"\r\n\r\n")
        || request
            .headers
            .iter()
            .any(|field| head.get(offset(field.name).wrapping_sub(2)) != Some(&b'\r'))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Fine,
    /// Bytes in it that hyper refuses though they are harmless once escaped.
    Odd,
}

fn check_target(method: &str, target: &str) -> Result<Target, Refusal> {
    if target.starts_with('/') && method != "CONNECT" {
        return check_path(target.as_bytes());
    }
    if target.bytes().any(|byte| byte == b'#') {
        return Err(Refusal::fragment());
    }
    let uri = target.parse::<http::Uri>().ok();
    let valid = match uri {
        _ if target == "*" => method == "OPTIONS",
        Some(uri) if method == "CONNECT" => uri.scheme().is_none() && uri.port_u16().is_some(),
        Some(uri) => {
            uri.scheme().is_some() && uri.authority().is_some_and(|it| is_host(it.as_str().as_bytes()))
        }
        None => false,
    };
    if valid {
        Ok(Target::Fine)
    } else {
        Err(Refusal::bad_request(
            "http1.invalid_url",
            "an invalid request target",
        ))
    }
}

fn check_path(target: &[u8]) -> Result<Target, Refusal> {
    let worst = target.iter().fold(0, |worst, &byte| worst | class(byte));
    if worst & FORBIDDEN != 0 {
        return Err(Refusal::bad_request(
            "http1.invalid_url",
            "a control character in the request target",
        ));
    }
    if worst & FRAGMENT != 0 {
        return Err(Refusal::fragment());
    }
    Ok(if worst & ESCAPE != 0 {
        Target::Odd
    } else {
        Target::Fine
    })
}

const ESCAPE: u8 = 1;
const FRAGMENT: u8 = 2;
const FORBIDDEN: u8 = 4;

fn class(byte: u8) -> u8 {
    match byte {
        0..=b' ' | 0x7f => FORBIDDEN,
        b'#' => FRAGMENT,
        // What the http crate refuses in a path or in a query.
        b'"' | b'<' | b'>' | b'`' => ESCAPE,
        _ => 0,
    }
}

#[derive(Default)]
enum Upgrade<'a> {
    #[default]
    None,
    One(&'a [u8]),
    Several,
}

/// The fields that decide about a message's framing and destination.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a [u8]>,
    length: Option<&'a [u8]>,
    coding: Option<&'a [u8]>,
    upgrade: Upgrade<'a>,
    connection_upgrade: bool,
}

impl<'a> Fields<'a> {
    fn read(headers: &[Header<'a>]) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        for Header { name, value } in headers {
            // Few names have one of these lengths, fewer are compared.
            match name.len() {
                4 if name.eq_ignore_ascii_case("host") => {
                    once(&mut fields.host, value, "more than one Host")?
                }
                7 if name.eq_ignore_ascii_case("upgrade") => {
                    fields.upgrade = match fields.upgrade {
                        Upgrade::None => Upgrade::One(value),
                        _ => Upgrade::Several,
                    };
                }
                10 if name.eq_ignore_ascii_case("connection") => {
                    fields.connection_upgrade |= has_token(value, b"upgrade");
                }
                14 if name.eq_ignore_ascii_case("content-length") => {
                    once(&mut fields.length, value, "more than one Content-Length")?
                }
                17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                    once(&mut fields.coding, value, "more than one Transfer-Encoding")?
                }
                _ => {}
            }
        }
        Ok(fields)
    }

    fn framing(&self, http11: bool) -> Result<Framing, Refusal> {
        match (self.length, self.coding) {
            (None, None) => Ok(Framing::None),
            (Some(_), Some(_)) => Err(Refusal::bad_request(
                "http1.content_length_and_chunked_not_allowed",
                "Content-Length together with Transfer-Encoding",
            )),
            (Some(length), None) => match parse_length(length) {
                Some(0) => Ok(Framing::None),
                Some(length) => Ok(Framing::Length(length)),
                None => Err(Refusal::malformed("an invalid Content-Length")),
            },
            (None, Some(_)) if !http11 => Err(Refusal::bad_request(
                "http1.transfer_encoding_not_allowed",
                "a Transfer-Encoding in HTTP/1.0",
            )),
            (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
            (None, Some(_)) => Err(Refusal::transfer_coding()),
        }
    }
}

fn once<'a>(slot: &mut Option<&'a [u8]>, value: &'a [u8], reason: &'static str) -> Result<(), Refusal> {
    if slot.replace(value).is_some() {
        Err(Refusal::malformed(reason))
    } else {
        Ok(())
    }
}

/// Digits only, and few enough not to overflow: no sign, no list.
fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 18 {
        return None;
    }
    value.iter().try_fold(0u64, |length, byte| {
        byte.is_ascii_digit()
            .then(|| length * 10 + u64::from(byte - b'0'))
    })
}

/// `uri-host [ ":" port ]` (RFC 9112 section 3.2) by its characters: nothing that another reader could cut differently.
pub(crate) fn is_host(host: &[u8]) -> bool {
    let name_end = if host.starts_with(b"[") {
        host.iter().position(|&byte| byte == b']').map(|end| end + 1)
    } else {
        Some(host.iter().position(|&byte| byte == b':').unwrap_or(host.len()))
    };
    let Some((name, port)) = name_end.and_then(|end| host.split_at_checked(end)) else {
        return false;
    };
    let name_ok = match name.strip_prefix(b"[") {
        Some(address) => address.strip_suffix(b"]").is_some_and(|address| {
            address
                .iter()
                .all(|&byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
        }),
        None => name
            .iter()
            .all(|&byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(&byte)),
    };
    let port_ok = match port.split_first() {
        None => true,
        Some((b':', digits)) => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    };
    !name.is_empty() && name_ok && port_ok
}

fn has_token(list: &[u8], token: &[u8]) -> bool {
    list.split(|&byte| byte == b',')
        .any(|it| it.trim_ascii().eq_ignore_ascii_case(token))
}

fn is_allowed(wanted: &[u8], allowed: &[&str]) -> bool {
    allowed
        .iter()
        .any(|it| wanted.eq_ignore_ascii_case(it.as_bytes()))
}

/// The head with a target that hyper takes, and without `Upgrade` if it is ignored.
fn rewrite(request: &Request<'_, '_>, drop_upgrade: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(request.method.unwrap_or_default().as_bytes());
    out.push(b' ');
    let target = request.path.unwrap_or_default().as_bytes();
    if target.starts_with(b"/") {
        escape_into(&mut out, target);
    } else {
        out.extend_from_slice(target);
    }
    out.extend_from_slice(if request.version == Some(1) {
        b" HTTP/1.1\r\n"
    } else {
        b" HTTP/1.0\r\n"
    });
    for Header { name, value } in request.headers.iter() {
        if drop_upgrade && name.eq_ignore_ascii_case("upgrade") {
            continue;
        }
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"\r\n");
    out
}

fn escape_into(out: &mut Vec<u8>, target: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
    for &byte in target {
        if class(byte) & ESCAPE != 0 {
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 0xf)]);
        } else {
            out.push(byte);
        }
    }
}
