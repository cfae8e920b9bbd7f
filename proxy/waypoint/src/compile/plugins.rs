//! The plugins of a waypoint, and the chains that they make.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use cairn_api::meta::ObjectRef;
use cairn_config::{Problem, State};
use cairn_mesh::{Service, Snapshot, Waypoint};

use super::kind_of;
use crate::plan::ServicePlan;
use crate::plugin::{self, Attached, FailStrategy, PluginSpec, Slots, Target, Written};

/// All plugins of one version, understood.
pub(super) struct Plugins<'a> {
    all: Vec<(Written, Arc<PluginSpec>)>,
    waypoint: &'a Waypoint,
    root_namespace: &'a str,
}

impl<'a> Plugins<'a> {
    pub(super) fn of(
        state: &State,
        waypoint: &'a Waypoint,
        root_namespace: &'a str,
        services: &[&Arc<Service>],
    ) -> (Plugins<'a>, Vec<Problem>) {
        let (defaults, mut problems) = plugin::defaults(waypoint, &state.objects);
        let mut all = Vec::new();
        for written in Written::all(&state.objects) {
            let file = state.file_of(&written.object);
            let (spec, found) = PluginSpec::compile(&written, file, &defaults, &state.objects);
            problems.extend(found);
            problems.extend(written.check());
            all.push((written, Arc::new(spec)));
        }
        all.sort_by(|(_, one), (_, other)| one.order().cmp(&other.order()));
        let mut plugins = Plugins {
            all,
            waypoint,
            root_namespace,
        };
        problems.extend(plugins.name_apart(services));
        (plugins, problems)
    }

    /// Policies and routes trust what the filter of a name has noted: where two of one name see the same requests, only one
    /// has it, those of the root namespace before others.
    fn name_apart(&mut self, services: &[&Arc<Service>]) -> Vec<Problem> {
        let mut renamed: BTreeMap<ObjectRef, Option<ObjectRef>> = BTreeMap::new();
        for mut chain in self.meetings(services) {
            chain.sort_by_key(|spec| (spec.object.namespace != self.root_namespace, spec.object.clone()));
            chain.dedup_by(|one, other| one.object == other.object);
            let mut named: HashMap<&str, &ObjectRef> = HashMap::new();
            for spec in &chain {
                if let Some(other) = named.get(&*spec.name) {
                    renamed.insert(spec.object.clone(), Some((*other).clone()));
                } else if spec.name.contains('/') {
                    // Else it could have the name that another gets here.
                    renamed.insert(spec.object.clone(), None);
                } else {
                    named.insert(&spec.name, &spec.object);
                }
            }
        }
        let mut problems = Vec::new();
        for (written, spec) in &mut self.all {
            let Some(other) = renamed.get(&spec.object) else {
                continue;
            };
            let why = match other {
                Some(other) => format!("`{}` is the name of {other} too", spec.name),
                None => format!("`{}` has a slash", spec.name),
            };
            problems.push(Problem::warning(
                spec.object.clone(),
                written.field("pluginName"),
                format!("{why}; what the filter notes is kept under `{}`", spec.label),
                "write a `pluginName` that no other filter of these requests has",
            ));
            let spec = Arc::make_mut(spec);
            spec.name = spec.label.to_string();
        }
        problems
    }

    /// Those that bind to a service, in their order; without one, to what is addressed to workloads.
    pub(super) fn of_target(&self, service: Option<&Service>) -> Vec<Arc<PluginSpec>> {
        let target = Target {
            namespace: service.map_or("", |service| &service.namespace),
            service: service.map(|service| (kind_of(service), &*service.name)),
            gateway: &self.waypoint.key,
            gateway_class: &self.waypoint.class,
            root_namespace: self.root_namespace,
        };
        let bound = self
            .all
            .iter()
            .filter(|(written, _)| plugin::bind(written, &target));
        bound.map(|(_, spec)| Arc::clone(spec)).collect()
    }

    /// The plugins that may see the same requests: of one service, of none, or of the services behind which one workload
    /// stands.
    fn meetings(&self, services: &[&Arc<Service>]) -> Vec<Vec<Arc<PluginSpec>>> {
        if self.all.is_empty() {
            return Vec::new();
        }
        let chains: Vec<_> = services
            .iter()
            .map(|service| self.of_target(Some(service)))
            .collect();
        let mut behind: HashMap<SocketAddr, BTreeSet<usize>> = HashMap::new();
        for (index, service) in services.iter().enumerate() {
            for endpoint in &service.endpoints {
                for port in endpoint.ports.values() {
                    for address in &endpoint.workload.addresses {
                        let address = SocketAddr::new(address.to_canonical(), *port);
                        behind.entry(address).or_default().insert(index);
                    }
                }
            }
        }
        let together: BTreeSet<_> = behind.into_values().filter(|indexes| indexes.len() > 1).collect();
        let together = together.into_iter().map(|indexes| {
            let chains = indexes.into_iter().filter_map(|index| chains.get(index));
            chains.flatten().cloned().collect()
        });
        let mut meetings: Vec<_> = together.collect();
        meetings.extend(chains);
        meetings.push(self.of_target(None));
        meetings
    }

    /// The filters without which no client reaches a service of this waypoint, but `caller` does.
    pub(super) fn past(
        &self,
        caller: &PluginSpec,
        target: &str,
        mesh: &Snapshot,
    ) -> impl Iterator<Item = &ObjectRef> {
        let (host, port) = target.rsplit_once(':').unwrap_or((target, ""));
        let service = mesh.service_named(host, &self.waypoint.key.namespace);
        let service = service.filter(|service| service.waypoint.as_ref() == Some(&self.waypoint.key));
        let chain = service.map_or_else(Vec::new, |service| self.of_target(Some(service)));
        let port: Option<u16> = port.parse().ok();
        let stands = move |spec: &PluginSpec| {
            spec.fail != FailStrategy::Open
                && port.is_none_or(|port| spec.sees(port))
                && chain.iter().any(|other| other.object == spec.object)
        };
        let caller = caller.object.clone();
        let all = self.all.iter().map(|(_, spec)| &**spec);
        all.filter(move |spec| spec.object != caller && stands(spec))
            .map(|spec| &spec.object)
    }

    /// Those that bind to anything.
    pub(super) fn bound(
        &self,
        services: &HashMap<Arc<str>, Arc<ServicePlan>>,
        rest: &[Attached],
    ) -> Vec<Arc<PluginSpec>> {
        let ports = services.values().flat_map(|service| &service.ports);
        let attached = ports.flat_map(|port| port.filters.iter()).chain(rest);
        let keys: std::collections::HashSet<_> = attached.map(|attached| &attached.spec.object).collect();
        let bound = self.all.iter().filter(|(_, spec)| keys.contains(&spec.object));
        bound.map(|(_, spec)| Arc::clone(spec)).collect()
    }
}

/// The filters of a port, or of what has none.
pub(super) fn chain(plugins: &[Arc<PluginSpec>], port: Option<u16>, slots: &Slots) -> Arc<[Attached]> {
    plugins
        .iter()
        .filter(|spec| port.is_none_or(|port| spec.sees(port)))
        .map(|spec| Attached {
            spec: Arc::clone(spec),
            slot: slots.of(spec),
        })
        .collect()
}
