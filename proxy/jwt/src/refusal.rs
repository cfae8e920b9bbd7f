//! What a client is told whose token is not accepted.

use std::fmt::{self, Write as _};

use http::{HeaderValue, StatusCode};

use crate::fault::Fault;
use crate::place::without_params;
use crate::request::Request;

/// Characters of the path that the challenge repeats.
const PATH: usize = 256;

/// A request that goes no further. Nothing in it comes from a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    fault: Fault,
    challenge: HeaderValue,
    keys_wanted: bool,
}

impl Refusal {
    /// `params` are the query parameters that hold tokens: the challenge repeats the rest of the query only.
    pub(crate) fn new<'n>(
        fault: Fault,
        request: &Request<'_>,
        params: &(impl Iterator<Item = &'n str> + Clone),
        keys_wanted: bool,
    ) -> Self {
        let mut path = request.path.to_owned();
        if let Some(query) = request.query {
            let rest = without_params(query, params);
            let rest = rest.as_deref().unwrap_or(query);
            if !rest.is_empty() {
                path.push('?');
                path.push_str(rest);
            }
        }
        let path: String = path.chars().take(PATH).collect();
        let mut challenge = String::from("Bearer realm=\"");
        for byte in [request.scheme, "://", request.authority, &path]
            .into_iter()
            .flat_map(str::bytes)
        {
            match byte {
                b'"' | b'\\' | 0..=b' ' | 0x7f.. => {
                    // Writing to a string does not fail.
                    let _ = write!(challenge, "%{byte:02X}");
                }
                _ => challenge.push(char::from(byte)),
            }
        }
        challenge.push('"');
        if fault != Fault::Missing {
            challenge.push_str(", error=\"invalid_token\"");
        }
        Self {
            fault,
            // All that could not be in a header field has been escaped.
            challenge: HeaderValue::try_from(challenge)
                .unwrap_or_else(|_| HeaderValue::from_static("Bearer realm=\"\"")),
            keys_wanted,
        }
    }

    /// What was wrong.
    pub fn fault(&self) -> Fault {
        self.fault
    }

    /// 403 for audiences, else 401.
    pub fn status(&self) -> StatusCode {
        match self.fault {
            Fault::AudienceNotAllowed => StatusCode::FORBIDDEN,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// The body, `text/plain`.
    pub fn body(&self) -> &'static str {
        self.fault.text()
    }

    /// The value of `www-authenticate`, for either status.
    pub fn challenge(&self) -> &HeaderValue {
        &self.challenge
    }

    /// The response code details: `jwt_authn_access_denied{Jwt_is_expired}`.
    pub fn details(&self) -> String {
        format!(
            "jwt_authn_access_denied{{{}}}",
            self.fault.text().replace(' ', "_")
        )
    }

    /// Whether keys have become due because of this request: whoever fetches should be woken.
    pub fn keys_wanted(&self) -> bool {
        self.keys_wanted
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests;
