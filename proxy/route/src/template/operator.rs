//! A variable, parsed.

use http::header::HeaderName;

/// A variable, and how many bytes of its value are wanted at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) operator: Operator,
    pub(super) limit: Option<usize>,
}

/// What a variable stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operator {
    /// The first of these fields that is there.
    RequestHeader {
        names: Vec<Quoted>,
        /// As far as a `?`.
        without_query: bool,
    },
    ResponseHeader {
        names: Vec<Quoted>,
    },
    Protocol,
    UpstreamProtocol,
    Time {
        at: Moment,
        /// In the notation of strftime, with `%3f` for milliseconds.
        format: String,
    },
    Lapse {
        from: Point,
        to: Point,
        precision: Precision,
    },
    Address {
        of: End,
        part: Part,
    },
    /// Addresses of all endpoints that were tried.
    Attempted {
        with_port: bool,
    },
    PeerUriSan,
    LocalUriSan,
    RouteName,
    UpstreamCluster,
    UpstreamFailure,
    Hostname,
    Attempts,
    BytesReceived,
    RequestHeadersBytes,
    ResponseHeadersBytes,
    ResponseCode,
    ResponseCodeDetails {
        keeps_spaces: bool,
    },
    ResponseFlags {
        long: bool,
    },
    GrpcStatus(GrpcForm),
    /// What filters have noted: all of one, or of one what it has noted under a key.
    Noted {
        filter: String,
        key: Option<String>,
    },
    State {
        key: StateKey,
        /// In quotes, as a text is in JSON.
        quoted: bool,
    },
    ServerName(Option<HostFrom>),
    QueryParameter(String),
    Query {
        decoded: bool,
    },
    Path {
        with_query: bool,
        from: PathFrom,
    },
    TraceId,
    SpanId,
    StreamId,
    UniqueId,
    /// The first that is not empty.
    FirstOf(Vec<Variable>),
    /// The same for every exchange.
    Constant(&'static str),
    /// Nothing, in Envoy's waypoint either.
    Absent,
    /// Nothing, where Envoy would write something: the variable as it is written.
    Untold(String),
}

/// A header field by its name, or what stands for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Quoted {
    Method,
    Path,
    Authority,
    Scheme,
    Status,
    Named(HeaderName),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Start,
    Now,
}

/// A point of the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    Start,
    RequestEnded,
    ResponseBegan,
    Now,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precision {
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

/// One of the ends of the two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    DownstreamRemote,
    DownstreamLocal,
    UpstreamRemote,
    UpstreamLocal,
}

/// A part of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Ip,
    /// The block of so many bits that it is in.
    Block(u8),
    Port,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GrpcForm {
    Camel,
    Snake,
    Number,
}

/// What Istio's waypoint keeps with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StateKey {
    Peer,
    Identity,
    /// The authority of the CONNECT, which is the address that the client connected to.
    Authority,
    LocalAddress,
    RemoteAddress,
}

/// Where the host of a request is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HostFrom {
    Original,
    Authority,
    OriginalOrAuthority,
}

/// Where the path of a request is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathFrom {
    Original,
    Path,
    OriginalOrPath,
}

impl Variable {
    /// Whether it depends on a header field of the request.
    pub(super) fn quotes_request(&self) -> bool {
        match &self.operator {
            Operator::RequestHeader { names, .. } => {
                names.iter().any(|name| matches!(name, Quoted::Named(_)))
            }
            Operator::RequestHeadersBytes | Operator::GrpcStatus(_) | Operator::StreamId => true,
            Operator::ServerName(from) => {
                matches!(from, Some(HostFrom::Original | HostFrom::OriginalOrAuthority))
            }
            Operator::Path { from, .. } => *from != PathFrom::Path,
            Operator::FirstOf(variables) => variables.iter().any(Variable::quotes_request),
            _ => false,
        }
    }

    pub(super) fn untold(&self) -> Vec<&str> {
        match &self.operator {
            Operator::Untold(source) => vec![source],
            Operator::FirstOf(variables) => variables.iter().flat_map(Variable::untold).collect(),
            _ => Vec::new(),
        }
    }
}
