//! What filters say of the messages that they have seen.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// What becomes of a message whose head a filter has seen.
#[derive(Clone, Debug)]
pub enum HeadVerdict {
    /// It goes on.
    Next,
    /// It waits for its body.
    Hold,
    /// The client gets this.
    Reply(LocalReply),
    /// It goes on, and the filter wants to see no more of the exchange.
    Done,
}

/// A verdict, and whether the head was changed.
#[derive(Clone, Debug)]
pub struct HeadAnswer {
    /// What becomes of the message.
    pub verdict: HeadVerdict,
    /// The head is not what it was.
    pub changed: bool,
}

/// What becomes of a part of a body.
#[derive(Clone, Debug)]
pub enum BodyVerdict {
    /// It goes on as it is.
    Pass,
    /// This goes on in its place.
    Replace(Bytes),
    /// It is kept back, and comes again with what follows.
    Hold,
    /// The head that was held goes on.
    Release {
        /// The head is not what it was.
        changed: bool,
        /// In place of the part.
        body: Option<Bytes>,
    },
    /// The client gets this.
    Reply(LocalReply),
}

/// A response that a filter gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalReply {
    /// Status.
    pub status: StatusCode,
    /// Fields.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// For clients that speak gRPC.
    pub grpc_status: Option<u8>,
    /// For the access log.
    pub details: String,
}
