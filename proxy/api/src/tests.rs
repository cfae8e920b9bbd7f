#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

//! One complete document of each kind, read and written back. The documents are in `fixtures/`, by kind.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::meta::{Condition, Kind, ObjectMeta, OwnerReference};
use crate::shape::{Shape, Shaped};
use crate::{gateway, istio, k8s};

#[test]
fn every_field_of_every_kind_survives_a_round_trip() {
    for kind in Kind::ALL.iter().copied() {
        match kind {
            Kind::Namespace => check::<k8s::Namespace>(kind),
            Kind::Node => check::<k8s::Node>(kind),
            Kind::Pod => check::<k8s::Pod>(kind),
            Kind::Service => check::<k8s::Service>(kind),
            Kind::ServiceAccount => check::<k8s::ServiceAccount>(kind),
            Kind::ConfigMap => check::<k8s::ConfigMap>(kind),
            Kind::Deployment => check::<k8s::Deployment>(kind),
            Kind::EndpointSlice => check::<k8s::EndpointSlice>(kind),
            Kind::GatewayClass => check::<gateway::GatewayClass>(kind),
            Kind::Gateway => check::<gateway::Gateway>(kind),
            Kind::HttpRoute => check::<gateway::HttpRoute>(kind),
            Kind::GrpcRoute => check::<gateway::GrpcRoute>(kind),
            Kind::TcpRoute => check::<gateway::TcpRoute>(kind),
            Kind::TlsRoute => check::<gateway::TlsRoute>(kind),
            Kind::BackendTlsPolicy => check::<gateway::BackendTlsPolicy>(kind),
            Kind::ReferenceGrant => check::<gateway::ReferenceGrant>(kind),
            Kind::VirtualService => check::<istio::VirtualService>(kind),
            Kind::DestinationRule => check::<istio::DestinationRule>(kind),
            Kind::ServiceEntry => check::<istio::ServiceEntry>(kind),
            Kind::WorkloadEntry => check::<istio::WorkloadEntry>(kind),
            Kind::AuthorizationPolicy => check::<istio::AuthorizationPolicy>(kind),
            Kind::PeerAuthentication => check::<istio::PeerAuthentication>(kind),
            Kind::RequestAuthentication => check::<istio::RequestAuthentication>(kind),
            Kind::Telemetry => check::<istio::Telemetry>(kind),
            Kind::Secret => check::<k8s::Secret>(kind),
            Kind::TrafficExtension => check::<istio::TrafficExtension>(kind),
            Kind::WasmPlugin => check::<istio::WasmPlugin>(kind),
        }
    }
}

#[test]
fn every_field_of_the_mesh_configuration_survives_a_round_trip() {
    let document = fixture("MeshConfig");
    survives::<istio::MeshConfig>("MeshConfig", &document, &document);
}

#[test]
fn metadata_survives_a_round_trip() {
    let metadata = ObjectMeta {
        name: "reviews".into(),
        namespace: "bookinfo".into(),
        generate_name: "reviews-".into(),
        uid: "f3b1".into(),
        resource_version: "41".into(),
        generation: Some(3),
        creation_timestamp: Some("2026-01-02T03:04:05Z".into()),
        deletion_timestamp: Some("2026-01-02T03:04:06Z".into()),
        deletion_grace_period_seconds: Some(30),
        labels: [("app".into(), "reviews".into())].into(),
        annotations: [("note".into(), String::new())].into(),
        owner_references: vec![OwnerReference {
            api_version: "apps/v1".into(),
            kind: "ReplicaSet".into(),
            name: "reviews-1".into(),
            uid: "a0c2".into(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }],
        finalizers: vec!["example.com/cleanup".into()],
        ..ObjectMeta::default()
    };
    let text = serde_json::to_string(&metadata).unwrap();
    assert_eq!(serde_json::from_str::<ObjectMeta>(&text).unwrap(), metadata);

    let condition = Condition {
        type_: "Ready".into(),
        status: "True".into(),
        ..Condition::default()
    };
    assert_eq!(
        serde_json::to_string(&condition).unwrap(),
        r#"{"type":"Ready","status":"True"}"#
    );
}

fn check<T: DeserializeOwned + Serialize + Debug + Shaped>(kind: Kind) {
    let document = fixture(kind.as_str());
    let named = Kind::resolve(
        document["apiVersion"].as_str().unwrap(),
        document["kind"].as_str().unwrap(),
    );
    assert_eq!(named, Ok(kind));

    let mut kept = document.clone();
    let fields = kept.as_object_mut().unwrap();
    fields.remove("apiVersion");
    fields.remove("kind");
    survives::<T>(kind.as_str(), &document, &kept);
}

fn survives<T: DeserializeOwned + Serialize + Debug + Shaped>(name: &str, document: &Value, kept: &Value) {
    let object: T =
        serde_json::from_value(document.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(&serde_json::to_value(&object).unwrap(), kept, "{name}");

    // The round trip proves only what the document holds; so the document must hold everything.
    let debug = without_metadata(&format!("{object:?}"));
    for unset in [": None", ": []", ": {}", ": \"\"", ": false", ": 0.0"] {
        let at = debug.find(unset).map(|at| &debug[at.saturating_sub(60)..at]);
        assert_eq!(at, None, "{name}: the document leaves a field{unset}");
    }

    // And what it holds is what the shape of the type names: no more, no less.
    let mut written = BTreeSet::new();
    leaves(kept, &T::shape(), String::new(), &mut written);
    let named: BTreeSet<String> = T::shape().paths().into_iter().map(|path| path.field).collect();
    let of_its_own = |fields: &BTreeSet<String>| -> Vec<String> {
        fields.iter().filter(|field| is_its_own(field)).cloned().collect()
    };
    assert_eq!(of_its_own(&written), of_its_own(&named), "{name}");
}

/// Metadata has a test of its own, and the status of most kinds is not kept.
fn is_its_own(field: &str) -> bool {
    field != "status" && !field.split('.').any(|part| part == "metadata")
}

/// The paths of what a document holds. Only where names are the author's own it depends on the shape.
fn leaves(value: &Value, shape: &Shape, field: String, found: &mut BTreeSet<String>) {
    let inner = |name: &str| match shape {
        Shape::Form(form) => form.fields().into_iter().find(|field| field.name == name),
        _ => None,
    };
    match (value, shape) {
        (Value::Array(items), Shape::List(item)) => {
            for value in items {
                leaves(value, item, format!("{field}[]"), found);
            }
        }
        (Value::Object(entries), Shape::Map(item)) => {
            for value in entries.values() {
                leaves(value, item, format!("{field}{{}}"), found);
            }
        }
        (Value::Object(entries), Shape::Form(_)) if !entries.is_empty() => {
            for (name, value) in entries {
                let separator = if field.is_empty() { "" } else { "." };
                let path = format!("{field}{separator}{name}");
                let shape = inner(name).map_or(Shape::Leaf, |inner| inner.shape);
                leaves(value, &shape, path, found);
            }
        }
        _ => drop(found.insert(field)),
    }
}

fn without_metadata(debug: &str) -> String {
    let mut rest = debug.to_owned();
    while let Some(start) = rest.find("ObjectMeta {") {
        const LAST: &str = "self_link: IgnoredStatus }";
        let end = start + rest[start..].find(LAST).unwrap() + LAST.len();
        rest.replace_range(start..end, "-");
    }
    rest
}

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
