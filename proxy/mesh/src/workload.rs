//! A workload: one set of addresses that runs as one identity.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use cairn_api::meta::Key;
use cairn_identity::SpiffeId;

/// One instance of something that runs in the mesh: a Pod, a WorkloadEntry, or an endpoint written by hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// The name that no other workload has, in Istio's form: `Kubernetes//Pod/default/sleep-0`.
    pub uid: Arc<str>,
    /// The name of the object that it comes from.
    pub name: String,
    /// The namespace of that object.
    pub namespace: String,
    /// Every address that it answers on.
    pub addresses: Vec<IpAddr>,
    /// The name that its addresses have to be asked for by; `addresses` is empty then.
    pub hostname: Option<Arc<str>>,
    /// What its certificate says.
    pub identity: SpiffeId,
    /// What owns it, as metrics name it: the Deployment of a pod, for example.
    pub workload_name: String,
    /// What kind of owner that is.
    pub workload_type: WorkloadType,
    /// The canonical service of telemetry.
    pub canonical_name: String,
    /// The canonical revision of telemetry, `latest` when nothing says otherwise.
    pub canonical_revision: String,
    /// The label `app`, else the canonical name.
    pub app: String,
    /// The label `version`, else the canonical revision.
    pub version: String,
    /// The cluster that it runs in.
    pub cluster_id: String,
    /// The node that it runs on; empty when unknown.
    pub node: String,
    /// The network that its addresses belong to; empty for the only one.
    pub network: String,
    /// Its labels: subsets and selectors look at them.
    pub labels: BTreeMap<String, String>,
    /// How its node's proxy takes traffic for it.
    pub protocol: Tunnel,
    /// Whether it may be chosen as an endpoint.
    pub healthy: bool,
    /// Where it runs.
    pub locality: Locality,
    /// Its share among the endpoints of a service; 0 is never chosen.
    pub capacity: u32,
    /// The waypoint of traffic that is addressed to the workload itself.
    ///
    /// A key that [`Snapshot::waypoint`](crate::Snapshot::waypoint) does not know means that such traffic must be
    /// refused: what was asked for is not there, and the way round it is closed.
    pub waypoint: Option<Key>,
    /// The waypoint of what it sends to services that have none of their own (the 2022 form).
    pub outbound_waypoint: Option<Key>,
    /// Its container ports.
    pub ports: Vec<ContainerPort>,
    /// The waypoint that it is an instance of.
    pub gateway: Option<Key>,
    /// It shares the addresses of its node, by which it therefore cannot be told from others.
    pub host_network: bool,
}

impl Workload {
    /// Whether this is an instance of the waypoint `key`.
    #[must_use]
    pub fn is_instance_of(&self, key: &Key) -> bool {
        self.gateway.as_ref() == Some(key)
    }

    /// The address to reach it at from `like`'s family, else its first one.
    #[must_use]
    pub fn address_like(&self, like: IpAddr) -> Option<IpAddr> {
        let same = |address: &&IpAddr| address.is_ipv4() == like.is_ipv4();
        self.addresses
            .iter()
            .find(same)
            .or_else(|| self.addresses.first())
            .copied()
    }
}

/// How the proxy of a workload's node takes its traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tunnel {
    /// It is not captured: plain TCP straight to it.
    #[default]
    None,
    /// An mTLS CONNECT tunnel to port 15008 of its address.
    Hbone,
}

impl Tunnel {
    /// The name on the wire and in tables: `NONE` or `HBONE`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Tunnel::None => "NONE",
            Tunnel::Hbone => "HBONE",
        }
    }
}

impl fmt::Display for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What kind of object owns a workload; the `baggage` header of tunnels carries it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WorkloadType {
    /// A Deployment.
    Deployment,
    /// A CronJob.
    CronJob,
    /// A Job that no CronJob made.
    Job,
    /// Anything else.
    #[default]
    Pod,
}

impl WorkloadType {
    /// The lower-case name, as in `k8s.deployment.name`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            WorkloadType::Deployment => "deployment",
            WorkloadType::CronJob => "cronjob",
            WorkloadType::Job => "job",
            WorkloadType::Pod => "pod",
        }
    }
}

/// Where a workload runs; empty parts are unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locality {
    /// `topology.kubernetes.io/region` of its node.
    pub region: String,
    /// `topology.kubernetes.io/zone` of its node.
    pub zone: String,
    /// `topology.istio.io/subzone` of its node.
    pub subzone: String,
}

impl Locality {
    /// Reads `region/zone/subzone`, of which the later parts may be missing.
    #[must_use]
    pub fn parse(text: &str) -> Locality {
        let mut parts = text.splitn(3, '/').map(str::to_owned);
        let mut part = || parts.next().unwrap_or_default();
        Locality {
            region: part(),
            zone: part(),
            subzone: part(),
        }
    }
}

/// A port that a container declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPort {
    /// The name that a Service's `targetPort` may use; may be empty.
    pub name: String,
    /// The port number.
    pub number: u16,
}
