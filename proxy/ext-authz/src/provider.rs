//! A provider of authorization, compiled.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};

use crate::asked::Asked;
use crate::error::CheckError;
use crate::refusal::{ERROR, Refusal};
use crate::service::ServiceName;
use crate::verdict::Verdict;
use crate::{decision, over_grpc, over_http};

/// Most bytes of an answer that are read: whoever sends a check reads no more of its answer, and takes a longer one for
/// [`CheckError::TooLarge`].
pub const ANSWER_LIMIT: usize = 1024 * 1024;

/// How much of a body a server wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimit {
    /// Most bytes to hold back and send.
    pub bytes: usize,
    /// Whether the first bytes of a longer body will do. Otherwise a request with a longer one is refused with 413.
    pub partial: bool,
}

/// A provider of authorization that can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    pub(crate) name: String,
    pub(crate) service: ServiceName,
    pub(crate) port: u16,
    pub(crate) timeout: Duration,
    pub(crate) fail_open: bool,
    pub(crate) clear_route_cache: bool,
    pub(crate) status_on_error: StatusCode,
    pub(crate) body: Option<BodyLimit>,
    pub(crate) templates: Vec<(HeaderName, String)>,
    pub(crate) form: Form,
}

/// How the server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Http(over_http::Settings),
    Grpc {
        /// Whether a body goes as bytes.
        pack_as_bytes: bool,
        authority: HeaderValue,
    },
}

impl Provider {
    /// Its name, which policies refer to.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The service that is asked.
    pub fn service(&self) -> &ServiceName {
        &self.service
    }

    /// The port of that service.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is asked over gRPC, which needs HTTP/2.
    pub fn is_grpc(&self) -> bool {
        matches!(self.form, Form::Grpc { .. })
    }

    /// How long connecting and answering may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How much of the body is to be held back before asking. `None`: nothing. Envoy does not hold back the body of a request
    /// that switches protocols, either.
    pub fn body(&self) -> Option<BodyLimit> {
        self.body
    }

    /// Whether the route is looked for anew when an answer has changed the request.
    pub fn clear_route_cache(&self) -> bool {
        self.clear_route_cache
    }

    /// Fields of a check whose values have variables in Envoy's notation, which this crate does not read. The caller writes
    /// them into what [`check`](Self::check) returns, in place of those of their names; variables are about the request of
    /// the client.
    pub fn templates(&self) -> &[(HeaderName, String)] {
        &self.templates
    }

    /// What to send to the service: in origin-form, with its authority in `Host`, and a body whose length is told.
    ///
    /// # Errors
    ///
    /// [`CheckError::Unaskable`].
    pub fn check(&self, asked: &Asked<'_>) -> Result<Request<Bytes>, CheckError> {
        let limit = self.body.map(|body| body.bytes);
        match &self.form {
            Form::Http(settings) => settings.request(asked, limit),
            Form::Grpc {
                pack_as_bytes,
                authority,
            } => {
                let body = limit.map(|limit| (limit, *pack_as_bytes));
                over_grpc::request(asked, authority, self.timeout, body)
            }
        }
    }

    /// What an answer means. Anything may be in it.
    pub fn verdict(&self, answer: Response<Bytes>, trailers: Option<&HeaderMap>) -> Verdict {
        if answer.body().len() > ANSWER_LIMIT {
            return Verdict::Error(CheckError::TooLarge);
        }
        match &self.form {
            Form::Http(settings) => settings.verdict(answer),
            Form::Grpc { .. } => match over_grpc::response(&answer, trailers) {
                Ok(answer) => decision::decide(answer),
                Err(error) => Verdict::Error(error),
            },
        }
    }

    /// What becomes of a request when its server has failed.
    ///
    /// # Errors
    ///
    /// It is refused, unless the provider fails open.
    pub fn settle(&self, error: CheckError) -> Result<(), Box<Refusal>> {
        if self.fail_open {
            return Ok(());
        }
        Err(match error {
            CheckError::Unable { status, mut refusal } => {
                refusal.status = status.unwrap_or(self.status_on_error);
                refusal
            }
            _ => Box::new(Refusal::new(self.status_on_error, ERROR)),
        })
    }
}

#[cfg(test)]
mod tests;
