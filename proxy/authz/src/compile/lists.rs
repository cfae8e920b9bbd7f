//! The lists of values in a rule.

use cairn_api::istio::{Condition, Operation, Source};

use crate::attribute::Attribute;

/// A list of values that is not empty, and what it is about.
pub(super) struct List<'a> {
    /// Name of the field that holds it.
    pub(super) name: &'static str,
    pub(super) attribute: Attribute,
    pub(super) values: &'a [String],
    /// Whether the values are excluded ones.
    pub(super) negated: bool,
}

/// A pair of fields: the values of which one must match, and those of which none may.
type Pair<'a> = [(&'static str, &'a Vec<String>); 2];

pub(super) fn source_lists(source: &Source) -> Vec<List<'_>> {
    let s = source;
    let pairs: [(Attribute, Pair<'_>); 7] = [
        (
            Attribute::Principal,
            [
                ("principals", &s.principals),
                ("notPrincipals", &s.not_principals),
            ],
        ),
        (
            Attribute::RequestPrincipal,
            [
                ("requestPrincipals", &s.request_principals),
                ("notRequestPrincipals", &s.not_request_principals),
            ],
        ),
        (
            Attribute::Namespace,
            [
                ("namespaces", &s.namespaces),
                ("notNamespaces", &s.not_namespaces),
            ],
        ),
        (
            Attribute::ServiceAccount,
            [
                ("serviceAccounts", &s.service_accounts),
                ("notServiceAccounts", &s.not_service_accounts),
            ],
        ),
        (
            Attribute::TrustDomain,
            [
                ("trustDomains", &s.trust_domains),
                ("notTrustDomains", &s.not_trust_domains),
            ],
        ),
        (
            Attribute::SourceIp,
            [("ipBlocks", &s.ip_blocks), ("notIpBlocks", &s.not_ip_blocks)],
        ),
        (
            Attribute::RemoteIp,
            [
                ("remoteIpBlocks", &s.remote_ip_blocks),
                ("notRemoteIpBlocks", &s.not_remote_ip_blocks),
            ],
        ),
    ];
    pairs
        .into_iter()
        .flat_map(|(attribute, pair)| lists(attribute, pair))
        .collect()
}

pub(super) fn operation_lists(operation: &Operation) -> Vec<List<'_>> {
    let o = operation;
    let pairs: [(Attribute, Pair<'_>); 4] = [
        (Attribute::Host, [("hosts", &o.hosts), ("notHosts", &o.not_hosts)]),
        (
            Attribute::Method,
            [("methods", &o.methods), ("notMethods", &o.not_methods)],
        ),
        (Attribute::Path, [("paths", &o.paths), ("notPaths", &o.not_paths)]),
        (
            Attribute::DestinationPort,
            [("ports", &o.ports), ("notPorts", &o.not_ports)],
        ),
    ];
    pairs
        .into_iter()
        .flat_map(|(attribute, pair)| lists(attribute, pair))
        .collect()
}

pub(super) fn condition_lists(condition: &Condition, attribute: Attribute) -> Vec<List<'_>> {
    lists(
        attribute,
        [
            ("values", &condition.values),
            ("notValues", &condition.not_values),
        ],
    )
    .collect()
}

fn lists(attribute: Attribute, pair: Pair<'_>) -> impl Iterator<Item = List<'_>> {
    pair.into_iter()
        .zip([false, true])
        .filter_map(move |((name, values), negated)| {
            let attribute = attribute.clone();
            (!values.is_empty()).then_some(List {
                name,
                attribute,
                values,
                negated,
            })
        })
}
