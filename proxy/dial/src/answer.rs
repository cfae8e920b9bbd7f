//! What a proxy answers to the request for a tunnel.

use httparse::{EMPTY_HEADER, Header, Response, Status};

use crate::body::Body;

/// The longest head of an answer, with those of interim answers before it.
pub(crate) const MAX_HEAD: usize = 8 << 10;

const MAX_HEADERS: usize = 64;

/// An answer that has been read up to the end of its head.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The length of the head, with those of interim answers before it.
    pub(crate) length: usize,
    pub(crate) status: u16,
    /// What of the rest is the tunnel's, when it was asked for by POST; `None`: that is not clear.
    pub(crate) body: Option<Body>,
}

/// Why an answer is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// It is not HTTP/1.
    #[error("it is not HTTP/1 ({0})")]
    NotHttp(httparse::Error),
    /// Its head does not end.
    #[error("its head is longer than {MAX_HEAD} bytes")]
    TooLong,
    /// It does not say clearly where its body ends, and that is to be the tunnel.
    #[error("its `content-length` or `transfer-encoding` is not clear")]
    Framing,
}

impl Answer {
    /// The answer that `bytes` begin with; `None`: its head has not ended yet.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Answer>, AnswerError> {
        let mut length = 0;
        loop {
            let rest = bytes.get(length..).unwrap_or_default();
            let Some(answer) = Answer::parse_one(rest)? else {
                return match bytes.len() < MAX_HEAD {
                    true => Ok(None),
                    false => Err(AnswerError::TooLong),
                };
            };
            length += answer.length;
            // 101 is final: it changes the protocol, to none that was asked for.
            if !(100..200).contains(&answer.status) || answer.status == 101 {
                return Ok(Some(Answer { length, ..answer }));
            }
        }
    }

    fn parse_one(bytes: &[u8]) -> Result<Option<Answer>, AnswerError> {
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut response = Response::new(&mut headers);
        let Status::Complete(length) = response.parse(bytes).map_err(AnswerError::NotHttp)? else {
            return Ok(None);
        };
        let status = response.code.unwrap_or_default();
        let body = match status {
            // What these say of a body does not count.
            100..200 | 204 => Some(Body::Ended),
            _ => body(response.headers, response.version == Some(1)),
        };
        Ok(Some(Answer { length, status, body }))
    }
}

fn body(headers: &[Header<'_>], may_be_chunked: bool) -> Option<Body> {
    let values = |name: &'static str| {
        let named = headers
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value.trim_ascii())
    };
    let mut encodings = values("transfer-encoding");
    let mut lengths = values("content-length");
    match (encodings.next(), lengths.next()) {
        (None, None) => Some(Body::Rest),
        (Some(encoding), None) => {
            let is_chunked = encoding.eq_ignore_ascii_case(b"chunked") && encodings.next().is_none();
            (is_chunked && may_be_chunked).then_some(Body::Chunk)
        }
        (None, Some(length)) if lengths.all(|other| other == length) => number(length).map(Body::Length),
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
