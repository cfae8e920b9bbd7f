//! Why a request was refused before it reached a service, and what its client is told.

use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

use crate::body::Body;

/// A request that was refused for its form.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The status of the answer.
    pub status: StatusCode,
    /// Envoy's response code details, such as `http1.codec_error`.
    pub details: &'static str,
    /// What exactly was wrong, for the log.
    pub reason: &'static str,
    /// The body of the answer.
    pub body: &'static str,
    /// Whether the response flag is `DPE`, downstream protocol error; else there is none.
    pub protocol_error: bool,
}

impl Refusal {
    pub(crate) fn bad_request(details: &'static str, reason: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            details,
            reason,
            body: "Bad Request",
            protocol_error: true,
        }
    }

    pub(crate) fn malformed(reason: &'static str) -> Self {
        Self::bad_request("http1.codec_error", reason)
    }

    pub(crate) fn transfer_coding() -> Self {
        Self {
            status: StatusCode::NOT_IMPLEMENTED,
            details: "http1.invalid_transfer_encoding",
            reason: "a Transfer-Encoding other than chunked",
            body: "Not Implemented",
            protocol_error: true,
        }
    }

    pub(crate) fn head_too_large() -> Self {
        Self {
            status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            details: "http1.headers_too_large",
            reason: "the request head is too large",
            body: "Request Header Fields Too Large",
            protocol_error: true,
        }
    }

    pub(crate) fn too_many_headers() -> Self {
        Self {
            details: "http1.too_many_headers",
            reason: "too many header fields",
            ..Self::head_too_large()
        }
    }

    pub(crate) fn target_too_long() -> Self {
        Self {
            status: StatusCode::URI_TOO_LONG,
            details: "http1.headers_too_large",
            reason: "the request line is too long",
            body: "URI Too Long",
            protocol_error: true,
        }
    }

    pub(crate) fn timeout() -> Self {
        Self {
            status: StatusCode::REQUEST_TIMEOUT,
            details: "request_header_timeout",
            reason: "the request head did not arrive in time",
            body: "Request Timeout",
            protocol_error: false,
        }
    }

    pub(crate) fn missing_host() -> Self {
        Self {
            details: "missing_host_header",
            reason: "no Host",
            body: "",
            protocol_error: false,
            ..Self::malformed("")
        }
    }

    pub(crate) fn fragment() -> Self {
        Self {
            details: "path_normalization_failed",
            reason: "a fragment in the request target",
            body: "",
            protocol_error: false,
            ..Self::malformed("")
        }
    }

    /// The response flag of the access log.
    pub fn flag(&self) -> Option<&'static str> {
        self.protocol_error.then_some("DPE")
    }

    /// The answer. On HTTP/1 the connection closes after it.
    pub fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if !self.body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        }
        response
    }
}
