use bytes::Bytes;
use prost::Message;

/// A list of fields.
#[derive(Clone, PartialEq, Message)]
pub struct HeaderMap {
    /// The fields.
    #[prost(message, repeated, tag = "1")]
    pub headers: Vec<HeaderValue>,
}

/// A field: a name and one of the two values.
#[derive(Clone, PartialEq, Message)]
pub struct HeaderValue {
    /// Its name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Its value, UTF-8.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
    /// Its value.
    #[prost(bytes = "bytes", tag = "3")]
    pub raw_value: Bytes,
}

/// A field to write, and what becomes of those of its name that are there.
#[derive(Clone, PartialEq, Message)]
pub struct HeaderValueOption {
    /// The field.
    #[prost(message, optional, tag = "1")]
    pub header: Option<HeaderValue>,
    /// Deprecated form of `append_action`.
    #[prost(message, optional, tag = "2")]
    pub append: Option<bool>,
    /// 0: it is added to them, 1: it is written when there are none, 2: it takes their place or is added, 3: it is written
    /// when there are some, in their place.
    #[prost(int32, tag = "3")]
    pub append_action: i32,
}
