//! What a proxy and an authorization server tell each other: `envoy.service.auth.v3` and the messages that it is made of.
//!
//! The server implements `Authorization.Check`, which takes a [`CheckRequest`] and answers with a [`CheckResponse`]. The
//! messages have the fields of Envoy's that a proxy of the mesh fills in or acts on; others are skipped when reading. Texts of
//! an answer that need not be UTF-8 to be understood are bytes here, which is the same on the wire.

mod attributes;
mod document;
mod header;
mod response;

pub use attributes::{
    Address, AttributeContext, CheckRequest, HttpRequest, Peer, Request, SocketAddress, Timestamp, TlsSession,
};
pub use document::{Kind, ListValue, Struct, Value};
pub use header::{HeaderMap, HeaderValue, HeaderValueOption};
pub use response::{
    CheckResponse, DeniedHttpResponse, HttpResponse, HttpStatus, OkHttpResponse, QueryParameter, Status,
};

/// The path of `Authorization.Check`.
pub const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

#[cfg(test)]
mod tests;
