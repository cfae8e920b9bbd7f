//! The workloads that may stand behind services, found by labels, name and address.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use cairn_api::meta::Kind;

use super::draft::{Draft, Drafts};
use crate::selector::{LabelIndex, Labels};
use crate::service::ServicePort;

/// Service port → port of the workload.
pub(crate) type Ports = BTreeMap<u16, u16>;

/// The workloads that are known before any service is, and those that services add to them.
pub(crate) struct Pool<'a> {
    known: &'a [Draft],
    pods: HashMap<&'a str, LabelIndex<'a>>,
    entries: HashMap<&'a str, LabelIndex<'a>>,
    pods_by_name: HashMap<(&'a str, &'a str), usize>,
    pods_by_ip: HashMap<IpAddr, usize>,
    /// Their numbers follow those of `known`.
    added: Drafts,
    uids: BTreeSet<Arc<str>>,
}

impl<'a> Pool<'a> {
    /// Indexes the workloads of pods and WorkloadEntries.
    pub(crate) fn new(known: &'a [Draft]) -> Pool<'a> {
        let mut pool = Pool {
            known,
            pods: HashMap::new(),
            entries: HashMap::new(),
            pods_by_name: HashMap::new(),
            pods_by_ip: HashMap::new(),
            added: Vec::new(),
            uids: BTreeSet::new(),
        };
        for (number, draft) in known.iter().enumerate() {
            let workload = &draft.workload;
            let is_pod = draft.object.kind == Kind::Pod;
            let index = if is_pod { &mut pool.pods } else { &mut pool.entries };
            index
                .entry(&workload.namespace)
                .or_default()
                .insert(number, &workload.labels);
            if is_pod {
                pool.pods_by_name
                    .insert((&workload.namespace, &workload.name), number);
                for address in workload.addresses.iter().filter(|_| !workload.host_network) {
                    pool.pods_by_ip.entry(*address).or_insert(number);
                }
            }
        }
        pool
    }

    /// The pods of a namespace that a selector selects.
    pub(crate) fn pods(&self, namespace: &str, selector: &Labels) -> Vec<(usize, &'a Draft)> {
        self.select(&self.pods, namespace, selector)
    }

    /// The WorkloadEntries of a namespace that a selector selects.
    pub(crate) fn entries(&self, namespace: &str, selector: &Labels) -> Vec<(usize, &'a Draft)> {
        self.select(&self.entries, namespace, selector)
    }

    /// The pod of this name.
    pub(crate) fn pod(&self, namespace: &str, name: &str) -> Option<usize> {
        self.pods_by_name.get(&(namespace, name)).copied()
    }

    /// The number of an endpoint: that of the pod at its address, which knows more than who wrote the endpoint, or a new one.
    pub(crate) fn place(&mut self, mut draft: Draft) -> usize {
        let pod = draft
            .workload
            .addresses
            .first()
            .and_then(|address| self.pods_by_ip.get(address));
        if let Some(number) = pod {
            return *number;
        }
        let number = self.known.len() + self.added.len();
        // A ServiceEntry may list one address several times, with other labels and ports.
        if !self.uids.insert(draft.workload.uid.clone()) {
            draft.workload.uid = format!("{}/{number}", draft.workload.uid).into();
            self.uids.insert(draft.workload.uid.clone());
        }
        self.added.push(draft);
        number
    }

    /// The workloads that services added.
    pub(crate) fn into_added(self) -> Drafts {
        self.added
    }

    fn select(
        &self,
        index: &HashMap<&str, LabelIndex<'_>>,
        namespace: &str,
        selector: &Labels,
    ) -> Vec<(usize, &'a Draft)> {
        let numbers = index
            .get(namespace)
            .map(|index| index.select(selector))
            .unwrap_or_default();
        numbers
            .into_iter()
            .filter_map(|number| Some((number, self.known.get(number)?)))
            .collect()
    }
}

/// The ports of an endpoint that may give them by name; the others are where `target` says.
pub(crate) fn named_ports(
    ports: &[ServicePort],
    named: &BTreeMap<String, u32>,
    target: impl Fn(u16) -> u16,
) -> Ports {
    let of = |port: &ServicePort| {
        let named = named
            .get(&port.name)
            .and_then(|number| u16::try_from(*number).ok());
        (port.number, named.unwrap_or_else(|| target(port.number)))
    };
    ports.iter().map(of).collect()
}
