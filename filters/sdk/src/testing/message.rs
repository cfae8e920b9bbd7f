//! Messages, as tests write them.

use super::{Attributes, Metadata};
use crate::Value;
use crate::bindings::cairn::filter::types::{Block, Interest};
use crate::edits::lower;

/// Lines of a head or of trailers.
pub(crate) type Lines = Vec<(String, Vec<u8>)>;

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) head: Lines,
    pub(crate) end_of_stream: bool,
    pub(crate) attributes: Attributes,
    pub(crate) metadata: Metadata,
}

impl Request {
    /// A request to `example.com` with a method and a path, which may have a query. A body follows it, unless the method
    /// is GET, HEAD or DELETE.
    pub fn new(method: &str, path: &str) -> Request {
        let line = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        Request {
            head: vec![
                line(":method", method),
                line(":path", path),
                line(":authority", "example.com"),
                line(":scheme", "http"),
            ],
            end_of_stream: matches!(method, "GET" | "HEAD" | "DELETE"),
            attributes: Attributes::new(),
            metadata: Metadata::new(),
        }
    }

    /// A GET.
    pub fn get(path: &str) -> Request {
        Request::new("GET", path)
    }

    /// A POST. Its body comes with [`Exchange::request_body`](super::Exchange::request_body).
    pub fn post(path: &str) -> Request {
        Request::new("POST", path)
    }

    /// Adds a field.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Request {
        self.head.push((lower(name), value.into()));
        self
    }

    /// For this host, and port.
    #[must_use]
    pub fn authority(mut self, authority: &str) -> Request {
        for (name, value) in &mut self.head {
            if name == ":authority" {
                *value = authority.as_bytes().to_vec();
            }
        }
        self
    }

    /// No body follows.
    #[must_use]
    pub fn without_body(mut self) -> Request {
        self.end_of_stream = true;
        self
    }

    /// The waypoint knows this attribute.
    #[must_use]
    pub fn attribute(mut self, path: &str, value: impl Into<Value>) -> Request {
        self.attributes.insert(path.to_owned(), value.into());
        self
    }

    /// The client's identity in the mesh.
    #[must_use]
    pub fn principal(self, principal: &str) -> Request {
        self.attribute("source.principal", principal)
    }

    /// An earlier filter has noted this.
    #[must_use]
    pub fn metadata(mut self, filter: &str, key: &str, value: impl Into<Value>) -> Request {
        self.metadata
            .insert((filter.to_owned(), key.to_owned()), value.into());
        self
    }
}

/// A response of the service.
#[derive(Clone, Debug)]
pub struct Response {
    pub(crate) head: Lines,
    pub(crate) end_of_stream: bool,
}

impl Response {
    /// A response that a body follows.
    pub fn new(status: u16) -> Response {
        Response {
            head: vec![(":status".to_owned(), status.to_string().into_bytes())],
            end_of_stream: false,
        }
    }

    /// Adds a field.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Response {
        self.head.push((lower(name), value.into()));
        self
    }

    /// No body follows.
    #[must_use]
    pub fn without_body(mut self) -> Response {
        self.end_of_stream = true;
        self
    }
}

/// The lines that are wanted, in one piece; `None` if the hook is not to be called.
pub(crate) fn wanted(lines: &Lines, interest: &Interest) -> Option<Block> {
    match interest {
        Interest::None => None,
        Interest::All => Some(packed(lines.iter())),
        Interest::Named(names) => Some(packed(lines.iter().filter(|(name, _)| names.contains(name)))),
    }
}

pub(crate) fn packed<'a>(lines: impl Iterator<Item = &'a (String, Vec<u8>)>) -> Block {
    let mut block = Block {
        ends: Vec::new(),
        bytes: Vec::new(),
    };
    for (name, value) in lines {
        for piece in [name.as_bytes(), value] {
            block.bytes.extend_from_slice(piece);
            block
                .ends
                .push(u32::try_from(block.bytes.len()).unwrap_or(u32::MAX));
        }
    }
    block
}

/// The first line of a name.
pub(crate) fn first<'a>(lines: &'a Lines, name: &str) -> Option<&'a [u8]> {
    let (_, value) = lines.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some(value)
}
