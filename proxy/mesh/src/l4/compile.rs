//! From objects to the policies of each workload.

use std::collections::HashMap;
use std::sync::Arc;

use cairn_api::meta::Kind;
use cairn_config::{Objects, Problem};

use super::authentication::Authentication;
use super::authorization;
use super::policies::{Action, Effective, Policies, Policy, Scope, Strict};
use crate::selector::{LabelIndex, Labels};
use crate::settings::MeshSettings;
use crate::workload::Workload;

/// Compiles the security policies that are enforced at L4, for these workloads.
pub(crate) fn compile(
    objects: &Objects,
    workloads: &[Workload],
    mesh: &MeshSettings,
    problems: &mut Vec<Problem>,
) -> Policies {
    let policies = policies(objects, mesh, problems);
    let root = mesh.root_namespace.as_str();
    let broken = objects.broken_policies.values();
    let authentication = Authentication::new(objects.peer_authentications.values(), broken, root, problems);
    authentication.report_shadowed(problems);

    let mut namespaces: HashMap<&str, LabelIndex<'_>> = HashMap::new();
    for (number, workload) in workloads.iter().enumerate() {
        namespaces
            .entry(&workload.namespace)
            .or_default()
            .insert(number, &workload.labels);
    }
    let selected = select(&policies, &namespaces, root);

    let general = General::new(&policies);
    let mut by_workload = HashMap::with_capacity(workloads.len());
    let mut by_namespace = HashMap::new();
    for (namespace, index) in &namespaces {
        let general = general.of(namespace);
        let strict = authentication.of_namespace(namespace);
        let strict_workloads = authentication.of_workloads(namespace, &strict, index);
        let mut shared: HashMap<(Vec<usize>, Strict), Arc<Effective>> = HashMap::new();
        for number in index.select(&Labels::new()) {
            let Some(workload) = workloads.get(number) else {
                continue;
            };
            let own = selected.get(&number).into_iter().flatten();
            let mut numbers: Vec<usize> = general.iter().chain(own).copied().collect();
            numbers.sort_unstable();
            let strict = strict_workloads.get(&number).unwrap_or(&strict);
            let key = (numbers, strict.clone());
            let effective = match shared.get(&key) {
                Some(effective) => Arc::clone(effective),
                None => {
                    let effective = Arc::new(effective(&policies, &key.0, strict.clone()));
                    shared.insert(key, Arc::clone(&effective));
                    effective
                }
            };
            by_workload.insert(Arc::clone(&workload.uid), effective);
        }
        let others = Arc::new(effective(&policies, &general, strict));
        by_namespace.insert((*namespace).to_owned(), others);
    }
    let elsewhere = effective(&policies, &general.of(""), authentication.of_namespace(""));
    Policies::new(policies, by_workload, by_namespace, Arc::new(elsewhere))
}

/// Every policy that is for L4, by namespace and name.
fn policies(objects: &Objects, mesh: &MeshSettings, problems: &mut Vec<Problem>) -> Vec<Arc<Policy>> {
    let whole = objects.authorization_policies.values();
    let whole = whole
        .filter_map(|policy| authorization::compile(policy, mesh, problems))
        .map(Arc::new);
    let mut policies: Vec<Arc<Policy>> = whole.collect();
    for broken in objects
        .broken_policies
        .values()
        .filter(|broken| broken.object.kind == Kind::AuthorizationPolicy)
    {
        let spec = broken.spec.clone().unwrap_or_default();
        if spec.target_ref.is_none() && spec.target_refs.is_empty() {
            let scope = authorization::scope(&broken.object.namespace, &spec, &mesh.root_namespace);
            policies.push(Arc::new(Policy::broken(
                broken.object.key(),
                scope,
                broken.reason.clone(),
            )));
        }
    }
    policies.sort_by(|a, b| a.key.cmp(&b.key));
    policies
}

/// Workload → the policies whose selector selects it.
fn select(
    policies: &[Arc<Policy>],
    workloads: &HashMap<&str, LabelIndex<'_>>,
    root_namespace: &str,
) -> HashMap<usize, Vec<usize>> {
    let mut selected: HashMap<usize, Vec<usize>> = HashMap::new();
    for (index, policy) in policies.iter().enumerate() {
        let Scope::Selector(selector) = &policy.scope else {
            continue;
        };
        let everywhere = policy.key.namespace == root_namespace;
        let namespaces = workloads
            .iter()
            .filter(|(namespace, _)| everywhere || **namespace == policy.key.namespace);
        for number in namespaces.flat_map(|(_, workloads)| workloads.select(selector)) {
            selected.entry(number).or_default().push(index);
        }
    }
    selected
}

/// The policies without a selector.
#[derive(Default)]
struct General<'a> {
    global: Vec<usize>,
    namespaces: HashMap<&'a str, Vec<usize>>,
}

impl<'a> General<'a> {
    fn new(policies: &'a [Arc<Policy>]) -> General<'a> {
        let mut general = General::default();
        for (index, policy) in policies.iter().enumerate() {
            match policy.scope {
                Scope::Global => general.global.push(index),
                Scope::Namespace => general
                    .namespaces
                    .entry(&policy.key.namespace)
                    .or_default()
                    .push(index),
                Scope::Selector(_) => {}
            }
        }
        general
    }

    /// Those that select every workload of a namespace, in the order of all.
    fn of(&self, namespace: &str) -> Vec<usize> {
        let own = self.namespaces.get(namespace).into_iter().flatten();
        let mut numbers: Vec<usize> = self.global.iter().chain(own).copied().collect();
        numbers.sort_unstable();
        numbers
    }
}

fn effective(policies: &[Arc<Policy>], numbers: &[usize], strict: Strict) -> Effective {
    let chosen = || numbers.iter().filter_map(|number| policies.get(*number));
    let of = |action| {
        chosen()
            .filter(move |policy| policy.action == action)
            .cloned()
            .collect()
    };
    Effective {
        strict,
        deny: of(Action::Deny),
        allow: of(Action::Allow),
    }
}
