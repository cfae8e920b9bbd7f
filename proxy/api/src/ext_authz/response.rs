use bytes::Bytes;
use prost::{Message, Oneof};

use super::document::Struct;
use super::header::HeaderValueOption;

/// The answer to a question whether a request may pass.
#[derive(Clone, PartialEq, Message)]
pub struct CheckResponse {
    /// Whether it may: code 0.
    #[prost(message, optional, tag = "1")]
    pub status: Option<Status>,
    /// What becomes of request and response.
    #[prost(oneof = "HttpResponse", tags = "2, 3, 5")]
    pub http_response: Option<HttpResponse>,
    /// What is noted about the request.
    #[prost(message, optional, tag = "4")]
    pub dynamic_metadata: Option<Struct>,
}

/// `google.rpc.Status`, without its details.
#[derive(Clone, PartialEq, Message)]
pub struct Status {
    /// A status of gRPC.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// What it is about; not shown to clients.
    #[prost(bytes = "bytes", tag = "2")]
    pub message: Bytes,
}

/// What becomes of request and response.
#[derive(Clone, PartialEq, Oneof)]
pub enum HttpResponse {
    /// How it is refused.
    #[prost(message, tag = "2")]
    Denied(DeniedHttpResponse),
    /// What is changed when it passes.
    #[prost(message, tag = "3")]
    Ok(OkHttpResponse),
    /// How it is refused because the server cannot tell.
    #[prost(message, tag = "5")]
    Error(DeniedHttpResponse),
}

/// The response to a request that is refused.
#[derive(Clone, PartialEq, Message)]
pub struct DeniedHttpResponse {
    /// Status. Absent: 403.
    #[prost(message, optional, tag = "1")]
    pub status: Option<HttpStatus>,
    /// Its fields.
    #[prost(message, repeated, tag = "2")]
    pub headers: Vec<HeaderValueOption>,
    /// Its body.
    #[prost(bytes = "bytes", tag = "3")]
    pub body: Bytes,
}

/// A status of HTTP.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct HttpStatus {
    /// The number.
    #[prost(int32, tag = "1")]
    pub code: i32,
}

/// What is changed of a request that passes, and of its response.
#[derive(Clone, PartialEq, Message)]
pub struct OkHttpResponse {
    /// Fields that the request gets.
    #[prost(message, repeated, tag = "2")]
    pub headers: Vec<HeaderValueOption>,
    /// Names of fields that it loses.
    #[prost(bytes = "bytes", repeated, tag = "5")]
    pub headers_to_remove: Vec<Bytes>,
    /// Deprecated form of `dynamic_metadata` of the whole answer.
    #[prost(message, optional, tag = "3")]
    pub dynamic_metadata: Option<Struct>,
    /// Fields that its response gets.
    #[prost(message, repeated, tag = "6")]
    pub response_headers_to_add: Vec<HeaderValueOption>,
    /// Query parameters that it gets.
    #[prost(message, repeated, tag = "7")]
    pub query_parameters_to_set: Vec<QueryParameter>,
    /// Names of query parameters that it loses.
    #[prost(string, repeated, tag = "8")]
    pub query_parameters_to_remove: Vec<String>,
}

/// A query parameter.
#[derive(Clone, PartialEq, Message)]
pub struct QueryParameter {
    /// Its name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub value: String,
}
