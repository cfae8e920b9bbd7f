//! What of an object that cannot be read must not be forgotten: that it is there, and what binds it to a waypoint; of a filter,
//! what it is attached to, for nothing may go past it, and likewise of a route or TLS policy of the Gateway API.
//!
//! Without it, traffic that a waypoint was to see would go round it until the document is mended. A remnant offers nothing that
//! traffic could reach: services keep their addresses and lose ports and endpoints, so that connections to them are refused.

mod gateway;

use std::net::IpAddr;

use cairn_api::meta::{Kind, ObjectRef};
use serde_json::{Map, Value as Json, json};

use crate::document::identity::text;
use crate::document::salvage::words_after;
use crate::objects::{Resource, UNREADABLE};
use crate::yaml::{Node, Value};

/// The labels that bind to waypoints, and that say what for.
const BINDING: [&str; 3] = [
    "istio.io/use-waypoint",
    "istio.io/use-waypoint-namespace",
    "istio.io/waypoint-for",
];

/// What is left of an object of which the form is wrong; `faults` are the fields that are not certain.
pub(super) fn of_tree(object: &ObjectRef, root: &Node, faults: &[String]) -> Option<Resource> {
    let uncertain = |field: &str| {
        let merged = format!("{field}.<<");
        faults
            .iter()
            .any(|fault| [field, &merged, "<<"].contains(&fault.as_str()))
    };
    let metadata = root.get("metadata");
    let written = |name: &str| match metadata.and_then(|metadata| metadata.get(name)) {
        None => Some(Map::new()),
        Some(found) => texts_by_key(found),
    };
    let hidden = uncertain("metadata") || uncertain("metadata.labels");
    let labels = written("labels");
    let hidden = hidden || labels.is_none();
    let mut labels = labels.unwrap_or_default();
    for name in BINDING {
        if hidden || uncertain(&format!("metadata.labels.{name}")) {
            labels.insert(name.to_owned(), Json::from(UNREADABLE));
        }
    }
    let annotations = written("annotations")
        .filter(|_| !faults.iter().any(|fault| fault.starts_with("metadata")))
        .unwrap_or_default();
    let spec = root.get("spec");
    let field = |name: &str| spec.and_then(|spec| spec.get(name));
    let mut found = Vec::new();
    for part in [spec, root.get("status")].into_iter().flatten() {
        collect(part, &mut found);
    }
    let class = field("gatewayClassName").and_then(text);
    let class = class.filter(|_| !uncertain("spec") && !uncertain("spec.gatewayClassName"));
    let mut hosts = Vec::new();
    if let Some(node) = field("hosts") {
        collect(node, &mut hosts);
    }
    if is_plugin(object.kind) {
        return plugin(object, spec, &uncertain);
    }
    if gateway::is_attached(object.kind) {
        let within = |field: &str| {
            let inside = |fault: &String| fault.starts_with(field);
            uncertain("spec") || uncertain(field) || faults.iter().any(inside)
        };
        return gateway::attached(object, spec, &within);
    }
    build(
        object,
        &labels,
        &annotations,
        &addresses(&found),
        hosts,
        class.as_deref(),
    )
}

const fn is_plugin(kind: Kind) -> bool {
    matches!(kind, Kind::WasmPlugin | Kind::TrafficExtension)
}

/// A filter without a module, which fails what it is attached to as far as that can be read, else all that one in its
/// namespace may see.
fn plugin(object: &ObjectRef, spec: Option<&Node>, uncertain: &dyn Fn(&str) -> bool) -> Option<Resource> {
    let field = |name: &str| {
        let node = spec.and_then(|spec| spec.get(name))?;
        (!uncertain("spec") && !uncertain(&format!("spec.{name}"))).then_some(node)
    };
    let reference = |node: &Node| Some(Json::from(texts_by_key(node)?));
    let many = |node: &Node| match &node.value {
        Value::Sequence(items) => items.iter().map(reference).collect::<Option<Vec<_>>>(),
        _ => None,
    };
    let mut left = Map::new();
    if let Some(one) = field("targetRef").and_then(reference) {
        left.insert("targetRef".to_owned(), one);
    }
    if let Some(many) = field("targetRefs").and_then(many) {
        left.insert("targetRefs".to_owned(), Json::from(many));
    }
    if field("selector").is_some() {
        left.insert("selector".to_owned(), json!({}));
    }
    if let Some(strategy) = field("failStrategy").and_then(text)
        && strategy == "FAIL_OPEN"
    {
        left.insert("failStrategy".to_owned(), Json::from(strategy));
    }
    left.insert("phase".to_owned(), Json::from("AUTHN"));
    if object.kind == Kind::TrafficExtension {
        left.insert("wasm".to_owned(), json!({}));
    }
    let metadata = json!({"name": object.name, "namespace": object.namespace});
    Resource::decode(object.kind, json!({"metadata": metadata, "spec": left})).object
}

/// What is left of an object in a document that is no YAML.
pub(super) fn of_text(object: &ObjectRef, document: &str) -> Option<Resource> {
    if is_plugin(object.kind) {
        return plugin(object, None, &|_| true);
    }
    if gateway::is_attached(object.kind) {
        return gateway::attached(object, None, &|_| true);
    }
    let words: Vec<String> = document
        .split(|c: char| !(c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '/')))
        .flat_map(|word| [word, word.trim_matches([':', '.', '/'])])
        .map(str::to_owned)
        .collect();
    // Which of its labels is which object's the lines do not tell for certain; escapes may spell anything.
    let may_say = |name: &&str| document.contains(*name) || document.contains('\\');
    let labels: Map<String, Json> = BINDING
        .iter()
        .filter(|name| may_say(name))
        .map(|name| ((*name).to_owned(), Json::from(UNREADABLE)))
        .collect();
    let class = match words_after(document, "gatewayClassName").as_slice() {
        [class] => Some(*class),
        _ => None,
    };
    build(
        object,
        &labels,
        &Map::new(),
        &addresses(&words),
        Vec::new(),
        class,
    )
}

fn build(
    object: &ObjectRef,
    labels: &Map<String, Json>,
    annotations: &Map<String, Json>,
    addresses: &[String],
    mut hosts: Vec<String>,
    class: Option<&str>,
) -> Option<Resource> {
    let spec = match object.kind {
        Kind::Namespace | Kind::GatewayClass => json!({}),
        Kind::Service => {
            let single = addresses.iter().filter(|text| text.parse::<IpAddr>().is_ok());
            json!({"clusterIPs": single.collect::<Vec<_>>()})
        }
        Kind::ServiceEntry => {
            if hosts.is_empty() {
                // Addresses are those of a host.
                hosts.push(format!("{UNREADABLE} {}", object.key()));
            }
            json!({"hosts": hosts, "addresses": addresses, "resolution": "STATIC"})
        }
        Kind::Gateway => json!({"gatewayClassName": class.unwrap_or(UNREADABLE)}),
        _ => return None,
    };
    let metadata = json!({
        "name": object.name,
        "namespace": object.namespace,
        "labels": labels,
        "annotations": annotations,
    });
    Resource::decode(object.kind, json!({"metadata": metadata, "spec": spec})).object
}

/// A mapping to texts, as far as it is one.
fn texts_by_key(node: &Node) -> Option<Map<String, Json>> {
    let Value::Mapping(entries) = &node.value else {
        return None;
    };
    let present = entries.iter().filter(|entry| entry.value.value != Value::Null);
    let texts = present.map(|entry| {
        let value = text(&entry.value).unwrap_or_else(|| UNREADABLE.to_owned());
        (entry.key.clone(), Json::from(value))
    });
    Some(texts.collect())
}

/// The texts in a tree, wherever they stand; those of endpoints are not the object's own.
fn collect(node: &Node, found: &mut Vec<String>) {
    match &node.value {
        Value::Sequence(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Mapping(entries) => entries
            .iter()
            .filter(|entry| entry.key != "endpoints")
            .for_each(|entry| collect(&entry.value, found)),
        _ => found.extend(text(node)),
    }
}

/// The addresses among texts, and the ranges of them.
fn addresses(texts: &[String]) -> Vec<String> {
    let is_address = |text: &&String| {
        let (address, length) = text.split_once('/').unwrap_or((text, "0"));
        address.parse::<IpAddr>().is_ok() && length.parse::<u8>().is_ok()
    };
    let mut addresses: Vec<String> = texts.iter().filter(is_address).cloned().collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

#[cfg(test)]
mod tests;
