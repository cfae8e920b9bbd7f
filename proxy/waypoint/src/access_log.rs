//! The access log: Envoy's format strings, compiled once, written once a request.
//!
//! Istio's default format is used when MeshConfig names none. A command operator that this version does not know is
//! reported when the configuration is compiled, and prints `-`. `%UPSTREAM_LOCAL_ADDRESS%` is the address of a connection
//! in the clear; of one inside a tunnel it is `envoy://internal_client_address/`, as in Istio's waypoint.

use std::borrow::Cow;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cairn_route::Note;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

use crate::failure::Flags;

/// Istio's default text format.
const ISTIO_FORMAT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \
\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \
\"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% \
%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

/// The members of Istio's default JSON format, in its order.
const ISTIO_JSON: [(&str, &str); 24] = [
    ("authority", "%REQ(:AUTHORITY)%"),
    ("bytes_received", "%BYTES_RECEIVED%"),
    ("bytes_sent", "%BYTES_SENT%"),
    (
        "connection_termination_details",
        "%CONNECTION_TERMINATION_DETAILS%",
    ),
    ("downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"),
    ("downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"),
    ("duration", "%DURATION%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("request_id", "%REQ(X-REQUEST-ID)%"),
    ("requested_server_name", "%REQUESTED_SERVER_NAME%"),
    ("response_code", "%RESPONSE_CODE%"),
    ("response_code_details", "%RESPONSE_CODE_DETAILS%"),
    ("response_flags", "%RESPONSE_FLAGS%"),
    ("route_name", "%ROUTE_NAME%"),
    ("start_time", "%START_TIME%"),
    ("upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"),
    ("upstream_host", "%UPSTREAM_HOST%"),
    ("upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"),
    ("upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"),
    (
        "upstream_transport_failure_reason",
        "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    ),
    ("user_agent", "%REQ(USER-AGENT)%"),
    ("x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"),
];

/// Everything that a line can tell of one request or one TCP connection.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) start: Timestamp,
    /// None: not HTTP.
    pub(crate) method: Option<http::Method>,
    /// Path with query, as it was matched and forwarded.
    pub(crate) path: Option<PathAndQuery>,
    pub(crate) authority: Option<Authority>,
    pub(crate) protocol: Option<http::Version>,
    /// 0 when there was no response.
    pub(crate) code: u16,
    pub(crate) flags: Flags,
    pub(crate) details: Cow<'static, str>,
    pub(crate) transport_failure: Option<String>,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) duration: Duration,
    pub(crate) upstream_service_time: Option<u64>,
    pub(crate) upstream_host: Option<SocketAddr>,
    pub(crate) upstream_cluster: Arc<str>,
    pub(crate) upstream_local: Option<UpstreamLocal>,
    pub(crate) downstream_local: SocketAddr,
    pub(crate) downstream_remote: SocketAddr,
    pub(crate) route_name: Arc<str>,
    /// The name that the TLS of what is not HTTP asks for.
    pub(crate) server_name: Option<Arc<str>>,
    /// Values of the request headers that the format asks for, in [`Format::captures`]'s order.
    pub(crate) captured: Vec<Option<HeaderValue>>,
    /// Response headers that the format may ask for.
    pub(crate) response_captured: Vec<Option<HeaderValue>>,
    /// What filters have noted, as far as the format asks for it.
    pub(crate) noted: Vec<Option<Box<str>>>,
}

/// The near end of the connection to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpstreamLocal {
    /// In the clear.
    Address(SocketAddr),
    /// Inside a tunnel, which it shares. In Istio's waypoint its other end is an internal listener, and its address is
    /// what Envoy calls the client of one.
    Tunnel,
}

impl std::fmt::Display for UpstreamLocal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            UpstreamLocal::Address(address) => address.fmt(f),
            UpstreamLocal::Tunnel => f.write_str("envoy://internal_client_address/"),
        }
    }
}

impl Record {
    /// A record of something that arrived between these two addresses, about which nothing else is known.
    pub(crate) fn new(downstream_local: SocketAddr, downstream_remote: SocketAddr) -> Record {
        Record {
            start: Timestamp::now(),
            method: None,
            path: None,
            authority: None,
            protocol: None,
            code: 0,
            flags: Flags::default(),
            details: Cow::Borrowed(""),
            transport_failure: None,
            received: 0,
            sent: 0,
            duration: Duration::ZERO,
            upstream_service_time: None,
            upstream_host: None,
            upstream_cluster: Arc::default(),
            upstream_local: None,
            downstream_local,
            downstream_remote,
            route_name: Arc::default(),
            server_name: None,
            captured: Vec::new(),
            response_captured: Vec::new(),
            noted: Vec::new(),
        }
    }
}

/// A compiled format.
#[derive(Debug, Default)]
pub(crate) struct Format {
    pieces: Vec<Piece>,
    request_headers: Vec<HeaderName>,
    response_headers: Vec<HeaderName>,
    /// Filters and keys of their metadata.
    notes: Vec<(String, String)>,
    json: bool,
}

#[derive(Debug)]
enum Piece {
    Literal(String),
    Value(Operator, Option<usize>),
}

#[derive(Clone, Copy, Debug)]
enum Operator {
    StartTime,
    Method,
    Path,
    Authority,
    Request(usize),
    Response(usize),
    Noted(usize),
    UpstreamServiceTime,
    Protocol,
    ResponseCode,
    ResponseFlags,
    ResponseCodeDetails,
    TransportFailure,
    BytesReceived,
    BytesSent,
    Duration,
    UpstreamHost,
    UpstreamCluster,
    UpstreamLocal,
    DownstreamLocal,
    DownstreamRemote,
    DownstreamRemoteWithoutPort,
    RouteName,
    ServerName,
    Absent,
}

impl Format {
    /// Istio's default text format.
    pub(crate) fn istio() -> Format {
        Format::text(ISTIO_FORMAT).0
    }

    /// Istio's default JSON format.
    pub(crate) fn istio_json() -> Format {
        let mut text = String::from("{");
        for (index, (key, operator)) in ISTIO_JSON.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            text.push_str(&format!("{comma}\"{key}\":{operator}"));
        }
        text.push_str("}\n");
        Format {
            json: true,
            ..Format::text(&text).0
        }
    }

    /// Compiles a format string; also returns the operators that are not known.
    pub(crate) fn text(format: &str) -> (Format, Vec<String>) {
        let mut compiled = Format::default();
        let mut unknown = Vec::new();
        let mut rest = format;
        while let Some(start) = rest.find('%') {
            let (literal, tail) = rest.split_at(start);
            compiled.literal(literal);
            let tail = tail.get(1..).unwrap_or_default();
            // `%%` is a literal percent sign.
            if let Some(after) = tail.strip_prefix('%') {
                compiled.literal("%");
                rest = after;
                continue;
            }
            let Some(end) = tail.find('%') else {
                unknown.push(format!("%{tail}"));
                rest = "";
                break;
            };
            let (operator, after) = tail.split_at(end);
            if !compiled.operator(operator) {
                unknown.push(format!("%{operator}%"));
            }
            rest = after.get(1..).unwrap_or_default();
        }
        compiled.literal(rest);
        (compiled, unknown)
    }

    /// Copies what a line will need of the request's headers (reference counts, no bytes).
    pub(crate) fn capture_request(&self, headers: &HeaderMap) -> Vec<Option<HeaderValue>> {
        self.request_headers
            .iter()
            .map(|name| headers.get(name).cloned())
            .collect()
    }

    /// Copies what a line will need of the response's headers.
    pub(crate) fn capture_response(&self, headers: &HeaderMap) -> Vec<Option<HeaderValue>> {
        self.response_headers
            .iter()
            .map(|name| headers.get(name).cloned())
            .collect()
    }

    /// Whether it has anything of what filters have noted.
    pub(crate) fn tells_notes(&self) -> bool {
        !self.notes.is_empty()
    }

    /// Copies what a line will need of what filters have noted; items of a list with commas between them.
    pub(crate) fn capture_notes(&self, noted: &[Note]) -> Vec<Option<Box<str>>> {
        let find = |filter: &str, key: &str| {
            let found = noted
                .iter()
                .filter(|(by, name, _)| **by == *filter && **name == *key);
            let values: Vec<&str> = found.map(|(_, _, value)| &**value).collect();
            (!values.is_empty()).then(|| values.join(",").into())
        };
        self.notes.iter().map(|(filter, key)| find(filter, key)).collect()
    }

    /// Writes one line.
    pub(crate) fn write(&self, record: &Record, line: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => line.extend_from_slice(text.as_bytes()),
                Piece::Value(operator, limit) => {
                    let start = line.len();
                    if self.json && !operator.is_number() {
                        line.push(b'"');
                    }
                    let value = line.len();
                    operator.write(record, line);
                    if let Some(limit) = limit {
                        line.truncate(value.saturating_add(*limit));
                    }
                    if self.json {
                        finish_json(line, start, value, operator.is_number());
                    } else {
                        escape(line, value);
                    }
                }
            }
        }
    }

    fn literal(&mut self, text: &str) {
        match self.pieces.last_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Literal(last)) => last.push_str(text),
            _ => self.pieces.push(Piece::Literal(text.to_owned())),
        }
    }

    /// Adds `NAME`, `NAME(argument)` or `NAME(argument):length`; false when unknown.
    fn operator(&mut self, text: &str) -> bool {
        let (text, limit) = match text.rsplit_once(':') {
            Some((head, digits)) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                (head, digits.parse().ok())
            }
            _ => (text, None),
        };
        let (name, argument) = match text.split_once('(') {
            Some((name, argument)) => (name, argument.trim_end_matches(')')),
            None => (text, ""),
        };
        let operator = match name {
            "START_TIME" => Some(Operator::StartTime),
            "REQ" => self.request_operator(argument),
            "RESP" => self.response_operator(argument),
            "DYNAMIC_METADATA" => self.noted_operator(argument),
            "PROTOCOL" => Some(Operator::Protocol),
            "RESPONSE_CODE" => Some(Operator::ResponseCode),
            "RESPONSE_FLAGS" => Some(Operator::ResponseFlags),
            "RESPONSE_CODE_DETAILS" => Some(Operator::ResponseCodeDetails),
            "UPSTREAM_TRANSPORT_FAILURE_REASON" => Some(Operator::TransportFailure),
            "BYTES_RECEIVED" => Some(Operator::BytesReceived),
            "BYTES_SENT" => Some(Operator::BytesSent),
            "DURATION" => Some(Operator::Duration),
            "UPSTREAM_HOST" => Some(Operator::UpstreamHost),
            "UPSTREAM_CLUSTER" | "UPSTREAM_CLUSTER_RAW" => Some(Operator::UpstreamCluster),
            "UPSTREAM_LOCAL_ADDRESS" => Some(Operator::UpstreamLocal),
            "DOWNSTREAM_LOCAL_ADDRESS" => Some(Operator::DownstreamLocal),
            "DOWNSTREAM_REMOTE_ADDRESS" => Some(Operator::DownstreamRemote),
            "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => Some(Operator::DownstreamRemoteWithoutPort),
            "ROUTE_NAME" => Some(Operator::RouteName),
            "REQUESTED_SERVER_NAME" => Some(Operator::ServerName),
            // Always absent on a waypoint: a request's end is in its details.
            "CONNECTION_TERMINATION_DETAILS" => Some(Operator::Absent),
            _ => None,
        };
        self.pieces
            .push(Piece::Value(operator.unwrap_or(Operator::Absent), limit));
        operator.is_some()
    }

    /// `REQ(FIRST?SECOND)`: the second where the first is absent.
    fn request_operator(&mut self, argument: &str) -> Option<Operator> {
        let name = argument.to_ascii_lowercase();
        match name.as_str() {
            ":method" => return Some(Operator::Method),
            ":path" | "x-envoy-original-path?:path" => return Some(Operator::Path),
            ":authority" => return Some(Operator::Authority),
            _ => {}
        }
        let name = HeaderName::try_from(name).ok()?;
        self.request_headers.push(name);
        Some(Operator::Request(self.request_headers.len() - 1))
    }

    /// `DYNAMIC_METADATA(FILTER:KEY)`.
    fn noted_operator(&mut self, argument: &str) -> Option<Operator> {
        let (filter, key) = argument.split_once(':')?;
        if filter.is_empty() || key.is_empty() {
            return None;
        }
        self.notes.push((filter.to_owned(), key.to_owned()));
        Some(Operator::Noted(self.notes.len() - 1))
    }

    fn response_operator(&mut self, argument: &str) -> Option<Operator> {
        let name = HeaderName::try_from(argument.to_ascii_lowercase()).ok()?;
        if name == "x-envoy-upstream-service-time" {
            return Some(Operator::UpstreamServiceTime);
        }
        self.response_headers.push(name);
        Some(Operator::Response(self.response_headers.len() - 1))
    }
}

impl Operator {
    fn is_number(self) -> bool {
        matches!(
            self,
            Operator::ResponseCode | Operator::BytesReceived | Operator::BytesSent | Operator::Duration
        )
    }

    fn write(self, record: &Record, line: &mut Vec<u8>) {
        // Writing to a Vec cannot fail.
        let _ = match self {
            Operator::StartTime => write!(line, "{:.3}", record.start),
            Operator::Method => return optional(line, record.method.as_ref()),
            Operator::Path => return optional(line, record.path.as_ref()),
            Operator::Authority => return optional(line, record.authority.as_ref()),
            Operator::Request(index) => return captured(line, &record.captured, index),
            Operator::Response(index) => return captured(line, &record.response_captured, index),
            Operator::Noted(index) => {
                let value = record.noted.get(index).and_then(Option::as_deref);
                return push_or_dash(line, value.unwrap_or_default().as_bytes());
            }
            Operator::UpstreamServiceTime => return optional(line, record.upstream_service_time),
            Operator::Protocol => return optional(line, record.protocol.map(protocol_name)),
            Operator::ResponseCode => write!(line, "{}", record.code),
            Operator::ResponseFlags => write!(line, "{}", record.flags),
            Operator::ResponseCodeDetails => return push_or_dash(line, record.details.as_bytes()),
            Operator::TransportFailure => return optional(line, record.transport_failure.as_ref()),
            Operator::BytesReceived => write!(line, "{}", record.received),
            Operator::BytesSent => write!(line, "{}", record.sent),
            Operator::Duration => write!(line, "{}", record.duration.as_millis()),
            Operator::UpstreamHost => return optional(line, record.upstream_host),
            Operator::UpstreamCluster => return push_or_dash(line, record.upstream_cluster.as_bytes()),
            Operator::UpstreamLocal => return optional(line, record.upstream_local),
            Operator::DownstreamLocal => write!(line, "{}", record.downstream_local),
            Operator::DownstreamRemote => write!(line, "{}", record.downstream_remote),
            Operator::DownstreamRemoteWithoutPort => write!(line, "{}", record.downstream_remote.ip()),
            Operator::RouteName => return push_or_dash(line, record.route_name.as_bytes()),
            Operator::ServerName => return optional(line, record.server_name.as_deref()),
            Operator::Absent => write!(line, "-"),
        };
    }
}

fn protocol_name(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_10 => "HTTP/1.0",
        http::Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

fn captured(line: &mut Vec<u8>, values: &[Option<HeaderValue>], index: usize) {
    let value = values.get(index).and_then(Option::as_ref);
    push_or_dash(line, value.map(HeaderValue::as_bytes).unwrap_or_default());
}

fn optional(line: &mut Vec<u8>, value: Option<impl std::fmt::Display>) {
    match value {
        Some(value) => {
            let _ = write!(line, "{value}");
        }
        None => line.push(b'-'),
    }
}

fn push_or_dash(line: &mut Vec<u8>, bytes: &[u8]) {
    line.extend_from_slice(if bytes.is_empty() { b"-" } else { bytes });
}

/// Clients choose paths and headers: nothing of theirs may end a line or close a quote.
fn escape(line: &mut Vec<u8>, from: usize) {
    let hostile = |byte: u8| byte < 0x20 || byte == b'"' || byte == 0x7f;
    if !line.iter().skip(from).any(|byte| hostile(*byte)) {
        return;
    }
    let value = line.split_off(from);
    for byte in value {
        if hostile(byte) {
            let _ = write!(line, "\\x{byte:02x}");
        } else {
            line.push(byte);
        }
    }
}

/// Turns the value at `value..` into JSON: absent is null, the rest is escaped and closed.
fn finish_json(line: &mut Vec<u8>, start: usize, value: usize, number: bool) {
    if number {
        return;
    }
    if line.get(value..) == Some(b"-".as_slice()) {
        line.truncate(start);
        line.extend_from_slice(b"null");
        return;
    }
    let text = String::from_utf8_lossy(&line.split_off(value)).into_owned();
    let quoted = serde_json::Value::String(text).to_string();
    line.truncate(start);
    line.extend_from_slice(quoted.as_bytes());
}

#[cfg(test)]
mod tests;
