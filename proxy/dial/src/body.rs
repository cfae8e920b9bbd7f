//! Where the bytes of a POST tunnel are within the answer's body.

use bytes::{Buf as _, BytesMut};
use httparse::{EMPTY_HEADER, Status};

/// The longest line with the size of a chunk, and the longest trailers.
const MAX_FRAMING: usize = 8 << 10;

/// How a body is marked off (RFC 9112, section 6.3), and how far it has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// It is over.
    Ended,
    /// It ends with the stream.
    Rest,
    /// So many bytes are left.
    Length(u64),
    /// A chunk begins.
    Chunk,
    /// So many bytes of the chunk are left.
    Within(u64),
    /// The chunk's line end.
    Between,
    /// Trailers.
    Trailers,
}

/// What the bytes at hand are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many are of the tunnel.
    Data(usize),
    /// More are needed to tell.
    More,
    /// The tunnel has ended before them.
    End,
}

/// The chunks are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the proxy's answer is not chunked as it says; use CONNECT, or a proxy that speaks HTTP/1.1")]
pub(crate) struct BodyError;

impl Body {
    /// Takes what is not of the tunnel off `input`, and tells what then begins it.
    pub(crate) fn step(&mut self, input: &mut BytesMut) -> Result<Step, BodyError> {
        loop {
            match *self {
                Body::Ended | Body::Length(0) => return Ok(Step::End),
                _ if input.is_empty() => return Ok(Step::More),
                Body::Rest => return Ok(Step::Data(input.len())),
                Body::Within(0) => *self = Body::Between,
                Body::Length(left) | Body::Within(left) => {
                    return Ok(Step::Data(
                        usize::try_from(left).map_or(input.len(), |left| left.min(input.len())),
                    ));
                }
                Body::Chunk => match httparse::parse_chunk_size(input) {
                    Ok(Status::Complete((line, size))) => {
                        input.advance(line);
                        *self = if size == 0 {
                            Body::Trailers
                        } else {
                            Body::Within(size)
                        };
                    }
                    Ok(Status::Partial) if input.len() < MAX_FRAMING => return Ok(Step::More),
                    _ => return Err(BodyError),
                },
                Body::Between => match &input[..] {
                    [b'\r', b'\n', ..] => {
                        input.advance(2);
                        *self = Body::Chunk;
                    }
                    b"\r" => return Ok(Step::More),
                    _ => return Err(BodyError),
                },
                Body::Trailers => match httparse::parse_headers(input, &mut [EMPTY_HEADER; 32]) {
                    Ok(Status::Complete((length, _))) => {
                        input.advance(length);
                        *self = Body::Ended;
                    }
                    Ok(Status::Partial) if input.len() < MAX_FRAMING => return Ok(Step::More),
                    _ => return Err(BodyError),
                },
            }
        }
    }

    /// Tells that `length` bytes that were [`Step::Data`] are gone.
    pub(crate) fn taken(&mut self, length: usize) {
        if let Body::Length(left) | Body::Within(left) = self {
            *left = left.saturating_sub(length as u64);
        }
    }

    /// Tells that nothing comes any more; whether that is the end.
    pub(crate) fn closed(&mut self) -> bool {
        if *self == Body::Rest {
            *self = Body::Ended;
        }
        matches!(self, Body::Ended | Body::Length(0))
    }
}

#[cfg(test)]
mod tests;
