//! Why a tunnel could not be opened.

use std::io;
use std::sync::Arc;

use cairn_identity::{IdentityError, TlsError};
use http::StatusCode;

use crate::Authority;

/// Why a tunnel could not be opened. Several callers may have waited for the same connection, hence `Clone`.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is no certificate to show.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The TCP connection could not be made.
    #[error("cannot connect: {0}")]
    Connect(Arc<io::Error>),
    /// The TCP connection was not made in time.
    #[error("cannot connect: no answer in time")]
    ConnectTimeout,
    /// The TLS handshake failed, took too long, or showed that somebody else is there.
    #[error("no TLS connection: {0}")]
    Tls(Arc<TlsError>),
    /// The other end does not speak HTTP/2.
    #[error("no HTTP/2 connection: {0}")]
    Handshake(Arc<h2::Error>),
    /// HTTP/2 could not be begun in time.
    #[error("no HTTP/2 connection in time")]
    HandshakeTimeout,
    /// The CONNECT was not answered in time.
    #[error("the CONNECT was not answered in time")]
    ResponseTimeout,
    /// The server refused.
    #[error("http status: {0}")]
    Status(StatusCode),
    /// The connection broke, or the server reset the stream, before there was an answer.
    #[error("the CONNECT was not answered: {0}")]
    Stream(Arc<h2::Error>),
    /// The destination cannot be written as an authority.
    #[error("{0} is no authority of a CONNECT")]
    Authority(Authority),
    /// The attempt was given up: the process is coming to its end.
    #[error("the connection attempt was given up")]
    Abandoned,
}

impl ConnectError {
    /// Whether the server has said that it has not looked at the request.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, ConnectError::Stream(error) if error.reason() == Some(h2::Reason::REFUSED_STREAM))
    }

    /// Whether the connection is dead or going away.
    pub(super) fn is_stale(&self) -> bool {
        matches!(self, ConnectError::Stream(error) if error.is_io() || error.is_go_away())
    }
}
