//! What a plugin may do beyond looking at its request.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

/// The imports that a plugin is given beyond those that all have.
#[derive(Clone, Default)]
pub struct Grants {
    /// The store that its instances share.
    pub shared: bool,
    /// Being called without a request.
    pub ticker: bool,
    /// Host and port of the services that it may call.
    pub targets: BTreeSet<String>,
    /// How calls are made; nobody can be called without.
    pub outbound: Option<Arc<dyn Outbound>>,
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grants")
            .field("shared", &self.shared)
            .field("ticker", &self.ticker)
            .field("targets", &self.targets)
            .finish_non_exhaustive()
    }
}

/// A request of a filter to another service.
#[derive(Clone, Debug)]
pub struct Call {
    /// Host and port.
    pub target: String,
    /// Method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Fields.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// How long it may take.
    pub timeout: Duration,
    /// How many bytes the body of the response may have.
    pub max_body: usize,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Fields.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Why nothing came back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It did not come in time.
    #[error("no answer in time")]
    Timeout,
    /// The service cannot be reached.
    #[error("{0}")]
    Connect(String),
    /// The body of the response is too large.
    #[error("the answer is too large")]
    TooLarge,
}

/// A call under way.
pub type Calling = Pin<Box<dyn Future<Output = Result<Answer, CallError>> + Send>>;

/// The way to other services.
pub trait Outbound: Send + Sync {
    /// Sends a request and gathers its response.
    fn call(&self, call: Call) -> Calling;
}
