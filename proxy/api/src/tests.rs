#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

//! One complete document of each kind, read and written back. The documents are in `fixtures/`, by kind.

use std::fmt::Debug;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::meta::{Condition, Kind, ObjectMeta, OwnerReference};
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

fn check<T: DeserializeOwned + Serialize + Debug>(kind: Kind) {
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

fn survives<T: DeserializeOwned + Serialize + Debug>(name: &str, document: &Value, kept: &Value) {
    let object: T =
        serde_json::from_value(document.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(&serde_json::to_value(&object).unwrap(), kept, "{name}");

    // The round trip proves only what the document holds; so the document must hold everything.
    let debug = without_metadata(&format!("{object:?}"));
    for unset in [": None", ": []", ": {}", ": \"\"", ": false", ": 0.0"] {
        let at = debug.find(unset).map(|at| &debug[at.saturating_sub(60)..at]);
        assert_eq!(at, None, "{name}: the document leaves a field{unset}");
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
