//! DestinationRules: the subsets of a host, and how its endpoints are chosen.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cairn_api::istio::{self, DestinationRule, SimpleLb};
use cairn_api::meta::{Kind, ObjectRef};
use cairn_config::Problem;

use crate::host;

/// All DestinationRules, by namespace and host.
#[derive(Debug, Clone, Default)]
pub struct DestinationRules {
    namespaces: HashMap<String, Hosts>,
    root_namespace: String,
}

/// What the DestinationRules of one namespace say about one host, merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPolicy {
    /// The rules that it comes from, oldest first.
    pub sources: Vec<ObjectRef>,
    export_to: Vec<String>,
    subsets: Vec<Subset>,
    balancing: Option<Balancing>,
}

/// A named part of a host's endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subset {
    /// The name that routes refer to.
    pub name: String,
    /// The labels that an endpoint of it has, among others.
    pub labels: BTreeMap<String, String>,
    balancing: Balancing,
}

/// How an endpoint is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum LoadBalancing {
    /// The less busy of two chosen at random.
    #[default]
    LeastRequest,
    /// In turn.
    RoundRobin,
    /// At random.
    Random,
    /// The address that the client connected to.
    Passthrough,
}

/// A choice for all ports, and those for single ports. A port that is listed has nothing of the choice
/// for all: what it leaves out is the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Balancing {
    all: Option<LoadBalancing>,
    ports: Vec<(u16, Option<LoadBalancing>)>,
}

#[derive(Debug, Clone, Default)]
struct Hosts {
    exact: HashMap<String, Vec<HostPolicy>>,
    /// By what follows the `*`, longest first.
    wildcards: Vec<(String, Vec<HostPolicy>)>,
}

impl DestinationRules {
    /// Indexes `rules`. Rules of one namespace for the same host are merged, oldest first: of
    /// subsets with the same name the first stays, and so does the first traffic policy.
    pub fn new(rules: &[Arc<DestinationRule>], root_namespace: &str) -> (DestinationRules, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut ordered: Vec<&DestinationRule> = rules.iter().map(Arc::as_ref).collect();
        ordered.sort_by_key(|rule| {
            let meta = &rule.metadata;
            (
                meta.creation_timestamp.as_deref(),
                meta.name.as_str(),
                meta.namespace.as_str(),
            )
        });
        let mut merged: BTreeMap<(String, String), Vec<HostPolicy>> = BTreeMap::new();
        for rule in ordered {
            let object = ObjectRef::from_key(Kind::DestinationRule, &rule.metadata.key());
            let Some(policy) = HostPolicy::new(rule, &object, &mut problems) else {
                continue;
            };
            let namespace = rule.metadata.namespace.clone();
            let name = host::qualified(&rule.spec.host, &namespace);
            let policies = merged.entry((namespace, name)).or_default();
            match policies
                .iter_mut()
                .find(|earlier| earlier.export_to == policy.export_to)
            {
                Some(earlier) => earlier.merge(policy, &object, &mut problems),
                None => policies.push(policy),
            }
        }
        let mut namespaces: HashMap<String, Hosts> = HashMap::new();
        for ((namespace, name), policies) in merged {
            let hosts = namespaces.entry(namespace).or_default();
            match host::wildcard_suffix(&name) {
                Some(suffix) => hosts.wildcards.push((suffix.to_owned(), policies)),
                None => drop(hosts.exact.insert(name, policies)),
            }
        }
        for hosts in namespaces.values_mut() {
            hosts
                .wildcards
                .sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        }
        (
            DestinationRules {
                namespaces,
                root_namespace: root_namespace.to_owned(),
            },
            problems,
        )
    }

    /// What applies to `host`, a full name, on a waypoint: the most specific rule of the waypoint's
    /// namespace; without one, of the service's; without one, of the root namespace. Rules of the root
    /// namespace come last even for a waypoint that lives there.
    pub fn find(&self, host: &str, service_namespace: &str, waypoint_namespace: &str) -> Option<&HostPolicy> {
        let own = (waypoint_namespace != self.root_namespace).then_some(waypoint_namespace);
        own.into_iter()
            .chain([service_namespace, &self.root_namespace])
            .find_map(|namespace| {
                let policies = self.namespaces.get(namespace)?.most_specific(host)?;
                policies
                    .iter()
                    .find(|policy| host::is_exported(&policy.export_to, namespace, waypoint_namespace))
            })
    }
}

impl HostPolicy {
    /// The subset called `name`.
    pub fn subset(&self, name: &str) -> Option<&Subset> {
        self.subsets.iter().find(|subset| subset.name == name)
    }

    /// All subsets.
    pub fn subsets(&self) -> &[Subset] {
        &self.subsets
    }

    /// How an endpoint is chosen for service port `port`. What the subset says goes before what the
    /// host says.
    pub fn load_balancing(&self, subset: Option<&str>, port: u16) -> LoadBalancing {
        let subset = subset
            .and_then(|name| self.subset(name))
            .map(|subset| &subset.balancing);
        let layers = subset.into_iter().chain(&self.balancing);
        layers
            .into_iter()
            .find_map(|layer| layer.for_port(port))
            .unwrap_or_default()
    }

    fn new(rule: &DestinationRule, object: &ObjectRef, problems: &mut Vec<Problem>) -> Option<HostPolicy> {
        let spec = &rule.spec;
        if spec.host.is_empty() {
            problems.push(Problem::error(
                object.clone(),
                "spec.host",
                "the rule names no host, so it applies to nothing",
                "name the service, `host: reviews`",
            ));
            return None;
        }
        if spec.workload_selector.is_some() {
            problems.push(Problem::warning(
                object.clone(),
                "spec.workloadSelector",
                "a rule for chosen client workloads has no effect on a waypoint",
                "leave out `workloadSelector`",
            ));
            return None;
        }
        let mut policy = HostPolicy {
            sources: vec![object.clone()],
            export_to: spec.export_to.clone(),
            subsets: Vec::new(),
            balancing: spec.traffic_policy.as_ref().map(Balancing::new),
        };
        for (place, subset) in spec.subsets.iter().enumerate() {
            if subset.name.is_empty() {
                problems.push(Problem::error(
                    object.clone(),
                    format!("spec.subsets[{place}].name"),
                    "the subset has no name, so no route can refer to it",
                    "give it a name, `name: v1`",
                ));
                continue;
            }
            let subset = Subset::new(subset);
            policy.add(subset, object, format!("spec.subsets[{place}].name"), problems);
        }
        Some(policy)
    }

    fn merge(&mut self, later: HostPolicy, object: &ObjectRef, problems: &mut Vec<Problem>) {
        self.sources.extend(later.sources);
        if self.balancing.is_none() {
            self.balancing = later.balancing;
        }
        for (place, subset) in later.subsets.into_iter().enumerate() {
            self.add(subset, object, format!("spec.subsets[{place}].name"), problems);
        }
    }

    fn add(&mut self, subset: Subset, object: &ObjectRef, field: String, problems: &mut Vec<Problem>) {
        if self.subset(&subset.name).is_some() {
            problems.push(Problem::warning(
                object.clone(),
                field,
                format!(
                    "the subset `{}` of this host is defined already; this one is ignored",
                    subset.name
                ),
                "give each subset of a host its own name",
            ));
            return;
        }
        self.subsets.push(subset);
    }
}

impl Subset {
    fn new(subset: &istio::Subset) -> Subset {
        Subset {
            name: subset.name.clone(),
            labels: subset.labels.clone(),
            balancing: subset
                .traffic_policy
                .as_ref()
                .map(Balancing::new)
                .unwrap_or_default(),
        }
    }

    /// Whether an endpoint with these labels belongs to it.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.labels
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
    }
}

impl Balancing {
    fn new(policy: &istio::TrafficPolicy) -> Balancing {
        let ports = policy.port_level_settings.iter().filter_map(|settings| {
            let number = u16::try_from(settings.port.as_ref()?.number?).ok()?;
            Some((number, settings.load_balancer.as_ref().and_then(simple)))
        });
        Balancing {
            all: policy.load_balancer.as_ref().and_then(simple),
            ports: ports.collect(),
        }
    }

    fn for_port(&self, port: u16) -> Option<LoadBalancing> {
        let listed = self.ports.iter().find(|(number, _)| *number == port);
        listed.map_or(self.all, |(_, balancing)| Some(balancing.unwrap_or_default()))
    }
}

impl Hosts {
    fn most_specific(&self, host: &str) -> Option<&Vec<HostPolicy>> {
        self.exact.get(host).or_else(|| {
            let wildcard = self
                .wildcards
                .iter()
                .find(|(suffix, _)| host.ends_with(suffix.as_str()));
            wildcard.map(|(_, policies)| policies)
        })
    }
}

fn simple(settings: &istio::LoadBalancerSettings) -> Option<LoadBalancing> {
    match settings.simple? {
        SimpleLb::Unspecified => None,
        SimpleLb::LeastConn | SimpleLb::LeastRequest => Some(LoadBalancing::LeastRequest),
        SimpleLb::RoundRobin => Some(LoadBalancing::RoundRobin),
        SimpleLb::Random => Some(LoadBalancing::Random),
        SimpleLb::Passthrough => Some(LoadBalancing::Passthrough),
    }
}

#[cfg(test)]
mod tests;
