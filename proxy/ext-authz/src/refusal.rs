//! What a client gets instead of the response that it asked for.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};

/// Envoy's response flag of all that is refused here: `UnauthorizedExternalService`.
pub const FLAG: &str = "UAEX";
/// Envoy's response code details when the server refuses.
pub const DENIED: &str = "ext_authz_denied";
/// Envoy's response code details when the server fails.
pub const ERROR: &str = "ext_authz_error";
/// Envoy's response code details when the server asks for something that is not HTTP.
pub const INVALID: &str = "ext_authz_invalid";
/// The policy by which Istio denies all that a provider which cannot be used is for. Envoy's response code details are
/// `rbac_access_denied_matched_policy[…]` around it; there is no flag.
pub const BAD_PROVIDER_POLICY: &str = "default-deny-all-due-to-bad-CUSTOM-action";

/// What a server notes about a request, by key: the metadata of `envoy.filters.http.ext_authz`.
pub type Metadata = serde_json::Map<String, serde_json::Value>;

/// What a request is refused with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Status; 200 and more.
    pub status: StatusCode,
    /// Fields, without those that say where the message ends.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// Envoy's response code details: [`DENIED`], [`ERROR`] or [`INVALID`].
    pub details: &'static str,
    /// What the server notes, for the log.
    pub metadata: Metadata,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, details: &'static str) -> Refusal {
        Refusal {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            details,
            metadata: Metadata::new(),
        }
    }

    /// The server asks for what cannot be. That is no failure: the request never passes.
    pub(crate) fn invalid() -> Refusal {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, INVALID)
    }

    /// With a body, which is text when nothing else is said.
    pub(crate) fn with_body(mut self, body: Bytes) -> Refusal {
        if !body.is_empty() && !self.headers.contains_key(CONTENT_TYPE) {
            self.headers
                .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        }
        self.body = body;
        self
    }
}
