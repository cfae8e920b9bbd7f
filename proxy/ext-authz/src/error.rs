//! How asking can fail.

use http::StatusCode;

use crate::refusal::Refusal;

/// Why there is no decision.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The request cannot be put to the server.
    #[error("the request cannot be put to the authorization server: {0}")]
    Unaskable(&'static str),
    /// The server cannot be reached.
    #[error("the authorization server cannot be reached: {0}")]
    Connect(String),
    /// The server has not answered in time.
    #[error("the authorization server has not answered in time")]
    Timeout,
    /// The answer is larger than [`ANSWER_LIMIT`](crate::ANSWER_LIMIT).
    #[error("the answer of the authorization server is too large")]
    TooLarge,
    /// The status is one of failure.
    #[error("the authorization server answers with status {0}")]
    Status(StatusCode),
    /// The answer is not gRPC.
    #[error("the authorization server does not answer in gRPC: {0}")]
    NotGrpc(&'static str),
    /// The call has failed.
    #[error("the authorization server answers with gRPC status {code}: {message}")]
    Grpc {
        /// The status.
        code: u32,
        /// What the server says of it.
        message: String,
    },
    /// The answer cannot be read.
    #[error("the answer of the authorization server cannot be read: {0}")]
    Unreadable(String),
    /// The server cannot tell, and says what to answer where that refuses the request.
    #[error("the authorization server cannot tell")]
    Unable {
        /// The status. `None`: that of the provider.
        status: Option<StatusCode>,
        /// The rest of the response.
        refusal: Box<Refusal>,
    },
}
