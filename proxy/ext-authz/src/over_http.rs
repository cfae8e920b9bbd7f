//! Asking over HTTP: the request itself, without most of its fields, and a status that says whether it may pass.
//!
//! Facts are of Envoy's `ext_authz_http_impl.cc` and `check_request_utils.cc`, and of how Istio configures it.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, LOCATION, WWW_AUTHENTICATE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};

use crate::asked::Asked;
use crate::change::{Action, Changes, Invalid};
use crate::error::CheckError;
use crate::field::{self, HEADERS_TO_REMOVE, PARTIAL_BODY};
use crate::pattern::Patterns;
use crate::refusal::{DENIED, Refusal};
use crate::rewrite;
use crate::verdict::{Allowed, Verdict};

/// How a server is asked, and what is taken from its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// What precedes the path; empty or beginning with a slash.
    pub(crate) path_prefix: String,
    /// Fields of the request that the server gets.
    pub(crate) include: Patterns,
    /// Fields that it gets with these values.
    pub(crate) additional: Vec<(HeaderName, HeaderValue)>,
    /// Fields of an answer that allows, for the request.
    pub(crate) to_upstream: Patterns,
    /// Fields of an answer that allows, for the response.
    pub(crate) to_downstream_on_allow: Patterns,
    /// Fields of an answer that denies, for the response.
    pub(crate) to_downstream_on_deny: Patterns,
}

impl Settings {
    /// What is sent.
    pub(crate) fn request(
        &self,
        asked: &Asked<'_>,
        limit: Option<usize>,
    ) -> Result<Request<Bytes>, CheckError> {
        let unaskable = CheckError::Unaskable;
        let (body, complete) = match (asked.body, limit) {
            (Some(body), Some(limit)) => body.first(limit),
            _ => (Default::default(), true),
        };
        let target = format!("{}{}", self.path_prefix, asked.target);
        let target = PathAndQuery::try_from(target).map_err(|_| unaskable("its path is too long"))?;
        let host =
            HeaderValue::from_str(asked.authority).map_err(|_| unaskable("its host cannot be written"))?;
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host);
        let included = |name: &HeaderName| {
            (*name == AUTHORIZATION || self.include.matches(name)) && !field::is_framing(name)
        };
        for (name, value) in field::joined(asked.headers, included) {
            let value =
                HeaderValue::from_bytes(&value).map_err(|_| unaskable("a header cannot be written"))?;
            headers.insert(name, value);
        }
        if asked.body.is_some() && limit.is_some() {
            headers.insert(
                PARTIAL_BODY,
                HeaderValue::from_static(if complete { "false" } else { "true" }),
            );
        }
        for (name, value) in &self.additional {
            headers.insert(name, value.clone());
        }
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        let mut request = Request::new(Bytes::copy_from_slice(body));
        // To this server it is a question like any other; a CONNECT would open a tunnel.
        *request.method_mut() = match asked.method {
            &Method::CONNECT => Method::GET,
            method => method.clone(),
        };
        *request.uri_mut() = Uri::from(target);
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// What an answer means. It allows with status 200 alone, as in Envoy and by Istio's documentation.
    pub(crate) fn verdict(&self, answer: Response<Bytes>) -> Verdict {
        let status = answer.status();
        if !(200..500).contains(&status.as_u16()) {
            return Verdict::Error(CheckError::Status(status));
        }
        let verdict = if status == StatusCode::OK {
            self.allowed(answer.headers())
                .map(|allowed| Verdict::Allowed(Box::new(allowed)))
        } else {
            self.denied(answer)
                .map(|refusal| Verdict::Denied(Box::new(refusal)))
        };
        verdict.unwrap_or_else(|Invalid| Verdict::Denied(Box::new(Refusal::invalid())))
    }

    fn allowed(&self, headers: &HeaderMap) -> Result<Allowed, Invalid> {
        let mut allowed = Allowed::default();
        for (name, value) in headers.iter().filter(|(name, _)| **name != HEADERS_TO_REMOVE) {
            // Of several lines of a name the last one stays in a request, and all of them in a response.
            if self.to_upstream.matches(name) {
                rewrite::request_field(
                    &mut allowed,
                    Action::Set,
                    name.as_str().as_bytes(),
                    value.as_bytes(),
                )?;
            }
            if self.to_downstream_on_allow.matches(name) {
                allowed.response.push(Action::Add, name.clone(), value.clone())?;
            }
        }
        for line in headers.get_all(HEADERS_TO_REMOVE) {
            for name in line.as_bytes().split(|byte| *byte == b',') {
                allowed.remove(name)?;
            }
        }
        Ok(allowed)
    }

    fn denied(&self, answer: Response<Bytes>) -> Result<Refusal, Invalid> {
        let (parts, body) = answer.into_parts();
        let wanted = &self.to_downstream_on_deny;
        let taken = |name: &HeaderName| {
            if wanted.is_empty() {
                *name != HOST
            } else {
                wanted.matches(name) || *name == WWW_AUTHENTICATE || *name == LOCATION
            }
        };
        let mut changes = Changes::default();
        for (name, value) in &parts.headers {
            if taken(name) && *name != HEADERS_TO_REMOVE {
                changes.push(Action::Add, name.clone(), value.clone())?;
            }
        }
        let mut refusal = Refusal::new(parts.status, DENIED);
        changes.apply(&mut refusal.headers)?;
        Ok(refusal.with_body(body))
    }
}

#[cfg(test)]
mod tests;
