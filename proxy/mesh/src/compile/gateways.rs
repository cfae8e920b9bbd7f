//! From Gateways to waypoints.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use cairn_api::gateway::{FromNamespaces, Gateway, Listener, RouteNamespaces};
use cairn_api::k8s::{LabelSelector, LabelSelectorRequirement};
use cairn_api::meta::{Key, Kind, ObjectRef};
use cairn_config::{Objects, Problem, UNREADABLE};
use cairn_identity::SpiffeId;

use super::draft::parse_ip;
use crate::names::{
    GATEWAY_ACCOUNT, GATEWAY_NAME_OVERRIDE, LEGACY_ACCOUNT, USE_WAYPOINT, USE_WAYPOINT_NAMESPACE,
    WAYPOINT_FOR,
};
use crate::selector::Labels;
use crate::settings::MeshSettings;
use crate::waypoint::{HBONE_PORT, LegacyScope, Serves, Waypoint};

/// The names of GatewayClasses whose Gateways are waypoints.
///
/// A Gateway of any other class is one too as soon as it has exactly one listener for HBONE on port 15008.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayClasses {
    /// Classes of waypoints.
    pub waypoint: Vec<String>,
    /// Those among them whose Gateways may be of the 2022 form: without listeners, and bound to without labels.
    pub legacy: Vec<String>,
    /// Classes whose Gateways are never waypoints, although they listen for HBONE.
    pub never: Vec<String>,
}

impl Default for GatewayClasses {
    fn default() -> GatewayClasses {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        GatewayClasses {
            waypoint: names(&["istio-mesh", "istio-waypoint", "cairn-waypoint"]),
            legacy: names(&["istio-mesh"]),
            never: names(&["istio-east-west", "istio-remote"]),
        }
    }
}

/// A waypoint, and who may bind to it.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) waypoint: Waypoint,
    admission: Admission,
}

#[derive(Clone, Debug)]
enum Admission {
    Same,
    All,
    None,
    Selector(LabelSelector),
}

impl Candidate {
    /// Whether objects of this namespace may bind to the waypoint.
    pub(crate) fn admits(&self, namespace: &str, labels: Option<&Labels>) -> bool {
        match &self.admission {
            Admission::Same => namespace == self.waypoint.key.namespace,
            Admission::All => true,
            Admission::None => false,
            Admission::Selector(selector) => {
                let mut labels = labels.cloned().unwrap_or_default();
                // The API server puts this label on every namespace.
                labels
                    .entry("kubernetes.io/metadata.name".to_owned())
                    .or_insert_with(|| namespace.to_owned());
                crate::selector::selects(&selector.match_labels, &labels)
                    && selector
                        .match_expressions
                        .iter()
                        .all(|requirement| holds(requirement, &labels))
            }
        }
    }
}

/// Finds the waypoints. A Gateway that should be one and is wrong becomes one without an address, so that what it would
/// have guarded is refused.
pub(crate) fn compile(
    objects: &Objects,
    mesh: &MeshSettings,
    classes: &GatewayClasses,
    problems: &mut Vec<Problem>,
) -> BTreeMap<Key, Candidate> {
    let referenced = referenced(objects);
    let mut reader = Reader {
        objects,
        mesh,
        classes,
        problems,
    };
    let candidates = objects.gateways.iter().filter_map(|(key, gateway)| {
        let candidate = reader.candidate(key, gateway, referenced.contains(key))?;
        Some((key.clone(), candidate))
    });
    let mut candidates: BTreeMap<Key, Candidate> = candidates.collect();
    refuse_second_scopes(objects, &mut candidates, problems);
    candidates
}

struct Reader<'a> {
    objects: &'a Objects,
    mesh: &'a MeshSettings,
    classes: &'a GatewayClasses,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn candidate(&mut self, key: &Key, gateway: &Gateway, referenced: bool) -> Option<Candidate> {
        let class = &gateway.spec.gateway_class_name;
        let listeners = gateway.spec.listeners.as_slice();
        // Of a class that cannot be read it may be any, so it may guard a namespace without being named.
        let unreadable = class == UNREADABLE;
        let is = |names: &[String]| names.contains(class);
        let known = is(&self.classes.waypoint);
        let mut of_hbone = listeners.iter().filter(|listener| is_hbone(listener));
        let listener = of_hbone.next().filter(|_| of_hbone.next().is_none());
        if !unreadable && !known && (listener.is_none() || is(&self.classes.never)) {
            return None;
        }
        let object = ObjectRef::from_key(Kind::Gateway, key);
        let may_be_legacy = unreadable || is(&self.classes.legacy);
        let wrong =
            known && !(listeners.is_empty() && may_be_legacy) && (listener.is_none() || listeners.len() != 1);
        if wrong {
            let field = if listeners.is_empty() {
                "spec"
            } else {
                "spec.listeners"
            };
            let message = format!(
                "a waypoint (class {class}) has exactly one listener, for HBONE on port {HBONE_PORT}"
            );
            let hint = format!("write `listeners: [{{name: mesh, port: {HBONE_PORT}, protocol: HBONE}}]`");
            self.problems
                .push(Problem::error(object.clone(), field, message, hint));
        }
        let serves = self.serves(&object, gateway);
        let account = LEGACY_ACCOUNT
            .iter()
            .find_map(|name| gateway.metadata.annotations.get(*name));
        let unlabelled = account.is_some() || listeners.is_empty() || !referenced;
        let purpose = gateway.metadata.labels.get(WAYPOINT_FOR);
        let unsaid = serves.is_none() || purpose.is_some_and(|text| text == UNREADABLE);
        let legacy = (may_be_legacy && unsaid && unlabelled).then(|| LegacyScope {
            namespace: key.namespace.clone(),
            service_account: account.filter(|account| !account.is_empty()).cloned(),
        });
        let address = self.address(&object, gateway).filter(|_| !wrong && !unreadable);
        let serves = serves.unwrap_or(if legacy.is_some() {
            Serves::All
        } else {
            Serves::Services
        });
        let waypoint = Waypoint {
            key: key.clone(),
            class: class.clone(),
            address,
            port: HBONE_PORT,
            identity: self.identity(key, gateway, legacy.as_ref()),
            serves,
            legacy,
        };
        Some(Candidate {
            waypoint,
            admission: self.admission(&object, listener),
        })
    }

    /// The label of the Gateway, else that of its class.
    fn serves(&mut self, object: &ObjectRef, gateway: &Gateway) -> Option<Serves> {
        let class = self
            .objects
            .gateway_classes
            .get(&Key::new("", gateway.spec.gateway_class_name.as_str()));
        let text = gateway.metadata.labels.get(WAYPOINT_FOR);
        let text = text.or_else(|| class.and_then(|class| class.metadata.labels.get(WAYPOINT_FOR)))?;
        let serves = Serves::parse(text);
        if serves.is_none() {
            self.problems.push(Problem::error(
                object.clone(),
                format!("metadata.labels.{WAYPOINT_FOR}"),
                format!("`{text}` is no kind of traffic; until this is corrected the waypoint is for all"),
                "write service, workload, all or none",
            ));
        }
        Some(serves.unwrap_or(Serves::All))
    }

    fn identity(&self, key: &Key, gateway: &Gateway, legacy: Option<&LegacyScope>) -> SpiffeId {
        let annotations = &gateway.metadata.annotations;
        let named = [GATEWAY_ACCOUNT, GATEWAY_NAME_OVERRIDE]
            .iter()
            .find_map(|name| annotations.get(*name));
        let account = match (named, legacy) {
            (Some(account), _) => account.clone(),
            (None, None) => key.name.clone(),
            (None, Some(scope)) => {
                format!(
                    "{}-waypoint",
                    scope.service_account.as_ref().unwrap_or(&scope.namespace)
                )
            }
        };
        SpiffeId::new(&self.mesh.trust_domain, &key.namespace, &account)
    }

    /// The first IP address that the Gateway has been given, else the address of the service that it names; before any
    /// has been given, the one that it asks for.
    fn address(&mut self, object: &ObjectRef, gateway: &Gateway) -> Option<IpAddr> {
        let given = gateway
            .status
            .as_ref()
            .map(|status| status.addresses.as_slice())
            .unwrap_or_default();
        let (field, addresses) = match given {
            [] => ("spec.addresses", gateway.spec.addresses.as_slice()),
            given => ("status.addresses", given),
        };
        let addresses = || addresses.iter().filter(|address| !address.value.is_empty());
        let is_ip = |kind: Option<&str>| kind.is_none_or(|kind| kind == "IPAddress");
        for address in addresses().filter(|address| is_ip(address.type_.as_deref())) {
            match parse_ip(&address.value) {
                Some(ip) => return Some(ip),
                None => self.problems.push(Problem::error(
                    object.clone(),
                    field,
                    format!("`{}` is not an IP address", address.value),
                    "write one, or `type: Hostname` for the name of a service",
                )),
            }
        }
        let hostname = addresses().find(|address| address.type_.as_deref() == Some("Hostname"));
        let ip = hostname.and_then(|hostname| self.service_address(&hostname.value));
        if ip.is_none() {
            self.problems.push(Problem::warning(
                object.clone(),
                field,
                "the waypoint has no address yet; traffic for it is refused",
                "the controller gives it one; by hand, write `addresses: [{value: 127.0.0.5}]`",
            ));
        }
        ip
    }

    fn service_address(&self, hostname: &str) -> Option<IpAddr> {
        let name = hostname.strip_suffix(&format!(".svc.{}", self.mesh.cluster_domain))?;
        let (name, namespace) = name.split_once('.')?;
        let service = self.objects.services.get(&Key::new(namespace, name))?;
        parse_ip(
            service
                .spec
                .cluster_ips
                .first()
                .unwrap_or(&service.spec.cluster_ip),
        )
    }

    fn admission(&mut self, object: &ObjectRef, listener: Option<&Listener>) -> Admission {
        let namespaces = listener.and_then(|listener| listener.allowed_routes.as_ref()?.namespaces.as_ref());
        let Some(RouteNamespaces { from, selector }) = namespaces else {
            return Admission::Same;
        };
        match from.unwrap_or(FromNamespaces::Same) {
            FromNamespaces::Same => Admission::Same,
            FromNamespaces::All => Admission::All,
            FromNamespaces::None => Admission::None,
            FromNamespaces::Selector => match selector {
                Some(selector) => Admission::Selector(selector.clone()),
                None => {
                    let field = "spec.listeners[0].allowedRoutes.namespaces";
                    let message = "`from: Selector` needs a selector; without one no namespace is admitted";
                    self.problems
                        .push(Problem::error(object.clone(), field, message, "write `selector`"));
                    Admission::None
                }
            },
        }
    }
}

fn is_hbone(listener: &Listener) -> bool {
    listener.port == Some(HBONE_PORT) && listener.protocol == "HBONE"
}

fn holds(requirement: &LabelSelectorRequirement, labels: &Labels) -> bool {
    let value = labels.get(&requirement.key);
    match requirement.operator.as_str() {
        "In" => value.is_some_and(|value| requirement.values.contains(value)),
        "NotIn" => value.is_none_or(|value| !requirement.values.contains(value)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

/// The waypoint that labels ask for.
pub(crate) fn reference(labels: &Labels, own_namespace: &str) -> Option<Key> {
    let name = labels.get(USE_WAYPOINT).filter(|name| *name != "none")?;
    let namespace = labels
        .get(USE_WAYPOINT_NAMESPACE)
        .map_or(own_namespace, String::as_str);
    Some(Key::new(namespace, name.as_str()))
}

/// The Gateways that some object asks for by label.
fn referenced(objects: &Objects) -> BTreeSet<Key> {
    let namespaces = objects
        .namespaces
        .values()
        .map(|object| (&object.metadata.labels, &object.metadata.name));
    let services = objects.services.values().map(|object| &object.metadata);
    let pods = objects.pods.values().map(|object| &object.metadata);
    let service_entries = objects.service_entries.values().map(|object| &object.metadata);
    let workload_entries = objects.workload_entries.values().map(|object| &object.metadata);
    let others = services
        .chain(pods)
        .chain(service_entries)
        .chain(workload_entries);
    let others = others.map(|metadata| (&metadata.labels, &metadata.namespace));
    namespaces
        .chain(others)
        .filter_map(|(labels, namespace)| reference(labels, namespace))
        .collect()
}

/// Of two Gateways of the 2022 form for the same workloads the older one serves them.
fn refuse_second_scopes(
    objects: &Objects,
    candidates: &mut BTreeMap<Key, Candidate>,
    problems: &mut Vec<Problem>,
) {
    let age = |key: &Key| {
        objects
            .gateways
            .get(key)
            .and_then(|gateway| gateway.metadata.creation_timestamp.clone())
    };
    let mut order: Vec<Key> = candidates.keys().cloned().collect();
    order.sort_by_key(age);
    let mut taken: Vec<(LegacyScope, Key)> = Vec::new();
    for key in order {
        let Some(candidate) = candidates.get_mut(&key) else {
            continue;
        };
        let Some(scope) = candidate.waypoint.legacy.clone() else {
            continue;
        };
        match taken.iter().find(|(other, _)| *other == scope) {
            None => taken.push((scope, key)),
            Some((_, first)) => {
                problems.push(Problem::error(
                    ObjectRef::from_key(Kind::Gateway, &key),
                    "spec",
                    format!("{first} serves these workloads already"),
                    format!(
                        "annotate it with `{}`, or bind to it with `{USE_WAYPOINT}`",
                        LEGACY_ACCOUNT[0]
                    ),
                ));
                candidate.waypoint.legacy = None;
            }
        }
    }
}

#[cfg(test)]
mod tests;
