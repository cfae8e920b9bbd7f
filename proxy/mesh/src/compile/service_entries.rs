//! From ServiceEntries to services, one for each of their hosts.

use std::collections::BTreeMap;
use std::net::IpAddr;

use cairn_api::istio::{Location, Resolution, ServiceEntry, ServiceEntrySpec, ServicePort as FormPort};
use cairn_api::meta::{Key, Kind, ObjectRef};
use cairn_config::{Objects, Problem};
use cairn_identity::SpiffeId;
use ipnet::IpNet;

use super::draft::parse_ip;
use super::endpoints::{Pool, Ports, named_ports};
use super::entries;
use super::services::{ServiceDraft, unresolved};
use crate::service::{AppProtocol, LoadBalancing, Mode, Origin, Service, ServicePort};
use crate::settings::MeshSettings;

/// Compiles every ServiceEntry, the oldest first: of two that define one host for the whole mesh, that one counts.
pub(crate) fn compile(
    objects: &Objects,
    mesh: &MeshSettings,
    pool: &mut Pool<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<ServiceDraft> {
    let mut forms: Vec<(&Key, &ServiceEntry)> = objects
        .service_entries
        .iter()
        .map(|(key, entry)| (key, entry.as_ref()))
        .collect();
    forms.sort_by_key(|(_, entry)| &entry.metadata.creation_timestamp);
    let mut services = Vec::new();
    for (key, form) in forms {
        let object = ObjectRef::from_key(Kind::ServiceEntry, key);
        let mut compiler = Compiler {
            objects,
            mesh,
            pool,
            problems,
            key,
            form,
            object,
        };
        services.extend(compiler.services());
    }
    services
}

struct Compiler<'c, 'a> {
    objects: &'c Objects,
    mesh: &'c MeshSettings,
    pool: &'c mut Pool<'a>,
    problems: &'c mut Vec<Problem>,
    key: &'c Key,
    form: &'c ServiceEntry,
    object: ObjectRef,
}

impl Compiler<'_, '_> {
    fn services(&mut self) -> Vec<ServiceDraft> {
        let form = self.form;
        let resolution = form.spec.resolution.unwrap_or_default();
        let ports: Vec<ServicePort> = form.spec.ports.iter().filter_map(port).collect();
        let endpoints = self.endpoints(resolution, &ports);
        let subject_alt_names = self.subject_alt_names();
        let mode = if resolution == Resolution::None {
            Mode::Passthrough
        } else {
            Mode::Standard
        };
        let (vips, cidr_vips) = self.addresses();
        let mut services = Vec::with_capacity(form.spec.hosts.len());
        for host in &form.spec.hosts {
            let mut endpoints = endpoints.clone();
            endpoints.extend(self.endpoint_by_name(resolution, host, &ports));
            let assigned = || self.assigned(host).filter(|_| resolution != Resolution::None);
            let vips = if form.spec.addresses.is_empty() {
                assigned().collect()
            } else {
                vips.clone()
            };
            let hostname = host.to_ascii_lowercase();
            let service = Service {
                id: Service::id_of(&self.object, &hostname),
                namespace: self.key.namespace.clone(),
                name: self.key.name.clone(),
                hostname: hostname.into(),
                origin: Origin::ServiceEntry,
                vips,
                cidr_vips: cidr_vips.clone(),
                ports: ports.clone(),
                waypoint: None,
                endpoints: Vec::new(),
                resolution,
                external: form.spec.location.unwrap_or_default() == Location::MeshExternal,
                subject_alt_names: subject_alt_names.clone(),
                alternative_names: form.spec.subject_alt_names.clone(),
                load_balancing: LoadBalancing {
                    mode,
                    scopes: Vec::new(),
                },
                publish_not_ready: false,
                labels: form.metadata.labels.clone(),
                exported: self.mesh.exported(&form.spec.export_to, &self.key.namespace),
            };
            services.push(ServiceDraft {
                service,
                object: self.object.clone(),
                endpoints,
            });
        }
        services
    }

    /// Where a service that names no endpoints is: what its own name stands for.
    fn endpoint_by_name(
        &mut self,
        resolution: Resolution,
        host: &str,
        ports: &[ServicePort],
    ) -> Option<(usize, Ports)> {
        let spec = &self.form.spec;
        let is_wild = host.contains('*');
        let problem = match resolution {
            Resolution::DynamicDns if spec.location == Some(Location::MeshInternal) => Some((
                "spec.location",
                "names that requests bring lead out of the mesh; nothing is sent",
                "write `location: MESH_EXTERNAL`",
            )),
            Resolution::DynamicDns => None,
            Resolution::Dns | Resolution::DnsRoundRobin => {
                if !spec.endpoints.is_empty() || spec.workload_selector.is_some() {
                    return None;
                }
                is_wild.then_some((
                    "spec.hosts",
                    "a name with a `*` has no address, so nothing is sent",
                    "list `endpoints`, or write `resolution: DYNAMIC_DNS`",
                ))
            }
            Resolution::None | Resolution::Static => return None,
        };
        if let Some((field, message, hint)) = problem {
            let object = self.object.clone();
            self.problems.push(Problem::error(object, field, message, hint));
            return None;
        }
        let draft = entries::of_name(self.mesh, self.key, &host.to_ascii_lowercase());
        let ports = named_ports(ports, &BTreeMap::new(), |number| target(spec, number));
        Some((self.pool.place(draft), ports))
    }

    fn endpoints(&mut self, resolution: Resolution, ports: &[ServicePort]) -> Vec<(usize, Ports)> {
        let spec = &self.form.spec;
        match resolution {
            Resolution::Static | Resolution::Dns | Resolution::DnsRoundRobin => {}
            Resolution::None | Resolution::DynamicDns => {
                if !spec.endpoints.is_empty() || spec.workload_selector.is_some() {
                    let field = if spec.endpoints.is_empty() {
                        "spec.workloadSelector"
                    } else {
                        "spec.endpoints"
                    };
                    let message = if resolution == Resolution::None {
                        "with resolution NONE connections go where they are addressed to, so this does nothing"
                    } else {
                        "with resolution DYNAMIC_DNS requests go where their own host is, so this does nothing"
                    };
                    let object = self.object.clone();
                    self.problems.push(Problem::error(
                        object,
                        field,
                        message,
                        "write `resolution: STATIC`",
                    ));
                }
                return Vec::new();
            }
        }
        let target = |number| target(spec, number);
        let mut endpoints = Vec::new();
        for (index, endpoint) in spec.endpoints.iter().enumerate() {
            let draft = entries::of_service_entry(self.mesh, self.key, index, endpoint, self.problems);
            if let Some(draft) = draft {
                if resolution == Resolution::Static && draft.workload.hostname.is_some() {
                    self.problems.push(Problem::error(
                        self.object.clone(),
                        format!("spec.endpoints[{index}].address"),
                        format!(
                            "`{}` is not an IP address, so nothing is sent there",
                            endpoint.address
                        ),
                        "write the address, or `resolution: DNS`",
                    ));
                }
                endpoints.push((
                    self.pool.place(draft),
                    named_ports(ports, &endpoint.ports, target),
                ));
            }
        }
        let selector = spec.workload_selector.as_ref().map(|selector| &selector.labels);
        let Some(selector) = selector.filter(|labels| !labels.is_empty()) else {
            return endpoints;
        };
        for (number, _) in self.pool.pods(&self.key.namespace, selector) {
            endpoints.push((number, named_ports(ports, &BTreeMap::new(), target)));
        }
        for (number, entry) in self.pool.entries(&self.key.namespace, selector) {
            if let Some(name) = &entry.workload.hostname
                && resolution == Resolution::Static
            {
                self.problems.push(unresolved(entry, name));
                continue;
            }
            let named = self
                .objects
                .workload_entries
                .get(&entry.object.key())
                .map(|entry| &entry.spec.ports);
            endpoints.push((
                number,
                named_ports(ports, named.unwrap_or(&BTreeMap::new()), target),
            ));
        }
        endpoints
    }

    fn subject_alt_names(&mut self) -> Vec<SpiffeId> {
        let mut names = Vec::new();
        for (index, name) in self.form.spec.subject_alt_names.iter().enumerate() {
            match name.parse() {
                Ok(name) => names.push(name),
                Err(error) => self.problems.push(Problem::warning(
                    self.object.clone(),
                    format!("spec.subjectAltNames[{index}]"),
                    format!("{error}"),
                    "only identities of the mesh can be proven in a tunnel; other names count for `tls` of a DestinationRule",
                )),
            }
        }
        names
    }

    fn addresses(&mut self) -> (Vec<IpAddr>, Vec<IpNet>) {
        let (mut vips, mut ranges) = (Vec::new(), Vec::new());
        for (index, text) in self.form.spec.addresses.iter().enumerate() {
            match (parse_ip(text), text.parse::<IpNet>()) {
                (Some(address), _) => vips.push(address),
                (None, Ok(range)) => ranges.push(range),
                (None, Err(_)) => self.problems.push(Problem::error(
                    self.object.clone(),
                    format!("spec.addresses[{index}]"),
                    format!("`{text}` is neither an IP address nor a range of them"),
                    "write 240.240.1.1 or 10.0.0.0/8",
                )),
            }
        }
        (vips, ranges)
    }

    /// The addresses that a controller has given to a host.
    fn assigned<'s>(&'s self, host: &'s str) -> impl Iterator<Item = IpAddr> + 's {
        let addresses = self.form.status.iter().flat_map(|status| &status.addresses);
        let of_host = addresses.filter(move |address| address.host.is_empty() || address.host == host);
        of_host.filter_map(|address| parse_ip(&address.value))
    }
}

/// The port of endpoints that say nothing about it.
fn target(spec: &ServiceEntrySpec, number: u16) -> u16 {
    let mut ports = spec.ports.iter();
    let port = ports.find(|port| port.number == Some(u32::from(number)));
    port.and_then(|port| u16::try_from(port.target_port?).ok())
        .unwrap_or(number)
}

/// A TCP port.
fn port(form: &FormPort) -> Option<ServicePort> {
    let number = u16::try_from(form.number?)
        .ok()
        .filter(|_| !form.protocol.eq_ignore_ascii_case("UDP"))?;
    let protocol = Some(form.protocol.as_str()).filter(|text| !text.is_empty());
    Some(ServicePort {
        number,
        name: form.name.clone(),
        protocol: AppProtocol::of(number, &form.name, protocol),
    })
}

#[cfg(test)]
mod tests;
