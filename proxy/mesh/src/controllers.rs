//! What the controllers of Kubernetes would add to a directory of plain YAML.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use cairn_api::gateway::{Gateway, GatewayAddress};
use cairn_api::istio::{Resolution, ServiceEntry, ServiceEntryAddress};
use cairn_api::k8s::{Deployment, Namespace, Pod, PodStatus, Service};
use cairn_api::meta::{Condition, Key, OwnerReference};
use cairn_config::{Objects, Table};
use xxhash_rust::xxh3::xxh3_64;

use crate::names::{DATAPLANE_MODE, REDIRECTION, SIDECAR_STATUS};
use crate::selector::{LabelIndex, Labels};

/// The second byte of the loopback ranges that missing addresses are taken from.
const SERVICES: u8 = 240;
const PODS: u8 = 241;
const GATEWAYS: u8 = 242;
const SERVICE_ENTRIES: u8 = 243;
/// The label that says `false` where a ServiceEntry is to have no address of its own.
const AUTO_ALLOCATE: &str = "networking.istio.io/enable-autoallocate-ip";

/// Adds what is missing for the objects to be a running mesh on loopback, and leaves alone what is there.
///
/// Deployments get their pods; services, hosts of ServiceEntries, pods and gateways get addresses; pods become ready, and captured unless they
/// or their namespace are labelled `istio.io/dataplane-mode: none`. The same objects always give the same result, and
/// an address does not depend on what else there is, save for the rare case of two names with one hash.
#[must_use]
pub fn complete(objects: &Objects) -> Objects {
    let mut completed = objects.clone();
    let pods: Vec<(&Key, &Pod)> = objects
        .pods
        .iter()
        .map(|(key, pod)| (key, pod.as_ref()))
        .collect();
    let mut written: HashMap<&str, LabelIndex<'_>> = HashMap::new();
    for (number, (key, pod)) in pods.iter().enumerate() {
        written
            .entry(&key.namespace)
            .or_default()
            .insert(number, &pod.metadata.labels);
    }
    for (key, deployment) in &objects.deployments {
        let selector = selector(deployment);
        let index = written
            .get(key.namespace.as_str())
            .filter(|_| !selector.is_empty());
        let selected = index.map(|index| index.select(selector)).unwrap_or_default();
        let selected = selected
            .into_iter()
            .filter_map(|number| pods.get(number).copied());
        expand(key, deployment, selected, &mut completed.pods);
    }
    let mut taken = taken(&completed);
    for (key, service) in &mut completed.services {
        complete_service(key, service, &mut taken);
    }
    for (key, entry) in &mut completed.service_entries {
        complete_service_entry(key, entry, &mut taken);
    }
    for (key, pod) in &mut completed.pods {
        complete_pod(key, pod, &objects.namespaces, &mut taken);
    }
    for (key, gateway) in &mut completed.gateways {
        complete_gateway(key, gateway, &mut taken);
    }
    completed
}

/// Adds pods of the deployment, as many as it asks for. Those that somebody wrote and that it selects count, and become
/// its own, unless they belong to someone else.
fn expand<'a>(
    key: &Key,
    deployment: &Deployment,
    selected: impl Iterator<Item = (&'a Key, &'a Pod)>,
    pods: &mut Table<Pod>,
) {
    let owner = OwnerReference {
        api_version: "apps/v1".to_owned(),
        kind: "Deployment".to_owned(),
        name: key.name.clone(),
        controller: Some(true),
        ..OwnerReference::default()
    };
    let mut present = 0;
    for (name, pod) in selected {
        let owners = &pod.metadata.owner_references;
        if owners
            .iter()
            .all(|other| other.kind == owner.kind && other.name == owner.name)
        {
            present += 1;
        }
        if owners.is_empty()
            && let Some(pod) = pods.get_mut(name)
        {
            Arc::make_mut(pod).metadata.owner_references.push(owner.clone());
        }
    }
    let wanted = usize::try_from(deployment.spec.replicas.unwrap_or(1)).unwrap_or(0);
    let names = (0..).map(|number| Key::new(key.namespace.as_str(), format!("{}-{number}", key.name)));
    let free = names
        .filter(|name| !pods.contains_key(name))
        .take(wanted.saturating_sub(present));
    for name in free.collect::<Vec<Key>>() {
        let template = &deployment.spec.template;
        let mut pod = Pod {
            spec: template.spec.clone(),
            ..Pod::default()
        };
        pod.metadata.name.clone_from(&name.name);
        pod.metadata.namespace.clone_from(&name.namespace);
        pod.metadata.generate_name = format!("{}-", key.name);
        pod.metadata.labels.clone_from(&template.metadata.labels);
        pod.metadata
            .annotations
            .clone_from(&template.metadata.annotations);
        pod.metadata.owner_references.push(owner.clone());
        pods.insert(name, Arc::new(pod));
    }
}

fn selector(deployment: &Deployment) -> &Labels {
    let selector = deployment
        .spec
        .selector
        .as_ref()
        .map(|selector| &selector.match_labels);
    selector.unwrap_or(&deployment.spec.template.metadata.labels)
}

fn complete_service(key: &Key, service: &mut Arc<Service>, taken: &mut HashSet<IpAddr>) {
    let spec = &service.spec;
    if spec.type_ == "ExternalName" || !spec.cluster_ip.is_empty() || !spec.cluster_ips.is_empty() {
        return;
    }
    let address = allocate(SERVICES, key, taken).to_string();
    let spec = &mut Arc::make_mut(service).spec;
    spec.cluster_ip.clone_from(&address);
    spec.cluster_ips.push(address);
}

/// Gives hosts addresses as Istio's controller does: where none is written, and a connection is not for the very address that it
/// was opened to.
fn complete_service_entry(key: &Key, entry: &mut Arc<ServiceEntry>, taken: &mut HashSet<IpAddr>) {
    let spec = &entry.spec;
    let resolution = spec.resolution.unwrap_or_default();
    let opted_out = entry
        .metadata
        .labels
        .get(AUTO_ALLOCATE)
        .is_some_and(|value| value == "false");
    if resolution == Resolution::None || opted_out || !spec.addresses.is_empty() {
        return;
    }
    let given = entry.status.iter().flat_map(|status| &status.addresses);
    let given: HashSet<&str> = given.map(|address| address.host.as_str()).collect();
    let wanting = spec.hosts.iter().filter(|host| {
        let reachable = !host.contains('*') || resolution == Resolution::DynamicDns;
        reachable && !given.contains("") && !given.contains(host.as_str())
    });
    let addresses: Vec<ServiceEntryAddress> = wanting
        .map(|host| {
            let name = Key::new(key.namespace.as_str(), format!("{}/{host}", key.name));
            ServiceEntryAddress {
                value: allocate(SERVICE_ENTRIES, &name, taken).to_string(),
                host: host.clone(),
            }
        })
        .collect();
    if !addresses.is_empty() {
        let status = Arc::make_mut(entry).status.get_or_insert_default();
        status.addresses.extend(addresses);
    }
}

fn complete_pod(key: &Key, pod: &mut Arc<Pod>, namespaces: &Table<Namespace>, taken: &mut HashSet<IpAddr>) {
    let namespace = namespaces.get(&Key::new("", key.namespace.as_str()));
    let captured = is_captured(pod, namespace.map(|namespace| &namespace.metadata.labels));
    let pod = Arc::make_mut(pod);
    let status = pod.status.get_or_insert_with(PodStatus::default);
    let ended = matches!(status.phase.as_str(), "Failed" | "Succeeded");
    if !ended && status.pod_ip.is_empty() && status.pod_ips.is_empty() {
        status.pod_ip = allocate(PODS, key, taken).to_string();
    }
    if !ended && status.conditions.is_empty() {
        let ready = Condition {
            type_: "Ready".to_owned(),
            status: "True".to_owned(),
            ..Condition::default()
        };
        status.conditions.push(ready);
    }
    if status.phase.is_empty() {
        "Running".clone_into(&mut status.phase);
    }
    if captured {
        let annotation = pod.metadata.annotations.entry(REDIRECTION.to_owned());
        annotation.or_insert_with(|| "enabled".to_owned());
    }
}

/// The node agent's own rule, for a mesh that every namespace is in unless it says otherwise.
fn is_captured(pod: &Pod, namespace: Option<&Labels>) -> bool {
    if pod.spec.host_network || pod.metadata.annotations.contains_key(SIDECAR_STATUS) {
        return false;
    }
    let own = pod.metadata.labels.get(DATAPLANE_MODE).map(String::as_str);
    let inherited = namespace
        .and_then(|labels| labels.get(DATAPLANE_MODE))
        .map(String::as_str);
    match own {
        Some("ambient") => true,
        Some("none") => false,
        _ => inherited != Some("none"),
    }
}

fn complete_gateway(key: &Key, gateway: &mut Arc<Gateway>, taken: &mut HashSet<IpAddr>) {
    if gateway
        .status
        .as_ref()
        .is_some_and(|status| !status.addresses.is_empty())
    {
        return;
    }
    let asked = gateway
        .spec
        .addresses
        .iter()
        .filter(|address| !address.value.is_empty());
    let mut addresses: Vec<GatewayAddress> = asked.cloned().collect();
    if addresses.is_empty() {
        let value = allocate(GATEWAYS, key, taken).to_string();
        addresses.push(GatewayAddress {
            type_: Some("IPAddress".to_owned()),
            value,
        });
    }
    Arc::make_mut(gateway).status.get_or_insert_default().addresses = addresses;
}

/// Every address that some object has.
fn taken(objects: &Objects) -> HashSet<IpAddr> {
    let services = objects.services.values().flat_map(|service| {
        let spec = &service.spec;
        spec.cluster_ips.iter().chain(std::iter::once(&spec.cluster_ip))
    });
    let statuses = objects.pods.values().filter_map(|pod| pod.status.as_ref());
    let pods = statuses.flat_map(|status| {
        status
            .pod_ips
            .iter()
            .map(|ip| &ip.ip)
            .chain(std::iter::once(&status.pod_ip))
    });
    let gateways = objects.gateways.values().flat_map(|gateway| {
        let given = gateway.status.iter().flat_map(|status| &status.addresses);
        given.chain(&gateway.spec.addresses).map(|address| &address.value)
    });
    let entries = objects.service_entries.values().flat_map(|entry| {
        let given = entry.status.iter().flat_map(|status| &status.addresses);
        let endpoints = entry.spec.endpoints.iter().map(|endpoint| &endpoint.address);
        let given = given.map(|address| &address.value);
        entry.spec.addresses.iter().chain(endpoints).chain(given)
    });
    let workloads = objects.workload_entries.values().map(|entry| &entry.spec.address);
    let slices = objects
        .endpoint_slices
        .values()
        .flat_map(|slice| slice.endpoints.iter().flat_map(|endpoint| &endpoint.addresses));
    let texts = services
        .chain(pods)
        .chain(gateways)
        .chain(entries)
        .chain(workloads)
        .chain(slices);
    texts.filter_map(|text| text.parse().ok()).collect()
}

/// The address of `127.<range>.0.0/16` that the name's hash points to, or the next that is free.
fn allocate(range: u8, key: &Key, taken: &mut HashSet<IpAddr>) -> IpAddr {
    /// Without the first and the last address, which would look like a network and a broadcast address.
    const USABLE: u64 = 65_534;
    let start = xxh3_64(key.to_string().as_bytes()) % USABLE;
    let address = |step: u64| {
        let [.., high, low] = (1 + (start + step) % USABLE).to_be_bytes();
        IpAddr::from(Ipv4Addr::new(127, range, high, low))
    };
    let free = (0..USABLE).map(address).find(|address| !taken.contains(address));
    let address = free.unwrap_or_else(|| address(0));
    taken.insert(address);
    address
}

#[cfg(test)]
mod tests;
