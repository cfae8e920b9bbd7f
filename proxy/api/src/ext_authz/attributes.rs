use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;

use super::header::HeaderMap;

/// The question whether a request may pass.
#[derive(Clone, PartialEq, Message)]
pub struct CheckRequest {
    /// What is known of the request.
    #[prost(message, optional, tag = "1")]
    pub attributes: Option<AttributeContext>,
}

/// What is known of a request.
#[derive(Clone, PartialEq, Message)]
pub struct AttributeContext {
    /// Whom it comes from.
    #[prost(message, optional, tag = "1")]
    pub source: Option<Peer>,
    /// Whom it is for.
    #[prost(message, optional, tag = "2")]
    pub destination: Option<Peer>,
    /// The request.
    #[prost(message, optional, tag = "4")]
    pub request: Option<Request>,
    /// The connection's TLS.
    #[prost(message, optional, tag = "12")]
    pub tls_session: Option<TlsSession>,
}

/// One end of a connection.
#[derive(Clone, PartialEq, Message)]
pub struct Peer {
    /// Its address.
    #[prost(message, optional, tag = "1")]
    pub address: Option<Address>,
    /// The name of its service.
    #[prost(string, tag = "2")]
    pub service: String,
    /// Its labels.
    #[prost(btree_map = "string, string", tag = "3")]
    pub labels: BTreeMap<String, String>,
    /// The identity that it has proved.
    #[prost(string, tag = "4")]
    pub principal: String,
}

/// Where something is; of the kinds that Envoy has, the one with a port.
#[derive(Clone, PartialEq, Message)]
pub struct Address {
    /// Address and port.
    #[prost(message, optional, tag = "1")]
    pub socket_address: Option<SocketAddress>,
}

/// An address and a port of TCP, the protocol that is meant when none is told.
#[derive(Clone, PartialEq, Message)]
pub struct SocketAddress {
    /// The address.
    #[prost(string, tag = "2")]
    pub address: String,
    /// The port; one of several ways to give it, which is why it is told even when it is 0.
    #[prost(uint32, optional, tag = "3")]
    pub port_value: Option<u32>,
}

/// A request, and when it came.
#[derive(Clone, PartialEq, Message)]
pub struct Request {
    /// When its first byte came.
    #[prost(message, optional, tag = "1")]
    pub time: Option<Timestamp>,
    /// Its HTTP.
    #[prost(message, optional, tag = "2")]
    pub http: Option<HttpRequest>,
}

/// A moment, counted from the beginning of 1970.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Timestamp {
    /// Seconds.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Nanoseconds of the second.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// An HTTP request.
#[derive(Clone, PartialEq, Message)]
pub struct HttpRequest {
    /// Its id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Method.
    #[prost(string, tag = "2")]
    pub method: String,
    /// Fields by their names in lower case, pseudo-headers among them.
    #[prost(btree_map = "string, string", tag = "3")]
    pub headers: BTreeMap<String, String>,
    /// Path with query.
    #[prost(string, tag = "4")]
    pub path: String,
    /// `:authority` or `Host`.
    #[prost(string, tag = "5")]
    pub host: String,
    /// Scheme.
    #[prost(string, tag = "6")]
    pub scheme: String,
    /// Bytes of the body, as far as it has come; -1: not known.
    #[prost(int64, tag = "9")]
    pub size: i64,
    /// `HTTP/1.1`, `HTTP/2`.
    #[prost(string, tag = "10")]
    pub protocol: String,
    /// The body, as text.
    #[prost(string, tag = "11")]
    pub body: String,
    /// The body, as bytes.
    #[prost(bytes = "bytes", tag = "12")]
    pub raw_body: Bytes,
    /// Fields as they came, each line by itself.
    #[prost(message, optional, tag = "13")]
    pub header_map: Option<HeaderMap>,
}

/// The TLS of a connection.
#[derive(Clone, PartialEq, Message)]
pub struct TlsSession {
    /// The server name that the client asked for.
    #[prost(string, tag = "1")]
    pub sni: String,
}
