//! A waypoint: the proxy that a Gateway stands for, seen by those who send traffic through it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use cairn_api::meta::Key;
use cairn_identity::SpiffeId;

/// The port of HBONE, for waypoints and node proxies alike.
pub const HBONE_PORT: u16 = 15008;

/// A waypoint that can be bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waypoint {
    /// Namespace and name of the Gateway.
    pub key: Key,
    /// The name of its GatewayClass.
    pub class: String,
    /// Where it listens; `None` until the Gateway has been given an address, and traffic is refused until then.
    pub address: Option<IpAddr>,
    /// The port of its tunnel listener.
    pub port: u16,
    /// What its certificate says.
    pub identity: SpiffeId,
    /// What traffic it is for.
    pub serves: Serves,
    /// Its scope, when it is a Gateway of the 2022 form.
    pub legacy: Option<LegacyScope>,
}

impl Waypoint {
    /// Address and port of its tunnel listener.
    #[must_use]
    pub fn socket(&self) -> Option<SocketAddr> {
        self.address.map(|address| SocketAddr::new(address, self.port))
    }
}

/// What traffic a waypoint is for: the label `istio.io/waypoint-for`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Serves {
    /// Traffic that is addressed to services.
    #[default]
    Services,
    /// Traffic that is addressed to workloads.
    Workloads,
    /// Both.
    All,
    /// Nothing binds to it.
    None,
}

impl Serves {
    /// Reads the value of the label.
    #[must_use]
    pub fn parse(text: &str) -> Option<Serves> {
        match text {
            "service" => Some(Serves::Services),
            "workload" => Some(Serves::Workloads),
            "all" => Some(Serves::All),
            "none" => Some(Serves::None),
            _ => None,
        }
    }

    /// Whether it takes traffic that is addressed to services.
    #[must_use]
    pub fn services(self) -> bool {
        matches!(self, Serves::Services | Serves::All)
    }

    /// Whether it takes traffic that is addressed to workloads.
    #[must_use]
    pub fn workloads(self) -> bool {
        matches!(self, Serves::Workloads | Serves::All)
    }
}

impl fmt::Display for Serves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Serves::Services => "service",
            Serves::Workloads => "workload",
            Serves::All => "all",
            Serves::None => "none",
        })
    }
}

/// The workloads that a Gateway of the 2022 form serves, on both sides: what they receive, and what they send to
/// services that have no waypoint of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyScope {
    /// The namespace of the workloads.
    pub namespace: String,
    /// Their service account; `None` is every one in the namespace.
    pub service_account: Option<String>,
}

impl LegacyScope {
    /// Whether workloads of this identity are in the scope.
    #[must_use]
    pub fn includes(&self, identity: &SpiffeId) -> bool {
        identity.namespace() == self.namespace
            && self
                .service_account
                .as_deref()
                .is_none_or(|account| account == identity.service_account())
    }
}
