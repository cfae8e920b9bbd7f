//! What an authorization server has decided.

use http::header::HOST;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Method, Uri};

use crate::change::{self, Changes, Invalid};
use crate::error::CheckError;
use crate::field;
use crate::query::QueryChanges;
use crate::refusal::{Metadata, Refusal};

/// Most names of fields that an answer may remove.
const MAX_REMOVED: usize = 1_000;

/// What a server has decided.
#[derive(Debug)]
pub enum Verdict {
    /// The request may pass, changed.
    Allowed(Box<Allowed>),
    /// It may not.
    Denied(Box<Refusal>),
    /// The server failed: [`Provider::settle`](crate::Provider::settle) says what becomes of the request.
    Error(CheckError),
}

/// What becomes of a request that may pass, and of its response.
///
/// Nothing of what the client sent is taken away but what the server names: a field that the server may write
/// (`headersToUpstreamOnAllow`) and does not is the client's own, as in Envoy (`Filter::onComplete` in
/// `source/extensions/filters/http/ext_authz/ext_authz.cc` writes the fields of the answer and no others).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Allowed {
    pub(crate) method: Option<Method>,
    pub(crate) target: Option<PathAndQuery>,
    pub(crate) fields: Changes,
    pub(crate) remove: Vec<HeaderName>,
    pub(crate) query: QueryChanges,
    pub(crate) response: Changes,
    /// What the server notes.
    pub metadata: Metadata,
}

impl Allowed {
    /// Whether the request stays as it is.
    pub fn leaves_request(&self) -> bool {
        self.method.is_none()
            && self.target.is_none()
            && self.fields.is_empty()
            && self.remove.is_empty()
            && self.query.is_empty()
    }

    /// Changes a request: fields, and where the server says so, method, target (which thereafter is in origin-form) and
    /// `Host`.
    ///
    /// # Errors
    ///
    /// What cannot be done of it, or would make the head larger than one may be (100 lines, 60 KiB), refuses the request.
    pub fn apply(&self, parts: &mut Parts) -> Result<(), Box<Refusal>> {
        self.change(parts).map_err(|Invalid| Box::new(Refusal::invalid()))
    }

    fn change(&self, parts: &mut Parts) -> Result<(), Invalid> {
        if let Some(method) = &self.method {
            parts.method = method.clone();
        }
        let mut target = self.target.clone();
        if !self.query.is_empty() {
            let before = target.as_ref().or(parts.uri.path_and_query()).ok_or(Invalid)?;
            target = Some(self.query.apply(before)?);
        }
        if let Some(target) = target {
            parts.uri = Uri::from(target);
        }
        let before = change::weight(&parts.headers);
        self.fields.apply(&mut parts.headers)?;
        for name in &self.remove {
            parts.headers.remove(name);
        }
        if change::fits(before, &parts.headers) {
            Ok(())
        } else {
            Err(Invalid)
        }
    }

    /// Changes the response to a request that has passed, whoever it comes from.
    pub fn apply_to_response(&self, headers: &mut HeaderMap) {
        // What does not fit into the map any more is left out: there are tens of thousands of lines in it.
        let _ = self.response.apply(headers);
    }

    /// A name of a field to remove; those without which a request is none stay, as in Envoy.
    pub(crate) fn remove(&mut self, name: &[u8]) -> Result<(), Invalid> {
        if let Ok(name) = HeaderName::from_bytes(name.trim_ascii())
            && name != HOST
            && !field::is_framing(&name)
        {
            self.remove.push(name);
        }
        if self.remove.len() > MAX_REMOVED {
            return Err(Invalid);
        }
        Ok(())
    }
}
