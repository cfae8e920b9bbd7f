//! The attributes of a request that policies name.

use cairn_jwt::ClaimPath;
use http::HeaderName;
use http::header::HOST;

use crate::fault::Fault;

/// Something of a request that a list of values is about, whichever of a policy's fields holds the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Attribute {
    Principal,
    Namespace,
    ServiceAccount,
    TrustDomain,
    SourceIp,
    RemoteIp,
    DestinationIp,
    DestinationPort,
    Sni,
    Host,
    /// `request.headers[host]`, which unlike the hosts of an operation minds the case.
    Authority,
    Method,
    Path,
    Header(HeaderName),
    /// What a filter has noted, by the filter's name and a key.
    Noted(Box<str>, Box<str>),
    /// Issuer and subject of the token.
    RequestPrincipal,
    Claim(ClaimPath),
}

impl Attribute {
    /// The attribute that the key of a condition names.
    pub(crate) fn of_key(key: &str) -> Result<Attribute, Fault> {
        Ok(match key {
            "source.ip" => Attribute::SourceIp,
            "remote.ip" => Attribute::RemoteIp,
            "source.namespace" => Attribute::Namespace,
            "source.serviceAccount" => Attribute::ServiceAccount,
            "source.trustDomain" => Attribute::TrustDomain,
            "source.principal" => Attribute::Principal,
            "request.auth.principal" => Attribute::RequestPrincipal,
            "request.auth.audiences" => claim("request.auth.claims[aud]")?,
            "request.auth.presenter" => claim("request.auth.claims[azp]")?,
            "destination.ip" => Attribute::DestinationIp,
            "destination.port" => Attribute::DestinationPort,
            "connection.sni" => Attribute::Sni,
            _ if key.starts_with("request.auth.claims") => claim(key)?,
            _ => match key.strip_prefix("request.headers").map(in_brackets) {
                Some(Some(name)) => header(name, key)?,
                Some(None) => return Err(Fault::HeaderName(key.to_owned())),
                None => noted(key)?,
            },
        })
    }
}

fn claim(key: &str) -> Result<Attribute, Fault> {
    match ClaimPath::of_condition(key) {
        Some(path) => Ok(Attribute::Claim(path)),
        None => Err(Fault::Claim(key.to_owned())),
    }
}

/// Envoy keeps `Host` and the pseudo-headers among the headers, so policies name them like any other.
fn header(name: &str, key: &str) -> Result<Attribute, Fault> {
    match name {
        ":authority" => Ok(Attribute::Authority),
        ":method" => Ok(Attribute::Method),
        // `:path` would have to be compared with its query, which is not part of a request here.
        _ if name.starts_with(':') => Err(Fault::PseudoHeader(key.to_owned())),
        _ => match HeaderName::from_bytes(name.as_bytes()) {
            Ok(HOST) => Ok(Attribute::Authority),
            Ok(name) => Ok(Attribute::Header(name)),
            Err(_) => Err(Fault::HeaderName(key.to_owned())),
        },
    }
}

/// `experimental.envoy.filters.NAME[KEY]`, which is what Istio calls the metadata of filters.
fn noted(key: &str) -> Result<Attribute, Fault> {
    let Some(rest) = key.strip_prefix("experimental.") else {
        return Err(Fault::UnknownKey(key.to_owned()));
    };
    let named = rest
        .strip_prefix("envoy.filters.")
        .and_then(|rest| rest.split_once('['));
    match named.map(|(filter, key)| (filter, key.strip_suffix(']'))) {
        Some((filter, Some(key))) if !filter.is_empty() && !key.is_empty() => {
            Ok(Attribute::Noted(filter.into(), key.into()))
        }
        _ => Err(Fault::Experimental(key.to_owned())),
    }
}

fn in_brackets(text: &str) -> Option<&str> {
    text.strip_prefix('[')?.strip_suffix(']')
}
