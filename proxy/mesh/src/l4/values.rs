//! Reading the values of one field of a policy.

use std::net::IpAddr;

use cairn_identity::SpiffeId;
use ipnet::IpNet;

use super::pattern::Pattern;
use super::rule::{ServiceAccount, Values};
use crate::settings::MeshSettings;

/// Something that L4 knows of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    Principal,
    Namespace,
    ServiceAccount,
    TrustDomain,
    SourceIp,
    DestinationIp,
    DestinationPort,
}

impl Attribute {
    /// The attribute that a condition names; `None` when it is none of a connection.
    pub(crate) fn of_condition(key: &str) -> Option<Attribute> {
        match key {
            "source.ip" => Some(Attribute::SourceIp),
            "source.namespace" => Some(Attribute::Namespace),
            "source.principal" => Some(Attribute::Principal),
            "source.serviceAccount" => Some(Attribute::ServiceAccount),
            "source.trustDomain" => Some(Attribute::TrustDomain),
            "destination.ip" => Some(Attribute::DestinationIp),
            "destination.port" => Some(Attribute::DestinationPort),
            _ => None,
        }
    }

    /// What a value has to be.
    fn form(self) -> &'static str {
        match self {
            Attribute::Principal => "a principal",
            Attribute::Namespace => "a namespace",
            Attribute::ServiceAccount => "`account` or `namespace/account`",
            Attribute::TrustDomain => "a trust domain",
            Attribute::SourceIp | Attribute::DestinationIp => "an IP address or a range of them",
            Attribute::DestinationPort => "a port number",
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Attribute::Principal => {
                "write `<trust domain>/ns/<namespace>/sa/<service account>`, with `*` at one end at most"
            }
            Attribute::Namespace | Attribute::TrustDomain => {
                "write a name, with `*` at one end at most, or `*` alone"
            }
            Attribute::ServiceAccount => "write names without `*`",
            Attribute::SourceIp | Attribute::DestinationIp => "write 10.0.0.1 or 10.0.0.0/8",
            Attribute::DestinationPort => "write a number from 1 to 65535, in quotes",
        }
    }
}

/// An attribute that exists, and that only a proxy of requests knows.
pub(crate) fn is_of_requests(key: &str) -> bool {
    let whole = [
        "remote.ip",
        "connection.sni",
        "request.auth.principal",
        "request.auth.audiences",
    ];
    let indexed = ["request.headers[", "request.auth.claims["];
    whole.contains(&key)
        || key == "request.auth.presenter"
        || key.starts_with("experimental.envoy.filters.")
        || indexed
            .iter()
            .any(|start| key.starts_with(start) && key.ends_with(']'))
}

/// The values of a field, and what is wrong with some of them.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) values: Values,
    pub(crate) faults: Vec<Fault>,
}

/// What is wrong with a value.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Which value.
    pub(crate) index: usize,
    pub(crate) message: String,
    pub(crate) hint: &'static str,
    /// It is not understood, as opposed to: nobody ever meets it.
    pub(crate) unknown: bool,
}

/// Reads the values of a field. Names without a namespace belong to `own_namespace`.
pub(crate) fn read(
    attribute: Attribute,
    texts: &[String],
    mesh: &MeshSettings,
    own_namespace: &str,
) -> Reading {
    let mut faults = Vec::new();
    let values = match attribute {
        Attribute::Principal => Values::Principals(principals(texts, mesh, &mut faults)),
        Attribute::Namespace => Values::Namespaces(each(attribute, texts, &mut faults, Pattern::parse)),
        Attribute::TrustDomain => Values::TrustDomains(each(attribute, texts, &mut faults, Pattern::parse)),
        Attribute::ServiceAccount => {
            let parse = |text: &str| service_account(text, own_namespace);
            Values::ServiceAccounts(each(attribute, texts, &mut faults, parse))
        }
        Attribute::SourceIp => Values::SourceIps(each(attribute, texts, &mut faults, range)),
        Attribute::DestinationIp => Values::DestinationIps(each(attribute, texts, &mut faults, range)),
        Attribute::DestinationPort => {
            let parse = |text: &str| text.parse().ok().filter(|port| *port != 0);
            Values::DestinationPorts(each(attribute, texts, &mut faults, parse))
        }
    };
    Reading { values, faults }
}

fn each<T>(
    attribute: Attribute,
    texts: &[String],
    faults: &mut Vec<Fault>,
    parse: impl Fn(&str) -> Option<T>,
) -> Vec<T> {
    let mut values = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match parse(text) {
            Some(value) => values.push(value),
            None => {
                let message = format!("`{text}` is not {}", attribute.form());
                faults.push(Fault {
                    index,
                    message,
                    hint: attribute.hint(),
                    unknown: true,
                });
            }
        }
    }
    values
}

/// Principals, with or without `spiffe://`, each under every name of the mesh's trust domain.
fn principals(texts: &[String], mesh: &MeshSettings, faults: &mut Vec<Fault>) -> Vec<Pattern> {
    for (index, text) in texts.iter().enumerate() {
        let bare = text.strip_prefix(SCHEME).unwrap_or(text);
        if !bare.is_empty() && !bare.contains('*') && format!("{SCHEME}{bare}").parse::<SpiffeId>().is_err() {
            let message = format!("`{text}` can be nobody's principal, so it is never met");
            faults.push(Fault {
                index,
                message,
                hint: Attribute::Principal.hint(),
                unknown: false,
            });
        }
    }
    let parse = |text: &str| Pattern::parse(text.strip_prefix(SCHEME).unwrap_or(text));
    let patterns = each(Attribute::Principal, texts, faults, parse);
    patterns
        .iter()
        .flat_map(|pattern| aliases(pattern, mesh))
        .collect()
}

const SCHEME: &str = "spiffe://";

/// The trust domain that stands for the mesh's own, whatever that is called.
const LOCAL: &str = "cluster.local";

fn aliases(pattern: &Pattern, mesh: &MeshSettings) -> Vec<Pattern> {
    let mut patterns = vec![pattern.clone()];
    let (Pattern::Exact(text) | Pattern::Prefix(text)) = pattern else {
        return patterns;
    };
    let Some((domain, rest)) = text.split_once('/') else {
        return patterns;
    };
    let aliases = mesh.trust_domain_aliases.iter().map(String::as_str);
    let names: Vec<&str> = std::iter::once(&*mesh.trust_domain).chain(aliases).collect();
    if domain == LOCAL || names.contains(&domain) {
        let others = names.into_iter().filter(|name| *name != domain);
        let others = others.map(|name| format!("{name}/{rest}").into());
        match pattern {
            Pattern::Prefix(_) => patterns.extend(others.map(Pattern::Prefix)),
            _ => patterns.extend(others.map(Pattern::Exact)),
        }
    }
    patterns
}

fn service_account(text: &str, own_namespace: &str) -> Option<ServiceAccount> {
    let (namespace, name) = text.split_once('/').unwrap_or((own_namespace, text));
    let plain = |part: &str| !part.is_empty() && !part.contains(['*', '/']);
    (plain(namespace) && plain(name)).then(|| ServiceAccount {
        namespace: namespace.into(),
        name: name.into(),
    })
}

fn range(text: &str) -> Option<IpNet> {
    let address = || {
        text.parse::<IpAddr>()
            .ok()
            .map(|address| IpNet::from(address.to_canonical()))
    };
    match text.parse::<IpNet>() {
        Ok(IpNet::V6(net)) => match net.addr().to_ipv4_mapped() {
            // Connections are compared as IPv4; a range that is wider than all of IPv4 is none that we could compare.
            Some(mapped) => {
                let length = net.prefix_len().checked_sub(96)?;
                ipnet::Ipv4Net::new(mapped, length).ok().map(IpNet::V4)
            }
            None => Some(IpNet::V6(net)),
        },
        Ok(net) => Some(net),
        Err(_) => address(),
    }
}
