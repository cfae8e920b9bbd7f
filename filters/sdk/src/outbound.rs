//! Calls to other services through the mesh, under the waypoint's identity.
//!
//! A filter that uses this module needs to be granted the services that it calls. A call looks like an ordinary function
//! that takes a while; the waypoint serves other requests meanwhile.

use std::time::Duration;

pub use crate::bindings::cairn::filter::outbound::CallError;
use crate::bindings::cairn::filter::outbound::{Answer as RawAnswer, Call as RawCall};
use crate::edits::lower;
use crate::imports::outbound;

const TIMEOUT_MS: u32 = 1000;

/// A request to another service.
///
/// ```
/// use cairn_filter::outbound::Call;
///
/// let answer = Call::get("quota.default.svc.cluster.local:8080", "/left?tenant=blue")
///     .header("accept", "text/plain")
///     .send();
/// assert!(answer.is_err()); // nobody answers outside of a test harness
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Call(RawCall);

impl Call {
    /// A request with a method. `target` is host and port of a service of the mesh, `path` may have a query. The call may
    /// take a second.
    pub fn new(method: &str, target: &str, path: &str) -> Call {
        Call(RawCall {
            target: target.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: TIMEOUT_MS,
        })
    }

    /// A GET.
    pub fn get(target: &str, path: &str) -> Call {
        Call::new("GET", target, path)
    }

    /// A POST with a body.
    pub fn post(target: &str, path: &str, body: impl Into<Vec<u8>>) -> Call {
        let mut call = Call::new("POST", target, path);
        call.0.body = body.into();
        call
    }

    /// Adds a field.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Call {
        self.0.headers.push((lower(name), value.into()));
        self
    }

    /// Waits no longer than this for the response. The plugin's own limit holds if that is less.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Call {
        self.0.timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
        self
    }

    /// Sends it and waits for the response.
    ///
    /// # Errors
    ///
    /// [`CallError`]: there is no response. A response with a status of failure is a response.
    pub fn send(self) -> Result<Answer, CallError> {
        outbound::http(&self.0).map(Answer)
    }

    /// Host and port.
    pub fn target(&self) -> &str {
        &self.0.target
    }

    /// The method.
    pub fn method(&self) -> &str {
        &self.0.method
    }

    /// Path and query.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// The first field of a name, if it is UTF-8.
    pub fn field(&self, name: &str) -> Option<&str> {
        first(&self.0.headers, name)
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.0.body
    }

    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn from_raw(call: RawCall) -> Call {
        Call(call)
    }
}

/// Sends several requests at once, at most 16, and waits for all. The answers are in the order of the calls.
pub fn all(calls: Vec<Call>) -> Vec<Result<Answer, CallError>> {
    let calls: Vec<RawCall> = calls.into_iter().map(|call| call.0).collect();
    outbound::http_all(&calls)
        .into_iter()
        .map(|answer| answer.map(Answer))
        .collect()
}

/// A response of another service.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer(RawAnswer);

impl Answer {
    /// A response as a test makes it.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Answer {
        Answer(RawAnswer {
            status,
            headers: Vec::new(),
            body: body.into(),
        })
    }

    /// Adds a field, in a test.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Answer {
        self.0.headers.push((lower(name), value.into()));
        self
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// The status is one of success: 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.0.status)
    }

    /// The first field of a name, if it is UTF-8.
    pub fn field(&self, name: &str) -> Option<&str> {
        first(&self.0.headers, name)
    }

    /// The whole body.
    pub fn body(&self) -> &[u8] {
        &self.0.body
    }

    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn into_raw(self) -> RawAnswer {
        self.0
    }
}

fn first<'a>(fields: &'a [(String, Vec<u8>)], name: &str) -> Option<&'a str> {
    let (_, value) = fields
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(value).ok()
}
