//! Where a connection of a captured workload goes.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use cairn_api::meta::Key;
use cairn_identity::SpiffeId;

use crate::service::{Endpoint, Mode, Scope, Service};
use crate::snapshot::Snapshot;
use crate::waypoint::{HBONE_PORT, Waypoint};
use crate::workload::{Tunnel, Workload};

/// Where a connection goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Outbound {
    /// Through a tunnel to a waypoint, which decides the rest.
    Waypoint {
        /// The waypoint.
        waypoint: Arc<Waypoint>,
        /// Where its tunnel listener is.
        address: SocketAddr,
        /// The `:authority` of the CONNECT: the destination as the caller addressed it.
        authority: SocketAddr,
        /// The identities of which the server has to prove one.
        expected: Vec<SpiffeId>,
        /// The service that was addressed.
        service: Option<Arc<Service>>,
        /// The workload that was addressed, or chosen.
        workload: Option<Arc<Workload>>,
    },
    /// Through a tunnel to the proxy of the destination's node.
    Hbone {
        /// The destination.
        workload: Arc<Workload>,
        /// The service that was addressed.
        service: Option<Arc<Service>>,
        /// Where the tunnel listener is.
        address: SocketAddr,
        /// The `:authority` of the CONNECT: address and port of the workload.
        authority: SocketAddr,
        /// The identities of which the server has to prove one.
        expected: Vec<SpiffeId>,
    },
    /// To a known workload that is not captured, as plain TCP.
    Plain {
        /// The destination.
        workload: Arc<Workload>,
        /// The service that was addressed.
        service: Option<Arc<Service>>,
        /// Address and port of the workload.
        address: SocketAddr,
    },
    /// To where it was addressed, as plain TCP: the mesh does not know the destination.
    Passthrough {
        /// The original destination.
        address: SocketAddr,
    },
    /// Nowhere.
    Refuse {
        /// Why.
        reason: Refusal,
        /// The service that was addressed.
        service: Option<Arc<Service>>,
    },
}

/// Why a connection goes nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The service has no endpoint that could be chosen.
    #[error("no healthy upstream")]
    NoHealthyUpstream,
    /// The service has no such port.
    #[error("service {host} has no port {port}")]
    UnknownPort {
        /// Host name of the service.
        host: Arc<str>,
        /// The port that was addressed.
        port: u16,
    },
    /// Nobody in the mesh has the address, and the mesh's settings let nothing else out.
    #[error("unknown destination {0}")]
    UnknownDestination(SocketAddr),
    /// The destination is bound to a waypoint that does not exist or does not admit it. Going round it would go round
    /// its policies.
    #[error("waypoint {0} is not available")]
    WaypointMissing(Key),
    /// The destination is bound to a waypoint that cannot listen: it has no address yet, or its Gateway is wrong.
    #[error("waypoint {0} has no address to reach it at")]
    WaypointWithoutAddress(Key),
}

impl Snapshot {
    /// Decides where a connection that `source` opens to `destination` goes; `choose` picks among the endpoints of a
    /// service, for example [`Candidates::pick`] with a random number.
    ///
    /// The order is that of Istio's ztunnel: the service's waypoint, else the waypoint of the caller (2022 form), else
    /// an endpoint; a workload's address leads to the workload's waypoint unless the caller is that waypoint; an address
    /// that nobody in the mesh has is passed through, unless the mesh's settings forbid it. Unlike there, a waypoint that cannot be reached is never gone round.
    ///
    /// ```
    /// # fn example(mesh: &cairn_mesh::Snapshot, source: &cairn_mesh::Workload, random: u64) {
    /// let destination = "127.0.10.1:5000".parse().expect("an address and a port");
    /// let decision = mesh.outbound(source, destination, |candidates| candidates.pick(random));
    /// # }
    /// ```
    pub fn outbound<'a>(
        &'a self,
        source: &'a Workload,
        destination: SocketAddr,
        choose: impl FnOnce(Candidates<'a>) -> Option<&'a Endpoint>,
    ) -> Outbound {
        let destination = canonical(destination);
        if let Some(service) = self.service_at(destination.ip(), &source.namespace) {
            return self.to_service(source, service, destination, choose);
        }
        match self.workload_by_ip(destination.ip()) {
            Some(workload) => self.to_workload(source, workload, destination),
            None if self.mesh.registry_only || self.is_hidden(destination.ip()) => {
                refuse(Refusal::UnknownDestination(destination), None)
            }
            None => Outbound::Passthrough { address: destination },
        }
    }

    /// Whether an address that means nothing to a client is one of the mesh all the same: that of a service which the client's
    /// namespace does not see. The network might lead there, past the service's waypoint. What is outside of the mesh is nobody's.
    fn is_hidden(&self, ip: IpAddr) -> bool {
        // A range that somebody claims is nobody's loss.
        let mut services = self.services_exactly_at(ip).iter();
        services.any(|service| !service.external || service.waypoint.is_some() || ip.is_loopback())
    }

    /// What becomes of a connection of someone whom no proxy captures: a service's address leads to one of its
    /// endpoints, in the clear, as the network of a cluster has it. No waypoint sees it.
    pub fn uncaptured<'a>(
        &'a self,
        destination: SocketAddr,
        choose: impl FnOnce(Candidates<'a>) -> Option<&'a Endpoint>,
    ) -> Outbound {
        let destination = canonical(destination);
        let Some(service) = self.services_at(destination.ip()).next() else {
            return match self.workload_by_ip(destination.ip()) {
                Some(workload) => plain(workload, None, destination),
                None => Outbound::Passthrough { address: destination },
            };
        };
        match select(None, service, destination, choose) {
            Ok(Choice::Endpoint(workload, address)) => plain(workload, Some(service), address),
            // A range that someone writes over a pod's address does not take it out of the mesh.
            Ok(Choice::Passthrough) => match self.workload_by_ip(destination.ip()) {
                Some(workload) => plain(workload, Some(service), destination),
                None => Outbound::Passthrough { address: destination },
            },
            Err(reason) => Outbound::Refuse {
                reason,
                service: Some(Arc::clone(service)),
            },
        }
    }

    /// The last leg from `waypoint` to an endpoint that it has chosen for port `port` of `service`: the endpoint's own
    /// waypoint when that is another one of the 2022 form and the service is bound to none, else its node's proxy or,
    /// when it is not captured, itself.
    #[must_use]
    pub fn to_endpoint(
        &self,
        waypoint: &Key,
        service: &Arc<Service>,
        port: u16,
        endpoint: &Endpoint,
    ) -> Outbound {
        let like = service
            .vips
            .first()
            .or(endpoint.workload.addresses.first())
            .copied();
        match like.and_then(|like| target(endpoint, SocketAddr::new(like, port))) {
            Some(address) => self.last_leg(Some(waypoint), &endpoint.workload, Some(service), address),
            None => refuse(Refusal::NoHealthyUpstream, Some(service)),
        }
    }

    fn to_service<'a>(
        &'a self,
        source: &'a Workload,
        service: &'a Arc<Service>,
        destination: SocketAddr,
        choose: impl FnOnce(Candidates<'a>) -> Option<&'a Endpoint>,
    ) -> Outbound {
        if let Err(reason) = check_port(service, destination.port()) {
            return refuse(reason, Some(service));
        }
        let waypoint = service.waypoint.as_ref().or(source.outbound_waypoint.as_ref());
        if let Some(key) = waypoint.filter(|key| !source.is_instance_of(key)) {
            return self.through(key, destination, Some(service), None);
        }
        match select(Some(source), service, destination, choose) {
            Ok(Choice::Endpoint(workload, address)) => {
                self.last_leg(source.gateway.as_ref(), workload, Some(service), address)
            }
            // A range that someone writes over a pod's address does not lead round the pod's proxy and waypoint.
            Ok(Choice::Passthrough) => match self.workload_by_ip(destination.ip()) {
                Some(workload) => self.to_workload(source, workload, destination),
                None => Outbound::Passthrough { address: destination },
            },
            Err(reason) => refuse(reason, Some(service)),
        }
    }

    fn to_workload(&self, source: &Workload, workload: &Arc<Workload>, destination: SocketAddr) -> Outbound {
        match workload
            .waypoint
            .as_ref()
            .filter(|key| !source.is_instance_of(key))
        {
            Some(key) => self.through(key, destination, None, Some(workload)),
            None => deliver(workload, None, destination),
        }
    }

    /// A Gateway of the 2022 form guards its workloads however they are addressed, except from itself (`from`); one of
    /// today's form only when they are addressed themselves.
    fn last_leg(
        &self,
        from: Option<&Key>,
        workload: &Arc<Workload>,
        service: Option<&Arc<Service>>,
        address: SocketAddr,
    ) -> Outbound {
        let unbound = service.is_none_or(|service| service.waypoint.is_none());
        let guard = workload.waypoint.as_ref().filter(|key| {
            let legacy = self
                .waypoint(key)
                .is_some_and(|waypoint| waypoint.legacy.is_some());
            unbound && legacy && from != Some(key)
        });
        match guard {
            Some(key) => self.through(key, address, service, Some(workload)),
            None => deliver(workload, service, address),
        }
    }

    fn through(
        &self,
        key: &Key,
        authority: SocketAddr,
        service: Option<&Arc<Service>>,
        workload: Option<&Arc<Workload>>,
    ) -> Outbound {
        let Some(waypoint) = self.waypoint(key) else {
            return refuse(Refusal::WaypointMissing(key.clone()), service);
        };
        let Some(address) = waypoint.socket() else {
            return refuse(Refusal::WaypointWithoutAddress(key.clone()), service);
        };
        Outbound::Waypoint {
            waypoint: Arc::clone(waypoint),
            address,
            authority,
            expected: expected(service, &waypoint.identity),
            service: service.cloned(),
            workload: workload.cloned(),
        }
    }
}

fn deliver(workload: &Arc<Workload>, service: Option<&Arc<Service>>, address: SocketAddr) -> Outbound {
    if workload.protocol == Tunnel::None {
        return plain(workload, service, address);
    }
    Outbound::Hbone {
        workload: Arc::clone(workload),
        service: service.cloned(),
        address: SocketAddr::new(address.ip(), HBONE_PORT),
        authority: address,
        expected: expected(service, &workload.identity),
    }
}

fn plain(workload: &Arc<Workload>, service: Option<&Arc<Service>>, address: SocketAddr) -> Outbound {
    Outbound::Plain {
        workload: Arc::clone(workload),
        service: service.cloned(),
        address,
    }
}

fn refuse(reason: Refusal, service: Option<&Arc<Service>>) -> Outbound {
    Outbound::Refuse {
        reason,
        service: service.cloned(),
    }
}

fn expected(service: Option<&Arc<Service>>, identity: &SpiffeId) -> Vec<SpiffeId> {
    let alternatives = service
        .map(|service| service.subject_alt_names.as_slice())
        .unwrap_or_default();
    std::iter::once(identity).chain(alternatives).cloned().collect()
}

enum Choice<'a> {
    Endpoint(&'a Arc<Workload>, SocketAddr),
    Passthrough,
}

fn select<'a>(
    source: Option<&'a Workload>,
    service: &'a Service,
    destination: SocketAddr,
    choose: impl FnOnce(Candidates<'a>) -> Option<&'a Endpoint>,
) -> Result<Choice<'a>, Refusal> {
    check_port(service, destination.port())?;
    if service.load_balancing.mode == Mode::Passthrough {
        return Ok(Choice::Passthrough);
    }
    let candidates = Candidates::of(source, service, destination.port());
    let endpoint = choose(candidates).ok_or(Refusal::NoHealthyUpstream)?;
    let address = target(endpoint, destination).ok_or(Refusal::NoHealthyUpstream)?;
    Ok(Choice::Endpoint(&endpoint.workload, address))
}

fn check_port(service: &Service, port: u16) -> Result<(), Refusal> {
    let unknown = || Refusal::UnknownPort {
        host: Arc::clone(&service.hostname),
        port,
    };
    service.port(port).map(|_| ()).ok_or_else(unknown)
}

/// Where port `destination.port()` of a service is on this endpoint, in the address family of `destination` if it has
/// one of that family.
fn target(endpoint: &Endpoint, destination: SocketAddr) -> Option<SocketAddr> {
    let ip: IpAddr = endpoint.workload.address_like(destination.ip())?;
    endpoint
        .ports
        .get(&destination.port())
        .map(|port| SocketAddr::new(ip, *port))
}

/// An IPv4 address that came through a dual-stack socket is an IPv4 address.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The endpoints of a service that a connection may go to, after health and locality have been looked at. Making and
/// walking it allocates nothing.
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'a> {
    service: &'a Service,
    port: u16,
    source: Option<&'a Workload>,
    /// How many leading scopes an endpoint has to agree in.
    agreement: usize,
}

impl<'a> Candidates<'a> {
    /// The candidates for port `port` of `service`, for a caller whose place decides about locality.
    #[must_use]
    pub fn of(source: Option<&'a Workload>, service: &'a Service, port: u16) -> Candidates<'a> {
        let all = Candidates {
            service,
            port,
            source,
            agreement: 0,
        };
        let agreement = match service.load_balancing.mode {
            Mode::Standard | Mode::Passthrough => 0,
            Mode::Strict => service.load_balancing.scopes.len(),
            Mode::Failover => all
                .iter()
                .map(|endpoint| all.agreement_with(endpoint))
                .max()
                .unwrap_or_default(),
        };
        Candidates { agreement, ..all }
    }

    /// The candidates, in the order of the service's endpoints.
    pub fn iter(self) -> impl Iterator<Item = &'a Endpoint> + Clone {
        let good = move |endpoint: &&Endpoint| {
            self.agreement == 0 || self.agreement_with(endpoint) >= self.agreement
        };
        self.service.usable_endpoints(self.port).filter(good)
    }

    /// Picks one, each with the probability of its capacity, for a `random` number that is uniform over all of `u64`.
    #[must_use]
    pub fn pick(self, random: u64) -> Option<&'a Endpoint> {
        self.pick_where(random, |_| true)
    }

    /// Picks like [`Candidates::pick`], only among those that `good` accepts: for another try, say, that avoids the
    /// endpoints that have failed.
    #[must_use]
    pub fn pick_where(self, random: u64, good: impl Fn(&Endpoint) -> bool) -> Option<&'a Endpoint> {
        let good = |endpoint: &&Endpoint| good(endpoint);
        let total: u64 = self
            .iter()
            .filter(good)
            .map(|endpoint| u64::from(endpoint.workload.capacity))
            .sum();
        // The high half of the product maps the number to 0..total without division and without visible bias.
        let mut ticket = ((u128::from(random) * u128::from(total)) >> 64) as u64;
        self.iter().filter(good).find(|endpoint| {
            let share = u64::from(endpoint.workload.capacity);
            let hit = ticket < share;
            ticket = ticket.saturating_sub(share);
            hit
        })
    }

    fn agreement_with(&self, endpoint: &Endpoint) -> usize {
        let Some(source) = self.source else { return 0 };
        let scopes: &[Scope] = &self.service.load_balancing.scopes;
        scopes
            .iter()
            .take_while(|scope| scope.agrees(source, &endpoint.workload))
            .count()
    }
}

#[cfg(test)]
mod tests;
