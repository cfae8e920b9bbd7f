//! What a proxy must know of gRPC: whether a request is one, and how to refuse it so that its client understands.

mod messages;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, percent_encode};

pub use messages::Messages;

/// `grpc-status`.
pub const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// `grpc-message`.
pub const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Whether the content type is gRPC's: `application/grpc`, alone or followed by `+` or `;`. gRPC-Web is not.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return false;
    };
    let Some((prefix, rest)) = value.as_bytes().split_at_checked(b"application/grpc".len()) else {
        return false;
    };
    prefix.eq_ignore_ascii_case(b"application/grpc")
        && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

/// How long the client gives the whole call: `grpc-timeout`, at most eight digits and a unit (the gRPC protocol's
/// "Timeout"). `None`: it says nothing, or nothing that can be read.
pub fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let (unit, digits) = headers.get(GRPC_TIMEOUT)?.as_bytes().split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(count * 3600),
        b'M' => Duration::from_secs(count * 60),
        b'S' => Duration::from_secs(count),
        b'm' => Duration::from_millis(count),
        b'u' => Duration::from_micros(count),
        b'n' => Duration::from_nanos(count),
        _ => return None,
    })
}

/// A gRPC status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Code {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Code {
    const ALL: [(Code, &'static str); 17] = [
        (Code::Ok, "OK"),
        (Code::Cancelled, "CANCELLED"),
        (Code::Unknown, "UNKNOWN"),
        (Code::InvalidArgument, "INVALID_ARGUMENT"),
        (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
        (Code::NotFound, "NOT_FOUND"),
        (Code::AlreadyExists, "ALREADY_EXISTS"),
        (Code::PermissionDenied, "PERMISSION_DENIED"),
        (Code::ResourceExhausted, "RESOURCE_EXHAUSTED"),
        (Code::FailedPrecondition, "FAILED_PRECONDITION"),
        (Code::Aborted, "ABORTED"),
        (Code::OutOfRange, "OUT_OF_RANGE"),
        (Code::Unimplemented, "UNIMPLEMENTED"),
        (Code::Internal, "INTERNAL"),
        (Code::Unavailable, "UNAVAILABLE"),
        (Code::DataLoss, "DATA_LOSS"),
        (Code::Unauthenticated, "UNAUTHENTICATED"),
    ];

    /// The code that a response with this HTTP status stands for, as Envoy maps it.
    pub fn from_http(status: StatusCode) -> Code {
        match status.as_u16() {
            200 => Code::Ok,
            400 => Code::Internal,
            401 => Code::Unauthenticated,
            403 => Code::PermissionDenied,
            404 => Code::Unimplemented,
            429 | 502 | 503 | 504 => Code::Unavailable,
            _ => Code::Unknown,
        }
    }

    /// The status of HTTP that says the same, as Envoy has it; for those who count errors by status.
    pub fn to_http(self) -> u16 {
        match self {
            Code::Ok => 200,
            Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
            Code::Unauthenticated => 401,
            Code::PermissionDenied => 403,
            Code::NotFound => 404,
            Code::AlreadyExists | Code::Aborted => 409,
            Code::ResourceExhausted => 429,
            Code::Cancelled => 499,
            Code::Unknown | Code::Internal | Code::DataLoss => 500,
            Code::Unimplemented => 501,
            Code::Unavailable => 503,
            Code::DeadlineExceeded => 504,
        }
    }

    /// The code of a number; `None` above 16.
    pub fn from_u16(number: u16) -> Option<Code> {
        Code::ALL.get(usize::from(number)).map(|(code, _)| *code)
    }

    /// The code with this name, as VirtualServices write it: `UNAVAILABLE`.
    pub fn from_name(name: &str) -> Option<Code> {
        Code::ALL
            .iter()
            .find(|(_, it)| *it == name)
            .map(|(code, _)| *code)
    }

    /// The name of the code, as in `UNAVAILABLE`.
    pub fn name(self) -> &'static str {
        Code::ALL
            .get(usize::from(self as u8))
            .map_or("UNKNOWN", |(_, name)| name)
    }

    /// The number of the code as text.
    pub fn digits(self) -> &'static str {
        const DIGITS: [&str; 17] = [
            "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16",
        ];
        DIGITS.get(usize::from(self as u8)).copied().unwrap_or("2")
    }
}

/// Reads `grpc-status` from trailers, or from the head of a trailers-only response.
pub fn status(fields: &HeaderMap) -> Option<u16> {
    fields.get(GRPC_STATUS)?.to_str().ok()?.parse().ok()
}

/// A response that is refused before it begins: HTTP 200, and the status in the head.
pub fn trailers_only<B>(code: Code, message: &str) -> Response<B>
where
    B: Default,
{
    let mut response = Response::new(B::default());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS, HeaderValue::from_static(code.digits()));
    if !message.is_empty()
        && let Ok(value) = HeaderValue::from_str(&encode_message(message))
    {
        headers.insert(GRPC_MESSAGE, value);
    }
    response
}

/// Everything outside of `%x20-24 / %x26-7E` is escaped (gRPC over HTTP/2, "Responses").
const MESSAGE: &AsciiSet = &CONTROLS.add(b'%');

/// Encodes a message for `grpc-message`.
pub fn encode_message(message: &str) -> Cow<'_, str> {
    percent_encode(message.as_bytes(), MESSAGE).into()
}

/// Decodes a `grpc-message`. What cannot be decoded is kept, as the specification asks.
pub fn decode_message(value: &str) -> Cow<'_, str> {
    percent_decode(value.as_bytes()).decode_utf8_lossy()
}
