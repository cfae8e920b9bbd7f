//! Header values with `%VARIABLES%`, in Envoy's notation.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::SystemTime;

use http::header::HeaderName;
use http::{HeaderMap, StatusCode};
use jiff::fmt::strtime;

/// Why a value was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// A `%` opens a variable that nothing closes.
    #[error("a `%` begins a variable that does not end; write `%%` for a percent sign")]
    Unterminated,
    /// This version knows no such variable.
    #[error("the variable `%{0}%` is not known")]
    UnknownVariable(String),
    /// A header variable names no header.
    #[error("`{0}` is not a header name")]
    HeaderName(String),
}

/// What variables stand for: the facts of one exchange.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The method.
    pub method: &'a str,
    /// The path with its query, as it was received.
    pub path: &'a str,
    /// The authority.
    pub authority: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// `HTTP/1.1` or `HTTP/2`.
    pub protocol: &'a str,
    /// The client's address.
    pub downstream_remote: SocketAddr,
    /// The address that the client connected to.
    pub downstream_local: SocketAddr,
    /// The client's SPIFFE id.
    pub downstream_peer: Option<&'a str>,
    /// When the request began.
    pub start: SystemTime,
    /// The route's name.
    pub route_name: &'a str,
    /// The endpoint, once it is chosen.
    pub upstream_host: Option<SocketAddr>,
    /// The response's status, once there is one.
    pub response_code: Option<StatusCode>,
}

/// The header fields that a value may quote.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quotable<'a> {
    pub(crate) request: &'a HeaderMap,
    pub(crate) response: Option<&'a HeaderMap>,
}

/// A value, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Text(String),
    Variable(Variable),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Variable {
    RequestHeader {
        names: Vec<Quoted>,
        limit: Option<usize>,
    },
    ResponseHeader {
        names: Vec<Quoted>,
        limit: Option<usize>,
    },
    Protocol,
    StartTime,
    /// In the notation of strftime, with `%3f` for milliseconds.
    StartTimeAs(String),
    DownstreamRemotePort,
    DownstreamRemoteAddress,
    DownstreamRemoteAddressWithoutPort,
    DownstreamLocalAddress,
    DownstreamLocalAddressWithoutPort,
    DownstreamLocalPort,
    DownstreamPeerUriSan,
    RouteName,
    UpstreamHost,
    UpstreamHostWithoutPort,
    UpstreamPort,
    ResponseCode,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Quoted {
    Method,
    Path,
    Authority,
    Scheme,
    Status,
    Named(HeaderName),
}

impl Template {
    pub(crate) fn parse(source: &str) -> Result<Template, TemplateError> {
        let mut segments = Vec::new();
        let mut text = String::new();
        let mut rest = source;
        while let Some((before, after)) = rest.split_once('%') {
            text.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                text.push('%');
                rest = after;
                continue;
            }
            let (variable, after) = variable(after).ok_or(TemplateError::Unterminated)?;
            if !text.is_empty() {
                segments.push(Segment::Text(std::mem::take(&mut text)));
            }
            segments.push(Segment::Variable(Variable::parse(variable)?));
            rest = after;
        }
        text.push_str(rest);
        if !text.is_empty() {
            segments.push(Segment::Text(text));
        }
        Ok(Template(segments))
    }

    /// The text, when there is no variable in it.
    pub(crate) fn fixed(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Segment::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether it quotes a header field of the request.
    pub(crate) fn quotes_request(&self) -> bool {
        self.0.iter().any(|segment| {
            let Segment::Variable(Variable::RequestHeader { names, .. }) = segment else {
                return false;
            };
            names.iter().any(|name| matches!(name, Quoted::Named(_)))
        })
    }

    /// The value with its variables replaced; a variable that stands for nothing leaves nothing.
    pub(crate) fn render(&self, quotable: Quotable<'_>, facts: &Facts<'_>) -> Vec<u8> {
        let mut value = Vec::new();
        for segment in &self.0 {
            match segment {
                Segment::Text(text) => value.extend_from_slice(text.as_bytes()),
                Segment::Variable(variable) => variable.render(quotable, facts, &mut value),
            }
        }
        value
    }
}

/// A variable and what follows the `%` that ends it. Between parentheses a `%` is part of the argument.
fn variable(source: &str) -> Option<(&str, &str)> {
    let first = source.find('%')?;
    let open = source.find('(').filter(|open| *open < first);
    let end = open.and_then(|open| {
        let closed = open + source.get(open..)?.find(')')?;
        Some(closed + source.get(closed..)?.find('%')?)
    });
    let end = end.unwrap_or(first);
    Some((source.get(..end)?, source.get(end + 1..)?))
}

impl Variable {
    fn parse(source: &str) -> Result<Variable, TemplateError> {
        let unknown = || TemplateError::UnknownVariable(source.to_owned());
        if let Some((name, argument)) = source.split_once('(') {
            let (argument, limit) = argument.rsplit_once(')').ok_or_else(unknown)?;
            let limit = match limit.strip_prefix(':') {
                Some(digits) => Some(digits.parse().map_err(|_| unknown())?),
                None if limit.is_empty() => None,
                None => return Err(unknown()),
            };
            if name == "START_TIME" && limit.is_none() {
                // Envoy writes all nine digits.
                let format = argument.replace("%f", "%9f");
                let known = strtime::format(&format, jiff::Timestamp::UNIX_EPOCH).is_ok();
                return known.then_some(Variable::StartTimeAs(format)).ok_or_else(unknown);
            }
            let names: Vec<Quoted> = argument.split('?').map(Quoted::parse).collect::<Result<_, _>>()?;
            return match name {
                "REQ" if names.len() <= 2 => Ok(Variable::RequestHeader { names, limit }),
                "RESP" if names.len() <= 2 => Ok(Variable::ResponseHeader { names, limit }),
                _ => Err(unknown()),
            };
        }
        Ok(match source {
            "PROTOCOL" => Variable::Protocol,
            "START_TIME" => Variable::StartTime,
            "DOWNSTREAM_REMOTE_ADDRESS" => Variable::DownstreamRemoteAddress,
            "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => Variable::DownstreamRemoteAddressWithoutPort,
            "DOWNSTREAM_LOCAL_ADDRESS" => Variable::DownstreamLocalAddress,
            "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => Variable::DownstreamLocalAddressWithoutPort,
            "DOWNSTREAM_LOCAL_PORT" => Variable::DownstreamLocalPort,
            "DOWNSTREAM_PEER_URI_SAN" => Variable::DownstreamPeerUriSan,
            "ROUTE_NAME" => Variable::RouteName,
            "DOWNSTREAM_REMOTE_PORT" => Variable::DownstreamRemotePort,
            "UPSTREAM_HOST" | "UPSTREAM_REMOTE_ADDRESS" => Variable::UpstreamHost,
            "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => Variable::UpstreamHostWithoutPort,
            "UPSTREAM_REMOTE_PORT" => Variable::UpstreamPort,
            "RESPONSE_CODE" => Variable::ResponseCode,
            _ => return Err(unknown()),
        })
    }

    fn render(&self, quotable: Quotable<'_>, facts: &Facts<'_>, value: &mut Vec<u8>) {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = match self {
            Variable::RequestHeader { names, limit } => {
                let found = names
                    .iter()
                    .find_map(|name| name.of_request(quotable.request, facts));
                value.extend_from_slice(shortened(found, *limit));
                Ok(())
            }
            Variable::ResponseHeader { names, limit } => {
                let Some(response) = quotable.response else { return };
                let status = facts.response_code;
                let found = names.iter().find_map(|name| match name {
                    Quoted::Status => status.as_ref().map(|status| status.as_str().as_bytes()),
                    Quoted::Named(name) => response.get(name).map(|value| value.as_bytes()),
                    _ => None,
                });
                value.extend_from_slice(shortened(found, *limit));
                Ok(())
            }
            Variable::Protocol => text.write_str(facts.protocol),
            Variable::StartTime => match jiff::Timestamp::try_from(facts.start) {
                Ok(start) => write!(text, "{}", start.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")),
                Err(_) => Ok(()),
            },
            Variable::StartTimeAs(format) => {
                let start = jiff::Timestamp::try_from(facts.start);
                let start = start.and_then(|start| strtime::format(format, start));
                text.write_str(&start.unwrap_or_default())
            }
            Variable::DownstreamRemotePort => write!(text, "{}", facts.downstream_remote.port()),
            Variable::DownstreamRemoteAddress => write!(text, "{}", facts.downstream_remote),
            Variable::DownstreamRemoteAddressWithoutPort => {
                write!(text, "{}", facts.downstream_remote.ip())
            }
            Variable::DownstreamLocalAddress => write!(text, "{}", facts.downstream_local),
            Variable::DownstreamLocalAddressWithoutPort => {
                write!(text, "{}", facts.downstream_local.ip())
            }
            Variable::DownstreamLocalPort => write!(text, "{}", facts.downstream_local.port()),
            Variable::DownstreamPeerUriSan => text.write_str(facts.downstream_peer.unwrap_or_default()),
            Variable::RouteName => text.write_str(facts.route_name),
            Variable::UpstreamHost => facts.upstream_host.map_or(Ok(()), |host| write!(text, "{host}")),
            Variable::UpstreamHostWithoutPort => facts
                .upstream_host
                .map_or(Ok(()), |host| write!(text, "{}", host.ip())),
            Variable::UpstreamPort => facts
                .upstream_host
                .map_or(Ok(()), |host| write!(text, "{}", host.port())),
            Variable::ResponseCode => facts
                .response_code
                .map_or(Ok(()), |status| text.write_str(status.as_str())),
        };
        value.extend_from_slice(text.as_bytes());
    }
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

fn shortened(value: Option<&[u8]>, limit: Option<usize>) -> &[u8] {
    let value = value.unwrap_or_default();
    limit.and_then(|limit| value.get(..limit)).unwrap_or(value)
}

#[cfg(test)]
mod tests;
