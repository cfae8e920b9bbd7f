//! A service: a host name, its virtual addresses and ports, and the workloads behind them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use cairn_api::istio::Resolution;
use cairn_api::meta::{Key, ObjectRef};
use cairn_identity::SpiffeId;
use ipnet::IpNet;

use crate::workload::Workload;

/// A Kubernetes Service, or one host of a ServiceEntry.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// What no other service of the mesh has: kind, namespace and name of the object, and the host name.
    pub id: Arc<str>,
    /// The namespace of the object.
    pub namespace: String,
    /// The name of the object.
    pub name: String,
    /// The fully qualified host name.
    pub hostname: Arc<str>,
    /// What kind of object it comes from.
    pub origin: Origin,
    /// Its virtual addresses; none for a headless service.
    pub vips: Vec<IpAddr>,
    /// The ranges of virtual addresses that a ServiceEntry may have besides.
    pub cidr_vips: Vec<IpNet>,
    /// Its TCP ports, in the order of the object.
    pub ports: Vec<ServicePort>,
    /// The waypoint of traffic to this service.
    ///
    /// A key that [`Snapshot::waypoint`](crate::Snapshot::waypoint) does not know means that traffic must be
    /// refused: what was asked for is not there, and the way round it is closed.
    pub waypoint: Option<Key>,
    /// The workloads behind it, ready or not.
    pub endpoints: Vec<Endpoint>,
    /// How its endpoints are found; `STATIC` for a Service of Kubernetes.
    pub resolution: Resolution,
    /// It is outside of the mesh: `location` of a ServiceEntry.
    pub external: bool,
    /// Further identities that its endpoints may prove.
    pub subject_alt_names: Vec<SpiffeId>,
    /// All such names as they are written: what TLS of its own has to prove, where a rule asks for it.
    pub alternative_names: Vec<String>,
    /// Which endpoints are preferred.
    pub load_balancing: LoadBalancing,
    /// Endpoints count whether they are ready or not.
    pub publish_not_ready: bool,
    /// The labels of the object.
    pub labels: BTreeMap<String, String>,
    /// Who sees it.
    pub exported: Exported,
}

/// Which namespaces see a service: for workloads of the others it is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Exported {
    /// All of them.
    #[default]
    Everywhere,
    /// These, of which there may be none.
    To(BTreeSet<String>),
}

impl Exported {
    /// What a list of namespaces says, in which `*` is every one, `.` that of the `owner`, and `~` none. An empty list says nothing.
    pub(crate) fn of<S: AsRef<str>>(list: &[S], owner: &str) -> Option<Exported> {
        let names = || {
            list.iter()
                .map(|name| name.as_ref().trim())
                .filter(|name| !name.is_empty())
        };
        names().next()?;
        if names().any(|name| name == "*") {
            return Some(Exported::Everywhere);
        }
        let named = names().filter(|name| *name != "~");
        let named = named.map(|name| if name == "." { owner } else { name });
        Some(Exported::To(named.map(str::to_owned).collect()))
    }

    /// Whether workloads of `namespace` see it.
    #[must_use]
    pub fn includes(&self, namespace: &str) -> bool {
        match self {
            Exported::Everywhere => true,
            Exported::To(namespaces) => namespaces.contains(namespace),
        }
    }

    /// Whether some namespace sees both.
    pub(crate) fn meets(&self, other: &Exported) -> bool {
        match (self, other) {
            (Exported::Everywhere, Exported::Everywhere) => true,
            (Exported::Everywhere, Exported::To(some)) | (Exported::To(some), Exported::Everywhere) => {
                !some.is_empty()
            }
            (Exported::To(one), Exported::To(other)) => !one.is_disjoint(other),
        }
    }
}

impl Service {
    /// What tells a service from all others.
    pub(crate) fn id_of(object: &ObjectRef, hostname: &str) -> Arc<str> {
        format!("{object}/{hostname}").into()
    }

    /// The port with this number.
    #[must_use]
    pub fn port(&self, number: u16) -> Option<&ServicePort> {
        self.ports.iter().find(|port| port.number == number)
    }

    /// The endpoints that traffic to `port` may go to: healthy ones (or all, when the service publishes those that
    /// are not ready), with a target for that port, a share above zero and an address.
    pub fn usable_endpoints(&self, port: u16) -> impl Iterator<Item = &Endpoint> + Clone {
        let addressed = |endpoint: &&Endpoint| !endpoint.workload.addresses.is_empty();
        self.able_endpoints(port).filter(addressed)
    }

    /// Those of which only a name is known, which gives their addresses; else as
    /// [`usable_endpoints`](Self::usable_endpoints).
    pub fn named_endpoints(&self, port: u16) -> impl Iterator<Item = (&Arc<str>, &Endpoint)> + Clone {
        let is_resolved = matches!(
            self.resolution,
            Resolution::Dns | Resolution::DnsRoundRobin | Resolution::DynamicDns
        );
        self.able_endpoints(port)
            .filter(move |_| is_resolved)
            .filter_map(|endpoint| Some((endpoint.workload.hostname.as_ref()?, endpoint)))
    }

    fn able_endpoints(&self, port: u16) -> impl Iterator<Item = &Endpoint> + Clone {
        self.endpoints.iter().filter(move |endpoint| {
            let workload = &endpoint.workload;
            (workload.healthy || self.publish_not_ready)
                && workload.capacity > 0
                && endpoint.ports.contains_key(&port)
        })
    }
}

/// What kind of object a service comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A Service of Kubernetes.
    Kubernetes,
    /// A ServiceEntry.
    ServiceEntry,
}

/// A port of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// The port that callers use.
    pub number: u16,
    /// The name; empty when the only port has none.
    pub name: String,
    /// What is spoken on it.
    pub protocol: AppProtocol,
}

/// What is spoken on a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AppProtocol {
    /// HTTP/1.1, or HTTP/2 when the client begins with its preface.
    Http,
    /// HTTP/2 without TLS.
    Http2,
    /// gRPC.
    Grpc,
    /// TLS of the application.
    Tls,
    /// Opaque bytes.
    Tcp,
    /// Nobody said: look at the first bytes.
    #[default]
    Unknown,
}

impl AppProtocol {
    /// The protocol that a port's `appProtocol`, else the prefix of its name, stands for.
    ///
    /// Ports of protocols in which the server speaks first are TCP when nothing else is said, for there would be
    /// nothing to look at.
    #[must_use]
    pub fn of(number: u16, name: &str, app_protocol: Option<&str>) -> AppProtocol {
        match app_protocol {
            Some("kubernetes.io/h2c") => return AppProtocol::Http2,
            Some("kubernetes.io/ws") => return AppProtocol::Http,
            Some("kubernetes.io/wss") => return AppProtocol::Tls,
            _ => {}
        }
        let text = app_protocol.unwrap_or(name).to_ascii_lowercase();
        if text.starts_with("grpc-web") {
            return AppProtocol::Grpc;
        }
        match text.split('-').next().unwrap_or_default() {
            "http" => AppProtocol::Http,
            "http2" => AppProtocol::Http2,
            "grpc" => AppProtocol::Grpc,
            "https" | "tls" => AppProtocol::Tls,
            "tcp" | "mongo" | "redis" | "mysql" | "hbone" => AppProtocol::Tcp,
            _ if SERVER_SPEAKS_FIRST.contains(&number) => AppProtocol::Tcp,
            _ => AppProtocol::Unknown,
        }
    }

    /// Whether requests can be seen on it without looking first.
    #[must_use]
    pub fn is_http(self) -> bool {
        matches!(self, AppProtocol::Http | AppProtocol::Http2 | AppProtocol::Grpc)
    }
}

impl fmt::Display for AppProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AppProtocol::Http => "HTTP",
            AppProtocol::Http2 => "HTTP2",
            AppProtocol::Grpc => "GRPC",
            AppProtocol::Tls => "TLS",
            AppProtocol::Tcp => "TCP",
            AppProtocol::Unknown => "UNKNOWN",
        })
    }
}

/// SMTP, DNS, MySQL, MongoDB.
const SERVER_SPEAKS_FIRST: [u16; 4] = [25, 53, 3306, 27017];

/// One workload behind a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// The workload.
    pub workload: Arc<Workload>,
    /// Service port → port of the workload; a port that the workload does not have is not in it.
    pub ports: BTreeMap<u16, u16>,
}

/// Which endpoints of a service are preferred.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadBalancing {
    /// What the scopes are for.
    pub mode: Mode,
    /// The scopes, from the widest that has to agree to the narrowest.
    pub scopes: Vec<Scope>,
}

/// How scopes are used to choose endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// All endpoints alike.
    #[default]
    Standard,
    /// Only endpoints that agree with the caller in every scope.
    Strict,
    /// The endpoints that agree with the caller in most leading scopes.
    Failover,
    /// No choice: the connection goes where it was addressed to.
    Passthrough,
}

/// Something in which a caller and an endpoint may agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The network.
    Network,
    /// The region.
    Region,
    /// The zone, in the same region.
    Zone,
    /// The subzone, in the same zone.
    Subzone,
    /// The node.
    Node,
    /// The cluster.
    Cluster,
}

impl Scope {
    /// Whether two workloads agree in this scope. Unknown never agrees, except for the network, whose empty name
    /// stands for the only one.
    #[must_use]
    pub fn agrees(self, one: &Workload, other: &Workload) -> bool {
        let known = |a: &str, b: &str| !a.is_empty() && a == b;
        let (here, there) = (&one.locality, &other.locality);
        match self {
            Scope::Network => one.network == other.network,
            Scope::Region => known(&here.region, &there.region),
            Scope::Zone => here.region == there.region && known(&here.zone, &there.zone),
            Scope::Subzone => {
                here.region == there.region && here.zone == there.zone && known(&here.subzone, &there.subzone)
            }
            Scope::Node => known(&one.node, &other.node),
            Scope::Cluster => known(&one.cluster_id, &other.cluster_id),
        }
    }
}

#[cfg(test)]
mod tests;
