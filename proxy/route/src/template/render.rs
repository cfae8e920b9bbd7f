//! What a variable stands for in one exchange.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use ipnet::IpNet;
use jiff::Timestamp;
use jiff::fmt::strtime;
use serde_json::Value;

use super::facts::Facts;
use super::operator::{
    End, GrpcForm, HostFrom, Moment, Operator, Part, PathFrom, Point, Precision, Quoted, StateKey, Variable,
};
use super::{Quotable, flags};
use crate::grpc;

const ORIGINAL_PATH: &str = "x-envoy-original-path";
const ORIGINAL_HOST: &str = "x-envoy-original-host";
const REQUEST_ID: &str = "x-request-id";
const GRPC_STATUS: &str = "grpc-status";

impl Variable {
    /// Appends what it stands for.
    pub(super) fn render(&self, quotable: Quotable<'_>, facts: &Facts<'_>, value: &mut Vec<u8>) {
        let before = value.len();
        self.operator.render(quotable, facts, value);
        if let Some(limit) = self.limit {
            value.truncate(before.saturating_add(limit));
        }
    }
}

impl Operator {
    fn render(&self, quotable: Quotable<'_>, facts: &Facts<'_>, value: &mut Vec<u8>) {
        let mut put = |bytes: Option<&[u8]>| value.extend_from_slice(bytes.unwrap_or_default());
        match self {
            Operator::RequestHeader { names, without_query } => {
                let mut names = names.iter();
                let found = names.find_map(|name| name.of_request(quotable.request, facts));
                put(match without_query {
                    true => found.and_then(|found| found.split(|byte| *byte == b'?').next()),
                    false => found,
                });
            }
            Operator::ResponseHeader { names } => {
                let status = facts.response_code;
                let found = names.iter().find_map(|name| match name {
                    Quoted::Status => status.as_ref().map(|status| status.as_str().as_bytes()),
                    Quoted::Named(name) => quotable.response?.get(name).map(|value| value.as_bytes()),
                    _ => None,
                });
                put(found);
            }
            Operator::FirstOf(variables) => {
                let before = value.len();
                for variable in variables {
                    variable.render(quotable, facts, value);
                    if value.len() > before {
                        return;
                    }
                }
            }
            Operator::Path { with_query, from } => {
                let path = from.path(quotable.request, facts);
                put(match with_query {
                    true => path,
                    false => path.and_then(|path| path.split(|byte| *byte == b'?').next()),
                });
            }
            Operator::ServerName(from) => {
                let original = header(quotable.request, ORIGINAL_HOST);
                let authority = Some(facts.authority.as_bytes());
                put(match from {
                    None => None,
                    Some(HostFrom::Original) => original,
                    Some(HostFrom::Authority) => authority,
                    Some(HostFrom::OriginalOrAuthority) => original.or(authority),
                });
            }
            Operator::StreamId => put(header(quotable.request, REQUEST_ID)),
            Operator::QueryParameter(name) => {
                let pairs = query(facts)
                    .split('&')
                    .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
                let mut decoded = pairs.map(|(name, value)| (decoded(name), value));
                let found = decoded.find(|(known, _)| known == name.as_bytes());
                value.extend(found.map(|(_, value)| self::decoded(value)).unwrap_or_default());
            }
            Operator::Query { decoded: true } => value.extend(decoded(query(facts))),
            Operator::Query { decoded: false } => put(Some(query(facts).as_bytes())),
            _ => {
                let mut text = String::new();
                // Writing to a String cannot fail.
                let _ = self.write(quotable, facts, &mut text);
                value.extend_from_slice(text.as_bytes());
            }
        }
    }

    /// What is text, whatever the exchange.
    fn write(&self, quotable: Quotable<'_>, facts: &Facts<'_>, text: &mut String) -> std::fmt::Result {
        let upstream = &facts.upstream;
        match self {
            Operator::Protocol => text.write_str(facts.protocol),
            Operator::UpstreamProtocol => text.write_str(upstream.protocol.unwrap_or_default()),
            Operator::Time { at, format } => {
                let at = match at {
                    Moment::Start => Some(facts.start),
                    Moment::Now => facts.start.checked_add(facts.lasted),
                };
                let at = at.and_then(|at| Timestamp::try_from(at).ok());
                let zoned = at.map(|at| at.to_zoned(jiff::tz::TimeZone::UTC));
                let written = zoned.and_then(|at| strtime::format(format, &at).ok());
                text.write_str(&written.unwrap_or_default())
            }
            Operator::Lapse { from, to, precision } => match (from.of(facts), to.of(facts)) {
                (Some(from), Some(to)) => write!(text, "{}", precision.between(from, to)),
                _ => Ok(()),
            },
            Operator::Address { of, part } => match of.address(facts) {
                Some(address) => part.write(address, text),
                None => Ok(()),
            },
            Operator::Attempted { with_port } => {
                let part = if *with_port { Part::Whole } else { Part::Ip };
                for (place, address) in upstream.tried().iter().enumerate() {
                    text.write_str(if place == 0 { "" } else { "," })?;
                    part.write(*address, text)?;
                }
                Ok(())
            }
            Operator::Attempts => write!(text, "{}", upstream.tried().len()),
            Operator::PeerUriSan => text.write_str(facts.downstream_peer.unwrap_or_default()),
            Operator::LocalUriSan => text.write_str(facts.identity.unwrap_or_default()),
            Operator::RouteName => text.write_str(facts.route_name),
            Operator::UpstreamCluster => text.write_str(upstream.cluster.unwrap_or_default()),
            Operator::UpstreamFailure => text.write_str(&joined(upstream.failure.unwrap_or_default())),
            Operator::Hostname => text.write_str(facts.hostname),
            Operator::BytesReceived => write!(text, "{}", facts.received),
            Operator::RequestHeadersBytes => {
                let pseudo = [
                    (":method", facts.method),
                    (":path", facts.path),
                    (":authority", facts.authority),
                    (":scheme", facts.scheme),
                ];
                let pseudo: usize = pseudo.iter().map(|(name, value)| name.len() + value.len()).sum();
                write!(text, "{}", pseudo + size(quotable.request))
            }
            Operator::ResponseHeadersBytes => match quotable.response {
                Some(response) => write!(text, "{}", ":status200".len() + size(response)),
                None => text.write_str("0"),
            },
            // Envoy says 0 while there is none.
            Operator::ResponseCode => {
                write!(text, "{}", facts.response_code.map_or(0, |code| code.as_u16()))
            }
            Operator::ResponseCodeDetails { keeps_spaces } => {
                let details = facts.response_code_details.unwrap_or_default();
                match keeps_spaces {
                    true => text.write_str(details),
                    false => text.write_str(&joined(details)),
                }
            }
            Operator::ResponseFlags { .. } if facts.response_flags.is_empty() => text.write_str("-"),
            Operator::ResponseFlags { long: false } => text.write_str(facts.response_flags),
            Operator::ResponseFlags { long: true } => text.write_str(&flags::in_full(facts.response_flags)),
            Operator::GrpcStatus(form) => form.write(quotable, text),
            Operator::Noted { filter, key } => text.write_str(&noted(facts, filter, key.as_deref())),
            Operator::State { key, quoted } => {
                let state = key.of(facts);
                match quoted {
                    true if !state.is_empty() => write!(text, "{}", Value::from(state)),
                    _ => text.write_str(&state),
                }
            }
            Operator::TraceId => text.write_str(facts.trace.map_or("", |trace| trace.id)),
            Operator::SpanId => text.write_str(facts.trace.map_or("", |trace| trace.span)),
            Operator::UniqueId => write_uuid((facts.unique)(), text),
            Operator::Constant(constant) => text.write_str(constant),
            // The others are bytes of the exchange, or nothing.
            _ => Ok(()),
        }
    }
}

impl Quoted {
    fn of_request<'a>(&self, headers: &'a HeaderMap, facts: &Facts<'a>) -> Option<&'a [u8]> {
        match self {
            Quoted::Method => Some(facts.method.as_bytes()),
            Quoted::Path => Some(facts.path.as_bytes()),
            Quoted::Authority => Some(facts.authority.as_bytes()),
            Quoted::Scheme => Some(facts.scheme.as_bytes()),
            Quoted::Status => None,
            Quoted::Named(name) => headers.get(name).map(|value| value.as_bytes()),
        }
    }
}

impl PathFrom {
    fn path<'a>(self, headers: &'a HeaderMap, facts: &Facts<'a>) -> Option<&'a [u8]> {
        let path = Some(facts.path.as_bytes());
        match self {
            PathFrom::Path => path,
            PathFrom::Original => header(headers, ORIGINAL_PATH),
            PathFrom::OriginalOrPath => header(headers, ORIGINAL_PATH).or(path),
        }
    }
}

impl Point {
    fn of(self, facts: &Facts<'_>) -> Option<Duration> {
        match self {
            Point::Start => Some(Duration::ZERO),
            Point::RequestEnded => facts.request_ended,
            Point::ResponseBegan => facts.response_began,
            Point::Now => Some(facts.lasted),
        }
    }
}

impl Precision {
    fn between(self, from: Duration, to: Duration) -> i128 {
        let count = |lapse: Duration| match self {
            Precision::Milliseconds => lapse.as_millis(),
            Precision::Microseconds => lapse.as_micros(),
            Precision::Nanoseconds => lapse.as_nanos(),
        };
        let signed = |lapse| i128::try_from(count(lapse)).unwrap_or(i128::MAX);
        if to >= from {
            signed(to - from)
        } else {
            -signed(from - to)
        }
    }
}

impl End {
    fn address(self, facts: &Facts<'_>) -> Option<SocketAddr> {
        match self {
            End::DownstreamRemote => Some(facts.downstream_remote),
            End::DownstreamLocal => Some(facts.downstream_local),
            End::UpstreamRemote => facts.upstream.host,
            End::UpstreamLocal => facts.upstream.local,
        }
    }
}

impl Part {
    fn write(self, address: SocketAddr, text: &mut String) -> std::fmt::Result {
        match self {
            Part::Whole => write!(text, "{address}"),
            Part::Ip => write!(text, "{}", address.ip()),
            Part::Port => write!(text, "{}", address.port()),
            // A prefix that is longer than the address says nothing about it.
            Part::Block(bits) => match IpNet::new(address.ip(), bits) {
                Ok(block) => write!(text, "{}", block.trunc()),
                Err(_) => Ok(()),
            },
        }
    }
}

impl GrpcForm {
    /// The status that the head of a response to a gRPC request says; mostly there is none, and the trailers will say it.
    fn write(self, quotable: Quotable<'_>, text: &mut String) -> std::fmt::Result {
        let kind = quotable.request.get(CONTENT_TYPE).map(|kind| kind.as_bytes());
        let is_grpc = kind
            .and_then(|kind| kind.strip_prefix(b"application/grpc"))
            .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')));
        let Some(response) = quotable.response.filter(|_| is_grpc) else {
            return Ok(());
        };
        let said = response.get(GRPC_STATUS).and_then(|said| said.to_str().ok());
        let code: Option<usize> = said.and_then(|said| said.parse().ok());
        match (code, code.and_then(grpc::names)) {
            (Some(code), None) => write!(text, "{code}"),
            (Some(code), Some(_)) if self == GrpcForm::Number => write!(text, "{code}"),
            (_, Some((snake, camel))) => text.write_str(if self == GrpcForm::Snake { snake } else { camel }),
            (None, None) => Ok(()),
        }
    }
}

impl StateKey {
    fn of(self, facts: &Facts<'_>) -> String {
        match self {
            StateKey::Peer => facts.downstream_peer.unwrap_or_default().to_owned(),
            StateKey::Identity => facts.identity.unwrap_or_default().to_owned(),
            StateKey::Authority | StateKey::LocalAddress => facts.downstream_local.to_string(),
            StateKey::RemoteAddress => facts.downstream_remote.to_string(),
        }
    }
}

/// A note as it is; several of one key, and all of a filter, as JSON.
fn noted(facts: &Facts<'_>, filter: &str, key: Option<&str>) -> String {
    let of_filter = || facts.noted.iter().filter(|(by, _, _)| **by == *filter);
    let under = |wanted: &str| -> Vec<Value> {
        let notes = of_filter().filter(|(_, key, _)| **key == *wanted);
        notes.map(|(_, _, value)| Value::from(&**value)).collect()
    };
    let one = |mut values: Vec<Value>| match values.len() {
        1 => values.swap_remove(0),
        _ => Value::Array(values),
    };
    match key.map(under) {
        Some(values) if values.is_empty() => String::new(),
        Some(values) => match one(values) {
            Value::String(text) => text,
            list => list.to_string(),
        },
        None => {
            let keys = of_filter().map(|(_, key, _)| &**key);
            let all: serde_json::Map<String, Value> =
                keys.map(|key| (key.to_owned(), one(under(key)))).collect();
            if all.is_empty() {
                String::new()
            } else {
                Value::Object(all).to_string()
            }
        }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    headers.get(name).map(|value| value.as_bytes())
}

fn size(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum()
}

fn query<'a>(facts: &Facts<'a>) -> &'a str {
    facts.path.split_once('?').map_or("", |(_, query)| query)
}

/// With `%XX` decoded; what is no such escape stays.
fn decoded(text: &str) -> Vec<u8> {
    percent_encoding::percent_decode_str(text).collect()
}

/// In one word, with `_` for what is white.
fn joined(text: &str) -> String {
    text.replace(|c: char| c.is_ascii_whitespace(), "_")
}

/// The number as a random UUID (RFC 9562 section 5.4).
fn write_uuid(number: u128, text: &mut String) -> std::fmt::Result {
    let number = number & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{number:032x}");
    let mut rest = hex.as_str();
    for length in [8, 4, 4, 4] {
        let (group, others) = rest.split_at_checked(length).unwrap_or((rest, ""));
        write!(text, "{group}-")?;
        rest = others;
    }
    text.write_str(rest)
}
