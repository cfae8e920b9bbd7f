//! What is left of routes and TLS policies of the Gateway API: what they are attached to. Without it, a service whose route
//! cannot be read would have its default route for everybody, and one whose TLS policy cannot be read would be sent plain text.

use cairn_api::meta::{Kind, ObjectRef};
use serde_json::{Map, Value as Json, json};

use super::texts_by_key;
use crate::objects::{Resource, UNREADABLE};
use crate::yaml::{Node, Value};

/// Whether objects of this kind are such.
pub(super) const fn is_attached(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::HttpRoute | Kind::GrpcRoute | Kind::TcpRoute | Kind::TlsRoute | Kind::BackendTlsPolicy
    )
}

/// A route that leads nowhere, or a policy without trust. `spec` is absent when nothing of it is certain; then nobody knows what a
/// route is for, and nothing is left of it.
pub(super) fn attached(
    object: &ObjectRef,
    spec: Option<&Node>,
    uncertain: &dyn Fn(&str) -> bool,
) -> Option<Resource> {
    let field = |name: &str| {
        let node = spec.and_then(|spec| spec.get(name))?;
        (!uncertain(&format!("spec.{name}"))).then_some(node)
    };
    let mut left = Map::new();
    let mut keep = |name: &str, value: Json| drop(left.insert(name.to_owned(), value));
    if object.kind == Kind::BackendTlsPolicy {
        // Its targets are of its namespace. If it is not known which, each of them may be meant.
        let targets = field("targetRefs")
            .and_then(references)
            .unwrap_or_else(|| vec![json!({"group": "", "kind": "Service", "name": UNREADABLE})]);
        keep("targetRefs", Json::from(targets));
    } else {
        let parents = field("parentRefs").and_then(references)?;
        keep("parentRefs", Json::from(parents));
        keep("rules", json!([{"backendRefs": [{"name": UNREADABLE}]}]));
        let names = field("hostnames").filter(|_| object.kind == Kind::TlsRoute);
        if let Some(names) = names.and_then(texts) {
            keep("hostnames", Json::from(names));
        }
    }
    let metadata = json!({"name": object.name, "namespace": object.namespace});
    Resource::decode(object.kind, json!({"metadata": metadata, "spec": left})).object
}

/// References to parents or targets. `None`: it is not certain that they are all there.
fn references(node: &Node) -> Option<Vec<Json>> {
    let Value::Sequence(items) = &node.value else {
        return None;
    };
    let references = items.iter().map(|item| {
        let mut texts: Map<String, Json> = texts_by_key(item)?;
        // A port that is none narrows nothing.
        let port = texts.remove("port");
        let port = port.and_then(|port| port.as_str()?.parse::<u16>().ok());
        texts.extend(port.map(|port| ("port".to_owned(), Json::from(port))));
        texts.contains_key("name").then_some(Json::Object(texts))
    });
    references.collect()
}

fn texts(node: &Node) -> Option<Vec<String>> {
    match &node.value {
        Value::Sequence(items) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    }
}
