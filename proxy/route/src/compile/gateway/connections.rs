//! From TCPRoutes and TLSRoutes to [`TcpRoute`]s.

use std::cmp::Reverse;
use std::net::IpAddr;

use cairn_api::gateway::{self, BackendRef, ConnectionRouteRule, HttpBackendRef, ParentReference, TlsRoute};
use cairn_api::meta::{Kind, ObjectRef};
use cairn_config::Problem;

use super::backends::{self, Backends, Shared};
use super::is_attached;
use super::lookup::Lookup;
use crate::compile::findings::Findings;
use crate::compile::inputs::Inputs;
use crate::compile::operations::Operations;
use crate::host;
use crate::tcp::{ConnectionMatch, TcpAction, TcpRoute};

/// Every name. It stands for a TLSRoute without host names, and for what no TLSRoute leads.
const ALL_NAMES: &str = "*";

/// A TCPRoute or TLSRoute.
pub(super) struct Document<'a> {
    pub(super) object: ObjectRef,
    created: Option<&'a str>,
    pub(super) parents: &'a [ParentReference],
    /// `None`: it asks for no server name.
    names: Option<&'a [String]>,
    rules: &'a [ConnectionRouteRule],
}

/// What a document comes to.
pub(super) struct Compiled {
    /// For each rule and each server name, one.
    routes: Vec<TcpRoute>,
    /// For each rule, why it leads nowhere although its references may lead somewhere.
    pub(super) refused: Vec<Option<String>>,
}

impl<'a> Document<'a> {
    pub(super) fn tcp(route: &'a gateway::TcpRoute) -> Document<'a> {
        Document {
            object: ObjectRef::from_key(Kind::TcpRoute, &route.metadata.key()),
            created: route.metadata.creation_timestamp.as_deref(),
            parents: &route.spec.parent_refs,
            names: None,
            rules: &route.spec.rules,
        }
    }

    pub(super) fn tls(route: &'a TlsRoute) -> Document<'a> {
        Document {
            object: ObjectRef::from_key(Kind::TlsRoute, &route.metadata.key()),
            created: route.metadata.creation_timestamp.as_deref(),
            parents: &route.spec.parent_refs,
            names: Some(&route.spec.hostnames),
            rules: &route.spec.rules,
        }
    }

    /// Compiles all rules, whatever they are attached to.
    pub(super) fn compile(&self, lookup: &mut Lookup<'_, '_>, findings: &mut Findings) -> Compiled {
        let before = findings.len();
        let matches = self.matches(findings);
        let misnamed = findings.error_since(before);
        let mut compiled = Compiled {
            routes: Vec::new(),
            refused: Vec::new(),
        };
        let empty = [ConnectionRouteRule::default()];
        let rules = if self.rules.is_empty() { &empty } else { self.rules };
        for (number, rule) in rules.iter().enumerate() {
            let field = format!("spec.rules[{number}]");
            let (action, refused) = action(rule, &field, lookup, findings);
            compiled.refused.push(misnamed.clone().or(refused));
            compiled.routes.extend(matches.iter().map(|matches| TcpRoute {
                matches: matches.clone(),
                action: action.clone(),
                source: self.object.clone(),
                field: field.clone(),
            }));
        }
        compiled
    }

    /// One for each server name. What is no name matches nothing.
    fn matches(&self, findings: &mut Findings) -> Vec<ConnectionMatch> {
        let Some(names) = self.names else {
            return vec![ConnectionMatch::default()];
        };
        if names.is_empty() {
            return vec![named(ALL_NAMES)];
        }
        let mut matches = Vec::new();
        for (place, name) in names.iter().enumerate() {
            if is_host_name(name) {
                matches.push(named(&name.to_ascii_lowercase()));
            } else {
                findings.error(
                    format!("spec.hostnames[{place}]"),
                    format!("`{name}` is no server name; no connection has it"),
                    "write a name such as `a.example`, or `*.example` for all below it",
                );
            }
        }
        matches
    }
}

/// The routes of connections to the service and port of `inputs`, in the order of the specification: those by server name first, of
/// these the exact names first and then the longest. Between equals the older route goes first, then the one whose namespace
/// and name come first in the alphabet. None: no route is attached there.
pub(in crate::compile) fn compile(inputs: &Inputs<'_>) -> (Vec<TcpRoute>, Vec<Problem>) {
    let tcp = inputs.tcp_routes.iter().map(|route| Document::tcp(route));
    let tls = inputs.tls_routes.iter().map(|route| Document::tls(route));
    let mut ordered: Vec<(Order, TcpRoute)> = Vec::new();
    let mut problems = Vec::new();
    let mut by_name = None;
    for document in tls.chain(tcp) {
        let mut findings = Findings::new(document.object.clone());
        if is_attached(&document.object, document.parents, inputs, &mut findings) {
            if document.names.is_some() {
                by_name.get_or_insert_with(|| document.object.clone());
            }
            let mut lookup = Lookup::new(&document.object, inputs);
            let compiled = document.compile(&mut lookup, &mut findings);
            let compiled = compiled.routes.into_iter();
            ordered.extend(compiled.map(|route| (Order::new(&route, &document), route)));
        }
        problems.extend(findings.into_problems());
    }
    // Stable: within one route, the rule that is written first goes first.
    ordered.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut routes: Vec<TcpRoute> = Vec::new();
    for (_, route) in ordered {
        match routes.iter().find(|earlier| earlier.matches == route.matches) {
            Some(earlier) => problems.push(unreached(&route, earlier, inputs.port)),
            None => routes.push(route),
        }
    }
    if let Some(source) = by_name
        && !routes.iter().any(|route| takes_all_names(&route.matches))
    {
        routes.push(TcpRoute {
            matches: named(ALL_NAMES),
            action: TcpAction::Broken {
                reason: "no TLSRoute of the service is for this server name".to_owned(),
            },
            source,
            field: "spec.hostnames".to_owned(),
        });
    }
    (routes, problems)
}

/// What decides between two routes, the first part before the others.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Order {
    without_name: bool,
    wildcard: bool,
    length: Reverse<usize>,
    created: Option<String>,
    name: String,
}

impl Order {
    fn new(route: &TcpRoute, document: &Document<'_>) -> Order {
        let name = route.matches.server_names.first();
        Order {
            without_name: name.is_none(),
            wildcard: name.is_some_and(|name| host::wildcard_suffix(name).is_some()),
            length: Reverse(name.map_or(0, String::len)),
            created: document.created.map(str::to_owned),
            name: document.object.key().to_string(),
        }
    }
}

fn named(name: &str) -> ConnectionMatch {
    ConnectionMatch {
        server_names: vec![name.to_owned()],
        ..ConnectionMatch::default()
    }
}

fn takes_all_names(matches: &ConnectionMatch) -> bool {
    matches.server_names.is_empty() || matches.server_names.iter().any(|name| name == ALL_NAMES)
}

fn unreached(route: &TcpRoute, earlier: &TcpRoute, port: u16) -> Problem {
    let what = match route.matches.server_names.first() {
        Some(name) if name != ALL_NAMES => format!("no connection to port {port} of `{name}` gets here"),
        _ => format!("no connection to port {port} gets here"),
    };
    Problem::warning(
        route.source.clone(),
        route.field.clone(),
        format!("{what}: {} {} comes first", earlier.source, earlier.field),
        "keep one of the two; several backends with weights may stand in one rule",
    )
}

/// Where the connections of a rule go, and why they are refused whatever its references lead to.
fn action(
    rule: &ConnectionRouteRule,
    field: &str,
    lookup: &mut Lookup<'_, '_>,
    findings: &mut Findings,
) -> (TcpAction, Option<String>) {
    let nowhere = |reason: String| TcpAction::Broken { reason };
    if rule.backend_refs.is_empty() {
        let reason = "the rule has no backend".to_owned();
        let message = format!("{reason}, so its connections are closed");
        findings.warning(field, message, "give it `backendRefs`");
        return (nowhere(reason), None);
    }
    let list: Vec<HttpBackendRef> = rule.backend_refs.iter().map(backend).collect();
    let shared = Shared {
        operations: &Operations::default(),
        authority: None,
    };
    let before = findings.len();
    match backends::compile(lookup, &list, field, &shared, findings) {
        Some(Backends::Forward(destinations)) => (TcpAction::Forward(destinations), None),
        Some(Backends::Nowhere { reason }) => (nowhere(reason), None),
        None => {
            let reason = findings.error_since(before).unwrap_or_default();
            (nowhere(reason.clone()), Some(reason))
        }
    }
}

fn backend(backend: &BackendRef) -> HttpBackendRef {
    HttpBackendRef {
        group: backend.group.clone(),
        kind: backend.kind.clone(),
        namespace: backend.namespace.clone(),
        name: backend.name.clone(),
        port: backend.port,
        weight: backend.weight,
        filters: Vec::new(),
    }
}

/// Whether it is a name that a hello can have, perhaps with `*.` in front (RFC 6066, section 3: no addresses).
fn is_host_name(name: &str) -> bool {
    let name = name.strip_prefix("*.").unwrap_or(name);
    let is_label = |label: &str| {
        let inside = label.bytes();
        !label.is_empty()
            && label.len() <= 63
            && inside
                .clone()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label) && name.parse::<IpAddr>().is_err()
}
