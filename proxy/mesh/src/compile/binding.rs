//! Which waypoint serves what.
//!
//! The label `istio.io/use-waypoint` of an object, else of its namespace, names a Gateway, or `none`. A Gateway of the 2022 form
//! serves workloads by their service account, without labels. What asks for a waypoint that is not there, or that does not take
//! it, is bound to it all the same: its traffic is refused instead of going round.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use cairn_api::meta::{Key, Kind, ObjectRef};
use cairn_config::{Objects, Problem};

use super::draft::{Draft, Drafts};
use super::gateways::{Candidate, reference};
use super::services::ServiceDraft;
use crate::names::{GATEWAY_NAME, USE_WAYPOINT, USE_WAYPOINT_CANARY};
use crate::selector::Labels;
use crate::service::Origin;
use crate::waypoint::{LegacyScope, Serves, Waypoint};

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

impl Traffic {
    fn is_served(self, serves: Serves) -> bool {
        match self {
            Traffic::Service => serves.services(),
            Traffic::Workload => serves.workloads(),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Traffic::Service => "service",
            Traffic::Workload => "workload",
        }
    }
}

/// Where labels are written, for reports.
struct Site {
    object: ObjectRef,
    prefix: &'static str,
}

impl Site {
    fn of(object: &ObjectRef) -> Site {
        Site {
            object: object.clone(),
            prefix: "",
        }
    }

    /// The labels of a pod that a controller made stand in its Deployment.
    fn of_workload(draft: &Draft) -> Site {
        match &draft.made_from {
            Some(deployment) => Site {
                object: deployment.clone(),
                prefix: "spec.template.",
            },
            None => Site::of(&draft.object),
        }
    }

    fn field(&self, label: &str) -> String {
        format!("{}metadata.labels.{label}", self.prefix)
    }

    fn error(&self, message: impl Into<String>, hint: impl Into<String>) -> Problem {
        Problem::error(self.object.clone(), self.field(USE_WAYPOINT), message, hint)
    }
}

struct Binder<'a> {
    objects: &'a Objects,
    candidates: &'a BTreeMap<Key, Candidate>,
    problems: &'a mut Vec<Problem>,
    /// Namespace → what its labels say about services, and about workloads.
    namespaces: HashMap<&'a str, (Labelled, Labelled)>,
    /// Namespace → its waypoints of the 2022 form.
    legacy: HashMap<&'a str, Vec<&'a Candidate>>,
    /// The addresses of waypoints.
    addresses: HashSet<IpAddr>,
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
        let addresses = candidates
            .values()
            .filter_map(|candidate| candidate.waypoint.address)
            .collect();
        let namespaces = HashMap::with_capacity(objects.namespaces.len());
        let mut binder = Binder {
            objects,
            candidates,
            problems,
            namespaces,
            legacy,
            addresses,
        };
        for (key, namespace) in &objects.namespaces {
            let site = Site::of(&ObjectRef::from_key(Kind::Namespace, key));
            let says = binder.namespace(&site, &key.name, &namespace.metadata.labels);
            binder.namespaces.insert(&key.name, says);
        }
        binder
    }

    /// What a namespace hands down: its waypoint, as far as that is for the traffic in question.
    fn namespace(&mut self, site: &Site, name: &str, labels: &Labels) -> (Labelled, Labelled) {
        self.report_canary(site, labels);
        let both = |labelled: Labelled| (labelled.clone(), labelled);
        let Some(key) = reference(labels, name) else {
            return both(opt_out(labels));
        };
        let serves = match self.admission(site, &key, name) {
            Ok(serves) => serves,
            Err(refused) => return both(Labelled::Waypoint(refused)),
        };
        if serves == Serves::None {
            let message = format!("{key} is for no traffic, so nothing is bound to it");
            let hint = "label the Gateway with `istio.io/waypoint-for`: service, workload or all";
            let field = site.field(USE_WAYPOINT);
            self.problems
                .push(Problem::warning(site.object.clone(), field, message, hint));
        }
        let of = |traffic: Traffic| match traffic.is_served(serves) {
            true => Labelled::Waypoint(key.clone()),
            false => Labelled::Nothing,
        };
        (of(Traffic::Service), of(Traffic::Workload))
    }

    /// What the labels of an object say, else those of its namespace.
    fn labelled(
        &mut self,
        site: impl FnOnce() -> Site,
        namespace: &str,
        labels: Option<&Labels>,
        traffic: Traffic,
    ) -> Labelled {
        let speaks = |labels: &&Labels| {
            [USE_WAYPOINT, USE_WAYPOINT_CANARY]
                .iter()
                .any(|name| labels.contains_key(*name))
        };
        if let Some(labels) = labels.filter(speaks) {
            let own = self.own_labels(&site(), namespace, labels, traffic);
            if own != Labelled::Nothing {
                return own;
            }
        }
        match (self.namespaces.get(namespace), traffic) {
            (Some((services, _)), Traffic::Service) => services.clone(),
            (Some((_, workloads)), Traffic::Workload) => workloads.clone(),
            (None, _) => Labelled::Nothing,
        }
    }

    fn own_labels(&mut self, site: &Site, namespace: &str, labels: &Labels, traffic: Traffic) -> Labelled {
        self.report_canary(site, labels);
        let Some(key) = reference(labels, namespace) else {
            return opt_out(labels);
        };
        match self.admission(site, &key, namespace) {
            Err(refused) => Labelled::Waypoint(refused),
            Ok(serves) if traffic.is_served(serves) => Labelled::Waypoint(key),
            Ok(serves) => {
                let traffic = traffic.as_str();
                let message =
                    format!("{key} is for `{serves}` traffic, not for a {traffic}: traffic to it is refused");
                let hint = format!("label the Gateway `istio.io/waypoint-for: {traffic}` or `all`");
                self.problems.push(site.error(message, hint));
                Labelled::Waypoint(impossible(&key))
            }
        }
    }

    /// What the waypoint is for, if there is one and it admits objects of this namespace; else the key to refuse traffic
    /// with.
    fn admission(&mut self, site: &Site, key: &Key, namespace: &str) -> Result<Serves, Key> {
        let Some(candidate) = self.candidates.get(key) else {
            self.problems.push(if self.objects.gateways.contains_key(key) {
                let message = format!("Gateway {key} is no waypoint: traffic is refused");
                site.error(
                    message,
                    "give it the class of a waypoint, or one listener for HBONE on port 15008",
                )
            } else {
                let message = format!("there is no Gateway {key}: traffic is refused");
                site.error(message, "create it, correct the label, or write `none`")
            });
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
            self.problems.push(site.error(message, hint));
            return Err(impossible(key));
        }
        Ok(candidate.waypoint.serves)
    }

    fn workload(&mut self, draft: &mut Draft) {
        let namespace = draft.workload.namespace.as_str();
        draft.workload.gateway = self.instance(draft);
        if draft.workload.gateway.is_some() {
            return;
        }
        let site = || Site::of_workload(draft);
        let labels = Some(&draft.workload.labels).filter(|_| draft.may_name_waypoint);
        let labelled = self.labelled(site, namespace, labels, Traffic::Workload);
        let account = draft.workload.identity.service_account();
        let legacy = if draft.member {
            self.legacy_of(namespace, account)
        } else {
            None
        };
        if labelled != Labelled::OptOut {
            draft.workload.outbound_waypoint.clone_from(&legacy);
        }
        draft.workload.waypoint = match labelled {
            Labelled::Waypoint(key) => Some(key),
            Labelled::OptOut => None,
            Labelled::Nothing => legacy,
        };
    }

    /// The waypoint that a workload is an instance of. The label alone is not believed, which whoever writes pods can write: the
    /// workload has to run as the waypoint, so that its tunnels are the waypoint's to everyone.
    fn instance(&mut self, draft: &Draft) -> Option<Key> {
        let workload = &draft.workload;
        let waypoint = labelled_as(self.candidates, &workload.namespace, &workload.labels)?;
        if draft.member && workload.identity == waypoint.identity {
            return Some(waypoint.key.clone());
        }
        let account = waypoint.identity.service_account();
        let message = format!(
            "runs as {}, not as {account}, so it is no instance of the waypoint {} and is treated like any other workload",
            workload.identity.service_account(),
            waypoint.key,
        );
        let site = Site::of_workload(draft);
        let hint = format!("remove the label, or set the service account {account}");
        self.problems.push(Problem::warning(
            site.object.clone(),
            site.field(GATEWAY_NAME),
            message,
            hint,
        ));
        None
    }

    /// Whether a service with the label of a waypoint has nothing but the waypoint's instances behind it.
    fn fronts_instances(&mut self, draft: &ServiceDraft, workloads: &Drafts) -> bool {
        let service = &draft.service;
        let Some(waypoint) = labelled_as(self.candidates, &service.namespace, &service.labels) else {
            return false;
        };
        let is_instance = |(number, _): &(usize, _)| {
            let draft = workloads.get(*number);
            draft.is_some_and(|draft| draft.workload.is_instance_of(&waypoint.key))
        };
        if service.origin == Origin::Kubernetes && draft.endpoints.iter().all(is_instance) {
            return true;
        }
        let message = format!(
            "not everything behind it is an instance of the waypoint {}, so it is treated like any other service",
            waypoint.key,
        );
        let site = Site::of(&draft.object);
        let field = site.field(GATEWAY_NAME);
        let hint = "remove the label, or select nothing but the waypoint's pods";
        self.problems
            .push(Problem::warning(site.object, field, message, hint));
        false
    }

    fn service(&mut self, draft: &mut ServiceDraft, workloads: &Drafts) {
        let service = &draft.service;
        let namespace = service.namespace.as_str();
        let fronts = service.origin == Origin::Kubernetes
            && service
                .vips
                .iter()
                .any(|address| self.addresses.contains(address));
        if fronts || self.fronts_instances(draft, workloads) {
            return;
        }
        let site = || Site::of(&draft.object);
        draft.service.waypoint = match self.labelled(site, namespace, Some(&service.labels), Traffic::Service)
        {
            Labelled::Waypoint(key) => Some(key),
            Labelled::OptOut => None,
            Labelled::Nothing => self.shared_legacy(draft, workloads),
        };
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
        let waypoints = self
            .legacy
            .get(namespace)?
            .iter()
            .map(|candidate| &candidate.waypoint);
        let of = |wanted: Option<&str>| {
            let is_wanted = |scope: &LegacyScope| scope.service_account.as_deref() == wanted;
            waypoints
                .clone()
                .find(|waypoint| waypoint.legacy.as_ref().is_some_and(is_wanted))
        };
        of(Some(account))
            .or_else(|| of(None))
            .map(|waypoint| waypoint.key.clone())
    }

    /// A Gateway of the 2022 form for nobody is a slip of the pen, most likely.
    fn report_idle_scopes(&mut self, workloads: &Drafts) {
        for candidate in self.legacy.values().flatten() {
            let waypoint = &candidate.waypoint;
            let Some(scope) = &waypoint.legacy else { continue };
            let mut members = workloads
                .iter()
                .filter(|draft| draft.member && draft.workload.gateway.is_none());
            if members.any(|draft| scope.includes(&draft.workload.identity)) {
                continue;
            }
            let (field, who) = match &scope.service_account {
                Some(account) => (
                    "metadata.annotations",
                    format!("service account {account} in namespace {}", scope.namespace),
                ),
                None => (
                    "metadata.namespace",
                    format!("any account in namespace {}", scope.namespace),
                ),
            };
            let message = format!("no workload runs as {who}, so the waypoint serves nobody");
            let hint = "correct the name, or bind to the waypoint with the label istio.io/use-waypoint";
            let object = ObjectRef::from_key(Kind::Gateway, &waypoint.key);
            self.problems.push(Problem::warning(object, field, message, hint));
        }
    }

    fn report_canary(&mut self, site: &Site, labels: &Labels) {
        if labels.contains_key(USE_WAYPOINT_CANARY) {
            let message = "all traffic goes to the waypoint itself, none to the canary";
            let field = site.field(USE_WAYPOINT_CANARY);
            self.problems.push(Problem::unsupported(
                site.object.clone(),
                field,
                message,
                "remove the label",
            ));
        }
    }
}

fn opt_out(labels: &Labels) -> Labelled {
    if labels.contains_key(USE_WAYPOINT) {
        Labelled::OptOut
    } else {
        Labelled::Nothing
    }
}

/// The waypoint whose instance (or Service) these labels claim to be of.
fn labelled_as<'a>(
    candidates: &'a BTreeMap<Key, Candidate>,
    namespace: &str,
    labels: &Labels,
) -> Option<&'a Waypoint> {
    let key = Key::new(namespace, labels.get(GATEWAY_NAME)?.as_str());
    candidates.get(&key).map(|candidate| &candidate.waypoint)
}

/// A key that no Gateway can have, for a waypoint that exists but must not be used by the one who asks.
fn impossible(key: &Key) -> Key {
    Key::new(
        key.namespace.as_str(),
        format!("{} (attachment refused)", key.name),
    )
}

#[cfg(test)]
mod tests;
