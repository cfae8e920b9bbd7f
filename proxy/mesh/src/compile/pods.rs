//! From Pods to workloads.

use cairn_api::k8s::{Container, Node, Pod};
use cairn_api::meta::{Key, Kind, ObjectRef};
use cairn_config::{Objects, Problem};

use super::draft::{Draft, Drafts, parse_ip};
use crate::names::{POD_TEMPLATE_HASH, REDIRECTION, TUNNEL};
use crate::settings::MeshSettings;
use crate::workload::{ContainerPort, Locality, Tunnel, WorkloadType};

/// Adds the workload of every pod that has an address and has not ended.
pub(crate) fn compile(
    objects: &Objects,
    mesh: &MeshSettings,
    drafts: &mut Drafts,
    problems: &mut Vec<Problem>,
) {
    for (key, pod) in &objects.pods {
        drafts.extend(draft(objects, mesh, key, pod, problems));
    }
}

fn draft(
    objects: &Objects,
    mesh: &MeshSettings,
    key: &Key,
    pod: &Pod,
    problems: &mut Vec<Problem>,
) -> Option<Draft> {
    let status = pod.status.as_ref()?;
    if matches!(status.phase.as_str(), "Failed" | "Succeeded") {
        return None;
    }
    let object = ObjectRef::from_key(Kind::Pod, key);
    let mut texts: Vec<&str> = status.pod_ips.iter().map(|ip| ip.ip.as_str()).collect();
    if texts.is_empty() {
        texts.push(&status.pod_ip);
    }
    let mut addresses = Vec::new();
    for text in texts.into_iter().filter(|text| !text.is_empty()) {
        match parse_ip(text) {
            Some(address) => addresses.push(address),
            None => {
                let message = format!("`{text}` is not an IP address");
                problems.push(Problem::error(
                    object.clone(),
                    "status.podIP",
                    message,
                    "write one, or leave it out",
                ));
            }
        }
    }
    if addresses.is_empty() {
        return None;
    }
    let uid = format!("{}//Pod/{}/{}", mesh.cluster_id, key.namespace, key.name);
    let (owner, workload_type) = owner(pod);
    let labels = &pod.metadata.labels;
    let mut draft = Draft::new(mesh, uid, object, &pod.spec.service_account_name, labels, &owner);
    draft.may_name_waypoint = true;
    draft.member = true;
    draft.made_from = made_from(objects, key, pod);
    let workload = &mut draft.workload;
    workload.addresses = addresses;
    workload.workload_type = workload_type;
    workload.node.clone_from(&pod.spec.node_name);
    workload.protocol = protocol(pod);
    workload.healthy = is_ready(pod);
    workload.host_network = pod.spec.host_network;
    workload.ports = ports(pod);
    if let Some(node) = objects.nodes.get(&Key::new("", pod.spec.node_name.as_str())) {
        workload.locality = locality(node);
    }
    Some(draft)
}

fn protocol(pod: &Pod) -> Tunnel {
    let metadata = &pod.metadata;
    let redirected = metadata
        .annotations
        .get(REDIRECTION)
        .is_some_and(|value| value == "enabled");
    let native = [&metadata.labels, &metadata.annotations]
        .iter()
        .any(|map| map.get(TUNNEL).is_some_and(|v| v == "http"));
    if redirected || native {
        Tunnel::Hbone
    } else {
        Tunnel::None
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| &status.conditions);
    let ready = conditions
        .into_iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    ready && pod.metadata.deletion_timestamp.is_none()
}

/// TCP ports of the containers that run beside each other: ordinary ones, and init containers that stay.
fn ports(pod: &Pod) -> Vec<ContainerPort> {
    let stays = |container: &&Container| container.restart_policy == "Always";
    let containers = pod
        .spec
        .containers
        .iter()
        .chain(pod.spec.init_containers.iter().filter(stays));
    let ports = containers.flat_map(|container| &container.ports);
    let tcp = ports.filter(|port| matches!(port.protocol.as_str(), "" | "TCP"));
    tcp.filter_map(|port| {
        Some(ContainerPort {
            name: port.name.clone(),
            number: port.container_port?,
        })
    })
    .collect()
}

/// The Deployment of a pod that carries the name that its controller generated.
fn made_from(objects: &Objects, key: &Key, pod: &Pod) -> Option<ObjectRef> {
    let generated = !pod.metadata.generate_name.is_empty();
    let owner = pod
        .metadata
        .owner_references
        .iter()
        .find(|owner| generated && owner.kind == "Deployment")?;
    let deployment = Key::new(key.namespace.as_str(), owner.name.as_str());
    objects
        .deployments
        .contains_key(&deployment)
        .then(|| ObjectRef::from_key(Kind::Deployment, &deployment))
}

/// What owns a pod, behind what its controller put in between.
fn owner(pod: &Pod) -> (String, WorkloadType) {
    let owners = &pod.metadata.owner_references;
    let owner = owners
        .iter()
        .find(|owner| owner.controller == Some(true))
        .or_else(|| owners.first());
    let Some(owner) = owner else {
        return (pod.metadata.name.clone(), WorkloadType::Pod);
    };
    match owner.kind.as_str() {
        "ReplicaSet" => {
            let hash = pod
                .metadata
                .labels
                .get(POD_TEMPLATE_HASH)
                .filter(|hash| !hash.is_empty());
            let deployment = hash.and_then(|hash| owner.name.strip_suffix(hash.as_str())?.strip_suffix('-'));
            let kind = if deployment.is_some() {
                WorkloadType::Deployment
            } else {
                WorkloadType::Pod
            };
            (deployment.unwrap_or(&owner.name).to_owned(), kind)
        }
        "Deployment" => (owner.name.clone(), WorkloadType::Deployment),
        "CronJob" => (owner.name.clone(), WorkloadType::CronJob),
        "Job" => {
            // Jobs of a CronJob are called after it and the minute that they were due at.
            let scheduled = owner
                .name
                .rsplit_once('-')
                .filter(|(_, minute)| minute.len() >= 8 && minute.bytes().all(|byte| byte.is_ascii_digit()));
            match scheduled {
                Some((cron_job, _)) => (cron_job.to_owned(), WorkloadType::CronJob),
                None => (owner.name.clone(), WorkloadType::Job),
            }
        }
        _ => (owner.name.clone(), WorkloadType::Pod),
    }
}

fn locality(node: &Node) -> Locality {
    let label = |name: &str| node.metadata.labels.get(name).cloned().unwrap_or_default();
    Locality {
        region: label("topology.kubernetes.io/region"),
        zone: label("topology.kubernetes.io/zone"),
        subzone: label("topology.istio.io/subzone"),
    }
}

#[cfg(test)]
mod tests;
