//! Whether a connection may be delivered to a captured workload.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use cairn_identity::SpiffeId;

use crate::l4::{Connection, Verdict};
use crate::service::Service;
use crate::snapshot::Snapshot;
use crate::waypoint::HBONE_PORT;
use crate::workload::Workload;

/// A connection that has arrived for a workload, through a tunnel or in the clear.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The identity that the other end of the tunnel has proven; `None` for plain TCP.
    pub peer: Option<&'a SpiffeId>,
    /// The address that it comes from.
    pub source: IpAddr,
    /// The address of ours that it was received on.
    pub received_on: IpAddr,
    /// What is asked for: the authority of the CONNECT, or the original destination.
    pub target: Target<'a>,
    /// The service that the other end says it is for (the `forwarded` header); only good for attribution.
    pub service: Option<&'a str>,
}

/// What an arriving connection asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// An address and a port of the workload.
    Address(SocketAddr),
    /// A service by name, and a port of the service.
    Host {
        /// The fully qualified host name.
        host: &'a str,
        /// The service's port.
        port: u16,
    },
}

/// What becomes of an arriving connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Inbound {
    /// It goes to the workload.
    Deliver {
        /// Address and port of the workload.
        address: SocketAddr,
        /// The service that it is counted for.
        service: Option<Arc<Service>>,
    },
    /// It is turned away.
    Refuse(Rejection),
}

/// Why an arriving connection is turned away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The target is not an address of the workload that the connection arrived at.
    #[error("ip mismatch: {asked} was asked for at {received_on}")]
    AddressMismatch {
        /// The address that was asked for.
        asked: IpAddr,
        /// The address that the connection was received on.
        received_on: IpAddr,
    },
    /// No service of that name has this workload among its endpoints.
    #[error("unknown destination {host}:{port}")]
    UnknownHost {
        /// The name that was asked for.
        host: String,
        /// The port that was asked for.
        port: u16,
    },
    /// The target is a port of the proxy itself.
    #[error("attempted recursive call to ourselves, port {0}")]
    OwnPort(u16),
    /// A policy says no.
    #[error("{reason}")]
    Denied {
        /// `namespace/name` of the policy; empty when there were policies to allow, and none did.
        policy: String,
        /// The reason, for the log.
        reason: String,
    },
}

impl Rejection {
    /// The status to answer the CONNECT with.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Rejection::AddressMismatch { .. } => 400,
            Rejection::Denied { .. } => 401,
            Rejection::UnknownHost { .. } | Rejection::OwnPort(_) => 503,
        }
    }
}

/// The ports on which the proxy itself listens beside every workload: outbound and inbound capture, tunnels.
const OWN_PORTS: [u16; 3] = [15001, 15006, HBONE_PORT];

impl Snapshot {
    /// Decides about a connection that has arrived for `local`: it must ask for one of the workload's own addresses (the
    /// one that it arrived on) or for a service that the workload is behind, and the policies must let it in.
    #[must_use]
    pub fn inbound(&self, local: &Workload, arrival: &Arrival<'_>) -> Inbound {
        self.admit(local, arrival).unwrap_or_else(Inbound::Refuse)
    }

    fn admit(&self, local: &Workload, arrival: &Arrival<'_>) -> Result<Inbound, Rejection> {
        let (address, service) = self.resolve(local, arrival)?;
        if OWN_PORTS.contains(&address.port()) {
            return Err(Rejection::OwnPort(address.port()));
        }
        let connection = Connection {
            peer: arrival.peer,
            source: arrival.source,
            destination: address,
        };
        match self.l4().verdict(local, &connection) {
            Verdict::Allow => Ok(Inbound::Deliver { address, service }),
            Verdict::Deny { policy, reason } => Err(Rejection::Denied { policy, reason }),
        }
    }

    fn resolve(
        &self,
        local: &Workload,
        arrival: &Arrival<'_>,
    ) -> Result<(SocketAddr, Option<Arc<Service>>), Rejection> {
        let received_on = arrival.received_on.to_canonical();
        match arrival.target {
            Target::Address(target) => {
                let asked = target.ip().to_canonical();
                if asked != received_on || !local.addresses.contains(&asked) {
                    return Err(Rejection::AddressMismatch { asked, received_on });
                }
                let service = self.attribute(local, arrival.service, target.port());
                Ok((SocketAddr::new(asked, target.port()), service))
            }
            Target::Host { host, port } => {
                let found = self.services_named(host).find_map(|service| {
                    let of_local = |workload: &Arc<Workload>| workload.uid == local.uid;
                    let endpoint = service
                        .endpoints
                        .iter()
                        .find(|endpoint| of_local(&endpoint.workload))?;
                    Some((service, *endpoint.ports.get(&port)?))
                });
                let (service, port) = found.ok_or_else(|| Rejection::UnknownHost {
                    host: host.to_owned(),
                    port,
                })?;
                if !local.addresses.contains(&received_on) {
                    return Err(Rejection::AddressMismatch {
                        asked: received_on,
                        received_on,
                    });
                }
                Ok((SocketAddr::new(received_on, port), Some(Arc::clone(service))))
            }
        }
    }

    /// The service that traffic to this port of the workload is counted for: the one that was named if the workload is
    /// behind it, else the first that has the port as a target.
    fn attribute(&self, local: &Workload, named: Option<&str>, port: u16) -> Option<Arc<Service>> {
        let named = named.and_then(|host| {
            self.services_of_workload(local)
                .find(|service| service.hostname.eq_ignore_ascii_case(host))
        });
        let by_port = || {
            self.services_of_workload(local).find(|service| {
                let mut ours = service
                    .endpoints
                    .iter()
                    .filter(|endpoint| endpoint.workload.uid == local.uid);
                ours.any(|endpoint| endpoint.ports.values().any(|target| *target == port))
            })
        };
        named.or_else(by_port).cloned()
    }
}

#[cfg(test)]
mod tests;
