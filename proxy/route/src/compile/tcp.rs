//! From `tls` and `tcp` to [`TcpRoutes`].

use std::net::IpAddr;

use cairn_api::istio::{HttpRouteDestination, RouteDestination, VirtualService};
use ipnet::IpNet;

use super::destinations::{self, Shared};
use super::findings::Findings;
use super::inputs::Inputs;
use super::operations::Operations;
use super::select;
use crate::host;
use crate::matcher::SourceMatch;
use crate::tcp::{ConnectionMatch, TcpAction, TcpRoute};

/// The routes of one VirtualService, those of TLS and those of TCP.
#[derive(Default)]
pub(super) struct Compiled {
    pub(super) tls: Vec<TcpRoute>,
    pub(super) tcp: Vec<TcpRoute>,
}

/// A match block, in the form that both kinds share.
struct Block<'a> {
    field: String,
    server_names: &'a [String],
    subnets: &'a [String],
    /// Empty: every client.
    client: &'a str,
    port: Option<u32>,
    source: SourceMatch,
    gateways: &'a [String],
}

/// Compiles the routes of `virtual_service` for the port of `inputs`, or for all ports. `None`: a match does not compile.
pub(super) fn compile(
    virtual_service: &VirtualService,
    inputs: Option<&Inputs<'_>>,
    findings: &mut Findings,
) -> Option<Compiled> {
    let spec = &virtual_service.spec;
    let mut complete = true;
    let mut compiled = Compiled::default();
    for (number, written) in spec.tls.iter().enumerate() {
        let field = format!("spec.tls[{number}]");
        let blocks = written.matches.iter().enumerate();
        let blocks: Vec<Block<'_>> = blocks
            .map(|(place, block)| Block {
                field: format!("{field}.match[{place}]"),
                server_names: &block.sni_hosts,
                subnets: &block.destination_subnets,
                client: "",
                port: block.port,
                source: source(&block.source_namespace, &block.source_labels),
                gateways: &block.gateways,
            })
            .collect();
        complete &= is_named(&blocks, &field, &hosts(virtual_service), findings);
        match routes(&field, blocks, &written.route, inputs, findings) {
            Some(routes) => compiled.tls.extend(routes),
            None => complete = false,
        }
    }
    for (number, written) in spec.tcp.iter().enumerate() {
        let field = format!("spec.tcp[{number}]");
        let blocks = written.matches.iter().enumerate();
        let mut blocks: Vec<Block<'_>> = blocks
            .map(|(place, block)| Block {
                field: format!("{field}.match[{place}]"),
                server_names: &[],
                subnets: &block.destination_subnets,
                client: &block.source_subnet,
                port: block.port,
                source: source(&block.source_namespace, &block.source_labels),
                gateways: &block.gateways,
            })
            .collect();
        if blocks.is_empty() {
            blocks.push(Block {
                field: field.clone(),
                server_names: &[],
                subnets: &[],
                client: "",
                port: None,
                source: SourceMatch::default(),
                gateways: &[],
            });
        }
        match routes(&field, blocks, &written.route, inputs, findings) {
            Some(routes) => compiled.tcp.extend(routes),
            None => complete = false,
        }
    }
    if !complete {
        findings.error(
            "spec",
            "a match of a connection does not compile, so none of the routes of `tls` and `tcp` apply",
            "correct it; until then the last version that was right stays, if there was one",
        );
    }
    complete.then_some(compiled)
}

/// Whether each block of a TLS route names servers that the VirtualService has among its hosts.
fn is_named(blocks: &[Block<'_>], field: &str, hosts: &[String], findings: &mut Findings) -> bool {
    let before = findings.len();
    if blocks.is_empty() {
        findings.error(
            format!("{field}.match"),
            "a route of TLS must say for which server names it is",
            "write `match: [{sniHosts: [...]}]`, or write the route below `tcp`",
        );
    }
    for block in blocks {
        if block.server_names.is_empty() {
            findings.error(
                format!("{}.sniHosts", block.field),
                "no server name is given",
                "list the names, or write the route below `tcp`",
            );
        }
        for (place, name) in block.server_names.iter().enumerate() {
            let name = name.to_ascii_lowercase();
            let field = format!("{}.sniHosts[{place}]", block.field);
            if !is_server_name(&name) {
                findings.error(
                    field,
                    format!("`{name}` is not a server name"),
                    "write a host such as `a.example`, or `*.example`",
                );
            } else if !hosts.iter().any(|host| host::is_within(&name, host)) {
                findings.error(
                    field,
                    format!("`{name}` is none of the hosts of this VirtualService"),
                    "add it to `hosts`, or remove it here",
                );
            } else if name.parse::<IpAddr>().is_ok() {
                findings.warning(
                    field,
                    format!("`{name}` is an address, which clients do not send as a server name"),
                    "name the host, or match `destinationSubnets`",
                );
            }
        }
    }
    findings.error_since(before).is_none()
}

fn hosts(virtual_service: &VirtualService) -> Vec<String> {
    let namespace = &virtual_service.metadata.namespace;
    let hosts = virtual_service.spec.hosts.iter();
    hosts
        .flat_map(|host| [host::qualified(host, namespace), host.to_ascii_lowercase()])
        .collect()
}

fn source(namespace: &str, labels: &std::collections::BTreeMap<String, String>) -> SourceMatch {
    SourceMatch {
        namespace: Some(namespace).filter(|name| !name.is_empty()).map(Into::into),
        labels: labels
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
    }
}

/// The routes of one entry. `None`: a match does not compile.
fn routes(
    field: &str,
    blocks: Vec<Block<'_>>,
    list: &[RouteDestination],
    inputs: Option<&Inputs<'_>>,
    findings: &mut Findings,
) -> Option<Vec<TcpRoute>> {
    let action = action(list, field, inputs, findings);
    let compiled: Vec<Option<(Block<'_>, ConnectionMatch)>> = blocks
        .into_iter()
        .map(|block| Some((matches(&block, findings)?, block)).map(|(matches, block)| (block, matches)))
        .collect();
    let compiled: Vec<(Block<'_>, ConnectionMatch)> = compiled.into_iter().collect::<Option<_>>()?;
    let is_wanted = |block: &Block<'_>| {
        let port = block.port.filter(|port| *port != 0);
        let is_for_port = inputs.is_none_or(|inputs| port.is_none_or(|port| port == u32::from(inputs.port)));
        is_for_port && select::is_for_mesh(block.gateways)
    };
    let wanted = compiled.into_iter().filter(|(block, _)| is_wanted(block));
    let object = findings.object().clone();
    Some(
        wanted
            .map(|(block, matches)| TcpRoute {
                matches,
                action: action.clone(),
                source: object.clone(),
                field: block.field,
            })
            .collect(),
    )
}

fn action(
    list: &[RouteDestination],
    field: &str,
    inputs: Option<&Inputs<'_>>,
    findings: &mut Findings,
) -> TcpAction {
    let before = findings.len();
    if list.is_empty() {
        findings.error(
            format!("{field}.route"),
            "the route leads nowhere",
            "give it a destination",
        );
    }
    let list: Vec<HttpRouteDestination> = list
        .iter()
        .map(|entry| HttpRouteDestination {
            destination: entry.destination.clone(),
            weight: entry.weight,
            headers: None,
        })
        .collect();
    let shared = Shared {
        operations: Operations::default(),
        authority: None,
    };
    let destinations = (!list.is_empty())
        .then(|| destinations::compile(&list, &format!("{field}.route"), &shared, inputs, findings));
    match destinations.flatten() {
        Some(destinations) => TcpAction::Forward(destinations),
        None => TcpAction::Broken {
            reason: findings.error_since(before).unwrap_or_default(),
        },
    }
}

fn matches(block: &Block<'_>, findings: &mut Findings) -> Option<ConnectionMatch> {
    let subnets = block.subnets.iter().enumerate();
    let subnets: Vec<Option<IpNet>> = subnets
        .map(|(place, subnet)| {
            let field = format!("{}.destinationSubnets[{place}]", block.field);
            self::subnet(subnet, field, findings)
        })
        .collect();
    let client = Some(block.client).filter(|subnet| !subnet.is_empty());
    let client = client.map(|subnet| self::subnet(subnet, format!("{}.sourceSubnet", block.field), findings));
    let clients = match client {
        Some(None) => return None,
        client => client.flatten(),
    };
    Some(ConnectionMatch {
        server_names: block
            .server_names
            .iter()
            .map(|name| name.to_ascii_lowercase())
            .collect(),
        destinations: subnets.into_iter().collect::<Option<_>>()?,
        clients,
        source: block.source.clone(),
    })
}

fn subnet(subnet: &str, field: String, findings: &mut Findings) -> Option<IpNet> {
    let address = || subnet.parse::<IpAddr>().ok().map(IpNet::from);
    let parsed = subnet.parse().ok().or_else(address);
    if parsed.is_none() {
        findings.error(
            field,
            format!("`{subnet}` is neither an address nor a block of them"),
            "write `10.0.0.1` or `10.0.0.0/8`",
        );
    }
    parsed
}

/// Whether a server name is a host's, perhaps with a `*` for the first of its labels, or an address.
fn is_server_name(name: &str) -> bool {
    let rest = name.strip_prefix("*.").unwrap_or(name);
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name == "*" || name.parse::<IpAddr>().is_ok() || rest.len() <= 255 && rest.split('.').all(is_label)
}
