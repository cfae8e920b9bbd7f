//! Asking over gRPC: the call `Authorization.Check`.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use bytes::{BufMut as _, Bytes, BytesMut};
use cairn_api::ext_authz::{
    Address, AttributeContext, CHECK, CheckRequest, CheckResponse, HeaderMap as RawFields,
    HeaderValue as RawField, HttpRequest, Peer as PeerMessage, Request as RequestMessage, SocketAddress,
    Timestamp, TlsSession,
};
use http::header::{CONTENT_TYPE, HOST, TE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use percent_encoding::percent_decode;
use prost::Message as _;

use crate::asked::{Asked, Peer};
use crate::error::CheckError;
use crate::field::{self, PARTIAL_BODY};

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Bytes in front of a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// What is sent.
pub(crate) fn request(
    asked: &Asked<'_>,
    authority: &HeaderValue,
    timeout: Duration,
    body: Option<(usize, bool)>,
) -> Result<Request<Bytes>, CheckError> {
    let message = CheckRequest {
        attributes: Some(attributes(asked, body)),
    };
    let length = message.encoded_len();
    let told = u32::try_from(length).map_err(|_| CheckError::Unaskable("its body is too large"))?;
    let mut framed = BytesMut::with_capacity(PREFIX + length);
    framed.put_u8(0);
    framed.put_u32(told);
    // There is as much room as it has said that it needs.
    message
        .encode(&mut framed)
        .map_err(|_| CheckError::Unaskable("its body is too large"))?;
    let mut request = Request::new(framed.freeze());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static(CHECK);
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    headers.insert(HOST, authority.clone());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    if let Ok(timeout) = HeaderValue::try_from(grpc_timeout(timeout)) {
        headers.insert(GRPC_TIMEOUT, timeout);
    }
    Ok(request)
}

/// A time in at most eight digits, in the smallest unit that they do for, never shorter than it is.
fn grpc_timeout(timeout: Duration) -> String {
    const MOST: u128 = 99_999_999;
    let units = [
        ("u", 1_000),
        ("m", 1_000_000),
        ("S", 1_000_000_000),
        ("M", 60_000_000_000),
    ];
    let nanos = timeout.as_nanos();
    let mut told = units
        .into_iter()
        .map(|(unit, length)| (nanos.div_ceil(length), unit));
    match told.find(|(count, _)| *count <= MOST) {
        Some((count, unit)) => format!("{count}{unit}"),
        None => format!("{MOST}H"),
    }
}

/// What the server is told, in the fields and words in which Envoy tells it (`check_request_utils.cc`).
fn attributes(asked: &Asked<'_>, body: Option<(usize, bool)>) -> AttributeContext {
    let tls_session = asked.sni.map(|sni| TlsSession { sni: sni.to_owned() });
    AttributeContext {
        source: Some(peer(&asked.source)),
        destination: Some(peer(&asked.destination)),
        request: Some(RequestMessage {
            time: Some(timestamp(asked.time)),
            http: Some(http(asked, body)),
        }),
        tls_session,
    }
}

fn peer(peer: &Peer<'_>) -> PeerMessage {
    PeerMessage {
        address: peer.address.map(|address| Address {
            socket_address: Some(SocketAddress {
                address: address.ip().to_string(),
                port_value: Some(address.port().into()),
            }),
        }),
        service: peer.service.unwrap_or_default().to_owned(),
        principal: peer.principal.unwrap_or_default().to_owned(),
        ..PeerMessage::default()
    }
}

fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since.subsec_nanos()).unwrap_or_default(),
    }
}

fn http(asked: &Asked<'_>, body: Option<(usize, bool)>) -> HttpRequest {
    let target = asked.target.as_str();
    let mut http = HttpRequest {
        id: asked.id.to_owned(),
        method: asked.method.as_str().to_owned(),
        path: target.to_owned(),
        host: asked.authority.to_owned(),
        scheme: asked.scheme.to_owned(),
        size: asked
            .received
            .map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        protocol: protocol(asked.version).to_owned(),
        ..HttpRequest::default()
    };
    let mut is_text = true;
    for (name, value) in field::joined(asked.headers, |_| true) {
        is_text &= std::str::from_utf8(&value).is_ok();
        http.headers.insert(name.as_str().to_owned(), field::text(&value));
    }
    for (name, value) in [
        (":authority", asked.authority),
        (":method", asked.method.as_str()),
        (":path", target),
        (":scheme", asked.scheme),
    ] {
        http.headers.insert(name.to_owned(), value.to_owned());
    }
    if !is_text {
        http.header_map = Some(raw(asked.headers));
    }
    if let (Some(held), Some((limit, as_bytes))) = (asked.body, body) {
        let (bytes, complete) = held.first(limit);
        if as_bytes {
            http.raw_body = Bytes::copy_from_slice(bytes);
        } else {
            http.body = field::text(bytes);
        }
        let partial = if complete { "false" } else { "true" };
        http.headers
            .insert(PARTIAL_BODY.as_str().to_owned(), partial.to_owned());
    }
    http
}

/// Fields as they came, for servers that want to see what text cannot show. The others are the same.
fn raw(headers: &HeaderMap) -> RawFields {
    let lines = headers.iter().filter(|(name, _)| **name != PARTIAL_BODY);
    let fields = lines.map(|(name, value)| RawField {
        key: name.as_str().to_owned(),
        value: Bytes::new(),
        raw_value: Bytes::copy_from_slice(value.as_bytes()),
    });
    RawFields {
        headers: fields.collect(),
    }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/1.1",
    }
}

/// The message of an answer that is one.
pub(crate) fn response(
    answer: &Response<Bytes>,
    trailers: Option<&HeaderMap>,
) -> Result<CheckResponse, CheckError> {
    if answer.status() != StatusCode::OK {
        return Err(CheckError::Status(answer.status()));
    }
    let kind = answer
        .headers()
        .get(CONTENT_TYPE)
        .map_or(&b""[..], HeaderValue::as_bytes);
    if !kind.to_ascii_lowercase().starts_with(b"application/grpc") {
        return Err(CheckError::NotGrpc("its content type is another"));
    }
    // A call that has failed before there was a message ends with its head.
    let ends = trailers.filter(|trailers| trailers.contains_key(GRPC_STATUS));
    succeeded(ends.unwrap_or_else(|| answer.headers()))?;
    CheckResponse::decode(message(answer.body())?).map_err(|error| CheckError::Unreadable(error.to_string()))
}

fn succeeded(ends: &HeaderMap) -> Result<(), CheckError> {
    let status = ends
        .get(GRPC_STATUS)
        .ok_or(CheckError::NotGrpc("the call has no status"))?;
    let code = status.to_str().ok().and_then(|status| status.parse().ok());
    match code {
        Some(0) => Ok(()),
        Some(code) => Err(CheckError::Grpc {
            code,
            message: ends
                .get(GRPC_MESSAGE)
                .map(|message| percent_decode(message.as_bytes()).decode_utf8_lossy())
                .map(Cow::into_owned)
                .unwrap_or_default(),
        }),
        None => Err(CheckError::NotGrpc("the status of the call is no number")),
    }
}

/// The one message of a body.
fn message(body: &Bytes) -> Result<Bytes, CheckError> {
    let broken = CheckError::NotGrpc("there is not exactly one message");
    let Some(([compressed, length @ ..], _)) = body.split_first_chunk::<PREFIX>() else {
        return Err(broken);
    };
    // Nothing was said of compressions that could be read here, so none may be used.
    if *compressed != 0 {
        return Err(CheckError::NotGrpc("the message is compressed"));
    }
    let message = body.slice(PREFIX..);
    if u32::from_be_bytes(*length) as usize != message.len() {
        return Err(broken);
    }
    Ok(message)
}

#[cfg(test)]
mod tests;
