//! What this version acts on, field by field.
//!
//! A mesh is only as good as its author's picture of it. Whatever a document says and this version does not do is therefore told, never
//! passed over: the tables below list what *is* acted on, and every field that is present and not covered is reported.
//!
//! **To act on a new field, add its row to the table of its kind.** `[]` stands for every item of a list. A row covers its field and
//! everything below it, so name the leaves where only some are acted on. `field=VALUE` covers only that value.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use cairn_api::meta::Kind;

use crate::path::{Step, push_index, push_key};
use crate::yaml::{Node, Value};

/// The fields of a kind that this version acts on. `None` for the objects of Kubernetes itself: they describe much that is no
/// concern of a mesh, and are not held against these tables.
pub const fn fields(kind: Kind) -> Option<&'static [&'static str]> {
    match kind {
        Kind::VirtualService => Some(VIRTUAL_SERVICE),
        Kind::DestinationRule => Some(DESTINATION_RULE),
        Kind::ServiceEntry => Some(SERVICE_ENTRY),
        Kind::WorkloadEntry => Some(WORKLOAD_ENTRY),
        Kind::AuthorizationPolicy => Some(AUTHORIZATION_POLICY),
        Kind::PeerAuthentication => Some(PEER_AUTHENTICATION),
        Kind::GatewayClass => Some(GATEWAY_CLASS),
        Kind::Gateway => Some(GATEWAY),
        Kind::RequestAuthentication
        | Kind::HttpRoute
        | Kind::GrpcRoute
        | Kind::ReferenceGrant
        | Kind::Telemetry => Some(NOTHING),
        Kind::WasmPlugin => Some(WASM_PLUGIN),
        Kind::TrafficExtension => Some(TRAFFIC_EXTENSION),
        _ => None,
    }
}

const NOTHING: &[&str] = &[];

const WASM_PLUGIN: &[&str] = &[
    "spec.selector",
    "spec.targetRef",
    "spec.targetRefs",
    "spec.url",
    "spec.sha256",
    "spec.imagePullPolicy",
    "spec.imagePullSecret",
    "spec.pluginConfig",
    "spec.pluginName",
    "spec.phase",
    "spec.priority",
    "spec.failStrategy",
    "spec.vmConfig.env",
    "spec.match",
    "spec.type",
];

const TRAFFIC_EXTENSION: &[&str] = &[
    "spec.selector",
    "spec.targetRefs",
    "spec.phase",
    "spec.priority",
    "spec.match",
    "spec.wasm.url",
    "spec.wasm.sha256",
    "spec.wasm.imagePullPolicy",
    "spec.wasm.imagePullSecret",
    "spec.wasm.pluginConfig",
    "spec.wasm.pluginName",
    "spec.wasm.failStrategy",
    "spec.wasm.vmConfig.env",
    "spec.wasm.type",
];

const VIRTUAL_SERVICE: &[&str] = &[
    "spec.hosts",
    "spec.gateways",
    "spec.http[].name",
    "spec.http[].match[].name",
    "spec.http[].match[].uri",
    "spec.http[].match[].ignoreUriCase",
    "spec.http[].match[].scheme",
    "spec.http[].match[].method",
    "spec.http[].match[].authority",
    "spec.http[].match[].headers",
    "spec.http[].match[].withoutHeaders",
    "spec.http[].match[].queryParams",
    "spec.http[].match[].port",
    "spec.http[].match[].gateways",
    "spec.http[].match[].sourceLabels",
    "spec.http[].match[].sourceNamespace",
    "spec.http[].route[].destination.host",
    "spec.http[].route[].destination.subset",
    "spec.http[].route[].destination.port.number",
    "spec.http[].route[].weight",
    "spec.http[].route[].headers",
    "spec.http[].redirect",
    "spec.http[].directResponse",
    "spec.http[].rewrite",
    "spec.http[].headers",
    "spec.http[].timeout",
    "spec.http[].fault.delay.fixedDelay",
    "spec.http[].fault.delay.percentage.value",
    "spec.http[].fault.delay.percent",
    "spec.http[].fault.abort.httpStatus",
    "spec.http[].fault.abort.grpcStatus",
    "spec.http[].fault.abort.percentage.value",
];

const DESTINATION_RULE: &[&str] = &[
    "spec.host",
    "spec.subsets[].name",
    "spec.subsets[].labels",
    "spec.trafficPolicy.loadBalancer.simple",
];

const SERVICE_ENTRY: &[&str] = &[
    "spec.hosts",
    "spec.addresses",
    "spec.ports",
    "spec.location",
    "spec.resolution=NONE",
    "spec.resolution=STATIC",
    "spec.subjectAltNames",
    "spec.endpoints",
    "spec.workloadSelector",
];

const WORKLOAD_ENTRY: &[&str] = &[
    "spec.address",
    "spec.ports",
    "spec.labels",
    "spec.network",
    "spec.locality",
    "spec.weight",
    "spec.serviceAccount",
];

const AUTHORIZATION_POLICY: &[&str] = &[
    "spec.selector",
    "spec.targetRef",
    "spec.targetRefs",
    "spec.action",
    "spec.rules",
];

const PEER_AUTHENTICATION: &[&str] = &["spec.selector", "spec.mtls.mode", "spec.portLevelMtls"];

const GATEWAY_CLASS: &[&str] = &["spec.controllerName", "spec.description"];

const GATEWAY: &[&str] = &[
    "spec.gatewayClassName",
    "spec.addresses",
    "spec.listeners[].name",
    "spec.listeners[].port",
    "spec.listeners[].protocol",
    "spec.listeners[].allowedRoutes.namespaces",
];

/// A field that is present and not acted on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Uncovered {
    pub field: String,
    /// The values that would be acted on, where the field is known by its values.
    pub instead: Vec<&'static str>,
}

/// The fields of an object that this version does not act on: the topmost of each, not everything below it. An object of which nothing is
/// acted on yields its `spec` alone.
pub(crate) fn uncovered(kind: Kind, object: &Node) -> Vec<Uncovered> {
    let Some(rows) = ROWS.get(&kind) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if rows.is_empty() {
        found.push(Uncovered {
            field: "spec".to_owned(),
            instead: Vec::new(),
        });
    } else if let Some(spec) = object.get("spec") {
        let below = below(rows.iter().map(Vec::as_slice), Segment::Key("spec"));
        visit(spec, &below, &mut "spec".to_owned(), &mut found);
    }
    found
}

/// The name that stands in a table where an unknown one was written, when the two are nearly the same.
pub(crate) fn similar(kind: Kind, unknown: &[Step]) -> Option<&'static str> {
    let (Step::Key(name), parents) = unknown.split_last()? else {
        return None;
    };
    let mut rows: Vec<&[Segment<'_>]> = ROWS.get(&kind)?.iter().map(Vec::as_slice).collect();
    for step in parents {
        rows = below(
            rows.into_iter(),
            match step {
                Step::Key(key) => Segment::Key(key),
                Step::Index(_) => Segment::Item,
            },
        );
    }
    let names = rows.iter().filter_map(|row| match row.first() {
        Some(Segment::Key(key)) => Some(*key),
        _ => None,
    });
    closest(name, names)
}

/// The candidate that differs least from a name, if the difference looks like a slip.
pub(crate) fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase().replace(['_', '-'], "");
    let slips = (lower.chars().count() / 3).clamp(1, 2);
    candidates
        .map(|candidate| (distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= slips)
        .min()
        .map(|(_, candidate)| candidate)
}

/// One part of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segment<'a> {
    Key(&'a str),
    Item,
    /// The field may have this value.
    Equals(&'a str),
}

static ROWS: LazyLock<BTreeMap<Kind, Vec<Vec<Segment<'static>>>>> = LazyLock::new(|| {
    let rows = |kind: Kind| fields(kind).map(|rows| (kind, rows.iter().map(|row| segments(row)).collect()));
    Kind::ALL.iter().filter_map(|kind| rows(*kind)).collect()
});

fn segments(row: &'static str) -> Vec<Segment<'static>> {
    let (path, value) = row
        .split_once('=')
        .map_or((row, None), |(path, value)| (path, Some(value)));
    let parts = path.split('.').flat_map(|part| match part.strip_suffix("[]") {
        Some(name) => [Some(Segment::Key(name)), Some(Segment::Item)],
        None => [Some(Segment::Key(part)), None],
    });
    parts.flatten().chain(value.map(Segment::Equals)).collect()
}

/// The rows that go on from here, without the step that leads here.
fn below<'r>(
    rows: impl Iterator<Item = &'r [Segment<'static>]>,
    step: Segment<'_>,
) -> Vec<&'r [Segment<'static>]> {
    rows.filter_map(|row| row.split_first())
        .filter(|(first, _)| **first == step)
        .map(|(_, rest)| rest)
        .collect()
}

fn visit(node: &Node, rows: &[&[Segment<'static>]], path: &mut String, found: &mut Vec<Uncovered>) {
    let length = path.len();
    match &node.value {
        Value::Mapping(entries) => {
            for entry in entries.iter().filter(|entry| entry.value.value != Value::Null) {
                push_key(path, &entry.key);
                judge(
                    &entry.value,
                    &below(rows.iter().copied(), Segment::Key(&entry.key)),
                    path,
                    found,
                );
                path.truncate(length);
            }
        }
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                push_index(path, index);
                judge(item, &below(rows.iter().copied(), Segment::Item), path, found);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

fn judge(node: &Node, rows: &[&[Segment<'static>]], path: &mut String, found: &mut Vec<Uncovered>) {
    let values = rows.iter().filter_map(|row| match row.first() {
        Some(Segment::Equals(value)) => Some(*value),
        _ => None,
    });
    let values: Vec<&'static str> = values.collect();
    let covered =
        rows.iter().any(|row| row.is_empty()) || node.as_str().is_some_and(|text| values.contains(&text));
    if covered {
        return;
    }
    if rows.is_empty() || !values.is_empty() {
        found.push(Uncovered {
            field: path.clone(),
            instead: values,
        });
    } else {
        visit(node, rows, path, found);
    }
}

/// Number of characters to add, remove or change to get from one text to the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (index, a) in a.chars().enumerate() {
        let mut next = vec![index + 1];
        for ((b, pair), left) in b.iter().zip(row.windows(2)).zip(0..) {
            let (diagonal, above) = match pair {
                [diagonal, above] => (*diagonal, *above),
                _ => continue,
            };
            let left = next.get(left).copied().unwrap_or_default();
            next.push((diagonal + usize::from(a != *b)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
