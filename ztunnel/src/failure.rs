//! Why a connection did not come about, or ended before its time.

use std::io;
use std::net::SocketAddr;

use cairn_hbone::{ConnectError, CopyError};
use cairn_identity::{IdentityError, TlsError};
use cairn_mesh::{Refusal, Rejection};
use http::StatusCode;

/// Why a connection did not come about, or ended before its time. The texts stand in the access log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The mesh has nowhere to send it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It would come back to this proxy.
    #[error("attempted recursive call to ourselves: {0}")]
    Recursive(SocketAddr),
    /// A policy says no.
    #[error("connection closed due to policy rejection: {0}")]
    Denied(String),
    /// A policy says no now.
    #[error("connection closed due to policy change")]
    PolicyChanged,
    /// What was asked for is not the workload's.
    #[error(transparent)]
    Rejected(Rejection),
    /// The workload is not there any more, or somebody else is at its address.
    #[error("the workload is no longer served here")]
    Gone,
    /// The proxy comes to its end.
    #[error("connection closed due to connection drain")]
    Drained,
    /// There is no certificate for the workload.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The peer did not complete the TLS handshake.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The connection to the destination could not be made.
    #[error(transparent)]
    Connect(#[from] cairn_net::ConnectError),
    /// The tunnel to the destination could not be made.
    #[error(transparent)]
    Tunnel(#[from] ConnectError),
    /// The tunnel was given up before it was answered.
    #[error("the client gave up")]
    ClientGone,
    /// The bytes stopped, in a tunnel.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The bytes stopped, between two TCP connections.
    #[error(transparent)]
    PlainCopy(#[from] cairn_net::copy::Error),
    /// A socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Failure {
    /// The label `response_flags` of metrics, in Istio's words.
    pub(crate) fn flags(&self) -> &'static str {
        match self {
            Failure::Denied(_) | Failure::PolicyChanged => "DENY",
            Failure::Identity(_) | Failure::Tunnel(ConnectError::Identity(_)) => "IDENTITY_ERROR",
            Failure::Tls(_) | Failure::Tunnel(ConnectError::Tls(_)) => "TLS_FAILURE",
            Failure::Tunnel(ConnectError::Handshake(_) | ConnectError::HandshakeTimeout) => {
                "H2_HANDSHAKE_FAILURE"
            }
            Failure::Tunnel(ConnectError::Status(StatusCode::UNAUTHORIZED)) => "DENY",
            Failure::Refused(_)
            | Failure::Recursive(_)
            | Failure::Rejected(_)
            | Failure::Gone
            | Failure::Connect(_)
            | Failure::Tunnel(_) => "CONNECT",
            Failure::Drained
            | Failure::ClientGone
            | Failure::Copy(_)
            | Failure::PlainCopy(_)
            | Failure::Io(_) => "-",
        }
    }

    /// The status that a CONNECT is answered with.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Failure::Denied(_) | Failure::PolicyChanged => StatusCode::UNAUTHORIZED,
            Failure::Rejected(rejection) => {
                StatusCode::from_u16(rejection.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
            }
            _ => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Whether another endpoint may do better. Not when it was this end that failed, nor when the destination said no
    /// to this very connection: that is an answer.
    pub(crate) fn may_pass_elsewhere(&self) -> bool {
        match self {
            Failure::Connect(error) => !matches!(error, cairn_net::ConnectError::Source { .. }),
            Failure::Tunnel(ConnectError::Status(status)) => status.is_server_error(),
            Failure::Tunnel(ConnectError::Identity(_) | ConnectError::Authority(_)) => false,
            Failure::Tunnel(_) => true,
            _ => false,
        }
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Failure {
        match rejection {
            Rejection::Denied { reason, .. } => Failure::Denied(reason),
            other => Failure::Rejected(other),
        }
    }
}

#[cfg(test)]
mod tests;
