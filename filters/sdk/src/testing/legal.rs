//! Which edits the waypoint makes, and which make a hook fail.

use super::message::Lines;
use crate::bindings::cairn::filter::types::{Edit, LocalReply};

/// What is to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Request,
    Response,
    Trailers,
}

/// Makes all changes, or none.
pub(crate) fn edit(lines: &mut Lines, edits: Vec<Edit>, part: Part) -> Result<(), String> {
    let mut changed = lines.clone();
    // Whether there is a body is said by the method that the client sent, and by these statuses.
    let is = |line: &str, value: &[u8]| {
        lines
            .iter()
            .any(|(name, content)| name == line && content == value)
    };
    let (asks_for_head, switches) = (is(":method", b"HEAD"), is(":status", b"101"));
    for edit in edits {
        match edit {
            Edit::Set((name, value)) => {
                check(&name, &value, part, false)?;
                if name == ":method" && asks_for_head != (value == b"HEAD") || name == ":status" && switches {
                    return Err(format!("`{name}` cannot be changed in this way"));
                }
                let at = changed.iter().position(|(known, _)| *known == name);
                changed.retain(|(known, _)| *known != name);
                changed.insert(at.unwrap_or(changed.len()).min(changed.len()), (name, value));
            }
            Edit::Append((name, value)) => {
                check(&name, &value, part, true)?;
                changed.push((name, value));
            }
            Edit::Remove(name) => {
                field(&name)?;
                changed.retain(|(known, _)| *known != name);
            }
        }
    }
    *lines = changed;
    Ok(())
}

/// Whether the waypoint would send this.
pub(crate) fn reply(reply: &LocalReply) -> Result<(), String> {
    if !(200..600).contains(&reply.status) {
        return Err(format!("status {} is none of a response", reply.status));
    }
    if !reply.body.is_empty() && matches!(reply.status, 204 | 205 | 304) {
        return Err(format!("status {} has no body", reply.status));
    }
    if reply.details.len() > 100 || !reply.details.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("details are a word of at most 100 visible characters".to_owned());
    }
    for (name, content) in &reply.headers {
        check(name, content, Part::Trailers, true)?;
    }
    Ok(())
}

fn check(name: &str, content: &[u8], part: Part, append: bool) -> Result<(), String> {
    value(name, content)?;
    if !name.starts_with(':') {
        return field(name);
    }
    let legal = !append
        && match (part, name) {
            (Part::Request, ":method") => token(content) && content != b"CONNECT",
            (Part::Request, ":path") => {
                content.starts_with(b"/")
                    && content
                        .iter()
                        .all(|byte| *byte > b' ' && *byte != b'#' && *byte < 127)
            }
            (Part::Request, ":authority") => !content.is_empty() && !content.contains(&b'@'),
            (Part::Response, ":status") => std::str::from_utf8(content)
                .ok()
                .and_then(|text| text.parse::<u16>().ok())
                .is_some_and(|status| (200..600).contains(&status) && !matches!(status, 204 | 205 | 304)),
            _ => false,
        };
    if legal {
        return Ok(());
    }
    Err(format!(
        "`{name}` cannot be {:?} here",
        String::from_utf8_lossy(content)
    ))
}

fn field(name: &str) -> Result<(), String> {
    if !token(name.as_bytes()) {
        return Err(format!("{name:?} is not the name of a field"));
    }
    match name {
        "content-length" | "transfer-encoding" | "connection" | "upgrade" | "te" | "trailer"
        | "keep-alive" | "proxy-connection" | "http2-settings" => {
            Err(format!("`{name}` belongs to the connection, not to filters"))
        }
        "host" => Err("the host is changed as `:authority`".to_owned()),
        "x-forwarded-client-cert" => Err(format!(
            "`{name}` says who the client is, which only the proxy may"
        )),
        _ => Ok(()),
    }
}

fn value(name: &str, value: &[u8]) -> Result<(), String> {
    let legal = value
        .iter()
        .all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 127));
    if legal {
        return Ok(());
    }
    Err(format!("the value of `{name}` has characters that no field has"))
}

/// RFC 9110, 5.6.2.
fn token(name: &[u8]) -> bool {
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(legal)
}
