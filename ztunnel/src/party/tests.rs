#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::sync::Arc;

use cairn_hbone::baggage;
use cairn_identity::SpiffeId;
use cairn_mesh::{Snapshot, Workload, controllers};

use super::{Party, baggage_of};

const SAID: &str = "k8s.cluster.name=far,k8s.namespace.name=lies,k8s.deployment.name=client,service.name=client,\
    service.version=v7,cloud.region=r,cloud.availability_zone=z";

fn workload() -> Arc<Workload> {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: sleep-0, labels: {app: sleep, version: v1}, \
        ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: sleep, controller: true}]}\n\
        spec: {serviceAccountName: sleeper}\nstatus: {podIP: 127.0.20.1}\n";
    let mut state = cairn_config::from_str(text, "pod.yaml".as_ref());
    state.objects = controllers::complete(&state.objects).into();
    let (mesh, _) = Snapshot::compile(&state);
    Arc::clone(mesh.workloads().next().unwrap())
}

#[test]
fn a_peer_that_the_mesh_does_not_know_is_what_it_says_but_for_its_namespace() {
    let identity = SpiffeId::new("cluster.local", "default", "client");
    let party = Party::peer(&identity, None, baggage::parse(SAID));
    assert_eq!(party.name(), Some("client"));
    assert_eq!(party.namespace(), Some("default"), "its certificate proves it");
    assert_eq!(party.cluster(), Some("far"));
    let labels = party.labels();
    assert_eq!(&*labels.principal, identity.as_str());
    assert_eq!(
        (&*labels.workload, &*labels.version, &*labels.zone),
        ("client", "v7", "z")
    );
}

#[test]
fn a_workload_is_believed_only_with_its_identity() {
    let workload = workload();
    let party = Party::peer(&workload.identity, Some(&workload), baggage::parse(SAID));
    assert_eq!(
        (party.name(), party.namespace(), party.cluster()),
        (Some("sleep-0"), Some("default"), Some("Kubernetes"))
    );
    assert_eq!(&*party.labels().workload, "sleep");

    let other = SpiffeId::new("cluster.local", "default", "other");
    let party = Party::peer(&other, Some(&workload), baggage::parse(""));
    assert_eq!((party.name(), party.cluster()), (None, None));
    assert_eq!(&*party.labels().principal, other.as_str());
}

#[test]
fn an_identity_that_nobody_has_proven_is_not_told() {
    let labels = Party::workload(&workload()).labels();
    assert_eq!((&*labels.workload, &*labels.principal), ("sleep", ""));
}

#[test]
fn baggage_tells_of_the_owner() {
    let said = baggage_of(&workload()).to_string();
    assert_eq!(
        said,
        "k8s.cluster.name=Kubernetes,k8s.namespace.name=default,k8s.deployment.name=sleep,service.name=sleep,\
         service.version=v1"
    );
}
