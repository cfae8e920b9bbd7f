//! What an answer over either protocol writes to a request: a field, or a part of its first line.

use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, HeaderValue, Method};

use crate::change::{Action, Invalid};
use crate::verdict::Allowed;

/// Takes down a field that the request gets. Names with a colon are the parts of its first line, which Envoy lets a server
/// write too; they have one value, so it does not matter what is there.
pub(crate) fn request_field(
    allowed: &mut Allowed,
    action: Action,
    name: &[u8],
    value: &[u8],
) -> Result<(), Invalid> {
    match name.to_ascii_lowercase().as_slice() {
        b":authority" | b"host" => {
            let authority = Authority::try_from(value).map_err(|_| Invalid)?;
            if authority.host().is_empty() || authority.as_str().contains('@') {
                return Err(Invalid);
            }
            let value = HeaderValue::from_bytes(value).map_err(|_| Invalid)?;
            allowed.fields.push(Action::Set, HOST, value)
        }
        b":path" => {
            let target = std::str::from_utf8(value).map_err(|_| Invalid)?;
            // What follows a `#` would be lost without a word.
            if !target.starts_with('/') || target.contains('#') {
                return Err(Invalid);
            }
            allowed.target = Some(PathAndQuery::try_from(target).map_err(|_| Invalid)?);
            Ok(())
        }
        b":method" => {
            let method = Method::from_bytes(value).map_err(|_| Invalid)?;
            if method == Method::CONNECT {
                return Err(Invalid);
            }
            allowed.method = Some(method);
            Ok(())
        }
        // The scheme follows from the connection.
        b":scheme" => Ok(()),
        _ => {
            let (name, value) = field(name, value)?;
            allowed.fields.push(action, name, value)
        }
    }
}

/// A field, if it is one.
pub(crate) fn field(name: &[u8], value: &[u8]) -> Result<(HeaderName, HeaderValue), Invalid> {
    let name = HeaderName::from_bytes(name).map_err(|_| Invalid)?;
    let value = HeaderValue::from_bytes(value).map_err(|_| Invalid)?;
    Ok((name, value))
}
