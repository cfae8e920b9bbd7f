//! From objects to a snapshot.

mod binding;
mod draft;
mod endpoints;
mod entries;
mod gateways;
mod pods;
mod service_entries;
mod services;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use cairn_api::meta::{Key, Kind, ObjectRef};
use cairn_config::{Objects, Problem, State};

use self::draft::{Draft, Drafts};
use self::endpoints::Pool;
use self::gateways::Candidate;
pub use self::gateways::GatewayClasses;
use self::services::ServiceDraft;
use crate::l4;
use crate::names::{GATEWAY_CLASS_NAME, GATEWAY_NAME};
use crate::selector::Labels;
use crate::service::{Endpoint, Exported, Origin, Service};
use crate::settings::MeshSettings;
use crate::snapshot::{Parts, Snapshot};
use crate::workload::{Workload, WorkloadType};

impl Snapshot {
    /// Compiles the objects of a mesh, and tells what in them is wrong or has no effect. What is wrong never opens a way
    /// that was meant to be closed.
    #[must_use]
    pub fn compile(state: &State) -> (Snapshot, Vec<Problem>) {
        Snapshot::compile_with(state, &GatewayClasses::default())
    }

    /// Compiles with other names for the classes of waypoints.
    #[must_use]
    pub fn compile_with(state: &State, classes: &GatewayClasses) -> (Snapshot, Vec<Problem>) {
        let mut problems = Vec::new();
        let parts = parts(&state.objects, classes, &mut problems);
        // Several hosts of a ServiceEntry, or pods of a Deployment, have their problems in common.
        let mut seen = HashSet::new();
        problems.retain(|problem| seen.insert(problem.clone()));
        let problems = problems
            .into_iter()
            .map(|problem| state.locate(problem))
            .collect();
        (Snapshot::assemble(parts), problems)
    }
}

impl Snapshot {
    /// Stands for whatever is behind the addresses of a service of which no endpoints are known.
    #[must_use]
    pub fn stand_in(&self, service: &Service) -> Workload {
        let kind = match service.origin {
            Origin::Kubernetes => Kind::Service,
            Origin::ServiceEntry => Kind::ServiceEntry,
        };
        let object = ObjectRef::new(kind, service.namespace.as_str(), service.name.as_str());
        let uid = format!("{}/{object}/{}", self.mesh.cluster_id, service.hostname);
        Draft::new(&self.mesh, uid, object, "", &service.labels, &service.name).workload
    }
}

fn parts(objects: &Objects, classes: &GatewayClasses, problems: &mut Vec<Problem>) -> Parts {
    let mesh = MeshSettings::read(objects, problems);
    let mut drafts = Drafts::new();
    pods::compile(objects, &mesh, &mut drafts, problems);
    entries::compile(objects, &mesh, &mut drafts, problems);
    let mut pool = Pool::new(&drafts);
    let mut services = services::compile(objects, &mesh, &mut pool, problems);
    services.extend(service_entries::compile(objects, &mesh, &mut pool, problems));
    let added = pool.into_added();
    drafts.extend(added);
    let candidates = gateways::compile(objects, &mesh, classes, problems);
    binding::bind(objects, &candidates, &mut drafts, &mut services, problems);
    let instances = missing_instances(&mesh, &candidates, &drafts, &services, problems);
    drafts.extend(instances);
    report_shared_addresses(&drafts, &services, problems);
    report_shared_hosts(&services, problems);

    let workloads: Vec<Workload> = drafts.into_iter().map(|draft| draft.workload).collect();
    let l4 = l4::compile(objects, &workloads, &mesh, problems);
    let workloads: Vec<Arc<Workload>> = workloads.into_iter().map(Arc::new).collect();
    let services = services.into_iter().map(
        |ServiceDraft {
             mut service,
             endpoints,
             ..
         }| {
            let endpoint = |(number, ports)| {
                Some(Endpoint {
                    workload: Arc::clone(workloads.get(number)?),
                    ports,
                })
            };
            service.endpoints = endpoints.into_iter().filter_map(endpoint).collect();
            Arc::new(service)
        },
    );
    let services = services.collect();
    let waypoints = candidates
        .into_values()
        .map(|candidate| candidate.waypoint)
        .collect();
    Parts {
        mesh,
        workloads,
        services,
        waypoints,
        l4,
    }
}

/// A workload for every waypoint that no pod has the address of: whoever sees the address then knows who it is.
fn missing_instances(
    mesh: &MeshSettings,
    candidates: &BTreeMap<Key, Candidate>,
    drafts: &Drafts,
    services: &[ServiceDraft],
    problems: &mut Vec<Problem>,
) -> Drafts {
    // Behind the address of a service there are pods, which are found by their own.
    let vips: HashSet<IpAddr> = services
        .iter()
        .flat_map(|draft| draft.service.vips.iter().copied())
        .collect();
    let with_own_address = drafts.iter().filter(|draft| !draft.workload.host_network);
    let owners =
        with_own_address.flat_map(|draft| draft.workload.addresses.iter().map(move |ip| (*ip, draft)));
    let owners: HashMap<IpAddr, &Draft> = owners.collect();
    let mut instances = Drafts::new();
    for waypoint in candidates.values().map(|candidate| &candidate.waypoint) {
        let key = &waypoint.key;
        let object = ObjectRef::from_key(Kind::Gateway, key);
        let Some(address) = waypoint.address.filter(|address| !vips.contains(address)) else {
            continue;
        };
        if let Some(owner) = owners.get(&address) {
            if !owner.workload.is_instance_of(key) {
                let message = format!("{address} belongs to {} already", owner.object);
                let hint = "give each its own address";
                problems.push(Problem::error(object, "status.addresses", message, hint));
            }
            continue;
        }
        let name = if waypoint.legacy.is_some() {
            format!("{}-waypoint", key.name)
        } else {
            key.name.clone()
        };
        let labels = Labels::from([
            (GATEWAY_NAME.to_owned(), key.name.clone()),
            (GATEWAY_CLASS_NAME.to_owned(), waypoint.class.clone()),
        ]);
        let uid = format!("{}/gateway.networking.k8s.io/Gateway/{key}", mesh.cluster_id);
        let mut draft = Draft::new(
            mesh,
            uid,
            object,
            waypoint.identity.service_account(),
            &labels,
            &name,
        );
        draft.workload.addresses = vec![address];
        draft.workload.workload_type = WorkloadType::Deployment;
        draft.workload.gateway = Some(key.clone());
        instances.push(draft);
    }
    instances
}

/// Reports addresses that more than one pod, service or waypoint claims. Endpoints may share those of pods.
fn report_shared_addresses(drafts: &Drafts, services: &[ServiceDraft], problems: &mut Vec<Problem>) {
    let of_services = services.iter().flat_map(|draft| {
        let field = if draft.service.origin == Origin::Kubernetes {
            "spec.clusterIP"
        } else {
            "spec.addresses"
        };
        draft
            .service
            .vips
            .iter()
            .map(move |address| (*address, &draft.object, field, &draft.service.exported))
    });
    let own_address = |draft: &&Draft| {
        matches!(draft.object.kind, Kind::Pod | Kind::Gateway) && !draft.workload.host_network
    };
    let of_workloads = drafts.iter().filter(own_address).flat_map(|draft| {
        let field = if draft.object.kind == Kind::Pod {
            "status.podIP"
        } else {
            "status.addresses"
        };
        draft
            .workload
            .addresses
            .iter()
            .map(move |address| (*address, &draft.object, field, &Exported::Everywhere))
    });
    let mut owners: HashMap<IpAddr, Vec<(&ObjectRef, &Exported)>> = HashMap::new();
    for (address, object, field, exported) in of_services.chain(of_workloads) {
        // The hosts of one ServiceEntry have its addresses in common.
        if let Some(owner) = owner(owners.entry(address).or_default(), object, exported) {
            let message = format!("{address} belongs to {owner} already");
            problems.push(Problem::error(
                object.clone(),
                field,
                message,
                "give each its own address",
            ));
        }
    }
}

/// The first of those known that some namespace sees besides `object`, which is known from now on.
fn owner<'a>(
    known: &mut Vec<(&'a ObjectRef, &'a Exported)>,
    object: &'a ObjectRef,
    exported: &'a Exported,
) -> Option<&'a ObjectRef> {
    let found = known
        .iter()
        .find(|(owner, to)| *owner != object && to.meets(exported));
    let found = found.map(|(owner, _)| *owner);
    known.push((object, exported));
    found
}

/// Reports host names that more than one object defines; two hosts of one ServiceEntry may be the same.
fn report_shared_hosts(services: &[ServiceDraft], problems: &mut Vec<Problem>) {
    let mut owners: HashMap<&str, Vec<(&ObjectRef, &Exported)>> = HashMap::new();
    for draft in services {
        let service = &draft.service;
        let known = owners.entry(&service.hostname).or_default();
        if let Some(owner) = owner(known, &draft.object, &service.exported) {
            let message = format!(
                "{} is defined by {owner} already, which counts for the name",
                draft.service.hostname
            );
            let hint = "define each host once";
            problems.push(Problem::warning(
                draft.object.clone(),
                "spec.hosts",
                message,
                hint,
            ));
        }
    }
}
