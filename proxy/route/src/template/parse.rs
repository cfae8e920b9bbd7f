//! From a command to what it stands for.

use http::header::HeaderName;
use jiff::fmt::strtime;
use serde_json::Value;

use super::TemplateError;
use super::command::Command;
use super::known::{ABSENT, ABSENT_WITH_ARGUMENT, UNTOLD, UNTOLD_WITH_ARGUMENT, UNTOLD_WITH_LENGTH, ZERO};
use super::operator::{
    End, GrpcForm, HostFrom, Moment, Operator, Part, PathFrom, Point, Precision, Quoted, StateKey, Variable,
};

type Parsed = Result<Operator, TemplateError>;

const NO_ARGUMENT: &str = "nothing is given to it";
const UTC: &str = "%Y-%m-%dT%H:%M:%S%.3fZ";
/// The zone of a waypoint is UTC, as it is in containers.
const LOCAL: &str = "%Y-%m-%dT%H:%M:%S%.3f+0000";

/// What `command` stands for.
pub(super) fn variable(command: Command<'_>) -> Result<Variable, TemplateError> {
    let operator = operator(command)?;
    if command.limit.is_some() && !takes_length(command.name, &operator) {
        return Err(command.refused("it is not shortened"));
    }
    Ok(Variable {
        operator,
        limit: command.limit,
    })
}

fn takes_length(name: &str, operator: &Operator) -> bool {
    match operator {
        Operator::RequestHeader { .. }
        | Operator::ResponseHeader { .. }
        | Operator::Noted { .. }
        | Operator::State { .. }
        | Operator::QueryParameter(_)
        | Operator::Query { .. }
        | Operator::Path { .. }
        | Operator::FirstOf(_) => true,
        Operator::Absent | Operator::Untold(_) => UNTOLD_WITH_LENGTH.contains(&name),
        _ => false,
    }
}

fn operator(command: Command<'_>) -> Parsed {
    let Command { name, argument, .. } = command;
    match argument {
        Some(argument) => with_argument(command, argument),
        None => match bare(name) {
            Some(operator) => Ok(operator),
            None if ABSENT.contains(&name) => Ok(Operator::Absent),
            None if UNTOLD.contains(&name) => Ok(Operator::Untold(name.to_owned())),
            None if ZERO.contains(&name) => Ok(Operator::Constant("0")),
            None => match address(command) {
                Some(operator) => operator,
                None if takes_argument(name) => Err(command.refused("write what it is about in parentheses")),
                None => Err(command.unknown()),
            },
        },
    }
}

fn bare(name: &str) -> Option<Operator> {
    let lapse = |to| Operator::Lapse {
        from: Point::Start,
        to,
        precision: Precision::Milliseconds,
    };
    let time = |at, format: &str| Operator::Time {
        at,
        format: format.to_owned(),
    };
    Some(match name {
        "PROTOCOL" => Operator::Protocol,
        "UPSTREAM_PROTOCOL" => Operator::UpstreamProtocol,
        "START_TIME" => time(Moment::Start, UTC),
        "START_TIME_LOCAL" => time(Moment::Start, LOCAL),
        "EMIT_TIME" => time(Moment::Now, UTC),
        "EMIT_TIME_LOCAL" => time(Moment::Now, LOCAL),
        "DURATION" => lapse(Point::Now),
        "REQUEST_DURATION" => lapse(Point::RequestEnded),
        "RESPONSE_DURATION" => lapse(Point::ResponseBegan),
        "DOWNSTREAM_PEER_URI_SAN" => Operator::PeerUriSan,
        "DOWNSTREAM_LOCAL_URI_SAN" => Operator::LocalUriSan,
        "ROUTE_NAME" => Operator::RouteName,
        "UPSTREAM_CLUSTER" | "UPSTREAM_CLUSTER_RAW" => Operator::UpstreamCluster,
        // Endpoints have no names; their addresses stand in.
        "UPSTREAM_HOST" | "UPSTREAM_HOST_NAME" | "UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID" => Operator::Address {
            of: End::UpstreamRemote,
            part: Part::Whole,
        },
        "UPSTREAM_HOST_NAME_WITHOUT_PORT" => Operator::Address {
            of: End::UpstreamRemote,
            part: Part::Ip,
        },
        "UPSTREAM_HOSTS_ATTEMPTED" | "UPSTREAM_HOST_NAMES_ATTEMPTED" => {
            Operator::Attempted { with_port: true }
        }
        "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT" | "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT" => {
            Operator::Attempted { with_port: false }
        }
        "UPSTREAM_TRANSPORT_FAILURE_REASON" => Operator::UpstreamFailure,
        "UPSTREAM_REQUEST_ATTEMPT_COUNT" => Operator::Attempts,
        "HOSTNAME" => Operator::Hostname,
        "BYTES_RECEIVED" => Operator::BytesReceived,
        "REQUEST_HEADERS_BYTES" => Operator::RequestHeadersBytes,
        "RESPONSE_HEADERS_BYTES" => Operator::ResponseHeadersBytes,
        "RESPONSE_CODE" => Operator::ResponseCode,
        "RESPONSE_CODE_DETAILS" => Operator::ResponseCodeDetails { keeps_spaces: false },
        "RESPONSE_FLAGS" => Operator::ResponseFlags { long: false },
        "RESPONSE_FLAGS_LONG" => Operator::ResponseFlags { long: true },
        "GRPC_STATUS" => Operator::GrpcStatus(GrpcForm::Camel),
        "GRPC_STATUS_NUMBER" => Operator::GrpcStatus(GrpcForm::Number),
        // A tunnel carries no server name to its HTTP.
        "REQUESTED_SERVER_NAME" => Operator::ServerName(None),
        "QUERY_PARAMS" => Operator::Query { decoded: false },
        "PATH" => Operator::Path {
            with_query: true,
            from: PathFrom::OriginalOrPath,
        },
        "TRACE_ID" => Operator::TraceId,
        "SPAN_ID" => Operator::SpanId,
        "STREAM_ID" => Operator::StreamId,
        "UNIQUE_ID" => Operator::UniqueId,
        _ => return None,
    })
}

fn takes_argument(name: &str) -> bool {
    const OTHERS: [&str; 10] = [
        "REQ",
        "REQUEST_HEADER",
        "REQ_WITHOUT_QUERY",
        "RESP",
        "RESPONSE_HEADER",
        "COMMON_DURATION",
        "DYNAMIC_METADATA",
        "FILTER_STATE",
        "QUERY_PARAM",
        "COALESCE",
    ];
    OTHERS.contains(&name) || UNTOLD_WITH_ARGUMENT.contains(&name)
}

fn with_argument(command: Command<'_>, argument: &str) -> Parsed {
    let refused = |reason| Err(command.refused(reason));
    match command.name {
        "REQ" | "REQUEST_HEADER" => request_header(command, argument, false),
        "REQ_WITHOUT_QUERY" => request_header(command, argument, true),
        "RESP" | "RESPONSE_HEADER" => Ok(Operator::ResponseHeader {
            names: names(command, argument)?,
        }),
        "TRAILER" | "RESPONSE_TRAILER" => names(command, argument).map(|_| Operator::Absent),
        "START_TIME" | "START_TIME_LOCAL" => time(command, Moment::Start, argument),
        "EMIT_TIME" | "EMIT_TIME_LOCAL" => time(command, Moment::Now, argument),
        "COMMON_DURATION" => lapse(command, argument),
        "RESPONSE_CODE_DETAILS" => match argument {
            "ALLOW_WHITESPACES" => Ok(Operator::ResponseCodeDetails { keeps_spaces: true }),
            _ => refused("it takes `ALLOW_WHITESPACES` or nothing"),
        },
        "GRPC_STATUS" => Ok(Operator::GrpcStatus(match argument {
            "" | "CAMEL_STRING" => GrpcForm::Camel,
            "SNAKE_STRING" => GrpcForm::Snake,
            "NUMBER" => GrpcForm::Number,
            _ => return refused("it takes `CAMEL_STRING`, `SNAKE_STRING` or `NUMBER`"),
        })),
        "DYNAMIC_METADATA" => noted(command, argument),
        "METADATA" => match argument.split_once(':') {
            Some(("DYNAMIC", rest)) => noted(command, rest),
            _ => metadata(command, argument),
        },
        "FILTER_STATE" => state(command, argument),
        "REQUESTED_SERVER_NAME" => server_name(command, argument),
        "QUERY_PARAM" if argument.is_empty() => refused("name a query parameter"),
        "QUERY_PARAM" => Ok(Operator::QueryParameter(argument.to_owned())),
        "QUERY_PARAMS" => match argument {
            "" | "ORIG" => Ok(Operator::Query { decoded: false }),
            "DECODED" => Ok(Operator::Query { decoded: true }),
            _ => refused("it takes `ORIG` or `DECODED`"),
        },
        "PATH" => path(command, argument),
        "COALESCE" => first_of(command, argument),
        name if UNTOLD_WITH_ARGUMENT.contains(&name) => Ok(Operator::Untold(command.source.to_owned())),
        name if ABSENT_WITH_ARGUMENT.contains(&name) => Ok(Operator::Absent),
        name => match address(command) {
            Some(operator) => operator,
            None if bare(name).is_some()
                || [&ABSENT[..], &UNTOLD, &ZERO].iter().any(|it| it.contains(&name)) =>
            {
                refused(NO_ARGUMENT)
            }
            None => Err(command.unknown()),
        },
    }
}

fn request_header(command: Command<'_>, argument: &str, without_query: bool) -> Parsed {
    Ok(Operator::RequestHeader {
        names: names(command, argument)?,
        without_query,
    })
}

/// `FIRST?SECOND`.
fn names(command: Command<'_>, argument: &str) -> Result<Vec<Quoted>, TemplateError> {
    let names: Vec<Quoted> = argument.split('?').map(Quoted::parse).collect::<Result<_, _>>()?;
    if names.len() > 2 {
        return Err(command.refused("it takes a field and one that stands in for it"));
    }
    Ok(names)
}

fn time(command: Command<'_>, at: Moment, format: &str) -> Parsed {
    if format.is_empty() {
        return bare(command.name).ok_or_else(|| command.unknown());
    }
    // Envoy writes all nine digits.
    let format = format.replace("%f", "%9f");
    let example = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
    if strtime::format(&format, &example).is_err() {
        return Err(command.refused("the format of the time is not one of strftime"));
    }
    Ok(Operator::Time { at, format })
}

/// `START:END:PRECISION`.
fn lapse(command: Command<'_>, argument: &str) -> Parsed {
    const OTHERS: [&str; 6] = [
        "US_CX_BEG",
        "US_CX_END",
        "US_HS_END",
        "US_TX_BEG",
        "US_TX_END",
        "US_RX_BODY_BEG",
    ];
    let parts: Vec<&str> = argument.split(':').collect();
    let [from, to, precision] = parts[..] else {
        return Err(command.refused("it takes two points and a precision, `DS_RX_BEG:US_RX_BEG:ms`"));
    };
    let precision = match precision {
        "ms" => Precision::Milliseconds,
        "us" => Precision::Microseconds,
        "ns" => Precision::Nanoseconds,
        _ => return Err(command.refused("the precision is `ms`, `us` or `ns`")),
    };
    let point = |name| match name {
        "DS_RX_BEG" => Some(Point::Start),
        "DS_RX_END" => Some(Point::RequestEnded),
        "US_RX_BEG" => Some(Point::ResponseBegan),
        _ => None,
    };
    Ok(match (point(from), point(to)) {
        (Some(from), Some(to)) => Operator::Lapse { from, to, precision },
        _ if OTHERS.contains(&from) || OTHERS.contains(&to) => Operator::Untold(command.source.to_owned()),
        // What is still to come, or a point that nothing sets.
        _ => Operator::Absent,
    })
}

/// An address of one of the ends, or a part of it.
fn address(command: Command<'_>) -> Option<Parsed> {
    const ENDS: [(&str, End); 6] = [
        ("DOWNSTREAM_DIRECT_REMOTE_", End::DownstreamRemote),
        ("DOWNSTREAM_DIRECT_LOCAL_", End::DownstreamLocal),
        ("DOWNSTREAM_REMOTE_", End::DownstreamRemote),
        ("DOWNSTREAM_LOCAL_", End::DownstreamLocal),
        ("UPSTREAM_REMOTE_", End::UpstreamRemote),
        ("UPSTREAM_LOCAL_", End::UpstreamLocal),
    ];
    let (of, part) = ENDS
        .iter()
        .find_map(|(prefix, end)| Some((*end, command.name.strip_prefix(prefix)?)))?;
    let part = match (part, command.argument) {
        ("ADDRESS", None) => Part::Whole,
        ("PORT", None) => Part::Port,
        ("ADDRESS_WITHOUT_PORT", None | Some("")) => Part::Ip,
        ("ADDRESS_WITHOUT_PORT", Some(bits)) => match bits.parse() {
            Ok(bits) if bits <= 128 => Part::Block(bits),
            _ => {
                return Some(Err(
                    command.refused("it takes the length of a prefix, from 0 to 128")
                ));
            }
        },
        ("ADDRESS" | "PORT", Some(_)) => return Some(Err(command.refused(NO_ARGUMENT))),
        _ => return None,
    };
    Some(Ok(Operator::Address { of, part }))
}

/// `FILTER`, `FILTER:KEY`; what is noted is flat, and a longer path is one key.
fn noted(command: Command<'_>, argument: &str) -> Parsed {
    let (filter, key) = match argument.split_once(':') {
        Some((filter, key)) => (filter, Some(key)),
        None => (argument, None),
    };
    if filter.is_empty() || key == Some("") {
        return Err(command.refused("it takes the name of a filter, and a key that the filter writes"));
    }
    Ok(Operator::Noted {
        filter: filter.to_owned(),
        key: key.map(str::to_owned),
    })
}

fn metadata(command: Command<'_>, argument: &str) -> Parsed {
    const TYPES: [&str; 6] = [
        "CLUSTER",
        "ROUTE",
        "UPSTREAM_HOST",
        "LISTENER",
        "LISTENER_FILTER_CHAIN",
        "VIRTUAL_HOST",
    ];
    match argument.split_once(':') {
        Some((kind, _)) if TYPES.contains(&kind) => Ok(Operator::Untold(command.source.to_owned())),
        _ => Err(command.refused("it takes a type and a name, `DYNAMIC:filter:key`")),
    }
}

/// `KEY`, `KEY:PLAIN`, `KEY:TYPED`, `KEY:FIELD:NAME`.
fn state(command: Command<'_>, argument: &str) -> Parsed {
    let (key, form) = match argument.split_once(':') {
        Some((key, form)) => (key, form),
        None => (argument, "TYPED"),
    };
    let quoted = match form {
        "PLAIN" => false,
        "TYPED" => true,
        other if other.strip_prefix("FIELD:").is_some_and(|it| !it.is_empty()) => {
            return Ok(Operator::Untold(command.source.to_owned()));
        }
        _ => return Err(command.refused("after the key it takes `PLAIN`, `TYPED` or `FIELD:name`")),
    };
    let key = match key {
        "" => return Err(command.refused("it takes the key of a state")),
        "io.istio.peer_principal" => StateKey::Peer,
        "io.istio.local_principal" => StateKey::Identity,
        "io.istio.connect_authority" => StateKey::Authority,
        "envoy.filters.listener.original_dst.local_ip" => StateKey::LocalAddress,
        "envoy.filters.listener.original_dst.remote_ip" => StateKey::RemoteAddress,
        _ => return Ok(Operator::Untold(command.source.to_owned())),
    };
    Ok(Operator::State { key, quoted })
}

/// `SNI_ONLY`, or `SNI_FIRST` and `HOST_FIRST` with where the host is looked up.
fn server_name(command: Command<'_>, argument: &str) -> Parsed {
    let (order, from) = match argument.split_once(':') {
        Some((order, from)) => (order, Some(from)),
        None => (argument, None),
    };
    let from = match from {
        None | Some("ORIG_OR_HOST") => HostFrom::OriginalOrAuthority,
        Some("ORIG") => HostFrom::Original,
        Some("HOST") => HostFrom::Authority,
        Some(_) => return Err(command.refused("the host is taken from `ORIG`, `HOST` or `ORIG_OR_HOST`")),
    };
    Ok(Operator::ServerName(match order {
        "" | "SNI_ONLY" => None,
        // There is never a server name to prefer.
        "SNI_FIRST" | "HOST_FIRST" => Some(from),
        _ => return Err(command.refused("it takes `SNI_ONLY`, `SNI_FIRST` or `HOST_FIRST`")),
    }))
}

/// `WQ` or `NQ`, and where the path is looked up.
fn path(command: Command<'_>, argument: &str) -> Parsed {
    let (query, from) = match argument.split_once(':') {
        Some((query, from)) => (query, Some(from)),
        None => (argument, None),
    };
    let with_query = match query {
        "" | "WQ" => true,
        "NQ" => false,
        _ => return Err(command.refused("it takes `WQ` or `NQ`")),
    };
    let from = match from {
        None | Some("" | "ORIG_OR_PATH") => PathFrom::OriginalOrPath,
        Some("ORIG") => PathFrom::Original,
        Some("PATH") => PathFrom::Path,
        Some(_) => return Err(command.refused("the path is taken from `ORIG`, `PATH` or `ORIG_OR_PATH`")),
    };
    Ok(Operator::Path { with_query, from })
}

/// `{"operators": ["NAME", {"command": "NAME", "param": "ARGUMENT", "max_length": LENGTH}]}`.
fn first_of(command: Command<'_>, argument: &str) -> Parsed {
    const FORM: &str = "it takes JSON with a list of `operators`, each a name or an object with `command`";
    let refused = || command.refused(FORM);
    let config: Value = serde_json::from_str(argument).map_err(|_| refused())?;
    let operators = config.get("operators").and_then(Value::as_array);
    let operators = operators.filter(|list| !list.is_empty()).ok_or_else(refused)?;
    let inner = |written: &Value| -> Result<Variable, TemplateError> {
        let text = |key: &str| written.get(key).and_then(Value::as_str);
        let name = written.as_str().or_else(|| text("command")).ok_or_else(refused)?;
        if name == "COALESCE" {
            return Err(command.refused("none is inside another"));
        }
        let limit = written.get("max_length").map(|limit| {
            let limit = limit.as_u64().and_then(|limit| usize::try_from(limit).ok());
            limit.ok_or_else(refused)
        });
        variable(Command {
            source: name,
            name,
            argument: text("param"),
            limit: limit.transpose()?,
        })
    };
    Ok(Operator::FirstOf(
        operators.iter().map(inner).collect::<Result<_, _>>()?,
    ))
}

impl Quoted {
    fn parse(name: &str) -> Result<Quoted, TemplateError> {
        Ok(match name.to_ascii_lowercase().as_str() {
            ":method" => Quoted::Method,
            ":path" => Quoted::Path,
            ":authority" | "host" => Quoted::Authority,
            ":scheme" => Quoted::Scheme,
            ":status" => Quoted::Status,
            lower => Quoted::Named(
                HeaderName::from_bytes(lower.as_bytes())
                    .map_err(|_| TemplateError::HeaderName(name.to_owned()))?,
            ),
        })
    }
}
