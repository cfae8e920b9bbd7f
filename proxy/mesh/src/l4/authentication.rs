//! From PeerAuthentications to the ports of a workload that take no plain TCP.
//!
//! The mode of a port is the nearest one that is set: for the port, the workload, the namespace, the mesh; else plain TCP is
//! taken. On each level the oldest object counts. `DISABLE` is `PERMISSIVE` here: tunnels are always taken.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cairn_api::istio::{MtlsMode, MutualTls, PeerAuthentication};
use cairn_api::meta::{Key, Kind, ObjectRef};
use cairn_config::{BrokenPolicy, Problem};

use super::policies::Strict;
use crate::selector::{LabelIndex, Labels, selects};

/// The PeerAuthentications of a mesh.
pub(crate) struct Authentication<'a> {
    root_namespace: &'a str,
    /// Namespace → the one without a selector that counts.
    namespaces: HashMap<&'a str, &'a PeerAuthentication>,
    /// Those with a selector, oldest first.
    selecting: Vec<&'a PeerAuthentication>,
    /// Those that cannot be read: strict, for they could not have asked for more.
    unreadable: Vec<Unreadable<'a>>,
}

/// A PeerAuthentication that cannot be read.
struct Unreadable<'a> {
    key: Key,
    selects: Selects<'a>,
}

/// What an unreadable object may be about.
enum Selects<'a> {
    /// Nobody knows; it may have had a selector.
    Unknown,
    /// Its namespace, or in the root namespace the mesh.
    Namespace,
    /// Workloads of its namespace.
    Workloads(&'a Labels),
}

impl Unreadable<'_> {
    fn of(broken: &BrokenPolicy) -> Unreadable<'_> {
        let selects = match &broken.spec {
            None => Selects::Unknown,
            Some(spec) => match spec
                .selector
                .as_ref()
                .filter(|selector| !selector.match_labels.is_empty())
            {
                None => Selects::Namespace,
                Some(selector) => Selects::Workloads(&selector.match_labels),
            },
        };
        Unreadable {
            key: broken.object.key(),
            selects,
        }
    }

    fn covers(&self, namespace: &str, root_namespace: &str) -> bool {
        !matches!(self.selects, Selects::Workloads(_))
            && (self.key.namespace == namespace || self.key.namespace == root_namespace)
    }

    fn strict(&self) -> Strict {
        Strict {
            otherwise: Some(self.key.clone()),
            ports: BTreeMap::new(),
        }
    }
}

impl<'a> Authentication<'a> {
    pub(crate) fn new(
        objects: impl Iterator<Item = &'a Arc<PeerAuthentication>>,
        broken: impl Iterator<Item = &'a BrokenPolicy>,
        root_namespace: &'a str,
        problems: &mut Vec<Problem>,
    ) -> Authentication<'a> {
        let mut objects: Vec<&PeerAuthentication> = objects.map(Arc::as_ref).collect();
        objects.sort_by_key(|object| {
            let metadata = &object.metadata;
            (&metadata.creation_timestamp, &metadata.namespace, &metadata.name)
        });
        let unreadable = broken.filter(|broken| broken.object.kind == Kind::PeerAuthentication);
        let mut this = Authentication {
            root_namespace,
            namespaces: HashMap::new(),
            selecting: Vec::new(),
            unreadable: unreadable.map(Unreadable::of).collect(),
        };
        for object in objects {
            this.insert(object, problems);
        }
        this
    }

    fn insert(&mut self, object: &'a PeerAuthentication, problems: &mut Vec<Problem>) {
        let name = ObjectRef::from_key(Kind::PeerAuthentication, &object.metadata.key());
        let namespace = object.metadata.namespace.as_str();
        for port in object
            .spec
            .port_level_mtls
            .keys()
            .filter(|port| !(1..=65535).contains(*port))
        {
            let hint = "name a port of the workload, 1 to 65535";
            problems.push(Problem::error(
                name.clone(),
                "spec.portLevelMtls",
                format!("{port} is no port"),
                hint,
            ));
        }
        if selector_of(object).is_some() {
            if namespace == self.root_namespace {
                problems.push(Problem::warning(
                    name,
                    "spec.selector",
                    "with a selector it is only about workloads of the root namespace itself",
                    "put it into the namespace of the workloads",
                ));
            }
            self.selecting.push(object);
            return;
        }
        if !object.spec.port_level_mtls.is_empty() {
            problems.push(Problem::warning(
                name.clone(),
                "spec.portLevelMtls",
                "without a selector only STRICT is heeded for single ports",
                "add a selector for the workloads that have these ports",
            ));
        }
        if let Some(oldest) = self.namespaces.get(namespace) {
            let message = format!("{} is older and counts instead", oldest.metadata.key());
            problems.push(Problem::warning(
                name,
                "spec",
                message,
                "keep one per namespace without a selector",
            ));
            return;
        }
        self.namespaces.insert(namespace, object);
    }

    /// What holds in a namespace for workloads that nothing selects.
    pub(crate) fn of_namespace(&self, namespace: &str) -> Strict {
        let static_strict = Key::new(self.root_namespace, "istio_converted_static_strict");
        let strict = |mode: MtlsMode| (mode == MtlsMode::Strict).then(|| static_strict.clone());
        let mut result = Strict::default();
        for level in [self.root_namespace, namespace] {
            let Some(object) = self.namespaces.get(level) else {
                continue;
            };
            if let Some(mode) = mode_of(object.spec.mtls.as_ref()) {
                result.otherwise = strict(mode);
            }
            let ports = ports_of(object).filter(|(_, mode)| *mode == MtlsMode::Strict);
            result
                .ports
                .extend(ports.map(|(port, _)| (port, Some(converted(object)))));
        }
        let unreadable = self
            .unreadable
            .iter()
            .find(|object| object.covers(namespace, self.root_namespace));
        unreadable.map_or(result, Unreadable::strict)
    }

    /// What holds for those workloads of a namespace that something selects, by their number in `workloads`.
    pub(crate) fn of_workloads(
        &self,
        namespace: &str,
        base: &Strict,
        workloads: &LabelIndex<'_>,
    ) -> HashMap<usize, Strict> {
        let mut result = HashMap::new();
        for object in self
            .selecting
            .iter()
            .filter(|object| object.metadata.namespace == namespace)
        {
            let Some(selector) = selector_of(object) else {
                continue;
            };
            for number in workloads.select(selector) {
                result
                    .entry(number)
                    .or_insert_with(|| workload_mode(object, base, self.root_namespace));
            }
        }
        for object in &self.unreadable {
            match object.selects {
                Selects::Workloads(selector) if object.key.namespace == namespace => {
                    result.extend(
                        workloads
                            .select(selector)
                            .into_iter()
                            .map(|number| (number, object.strict())),
                    );
                }
                // What it may have selected, no other may loosen.
                Selects::Unknown if object.covers(namespace, self.root_namespace) => return HashMap::new(),
                _ => {}
            }
        }
        result
    }

    /// Reports objects with a selector that an older one leaves nothing to say.
    pub(crate) fn report_shadowed(&self, problems: &mut Vec<Problem>) {
        for (index, object) in self.selecting.iter().enumerate() {
            let Some(selector) = selector_of(object) else {
                continue;
            };
            let shadows = |older: &&&PeerAuthentication| {
                older.metadata.namespace == object.metadata.namespace
                    && selector_of(older).is_some_and(|wider| selects(wider, selector))
            };
            if let Some(older) = self.selecting.iter().take(index).find(shadows) {
                let message = format!("{} is older and selects the same workloads", older.metadata.key());
                let name = ObjectRef::from_key(Kind::PeerAuthentication, &object.metadata.key());
                problems.push(Problem::warning(
                    name,
                    "spec.selector",
                    message,
                    "keep one of them",
                ));
            }
        }
    }
}

fn workload_mode(object: &PeerAuthentication, base: &Strict, root_namespace: &str) -> Strict {
    let name = |mode: MtlsMode, name: Key| (mode == MtlsMode::Strict).then_some(name);
    let mut strict = match mode_of(object.spec.mtls.as_ref()) {
        Some(mode) => Strict {
            otherwise: name(mode, Key::new(root_namespace, "istio_converted_static_strict")),
            ports: BTreeMap::new(),
        },
        None => base.clone(),
    };
    strict
        .ports
        .extend(ports_of(object).map(|(port, mode)| (port, name(mode, converted(object)))));
    strict
}

fn selector_of(object: &PeerAuthentication) -> Option<&Labels> {
    let selector = object.spec.selector.as_ref();
    selector
        .map(|selector| &selector.match_labels)
        .filter(|labels| !labels.is_empty())
}

/// The ports with a mode of their own.
fn ports_of(object: &PeerAuthentication) -> impl Iterator<Item = (u16, MtlsMode)> {
    let ports = object.spec.port_level_mtls.iter();
    ports.filter_map(|(port, tls)| Some((u16::try_from(*port).ok()?, mode_of(Some(tls))?)))
}

/// The mode that is set here; `None` when it is inherited.
fn mode_of(tls: Option<&MutualTls>) -> Option<MtlsMode> {
    tls.and_then(|tls| tls.mode)
        .filter(|mode| *mode != MtlsMode::Unset)
}

/// The name that Istio denies in for a port with a mode of its own.
fn converted(object: &PeerAuthentication) -> Key {
    let metadata = &object.metadata;
    Key::new(
        metadata.namespace.as_str(),
        format!("converted_peer_authentication_{}", metadata.name),
    )
}
