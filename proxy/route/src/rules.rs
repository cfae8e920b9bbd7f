//! DestinationRules: the subsets of a host, and how to talk to its endpoints.

mod backend_utilization;
mod connection_pool;
mod consistent_hash;
mod field;
mod load_balancer;
mod locality;
mod outlier_detection;
mod tls;
mod traffic_policy;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cairn_api::istio::{self, DestinationRule};
use cairn_api::meta::{Kind, ObjectRef};
use cairn_config::Problem;

use crate::host;

pub use backend_utilization::BackendUtilization;
pub use connection_pool::{ConnectionPool, Http2Keepalive, TcpKeepalive};
pub use consistent_hash::{ConsistentHash, HashCookie, HashKey, HashLayout};
pub use load_balancer::{LoadBalancer, LoadBalancing, Warmup};
pub use locality::{Distribute, LocalityPreference};
pub use outlier_detection::OutlierDetection;
pub use tls::{ClientCertificate, ClientTls, TlsOrigination, Trust};
pub use traffic_policy::{ProxyProtocol, RetryBudget, TrafficPolicy, Tunnel};

use field::Field;
use traffic_policy::Level;

/// All DestinationRules, by namespace and host.
#[derive(Debug, Clone, Default)]
pub struct DestinationRules {
    namespaces: HashMap<String, Hosts>,
    root_namespace: String,
}

/// What the DestinationRules of one namespace say about one host, merged.
#[derive(Debug, Clone, PartialEq)]
pub struct HostPolicy {
    /// The rules that it comes from, oldest first.
    pub sources: Vec<ObjectRef>,
    export_to: Vec<String>,
    subsets: Vec<Subset>,
    level: Option<Level>,
}

/// A named part of a host's endpoints.
#[derive(Debug, Clone, PartialEq)]
pub struct Subset {
    /// The name that routes refer to.
    pub name: String,
    /// The labels that an endpoint of it has, among others.
    pub labels: BTreeMap<String, String>,
    level: Option<Level>,
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

    /// How to talk to service port `port` of the host, or of one of its subsets; of a subset that there is not, as to the host.
    pub fn traffic_policy(&self, subset: Option<&str>, port: u16) -> TrafficPolicy {
        let subset = subset.and_then(|name| self.subset(name));
        let own = subset.and_then(|subset| subset.level.as_ref());
        TrafficPolicy::merged(self.level.as_ref(), own, port)
    }

    /// The policy without parameters by which an endpoint is chosen for service port `port`.
    pub fn load_balancing(&self, subset: Option<&str>, port: u16) -> LoadBalancing {
        self.traffic_policy(subset, port).load_balancer.simple
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
            level: spec.traffic_policy.as_ref().map(|policy| {
                let mut field = Field::new(object, "spec.trafficPolicy", problems);
                Level::new(policy, &mut field)
            }),
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
            let path = format!("spec.subsets[{place}].trafficPolicy");
            let subset = Subset::new(subset, &mut Field::new(object, path, problems));
            policy.add(subset, object, format!("spec.subsets[{place}].name"), problems);
        }
        Some(policy)
    }

    fn merge(&mut self, later: HostPolicy, object: &ObjectRef, problems: &mut Vec<Problem>) {
        self.sources.extend(later.sources);
        if self.level.is_none() {
            self.level = later.level;
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
    fn new(subset: &istio::Subset, field: &mut Field<'_>) -> Subset {
        Subset {
            name: subset.name.clone(),
            labels: subset.labels.clone(),
            level: subset
                .traffic_policy
                .as_ref()
                .map(|policy| Level::new(policy, field)),
        }
    }

    /// Whether an endpoint with these labels belongs to it.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.labels
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
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

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
