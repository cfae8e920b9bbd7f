//! From Kubernetes Services, and slices of their endpoints, to services.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use cairn_api::istio::Resolution;
use cairn_api::k8s::{EndpointSlice, Service as Form, ServicePort as FormPort, ServiceSpec};
use cairn_api::meta::{Key, Kind, ObjectRef};
use cairn_api::value::IntOrString;
use cairn_config::{Objects, Problem};

use super::draft::{Draft, parse_ip};
use super::endpoints::{Pool, Ports, named_ports};
use super::entries;
use crate::names::{EXPORT_TO, SLICE_SERVICE, TRAFFIC_DISTRIBUTION};
use crate::service::{AppProtocol, LoadBalancing, Mode, Origin, Scope, Service, ServicePort};
use crate::settings::MeshSettings;

/// A service whose workloads are still drafts.
#[derive(Clone, Debug)]
pub(crate) struct ServiceDraft {
    /// The service, without endpoints and waypoint.
    pub(crate) service: Service,
    /// The object that problems with it are about.
    pub(crate) object: ObjectRef,
    /// Number of a draft, and what the service's ports are there.
    pub(crate) endpoints: Vec<(usize, Ports)>,
}

/// Compiles every Kubernetes Service that is more than another name.
pub(crate) fn compile(
    objects: &Objects,
    mesh: &MeshSettings,
    pool: &mut Pool<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<ServiceDraft> {
    let mut slices: Slices<'_> = HashMap::new();
    for (key, slice) in &objects.endpoint_slices {
        if let Some(service) = slice.metadata.labels.get(SLICE_SERVICE) {
            slices
                .entry((&key.namespace, service))
                .or_default()
                .push((key, slice));
        }
    }
    let mut compiler = Compiler {
        objects,
        mesh,
        pool,
        problems,
    };
    let named = objects
        .services
        .iter()
        .filter(|(_, service)| service.spec.type_ != "ExternalName");
    let drafts = named.map(|(key, form)| {
        let slices = slices.get(&(key.namespace.as_str(), key.name.as_str()));
        compiler.service(key, form, slices.map(Vec::as_slice).unwrap_or_default())
    });
    drafts.collect()
}

/// Namespace and name of a service → its slices.
type Slices<'a> = HashMap<(&'a str, &'a str), Vec<(&'a Key, &'a EndpointSlice)>>;

/// The TCP ports of a service, by number.
type FormPorts<'a> = Vec<(u16, &'a FormPort)>;

struct Compiler<'c, 'a> {
    objects: &'c Objects,
    mesh: &'c MeshSettings,
    pool: &'c mut Pool<'a>,
    problems: &'c mut Vec<Problem>,
}

impl Compiler<'_, '_> {
    fn service(&mut self, key: &Key, form: &Form, slices: &[(&Key, &EndpointSlice)]) -> ServiceDraft {
        let object = ObjectRef::from_key(Kind::Service, key);
        let spec = &form.spec;
        let tcp = spec.ports.iter().filter(|port| is_tcp(&port.protocol));
        let tcp: FormPorts<'_> = tcp.filter_map(|port| Some((port.port?, port))).collect();
        let ports = tcp.iter().map(|(number, port)| {
            let app_protocol = Some(port.app_protocol.as_str()).filter(|text| !text.is_empty());
            let protocol = AppProtocol::of(*number, &port.name, app_protocol);
            ServicePort {
                number: *number,
                name: port.name.clone(),
                protocol,
            }
        });
        let hostname = self.mesh.hostname(key);
        let export_to: Vec<&str> = form
            .metadata
            .annotations
            .get(EXPORT_TO)
            .map_or_else(Vec::new, |it| it.split(',').collect());
        let service = Service {
            id: Service::id_of(&object, &hostname),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            hostname: hostname.into(),
            origin: Origin::Kubernetes,
            vips: self.cluster_ips(&object, spec),
            cidr_vips: Vec::new(),
            ports: ports.collect(),
            waypoint: None,
            endpoints: Vec::new(),
            resolution: Resolution::Static,
            external: false,
            subject_alt_names: Vec::new(),
            alternative_names: Vec::new(),
            load_balancing: self.load_balancing(&object, form),
            publish_not_ready: spec.publish_not_ready_addresses,
            labels: form.metadata.labels.clone(),
            exported: self.mesh.exported(&export_to, &key.namespace),
        };
        let mut endpoints = Vec::new();
        if !spec.selector.is_empty() {
            let pods = self.pool.pods(&key.namespace, &spec.selector);
            endpoints.extend(
                pods.into_iter()
                    .map(|(number, pod)| (number, pod_ports(&tcp, pod))),
            );
            for (number, entry) in self.pool.entries(&key.namespace, &spec.selector) {
                if let Some(name) = &entry.workload.hostname {
                    self.problems.push(unresolved(entry, name));
                    continue;
                }
                let named = self.objects.workload_entries.get(&entry.object.key());
                let named = named.map(|entry| &entry.spec.ports);
                let target = |port| numeric_target(&tcp, port);
                endpoints.push((
                    number,
                    named_ports(&service.ports, named.unwrap_or(&BTreeMap::new()), target),
                ));
            }
            self.check_selection(&object, &tcp, &endpoints);
        }
        for (slice_key, slice) in slices.iter().filter(|(_, slice)| slice.address_type != "FQDN") {
            self.slice_endpoints(
                slice_key,
                slice,
                &service,
                spec.selector.is_empty(),
                &mut endpoints,
            );
        }
        ServiceDraft {
            service,
            object,
            endpoints,
        }
    }

    fn cluster_ips(&mut self, object: &ObjectRef, spec: &ServiceSpec) -> Vec<IpAddr> {
        let texts = match spec.cluster_ips.as_slice() {
            [] => std::slice::from_ref(&spec.cluster_ip),
            texts => texts,
        };
        let mut addresses = Vec::new();
        for text in texts.iter().filter(|text| !matches!(text.as_str(), "" | "None")) {
            match parse_ip(text) {
                Some(address) => addresses.push(address),
                None => {
                    let message = format!("`{text}` is not an IP address");
                    let hint = "write one, `None` for a headless service, or leave it out";
                    self.problems
                        .push(Problem::error(object.clone(), "spec.clusterIP", message, hint));
                }
            }
        }
        addresses
    }

    fn load_balancing(&mut self, object: &ObjectRef, form: &Form) -> LoadBalancing {
        if form.spec.internal_traffic_policy == "Local" {
            return LoadBalancing {
                mode: Mode::Strict,
                scopes: vec![Scope::Node],
            };
        }
        let namespace = self
            .objects
            .namespaces
            .get(&Key::new("", form.metadata.namespace.as_str()));
        let own = form.metadata.annotations.get(TRAFFIC_DISTRIBUTION);
        let annotation = own.or_else(|| namespace?.metadata.annotations.get(TRAFFIC_DISTRIBUTION));
        let field = Some(&form.spec.traffic_distribution).filter(|text| !text.is_empty());
        let zone = [Scope::Network, Scope::Region, Scope::Zone];
        let scopes = match field.or(annotation).map(String::as_str) {
            None | Some("Any") => return LoadBalancing::default(),
            Some("PreferClose" | "PreferSameZone") => zone.to_vec(),
            Some("PreferSameNode") => [zone.as_slice(), &[Scope::Subzone, Scope::Node]].concat(),
            Some(other) => {
                let message = format!("`{other}` is no traffic distribution; no endpoint is preferred");
                let hint = "write PreferSameZone or PreferSameNode";
                self.problems.push(Problem::warning(
                    object.clone(),
                    "spec.trafficDistribution",
                    message,
                    hint,
                ));
                return LoadBalancing::default();
            }
        };
        LoadBalancing {
            mode: Mode::Failover,
            scopes,
        }
    }

    fn check_selection(&mut self, object: &ObjectRef, ports: &FormPorts<'_>, endpoints: &[(usize, Ports)]) {
        if endpoints.is_empty() {
            let message = "the selector selects no pod that has an address";
            let hint = "compare it with the labels of the pods of its namespace";
            self.problems
                .push(Problem::warning(object.clone(), "spec.selector", message, hint));
            return;
        }
        let nowhere = |number: u16| endpoints.iter().all(|(_, ports)| !ports.contains_key(&number));
        for (number, port) in ports.iter().filter(|(number, _)| nowhere(*number)) {
            let target = port
                .target_port
                .as_ref()
                .map(IntOrString::to_string)
                .unwrap_or_default();
            let message =
                format!("no selected pod has a port named `{target}`: nothing answers on port {number}");
            let hint = "name the container's port so, or write its number";
            self.problems
                .push(Problem::error(object.clone(), "spec.ports", message, hint));
        }
    }

    /// Adds the endpoints of a slice. For a service with a selector, its pods are behind it already.
    fn slice_endpoints(
        &mut self,
        key: &Key,
        slice: &EndpointSlice,
        service: &Service,
        selectorless: bool,
        endpoints: &mut Vec<(usize, Ports)>,
    ) {
        let mut ports = Ports::new();
        for port in slice.ports.iter().filter(|port| is_tcp(&port.protocol)) {
            let own = service.ports.iter().filter(|own| own.name == port.name);
            ports.extend(own.map(|own| (own.number, port.port.unwrap_or(own.number))));
        }
        for endpoint in &slice.endpoints {
            let pod = endpoint
                .target_ref
                .as_ref()
                .filter(|reference| reference.kind == "Pod");
            let number = if let Some(pod) = pod {
                let namespace = if pod.namespace.is_empty() {
                    &key.namespace
                } else {
                    &pod.namespace
                };
                self.pool.pod(namespace, &pod.name).filter(|_| selectorless)
            } else {
                self.slice_address(key, slice, endpoint)
            };
            let known = |number: &usize| endpoints.iter().any(|(other, _)| other == number);
            if let Some(number) = number.filter(|number| !known(number)) {
                endpoints.push((number, ports.clone()));
            }
        }
    }

    fn slice_address(
        &mut self,
        key: &Key,
        slice: &EndpointSlice,
        endpoint: &cairn_api::k8s::Endpoint,
    ) -> Option<usize> {
        let address = endpoint.addresses.first()?;
        let Some(mut draft) = entries::of_slice(self.mesh, key, slice, address) else {
            let object = ObjectRef::from_key(Kind::EndpointSlice, key);
            let message = format!("`{address}` is not an IP address");
            self.problems
                .push(Problem::error(object, "endpoints", message, "write one"));
            return None;
        };
        draft.workload.healthy = endpoint.conditions.ready.unwrap_or(true);
        draft.workload.node.clone_from(&endpoint.node_name);
        draft.workload.locality.zone.clone_from(&endpoint.zone);
        Some(self.pool.place(draft))
    }
}

fn is_tcp(protocol: &str) -> bool {
    matches!(protocol, "" | "TCP")
}

/// A number stays; a name is looked up among the ports of the pod's containers, and is nothing when it is not there.
fn pod_ports(ports: &FormPorts<'_>, pod: &Draft) -> Ports {
    let target = |number: u16, port: &FormPort| match &port.target_port {
        None | Some(IntOrString::Int(0)) => Some(number),
        Some(IntOrString::Int(target)) => u16::try_from(*target).ok(),
        Some(IntOrString::String(name)) => {
            let named = pod.workload.ports.iter().find(|own| own.name == *name);
            named.map(|own| own.number).or_else(|| name.parse().ok())
        }
    };
    ports
        .iter()
        .filter_map(|(number, port)| Some((*number, target(*number, port)?)))
        .collect()
}

fn numeric_target(ports: &FormPorts<'_>, number: u16) -> u16 {
    let port = ports
        .iter()
        .find(|(own, _)| *own == number)
        .and_then(|(_, port)| port.target_port.as_ref());
    match port {
        Some(IntOrString::Int(target)) if *target != 0 => u16::try_from(*target).unwrap_or(number),
        _ => number,
    }
}

/// Nobody resolves a name behind a Service, or behind a ServiceEntry of resolution STATIC.
pub(crate) fn unresolved(entry: &Draft, name: &str) -> Problem {
    Problem::unsupported(
        entry.object.clone(),
        "spec.address",
        format!("`{name}` is not an IP address, so nothing is sent there for what selects it"),
        "write the address, or select it by a ServiceEntry with `resolution: DNS`",
    )
}

#[cfg(test)]
mod tests;
