//! From Services and ServiceEntries to services, and to the workloads behind them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use cairn_api::istio::{self, Resolution, ServiceEntry};
use cairn_api::k8s::{self, EndpointSlice};
use cairn_api::meta::{Key, Kind, ObjectRef};
use cairn_api::value::IntOrString;
use cairn_config::{Objects, Problem};
use ipnet::IpNet;

use super::draft::{Draft, Drafts, parse_ip};
use super::entries;
use crate::names::{SLICE_SERVICE, TRAFFIC_DISTRIBUTION};
use crate::selector::{LabelIndex, Labels};
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

/// Service port → port of the workload.
type Ports = BTreeMap<u16, u16>;

/// Compiles every service, and adds the workloads of endpoints that no pod and no WorkloadEntry stands for.
pub(crate) fn compile(
    objects: &Objects,
    mesh: &MeshSettings,
    drafts: &mut Drafts,
    problems: &mut Vec<Problem>,
) -> Vec<ServiceDraft> {
    let mut compiler = Compiler::new(objects, mesh, drafts, problems);
    let mut services = Vec::new();
    for (key, service) in &objects.services {
        services.extend(compiler.kubernetes(key, service));
    }
    for (key, entry) in &objects.service_entries {
        compiler.service_entry(key, entry, &mut services);
    }
    let Compiler { extra, .. } = compiler;
    drafts.extend(extra);
    services
}

struct Compiler<'a> {
    objects: &'a Objects,
    mesh: &'a MeshSettings,
    drafts: &'a [Draft],
    problems: &'a mut Vec<Problem>,
    pods: HashMap<&'a str, LabelIndex<'a>>,
    entries: HashMap<&'a str, LabelIndex<'a>>,
    pods_by_name: HashMap<(&'a str, &'a str), usize>,
    pods_by_ip: HashMap<IpAddr, usize>,
    slices: HashMap<(&'a str, &'a str), Vec<(&'a Key, &'a EndpointSlice)>>,
    /// Workloads that were found on the way; their numbers follow those of `drafts`.
    extra: Drafts,
    uids: BTreeSet<std::sync::Arc<str>>,
}

impl<'a> Compiler<'a> {
    fn new(
        objects: &'a Objects,
        mesh: &'a MeshSettings,
        drafts: &'a [Draft],
        problems: &'a mut Vec<Problem>,
    ) -> Compiler<'a> {
        let mut compiler = Compiler {
            objects,
            mesh,
            drafts,
            problems,
            pods: HashMap::new(),
            entries: HashMap::new(),
            pods_by_name: HashMap::new(),
            pods_by_ip: HashMap::new(),
            slices: HashMap::new(),
            extra: Vec::new(),
            uids: BTreeSet::new(),
        };
        for (number, draft) in drafts.iter().enumerate() {
            let workload = &draft.workload;
            let is_pod = draft.object.kind == Kind::Pod;
            let index = if is_pod {
                &mut compiler.pods
            } else {
                &mut compiler.entries
            };
            index
                .entry(&workload.namespace)
                .or_default()
                .insert(number, &workload.labels);
            if is_pod {
                compiler
                    .pods_by_name
                    .insert((&workload.namespace, &workload.name), number);
                for address in workload.addresses.iter().filter(|_| !workload.host_network) {
                    compiler.pods_by_ip.entry(*address).or_insert(number);
                }
            }
        }
        for (key, slice) in &objects.endpoint_slices {
            if let Some(service) = slice.metadata.labels.get(SLICE_SERVICE) {
                compiler
                    .slices
                    .entry((&key.namespace, service))
                    .or_default()
                    .push((key, slice));
            }
        }
        compiler
    }

    fn kubernetes(&mut self, key: &'a Key, service: &'a k8s::Service) -> Option<ServiceDraft> {
        let spec = &service.spec;
        if spec.type_ == "ExternalName" {
            return None;
        }
        let object = ObjectRef::from_key(Kind::Service, key);
        let tcp = spec
            .ports
            .iter()
            .filter(|port| matches!(port.protocol.as_str(), "" | "TCP"));
        let tcp: Vec<(u16, &k8s::ServicePort)> = tcp.filter_map(|port| Some((port.port?, port))).collect();
        let ports = tcp.iter().map(|(number, port)| {
            let app_protocol = Some(port.app_protocol.as_str()).filter(|text| !text.is_empty());
            ServicePort {
                number: *number,
                name: port.name.clone(),
                protocol: AppProtocol::of(*number, &port.name, app_protocol),
            }
        });
        let compiled = Service {
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            hostname: self.mesh.hostname(key).into(),
            origin: Origin::Kubernetes,
            vips: self.cluster_ips(&object, spec),
            cidr_vips: Vec::new(),
            ports: ports.collect(),
            waypoint: None,
            endpoints: Vec::new(),
            subject_alt_names: Vec::new(),
            load_balancing: self.load_balancing(&object, service),
            publish_not_ready: spec.publish_not_ready_addresses,
            labels: service.metadata.labels.clone(),
        };
        let mut endpoints = Vec::new();
        if !spec.selector.is_empty() {
            let selected = select(&self.pods, &key.namespace, &spec.selector);
            let pods = selected
                .iter()
                .filter_map(|number| self.drafts.get(*number).map(|draft| (*number, draft)));
            endpoints.extend(pods.map(|(number, draft)| (number, pod_ports(&tcp, draft))));
            for number in select(&self.entries, &key.namespace, &spec.selector) {
                endpoints.push((
                    number,
                    self.entry_ports(number, &compiled.ports, |port| numeric_target(&tcp, port)),
                ));
            }
            self.check_selection(&object, &tcp, &endpoints);
        }
        for (slice_key, slice) in self
            .slices
            .get(&(key.namespace.as_str(), key.name.as_str()))
            .cloned()
            .unwrap_or_default()
        {
            self.slice_endpoints(
                slice_key,
                slice,
                &compiled,
                spec.selector.is_empty(),
                &mut endpoints,
            );
        }
        Some(ServiceDraft {
            service: compiled,
            object,
            endpoints,
        })
    }

    fn cluster_ips(&mut self, object: &ObjectRef, spec: &k8s::ServiceSpec) -> Vec<IpAddr> {
        let texts = if spec.cluster_ips.is_empty() {
            std::slice::from_ref(&spec.cluster_ip)
        } else {
            &spec.cluster_ips
        };
        let given = texts.iter().filter(|text| !matches!(text.as_str(), "" | "None"));
        let mut addresses = Vec::new();
        for text in given {
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

    fn load_balancing(&mut self, object: &ObjectRef, service: &k8s::Service) -> LoadBalancing {
        let spec = &service.spec;
        if spec.internal_traffic_policy == "Local" {
            return LoadBalancing {
                mode: Mode::Strict,
                scopes: vec![Scope::Node],
            };
        }
        let namespace = self
            .objects
            .namespaces
            .get(&Key::new("", service.metadata.namespace.as_str()));
        let annotation = service.metadata.annotations.get(TRAFFIC_DISTRIBUTION);
        let annotation =
            annotation.or_else(|| namespace.and_then(|n| n.metadata.annotations.get(TRAFFIC_DISTRIBUTION)));
        let spec = Some(&spec.traffic_distribution).filter(|text| !text.is_empty());
        let close = [Scope::Network, Scope::Region, Scope::Zone];
        let scopes = match spec.or(annotation).map(String::as_str) {
            None | Some("Any") => return LoadBalancing::default(),
            Some("PreferClose" | "PreferSameZone") => close.to_vec(),
            Some("PreferSameNode") => [close.as_slice(), &[Scope::Subzone, Scope::Node]].concat(),
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

    fn check_selection(
        &mut self,
        object: &ObjectRef,
        ports: &[(u16, &k8s::ServicePort)],
        endpoints: &[(usize, Ports)],
    ) {
        if endpoints.is_empty() {
            let message = "the selector selects no pod that has an address";
            let hint = "compare it with the labels of the pods of its namespace";
            self.problems
                .push(Problem::warning(object.clone(), "spec.selector", message, hint));
            return;
        }
        for (number, port) in ports
            .iter()
            .filter(|(number, _)| endpoints.iter().all(|(_, ports)| !ports.contains_key(number)))
        {
            let target = port
                .target_port
                .as_ref()
                .map_or_else(|| number.to_string(), IntOrString::to_string);
            let message =
                format!("no selected pod has a port named `{target}`, so nothing answers on port {number}");
            let hint = "name the container's port so, or write its number";
            self.problems
                .push(Problem::error(object.clone(), "spec.ports", message, hint));
        }
    }

    fn slice_endpoints(
        &mut self,
        key: &Key,
        slice: &EndpointSlice,
        service: &Service,
        selectorless: bool,
        endpoints: &mut Vec<(usize, Ports)>,
    ) {
        if slice.address_type == "FQDN" {
            return;
        }
        let tcp = slice
            .ports
            .iter()
            .filter(|port| matches!(port.protocol.as_str(), "" | "TCP"));
        let ports: Ports = tcp
            .flat_map(|port| {
                service
                    .ports
                    .iter()
                    .filter(|own| own.name == port.name)
                    .map(move |own| (own, port))
            })
            .map(|(own, port)| (own.number, port.port.unwrap_or(own.number)))
            .collect();
        for endpoint in &slice.endpoints {
            let pod = endpoint
                .target_ref
                .as_ref()
                .filter(|reference| reference.kind == "Pod");
            if let Some(pod) = pod {
                let namespace = if pod.namespace.is_empty() {
                    &key.namespace
                } else {
                    &pod.namespace
                };
                let number = self
                    .pods_by_name
                    .get(&(namespace.as_str(), pod.name.as_str()))
                    .copied();
                if let Some(number) =
                    number.filter(|number| selectorless && !endpoints.iter().any(|(n, _)| n == number))
                {
                    endpoints.push((number, ports.clone()));
                }
                continue;
            }
            let Some(address) = endpoint.addresses.first() else {
                continue;
            };
            let mut draft = entries::of_slice(self.mesh, key, slice, address);
            if let Some(draft) = &mut draft {
                draft.workload.healthy = endpoint.conditions.ready.unwrap_or(true);
                draft.workload.node.clone_from(&endpoint.node_name);
                draft.workload.locality.zone.clone_from(&endpoint.zone);
            }
            match draft.and_then(|draft| self.place(draft)) {
                Some(number) => endpoints.push((number, ports.clone())),
                None => self.problems.push(Problem::error(
                    ObjectRef::from_key(Kind::EndpointSlice, key),
                    "endpoints",
                    format!("`{address}` is not an IP address"),
                    "write one",
                )),
            }
        }
    }

    fn service_entry(&mut self, key: &'a Key, entry: &'a ServiceEntry, services: &mut Vec<ServiceDraft>) {
        let object = ObjectRef::from_key(Kind::ServiceEntry, key);
        let spec = &entry.spec;
        let tcp = spec
            .ports
            .iter()
            .filter(|port| !port.protocol.eq_ignore_ascii_case("UDP"));
        let tcp: Vec<(u16, &istio::ServicePort)> = tcp
            .filter_map(|port| Some((u16::try_from(port.number?).ok()?, port)))
            .collect();
        let ports: Vec<ServicePort> = tcp
            .iter()
            .map(|(number, port)| {
                let protocol = Some(port.protocol.as_str()).filter(|text| !text.is_empty());
                let protocol = AppProtocol::of(*number, &port.name, protocol);
                ServicePort {
                    number: *number,
                    name: port.name.clone(),
                    protocol,
                }
            })
            .collect();
        let target = |number: u16| {
            let port = tcp
                .iter()
                .find(|(own, _)| *own == number)
                .and_then(|(_, port)| port.target_port);
            port.and_then(|port| u16::try_from(port).ok()).unwrap_or(number)
        };
        let resolution = spec.resolution.unwrap_or_default();
        let endpoints = match resolution {
            Resolution::Static => self.entry_endpoints(key, entry, &ports, target),
            Resolution::None => {
                if !spec.endpoints.is_empty() {
                    let message = "with resolution NONE callers reach the address that they ask for; endpoints do nothing";
                    let problem = Problem::error(
                        object.clone(),
                        "spec.endpoints",
                        message,
                        "write `resolution: STATIC`",
                    );
                    self.problems.push(problem);
                }
                Vec::new()
            }
            Resolution::Dns | Resolution::DnsRoundRobin | Resolution::DynamicDns => {
                let message = "names of endpoints are not resolved; only endpoints with an address are used";
                let problem = Problem::unsupported(object.clone(), "spec.resolution", message, "use STATIC");
                self.problems.push(problem);
                self.entry_endpoints(key, entry, &ports, target)
            }
        };
        let names = spec
            .subject_alt_names
            .iter()
            .enumerate()
            .filter_map(|(index, name)| {
                name.parse()
                    .map_err(|error| (index, error))
                    .inspect_err(|(index, error)| {
                        let field = format!("spec.subjectAltNames[{index}]");
                        let hint = "only identities of the mesh can be proven in a tunnel";
                        self.problems
                            .push(Problem::warning(object.clone(), field, format!("{error}"), hint));
                    })
                    .ok()
            });
        let subject_alt_names: Vec<cairn_identity::SpiffeId> = names.collect();
        for host in &spec.hosts {
            let (vips, cidr_vips) = self.addresses(&object, entry, host, resolution);
            let mode = if resolution == Resolution::None {
                Mode::Passthrough
            } else {
                Mode::Standard
            };
            let service = Service {
                namespace: key.namespace.clone(),
                name: key.name.clone(),
                hostname: host.as_str().into(),
                origin: Origin::ServiceEntry,
                vips,
                cidr_vips,
                ports: ports.clone(),
                waypoint: None,
                endpoints: Vec::new(),
                subject_alt_names: subject_alt_names.clone(),
                load_balancing: LoadBalancing {
                    mode,
                    scopes: Vec::new(),
                },
                publish_not_ready: false,
                labels: entry.metadata.labels.clone(),
            };
            services.push(ServiceDraft {
                service,
                object: object.clone(),
                endpoints: endpoints.clone(),
            });
        }
    }

    fn entry_endpoints(
        &mut self,
        key: &'a Key,
        entry: &'a ServiceEntry,
        ports: &[ServicePort],
        target: impl Fn(u16) -> u16 + Copy,
    ) -> Vec<(usize, Ports)> {
        let mut endpoints = Vec::new();
        for (index, endpoint) in entry.spec.endpoints.iter().enumerate() {
            let draft = entries::of_service_entry(self.mesh, key, index, endpoint, self.problems);
            let Some(number) = draft.and_then(|draft| self.place(draft)) else {
                continue;
            };
            endpoints.push((number, named_ports(ports, &endpoint.ports, target)));
        }
        if let Some(selector) = entry
            .spec
            .workload_selector
            .as_ref()
            .filter(|selector| !selector.labels.is_empty())
        {
            for number in select(&self.pods, &key.namespace, &selector.labels) {
                endpoints.push((
                    number,
                    ports
                        .iter()
                        .map(|port| (port.number, target(port.number)))
                        .collect(),
                ));
            }
            for number in select(&self.entries, &key.namespace, &selector.labels) {
                endpoints.push((number, self.entry_ports(number, ports, target)));
            }
        }
        endpoints
    }

    fn addresses(
        &mut self,
        object: &ObjectRef,
        entry: &ServiceEntry,
        host: &str,
        resolution: Resolution,
    ) -> (Vec<IpAddr>, Vec<IpNet>) {
        let (mut vips, mut ranges) = (Vec::new(), Vec::new());
        for (index, text) in entry.spec.addresses.iter().enumerate() {
            match (parse_ip(text), text.parse::<IpNet>()) {
                (Some(address), _) => vips.push(address),
                (None, Ok(range)) => ranges.push(range),
                (None, Err(_)) => {
                    let message = format!("`{text}` is neither an IP address nor a range of them");
                    let field = format!("spec.addresses[{index}]");
                    self.problems.push(Problem::error(
                        object.clone(),
                        field,
                        message,
                        "write 240.240.1.1 or 10.0.0.0/8",
                    ));
                }
            }
        }
        if entry.spec.addresses.is_empty() && resolution != Resolution::None {
            let assigned = entry.status.iter().flat_map(|status| &status.addresses);
            let ours = assigned.filter(|address| address.host.is_empty() || address.host == host);
            vips.extend(ours.filter_map(|address| parse_ip(&address.value)));
        }
        (vips, ranges)
    }

    /// The ports of a WorkloadEntry behind a service.
    fn entry_ports(&self, number: usize, ports: &[ServicePort], target: impl Fn(u16) -> u16) -> Ports {
        let draft = self.drafts.get(number);
        let key = draft.map(|draft| draft.object.key()).unwrap_or_default();
        let named = self
            .objects
            .workload_entries
            .get(&key)
            .map(|entry| &entry.spec.ports);
        named_ports(ports, named.unwrap_or(&BTreeMap::new()), target)
    }

    /// The number of an endpoint: that of the pod at its address, which knows more than who wrote the endpoint.
    fn place(&mut self, mut draft: Draft) -> Option<usize> {
        let pod = draft
            .workload
            .addresses
            .first()
            .and_then(|address| self.pods_by_ip.get(address));
        if let Some(number) = pod {
            return Some(*number);
        }
        let number = self.drafts.len() + self.extra.len();
        if !self.uids.insert(draft.workload.uid.clone()) {
            draft.workload.uid = format!("{}/{number}", draft.workload.uid).into();
            self.uids.insert(draft.workload.uid.clone());
        }
        self.extra.push(draft);
        Some(number)
    }
}

fn select(index: &HashMap<&str, LabelIndex<'_>>, namespace: &str, selector: &Labels) -> Vec<usize> {
    index
        .get(namespace)
        .map(|index| index.select(selector))
        .unwrap_or_default()
}

/// A number stays; a name is looked up among the ports of the pod's containers, and is nothing when it is not there.
fn pod_ports(ports: &[(u16, &k8s::ServicePort)], draft: &Draft) -> Ports {
    let target = |number: u16, port: &k8s::ServicePort| match &port.target_port {
        None => Some(number),
        Some(IntOrString::Int(0)) => Some(number),
        Some(IntOrString::Int(target)) => u16::try_from(*target).ok(),
        Some(IntOrString::String(name)) => {
            let named = draft.workload.ports.iter().find(|own| own.name == *name);
            named.map(|own| own.number).or_else(|| name.parse().ok())
        }
    };
    ports
        .iter()
        .filter_map(|(number, port)| Some((*number, target(*number, port)?)))
        .collect()
}

fn numeric_target(ports: &[(u16, &k8s::ServicePort)], number: u16) -> u16 {
    let port = ports
        .iter()
        .find(|(own, _)| *own == number)
        .and_then(|(_, port)| port.target_port.as_ref());
    match port {
        Some(IntOrString::Int(target)) if *target != 0 => u16::try_from(*target).unwrap_or(number),
        _ => number,
    }
}

fn named_ports(ports: &[ServicePort], named: &BTreeMap<String, u32>, target: impl Fn(u16) -> u16) -> Ports {
    let of = |port: &ServicePort| {
        let named = named
            .get(&port.name)
            .and_then(|number| u16::try_from(*number).ok());
        (port.number, named.unwrap_or_else(|| target(port.number)))
    };
    ports.iter().map(of).collect()
}
