//! From WorkloadEntries, endpoints of ServiceEntries and endpoints of slices to workloads.

use cairn_api::istio::WorkloadEntrySpec;
use cairn_api::k8s::EndpointSlice;
use cairn_api::meta::{Key, Kind, ObjectRef};
use cairn_config::{Objects, Problem};

use super::draft::{Draft, Drafts, parse_ip};
use crate::names::{REDIRECTION, TUNNEL};
use crate::selector::Labels;
use crate::settings::MeshSettings;
use crate::workload::{Locality, Tunnel};

/// Adds the workload of every WorkloadEntry with an IP address.
pub(crate) fn compile(
    objects: &Objects,
    mesh: &MeshSettings,
    drafts: &mut Drafts,
    problems: &mut Vec<Problem>,
) {
    for (key, entry) in &objects.workload_entries {
        let object = ObjectRef::from_key(Kind::WorkloadEntry, key);
        let uid = format!("{}/networking.istio.io/WorkloadEntry/{key}", mesh.cluster_id);
        let mut labels = entry.metadata.labels.clone();
        labels.extend(entry.spec.labels.clone());
        let written = Written {
            uid,
            object,
            field: "spec.address",
        };
        let Some(mut draft) = of_spec(mesh, written, &entry.spec, &labels, problems) else {
            continue;
        };
        if entry
            .metadata
            .annotations
            .get(REDIRECTION)
            .is_some_and(|value| value == "enabled")
        {
            draft.workload.protocol = Tunnel::Hbone;
        }
        if entry.metadata.deletion_timestamp.is_some() {
            draft.workload.healthy = false;
        }
        draft.may_name_waypoint = true;
        draft.member = true;
        drafts.push(draft);
    }
}

/// The workload of a name that a ServiceEntry has for an endpoint.
pub(crate) fn of_name(mesh: &MeshSettings, key: &Key, name: &str) -> Draft {
    let object = ObjectRef::from_key(Kind::ServiceEntry, key);
    let uid = format!(
        "{}/networking.istio.io/ServiceEntry/{key}/{name}",
        mesh.cluster_id
    );
    let mut draft = Draft::new(mesh, uid, object, "", &Labels::new(), &key.name);
    draft.workload.hostname = Some(name.into());
    draft
}

/// The workload of an endpoint that a ServiceEntry lists.
pub(crate) fn of_service_entry(
    mesh: &MeshSettings,
    key: &Key,
    index: usize,
    endpoint: &WorkloadEntrySpec,
    problems: &mut Vec<Problem>,
) -> Option<Draft> {
    let object = ObjectRef::from_key(Kind::ServiceEntry, key);
    let uid = format!(
        "{}/networking.istio.io/ServiceEntry/{key}/{}",
        mesh.cluster_id, endpoint.address
    );
    let field = format!("spec.endpoints[{index}].address");
    let written = Written {
        uid,
        object,
        field: &field,
    };
    let mut draft = of_spec(mesh, written, endpoint, &endpoint.labels, problems)?;
    draft.member = !endpoint.service_account.is_empty();
    Some(draft)
}

/// The workload of an endpoint with no pod behind it: an address outside of the mesh, without identity of its own.
pub(crate) fn of_slice(
    mesh: &MeshSettings,
    key: &Key,
    slice: &EndpointSlice,
    address: &str,
) -> Option<Draft> {
    let ip = parse_ip(address)?;
    let object = ObjectRef::from_key(Kind::EndpointSlice, key);
    let uid = format!(
        "{}/discovery.k8s.io/EndpointSlice/{key}/{address}",
        mesh.cluster_id
    );
    let name = slice
        .metadata
        .labels
        .get(crate::names::SLICE_SERVICE)
        .unwrap_or(&key.name);
    let mut draft = Draft::new(mesh, uid, object, "", &Labels::new(), name);
    draft.workload.addresses = vec![ip];
    Some(draft)
}

/// Where the address of a workload is written, and what the workload is called.
struct Written<'a> {
    uid: String,
    object: ObjectRef,
    field: &'a str,
}

fn of_spec(
    mesh: &MeshSettings,
    written: Written<'_>,
    spec: &WorkloadEntrySpec,
    labels: &Labels,
    problems: &mut Vec<Problem>,
) -> Option<Draft> {
    let Written { uid, object, field } = written;
    let address = parse_ip(&spec.address);
    if address.is_none() && (spec.address.is_empty() || spec.address.contains([':', '/'])) {
        let message = format!("`{}` is neither an IP address nor a name", spec.address);
        let hint = "write the address; sockets of a file system are not connected to";
        problems.push(Problem::unsupported(object, field, message, hint));
        return None;
    }
    let name = object.name.clone();
    let mut draft = Draft::new(mesh, uid, object, &spec.service_account, labels, &name);
    let workload = &mut draft.workload;
    match address {
        Some(address) => workload.addresses = vec![address],
        None => workload.hostname = Some(spec.address.as_str().into()),
    }
    workload.locality = Locality::parse(&spec.locality);
    workload.capacity = spec.weight.unwrap_or(1);
    if !spec.network.is_empty() {
        workload.network.clone_from(&spec.network);
    }
    if labels.get(TUNNEL).is_some_and(|value| value == "http") {
        workload.protocol = Tunnel::Hbone;
    }
    Some(draft)
}
