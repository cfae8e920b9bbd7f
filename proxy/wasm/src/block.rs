//! Heads in one piece, as guests get them.

use http::header::HOST;
use http::{HeaderMap, HeaderName};

use crate::bindings::cairn::filter::types::Block;
use crate::exchange::{RequestHead, ResponseHead};
use crate::subscriptions::Lines;

/// No lines.
pub(crate) fn empty() -> Block {
    Block {
        ends: Vec::new(),
        bytes: Vec::new(),
    }
}

/// Puts a line at the end of a block. A block that would not fit in 32 bits stays as it is; heads are bounded far below.
pub(crate) fn line(block: &mut Block, name: &str, value: &[u8]) {
    let Ok(name_end) = u32::try_from(block.bytes.len() + name.len()) else {
        return;
    };
    let Ok(value_end) = u32::try_from(block.bytes.len() + name.len() + value.len()) else {
        return;
    };
    block.bytes.extend_from_slice(name.as_bytes());
    block.bytes.extend_from_slice(value);
    block.ends.push(name_end);
    block.ends.push(value_end);
}

/// The lines of a request's head that are wanted; those that there were before go.
pub(crate) fn request(block: &mut Block, head: &RequestHead, wanted: &Lines) {
    clear(block);
    for name in [":method", ":path", ":authority", ":scheme"] {
        if wanted.has_pseudo(name)
            && let Some(value) = request_pseudo(head, name)
        {
            line(block, name, value);
        }
    }
    fields(block, &head.headers, wanted);
}

/// The lines of a response's head that are wanted.
pub(crate) fn response(block: &mut Block, head: &ResponseHead, wanted: &Lines) {
    clear(block);
    if wanted.has_pseudo(":status") {
        line(block, ":status", head.status.as_str().as_bytes());
    }
    fields(block, &head.headers, wanted);
}

/// All lines of trailers.
pub(crate) fn trailers(block: &mut Block, trailers: &HeaderMap) {
    clear(block);
    fields(block, trailers, &Lines::All);
}

/// What stands for a part of a request's head that is no field.
pub(crate) fn request_pseudo<'a>(head: &'a RequestHead, name: &str) -> Option<&'a [u8]> {
    Some(match name {
        ":method" => head.method.as_str().as_bytes(),
        ":path" => head.target.as_str().as_bytes(),
        ":authority" => head.authority.as_str().as_bytes(),
        ":scheme" => head.scheme.as_bytes(),
        _ => return None,
    })
}

fn clear(block: &mut Block) {
    block.ends.clear();
    block.bytes.clear();
}

fn fields(block: &mut Block, headers: &HeaderMap, wanted: &Lines) {
    match wanted {
        Lines::All => {
            for (name, value) in headers.iter().filter(|(name, _)| *name != HOST) {
                line(block, name.as_str(), value.as_bytes());
            }
        }
        Lines::Named { fields, .. } => {
            for name in fields {
                add(block, headers, name);
            }
        }
    }
}

fn add(block: &mut Block, headers: &HeaderMap, name: &HeaderName) {
    for value in headers.get_all(name) {
        line(block, name.as_str(), value.as_bytes());
    }
}
