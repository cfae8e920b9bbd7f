//! Which policies bind, and where routes lead past those of others.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use cairn_api::istio::{AuthorizationPolicy, RequestAuthentication};
use cairn_api::meta::{Kind, ObjectRef};
use cairn_authz::attach::{self, Target, TargetService};
use cairn_authz::{CompileOptions, PolicySet};
use cairn_config::{BrokenPolicy, Problem, State};
use cairn_jwt::{KeyRing, Requirements};
use cairn_mesh::{MeshSettings, Service};
use cairn_route::{Action, Destination, Route, TcpAction, TcpRoute};

use super::{Shared, kind_of};
use crate::plan::WorkloadPlan;

/// Namespace and labels: policies cannot tell workloads apart that have them in common.
type Alike<'a> = (&'a str, &'a BTreeMap<String, String>);

/// What binds to a target.
#[derive(Default)]
pub(super) struct Selection {
    pub(super) policies: Vec<Arc<AuthorizationPolicy>>,
    /// The oldest first.
    pub(super) authentications: Vec<Arc<RequestAuthentication>>,
    /// What is to be denied because it cannot be read, or contradicts itself.
    pub(super) broken: Vec<BrokenPolicy>,
    pub(super) problems: Vec<Problem>,
}

impl Shared<'_> {
    /// The policies that bind to a service.
    pub(super) fn select(&self, service: &Service) -> Selection {
        let labels: Vec<_> = service
            .endpoints
            .iter()
            .map(|endpoint| &endpoint.workload.labels)
            .collect();
        self.select_for(
            &service.namespace,
            Some(TargetService {
                kind: kind_of(service),
                name: &service.name,
            }),
            &labels,
        )
    }

    fn select_for(
        &self,
        namespace: &str,
        service: Option<TargetService<'_>>,
        workloads: &[&BTreeMap<String, String>],
    ) -> Selection {
        let target = Target {
            namespace,
            service,
            gateway: &self.waypoint.key,
            gateway_class: &self.waypoint.class,
            legacy: self.waypoint.legacy.is_some(),
            workloads,
        };
        let objects = &self.state.objects;
        let root_namespace = &self.settings.root_namespace;
        let authentications = objects.request_authentications.values();
        let authentications = attach::select_authentications(authentications, &target, root_namespace);
        let mut selection = attach::select(
            objects.authorization_policies.values(),
            objects.broken_policies.values(),
            &target,
            root_namespace,
        );
        selection.broken.extend(authentications.broken);
        selection.problems.extend(authentications.problems);
        Selection {
            policies: selection.policies,
            authentications: authentications.policies,
            broken: selection.broken,
            problems: selection.problems,
        }
    }

    /// The workloads that may be addressed through the waypoint. Those that policies cannot tell apart share a set.
    pub(super) fn workloads(&self, ring: &KeyRing) -> (HashMap<Arc<str>, WorkloadPlan>, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut sets: BTreeMap<Alike<'_>, (Arc<PolicySet>, Arc<Requirements>)> = BTreeMap::new();
        let mut plans = HashMap::new();
        for workload in self.mesh.workloads() {
            let bound = workload.waypoint.as_ref() == Some(&self.waypoint.key);
            let outbound = workload.waypoint.is_none() && self.waypoint.legacy.is_some();
            if !bound && !outbound {
                continue;
            }
            let (set, requirements) = sets
                .entry((&workload.namespace, &workload.labels))
                .or_insert_with(|| {
                    let selection = self.select_for(&workload.namespace, None, &[&workload.labels]);
                    let (set, found) =
                        PolicySet::compile(&selection.policies, &selection.broken, &self.options);
                    problems.extend(selection.problems);
                    problems.extend(found);
                    let (requirements, found) = Requirements::compile(&selection.authentications, ring);
                    problems.extend(found);
                    (Arc::new(set), Arc::new(requirements))
                });
            plans.insert(
                Arc::clone(&workload.uid),
                WorkloadPlan {
                    bound,
                    policies: Arc::clone(set),
                    requirements: Arc::clone(requirements),
                },
            );
        }
        (plans, problems)
    }

    pub(super) fn is_guarded(&self, service: &Service) -> bool {
        let target = (&*service.namespace, kind_of(service).as_str(), &*service.name);
        service.waypoint.as_ref() == Some(&self.waypoint.key) && self.targets.contains(&target)
    }

    /// Where a route of `service` leads past the policies of another service: only those of the service that a request is
    /// addressed to are asked, as in Istio.
    pub(super) fn past_policies(&self, service: &Arc<Service>, route: &Route) -> Vec<Problem> {
        let forwarded = match &route.action {
            Action::Forward(destinations) => Some(destinations.iter()),
            _ => None,
        };
        let mirrored = route.mirrors.iter().map(|mirror| &mirror.destination);
        let destinations = forwarded.into_iter().flatten().chain(mirrored);
        self.past(service, &route.source, &route.field, destinations)
    }

    pub(super) fn past_policies_of_connections(
        &self,
        service: &Arc<Service>,
        route: &TcpRoute,
    ) -> Vec<Problem> {
        match &route.action {
            TcpAction::Forward(destinations) => {
                self.past(service, &route.source, &route.field, destinations.iter())
            }
            TcpAction::Broken { .. } => Vec::new(),
        }
    }

    fn past<'d>(
        &self,
        service: &Arc<Service>,
        source: &ObjectRef,
        field: &str,
        destinations: impl Iterator<Item = &'d Destination>,
    ) -> Vec<Problem> {
        let field = field.split(".match").next().unwrap_or_default();
        let field = match source.kind {
            Kind::VirtualService => format!("{field}.route"),
            _ => field.to_owned(),
        };
        destinations
            .filter(|destination| *destination.host != *service.hostname)
            .filter_map(|destination| self.meant(&destination.host, Some(service)))
            .filter(|other| self.is_guarded(other))
            .map(|other| {
                Problem::warning(
                    source.clone(),
                    field.clone(),
                    format!(
                        "policies of {} do not apply to what this route sends there: those of {} do",
                        other.hostname, service.hostname
                    ),
                    "name both services in the targetRefs of these policies, or the Gateway",
                )
            })
            .collect()
    }
}

pub(super) fn targets(state: &State) -> BTreeSet<(&str, &str, &str)> {
    let policies = state.objects.authorization_policies.values();
    policies
        .flat_map(|policy| {
            let spec = &policy.spec;
            let references = spec.target_refs.iter().chain(&spec.target_ref);
            references.map(|target| (&*policy.metadata.namespace, &*target.kind, &*target.name))
        })
        .collect()
}

pub(super) fn options(settings: &MeshSettings) -> CompileOptions {
    CompileOptions {
        trust_domain: settings.trust_domain.to_string(),
        aliases: settings.trust_domain_aliases.clone(),
        root_namespace: settings.root_namespace.clone(),
    }
}
