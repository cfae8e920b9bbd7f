//! Which waypoint serves what.
//!
//! The label `istio.io/use-waypoint` of an object, else of its namespace, names a Gateway, or `none`. A Gateway of the 2022 form
//! serves workloads by their service account, without labels. What asks for a waypoint that is not there, or that does not take
//! it, is bound to it all the same: its traffic is refused instead of going round.

use std::collections::{BTreeMap, HashMap};

use cairn_api::meta::{Key, Kind, ObjectRef};
use cairn_config::{Objects, Problem};

use super::draft::{Draft, Drafts};
use super::gateways::Candidate;
use super::services::ServiceDraft;
use crate::names::{GATEWAY_NAME, USE_WAYPOINT, USE_WAYPOINT_CANARY, USE_WAYPOINT_NAMESPACE};
use crate::selector::Labels;
use crate::service::Origin;
use crate::waypoint::Serves;

/// Binds workloads and services to waypoints.
pub(crate) fn bind(
    objects: &Objects,
    candidates: &BTreeMap<Key, Candidate>,
    drafts: &mut Drafts,
    services: &mut [ServiceDraft],
    problems: &mut Vec<Problem>,
) {
    let mut binder = Binder::new(objects, candidates, problems);
    for draft in drafts.iter_mut() {
        binder.workload(draft);
    }
    for service in services.iter_mut() {
        binder.service(service, drafts);
    }
    binder.report_idle_scopes(drafts);
}

/// What labels say about one kind of traffic.
#[derive(Clone, Debug, PartialEq)]
enum Labelled {
    /// Nothing.
    Nothing,
    /// No waypoint at all.
    OptOut,
    /// This one, whether or not it can be reached.
    Waypoint(Key),
}

/// What traffic is addressed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Traffic {
    Service,
    Workload,
}

struct Binder<'a> {
    objects: &'a Objects,
    candidates: &'a BTreeMap<Key, Candidate>,
    problems: &'a mut Vec<Problem>,
    /// Namespace → what its labels say about services, and about workloads.
    namespaces: HashMap<&'a str, (Labelled, Labelled)>,
    /// Namespace → its waypoints of the 2022 form.
    legacy: HashMap<&'a str, Vec<&'a Candidate>>,
}

impl<'a> Binder<'a> {
    fn new(
        objects: &'a Objects,
        candidates: &'a BTreeMap<Key, Candidate>,
        problems: &'a mut Vec<Problem>,
    ) -> Binder<'a> {
        let mut legacy: HashMap<&str, Vec<&Candidate>> = HashMap::new();
        for candidate in candidates.values() {
            if let Some(scope) = &candidate.waypoint.legacy {
                legacy.entry(&scope.namespace).or_default().push(candidate);
            }
        }
        let mut binder = Binder {
            objects,
            candidates,
            problems,
            namespaces: HashMap::new(),
            legacy,
        };
        for (key, namespace) in &objects.namespaces {
            let object = ObjectRef::from_key(Kind::Namespace, key);
            binder.report_canary(&object, &namespace.metadata.labels);
            let says = binder.namespace(&object, &namespace.metadata.labels);
            binder.namespaces.insert(&key.name, says);
        }
        binder
    }

    fn namespace(&mut self, object: &ObjectRef, labels: &Labels) -> (Labelled, Labelled) {
        let both = |labelled: Labelled| (labelled.clone(), labelled);
        let Some(key) = reference(labels, &object.name) else {
            return both(says_none(labels));
        };
        if let Err(refused) = self.admitted(object, &key, &object.name) {
            return both(Labelled::Waypoint(refused));
        }
        // Members inherit a waypoint as far as it is for their kind of traffic.
        let serves = self
            .candidates
            .get(&key)
            .map(|candidate| candidate.waypoint.serves)
            .unwrap_or_default();
        if serves == Serves::None {
            let message =
                format!("{key} is for no traffic (`istio.io/waypoint-for: none`), so nothing is bound to it");
            let hint = "label the Gateway with the traffic that it is for";
            self.problems
                .push(Problem::warning(object.clone(), label_field(), message, hint));
        }
        let of = |taken: bool| {
            if taken {
                Labelled::Waypoint(key.clone())
            } else {
                Labelled::Nothing
            }
        };
        (of(serves.services()), of(serves.workloads()))
    }

    /// What the labels of an object say, else those of its namespace.
    fn labelled(&mut self, object: &ObjectRef, labels: Option<&Labels>, traffic: Traffic) -> Labelled {
        let own = labels.map_or(Labelled::Nothing, |labels| {
            self.own_labels(object, labels, traffic)
        });
        if own != Labelled::Nothing {
            return own;
        }
        match (self.namespaces.get(object.namespace.as_str()), traffic) {
            (Some((services, _)), Traffic::Service) => services.clone(),
            (Some((_, workloads)), Traffic::Workload) => workloads.clone(),
            (None, _) => Labelled::Nothing,
        }
    }

    fn own_labels(&mut self, object: &ObjectRef, labels: &Labels, traffic: Traffic) -> Labelled {
        self.report_canary(object, labels);
        let Some(key) = reference(labels, &object.namespace) else {
            return says_none(labels);
        };
        if let Err(refused) = self.admitted(object, &key, &object.namespace) {
            return Labelled::Waypoint(refused);
        }
        let serves = self
            .candidates
            .get(&key)
            .map(|candidate| candidate.waypoint.serves)
            .unwrap_or_default();
        let (taken, wanted) = match traffic {
            Traffic::Service => (serves.services(), "service"),
            Traffic::Workload => (serves.workloads(), "workload"),
        };
        if !taken {
            let message =
                format!("{key} is for `{serves}` traffic, not for that of a {wanted}: it is refused");
            let hint =
                format!("label the Gateway `istio.io/waypoint-for: {wanted}` or `all`, or remove this label");
            self.problems
                .push(Problem::error(object.clone(), label_field(), message, hint));
            return Labelled::Waypoint(impossible(&key));
        }
        Labelled::Waypoint(key)
    }

    /// Whether there is such a waypoint, and it admits objects of this namespace; else the key to refuse traffic with.
    fn admitted(&mut self, object: &ObjectRef, key: &Key, namespace: &str) -> Result<(), Key> {
        let Some(candidate) = self.candidates.get(key) else {
            let (message, hint) = if self.objects.gateways.contains_key(key) {
                let message = format!("Gateway {key} is not a waypoint: traffic is refused");
                (
                    message,
                    "give it the class istio-waypoint or istio-mesh, or a listener for HBONE on port 15008",
                )
            } else {
                let message = format!("there is no Gateway {key}: traffic is refused");
                (message, "create it, correct the label, or write `none`")
            };
            self.problems
                .push(Problem::error(object.clone(), label_field(), message, hint));
            return Err(key.clone());
        };
        let labels = self
            .objects
            .namespaces
            .get(&Key::new("", namespace))
            .map(|object| &object.metadata.labels);
        if !candidate.admits(namespace, labels) {
            let message = format!("{key} does not admit namespace {namespace}: traffic is refused");
            let hint = "set allowedRoutes.namespaces of its listener, for example `from: All`";
            self.problems
                .push(Problem::error(object.clone(), label_field(), message, hint));
            return Err(impossible(key));
        }
        Ok(())
    }

    fn workload(&mut self, draft: &mut Draft) {
        let workload = &mut draft.workload;
        workload.gateway = instance_of(self.candidates, &workload.namespace, &workload.labels);
        if workload.gateway.is_some() {
            return;
        }
        let labelled = self.labelled(&draft.object, draft.binding.as_ref(), Traffic::Workload);
        let legacy = if draft.member {
            self.legacy_of(&workload.namespace, workload.identity.service_account())
        } else {
            None
        };
        if labelled != Labelled::OptOut {
            workload.outbound_waypoint.clone_from(&legacy);
        }
        workload.waypoint = match labelled {
            Labelled::Waypoint(key) => Some(key),
            Labelled::OptOut => None,
            Labelled::Nothing => legacy,
        };
    }

    fn service(&mut self, draft: &mut ServiceDraft, workloads: &Drafts) {
        let service = &draft.service;
        if instance_of(self.candidates, &service.namespace, &service.labels).is_some()
            || self.fronts_waypoint(draft)
        {
            return;
        }
        let labelled = self.labelled(&draft.object, Some(&service.labels), Traffic::Service);
        draft.service.waypoint = match labelled {
            Labelled::Waypoint(key) => Some(key),
            Labelled::OptOut => None,
            Labelled::Nothing => self.shared_legacy(draft, workloads),
        };
    }

    /// Whether the address of this service is that of a waypoint.
    fn fronts_waypoint(&self, draft: &ServiceDraft) -> bool {
        let mut waypoints = self
            .candidates
            .values()
            .filter_map(|candidate| candidate.waypoint.address);
        draft.service.origin == Origin::Kubernetes
            && waypoints.any(|address| draft.service.vips.contains(&address))
    }

    /// The waypoint of the 2022 form that serves every workload behind the service.
    fn shared_legacy(&self, draft: &ServiceDraft, workloads: &Drafts) -> Option<Key> {
        let waypoint = |number: usize| workloads.get(number)?.workload.waypoint.as_ref();
        let (first, _) = draft.endpoints.first()?;
        let key = waypoint(*first)?;
        self.candidates.get(key)?.waypoint.legacy.as_ref()?;
        draft
            .endpoints
            .iter()
            .all(|(number, _)| waypoint(*number) == Some(key))
            .then(|| key.clone())
    }

    /// The waypoint of the 2022 form for this service account, else for the whole namespace.
    fn legacy_of(&self, namespace: &str, account: &str) -> Option<Key> {
        let candidates = self.legacy.get(namespace)?;
        let of = |wanted: Option<&str>| {
            candidates.iter().find(|candidate| {
                candidate
                    .waypoint
                    .legacy
                    .as_ref()
                    .is_some_and(|scope| scope.service_account.as_deref() == wanted)
            })
        };
        of(Some(account))
            .or_else(|| of(None))
            .map(|candidate| candidate.waypoint.key.clone())
    }

    /// A Gateway of the 2022 form for nobody is a slip of the pen, most likely.
    fn report_idle_scopes(&mut self, workloads: &Drafts) {
        for candidate in self.legacy.values().flatten() {
            let waypoint = &candidate.waypoint;
            let Some(scope) = &waypoint.legacy else { continue };
            let members = || {
                workloads
                    .iter()
                    .filter(|draft| draft.member && draft.workload.gateway.is_none())
            };
            if members().any(|draft| scope.includes(&draft.workload.identity)) {
                continue;
            }
            let of = match &scope.service_account {
                Some(account) => format!("service account {account} in namespace {}", scope.namespace),
                None => format!("namespace {}", scope.namespace),
            };
            let message = format!("no workload runs as {of}, so the waypoint serves nobody");
            let hint = "correct the annotation istio.io/service-account, or the namespace";
            let object = ObjectRef::from_key(Kind::Gateway, &waypoint.key);
            self.problems
                .push(Problem::warning(object, "metadata.annotations", message, hint));
        }
    }

    fn report_canary(&mut self, object: &ObjectRef, labels: &Labels) {
        if labels.contains_key(USE_WAYPOINT_CANARY) {
            let field = format!("metadata.labels.{USE_WAYPOINT_CANARY}");
            let message = "all traffic goes to the waypoint itself, none to the canary";
            self.problems.push(Problem::unsupported(
                object.clone(),
                field,
                message,
                "remove the label",
            ));
        }
    }
}

/// The waypoint that labels ask for.
fn reference(labels: &Labels, own_namespace: &str) -> Option<Key> {
    let name = labels.get(USE_WAYPOINT).filter(|name| *name != "none")?;
    let namespace = labels
        .get(USE_WAYPOINT_NAMESPACE)
        .map_or(own_namespace, String::as_str);
    Some(Key::new(namespace, name.as_str()))
}

fn says_none(labels: &Labels) -> Labelled {
    if labels.contains_key(USE_WAYPOINT) {
        Labelled::OptOut
    } else {
        Labelled::Nothing
    }
}

/// The waypoint whose instance (or Service) carries these labels.
fn instance_of(candidates: &BTreeMap<Key, Candidate>, namespace: &str, labels: &Labels) -> Option<Key> {
    let key = Key::new(namespace, labels.get(GATEWAY_NAME)?.as_str());
    candidates.contains_key(&key).then_some(key)
}

/// A key that no Gateway can have, for a waypoint that exists but must not be used by the one who asks.
fn impossible(key: &Key) -> Key {
    Key::new(
        key.namespace.as_str(),
        format!("{} (attachment refused)", key.name),
    )
}

fn label_field() -> String {
    format!("metadata.labels.{USE_WAYPOINT}")
}
