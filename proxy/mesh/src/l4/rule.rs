//! Compiled rules, and whether a connection meets them.

use std::net::{IpAddr, SocketAddr};

use cairn_identity::SpiffeId;
use ipnet::IpNet;

use super::pattern::Pattern;

/// What L4 knows of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Connection<'a> {
    /// The identity that the caller has proven; `None` for plain TCP.
    pub peer: Option<&'a SpiffeId>,
    /// The address that it comes from.
    pub source: IpAddr,
    /// Address and port of the workload, after any translation: not the service's, and not the tunnel's port.
    pub destination: SocketAddr,
}

impl Connection<'_> {
    /// IPv4 addresses in their own form, however the socket showed them.
    pub(crate) fn canonical(self) -> Self {
        let destination = SocketAddr::new(self.destination.ip().to_canonical(), self.destination.port());
        Connection {
            source: self.source.to_canonical(),
            destination,
            ..self
        }
    }
}

/// One rule of a policy: all of its clauses have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Rule {
    pub(crate) clauses: Vec<Clause>,
}

/// One `from`, `to` or `when` of a rule: any of its matches has to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Clause {
    pub(crate) matches: Vec<Match>,
}

/// One source, operation or condition: all of its tests have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Match {
    pub(crate) tests: Vec<Test>,
}

/// One field: any of the values has to be met, or with `negated` none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Test {
    pub(crate) negated: bool,
    pub(crate) values: Values,
}

/// The values of one field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Values {
    Principals(Vec<Pattern>),
    Namespaces(Vec<Pattern>),
    TrustDomains(Vec<Pattern>),
    ServiceAccounts(Vec<ServiceAccount>),
    SourceIps(Vec<IpNet>),
    DestinationIps(Vec<IpNet>),
    DestinationPorts(Vec<u16>),
}

/// A service account of a namespace, in whichever trust domain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ServiceAccount {
    pub(crate) namespace: Box<str>,
    pub(crate) name: Box<str>,
}

impl Rule {
    pub(crate) fn matches(&self, connection: &Connection<'_>) -> bool {
        self.clauses
            .iter()
            .all(|clause| clause.matches.iter().any(|one| one.holds(connection)))
    }
}

impl Match {
    fn holds(&self, connection: &Connection<'_>) -> bool {
        self.tests
            .iter()
            .all(|test| test.values.any(connection) != test.negated)
    }
}

impl Values {
    fn any(&self, connection: &Connection<'_>) -> bool {
        let of_peer = |patterns: &[Pattern], part: fn(&SpiffeId) -> &str| {
            connection
                .peer
                .is_some_and(|peer| patterns.iter().any(|pattern| pattern.matches(part(peer))))
        };
        match self {
            Values::Principals(patterns) => of_peer(patterns, SpiffeId::principal),
            Values::Namespaces(patterns) => of_peer(patterns, SpiffeId::namespace),
            Values::TrustDomains(patterns) => of_peer(patterns, SpiffeId::trust_domain),
            Values::ServiceAccounts(accounts) => connection.peer.is_some_and(|peer| {
                let is_peer = |account: &ServiceAccount| {
                    *account.namespace == *peer.namespace() && *account.name == *peer.service_account()
                };
                accounts.iter().any(is_peer)
            }),
            Values::SourceIps(nets) => nets.iter().any(|net| net.contains(&connection.source)),
            Values::DestinationIps(nets) => nets.iter().any(|net| net.contains(&connection.destination.ip())),
            Values::DestinationPorts(ports) => ports.contains(&connection.destination.port()),
        }
    }
}
