//! Endpoints that nobody lists: they are where a connection was addressed to, or what a name stands for at the moment.
//!
//! They come with the requests that need them, and their connections are kept for the next.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use arc_swap::ArcSwap;
use cairn_balance::{Endpoint, Picked};
use cairn_dns::Host;
use cairn_mesh::{Snapshot, Workload};
use http::uri::Authority;
use rand::seq::IndexedRandom as _;

use crate::failure::Failure;
use crate::names::Names;
use crate::sought::Sought;
use crate::upstream::{Dialer, Keeping, Upstream};

/// Endpoints of one destination whose connections are kept; above that, those that are idle are forgotten.
const KEPT: usize = 1024;

/// The endpoints behind one port of a service that is outside of the mesh.
pub(crate) struct Beyond {
    lead: Lead,
    dialer: Arc<Dialer>,
    keeping: Keeping,
    /// What a name stands for may not be in the mesh.
    external: bool,
    /// Stands for whatever is there.
    workload: Arc<Workload>,
    known: ArcSwap<HashMap<SocketAddr, Arc<Endpoint<Upstream>>>>,
}

/// What leads to an endpoint.
pub(crate) enum Lead {
    /// The address that the connection was opened to, if it is one of this service: resolution NONE.
    Address(Arc<str>),
    /// The first address of each answer about a name: resolution DNS_ROUND_ROBIN.
    Name(Arc<Names>, Host, u16),
    /// The request's own host, which has to end in this: resolution DYNAMIC_DNS.
    Own(Arc<Names>, String, u16),
}

impl Beyond {
    pub(crate) fn new(
        lead: Lead,
        dialer: &Arc<Dialer>,
        workload: &Arc<Workload>,
        keeping: &Keeping,
        external: bool,
    ) -> Beyond {
        Beyond {
            lead,
            dialer: Arc::clone(dialer),
            keeping: keeping.clone(),
            external,
            workload: Arc::clone(workload),
            known: ArcSwap::default(),
        }
    }

    /// Where they are, in words.
    pub(crate) fn whereabouts(&self) -> String {
        match &self.lead {
            Lead::Address(_) => "the address that the client connected to".to_owned(),
            Lead::Name(_, host, port) => format!("the first address of {host} at the time, port {port}"),
            Lead::Own(_, suffix, port) => {
                format!(
                    "an address of the request's own host at the time, if it ends in {suffix}, port {port}"
                )
            }
        }
    }

    /// An endpoint, if possible none of those that have `failed`.
    pub(crate) async fn find(
        &self,
        sought: Sought<'_>,
        failed: &[SocketAddr],
    ) -> Result<Picked<Upstream>, Failure> {
        let address = match &self.lead {
            Lead::Address(service) => {
                let ip = sought.destination.ip().to_canonical();
                // A route may have led here from another service. And what is in the mesh has policies of its own, which only
                // its own addresses lead to.
                let meant = sought.mesh.services_at(ip).any(|meant| meant.id == *service);
                let foreign = sought.mesh.workload_by_ip(ip).is_none();
                let address = SocketAddr::new(ip, sought.destination.port());
                (meant && foreign && is_place(ip, self.dialer.is_on_loopback())).then_some(address)
            }
            Lead::Name(names, host, port) => {
                let first = names.first(host);
                let first = first.filter(|ip| !self.external || self.is_outside(sought.mesh, *ip));
                first.map(|ip| SocketAddr::new(ip, *port))
            }
            Lead::Own(names, suffix, port) => {
                let host = own_host(sought.host, suffix).ok_or(Failure::NoRoute)?;
                let addresses = names.lookup(&host).await.map_err(|error| {
                    tracing::debug!("{error}");
                    Failure::NameNotResolved
                })?;
                let outside = |ip: &IpAddr| self.is_outside(sought.mesh, *ip);
                let addresses: Vec<_> = addresses.iter().copied().filter(outside).collect();
                let addresses: Vec<_> = addresses.iter().map(|ip| SocketAddr::new(*ip, *port)).collect();
                let fresh: Vec<_> = addresses.iter().filter(|it| !failed.contains(it)).collect();
                let mut random = rand::rng();
                let chosen = fresh.choose(&mut random).map(|address| **address);
                let chosen = chosen.or_else(|| addresses.choose(&mut random).copied());
                Some(chosen.ok_or(Failure::NameNotResolved)?)
            }
        };
        let address = address.ok_or(Failure::NoHealthyUpstream)?;
        Ok(Picked::new(self.at(address)))
    }

    fn is_outside(&self, mesh: &Snapshot, ip: IpAddr) -> bool {
        is_outside(mesh, ip, self.dialer.is_on_loopback())
    }

    fn at(&self, address: SocketAddr) -> Arc<Endpoint<Upstream>> {
        if let Some(endpoint) = self.known.load().get(&address) {
            return Arc::clone(endpoint);
        }
        let made = Upstream::direct(&self.dialer, &self.workload, address, &self.keeping);
        let made = Arc::new(Endpoint::new(made));
        let mut kept = Arc::clone(&made);
        self.known.rcu(|known| {
            let mut known = HashMap::clone(known);
            if let Some(endpoint) = known.get(&address) {
                kept = Arc::clone(endpoint);
                return known;
            }
            kept = Arc::clone(&made);
            if known.len() >= KEPT {
                known.retain(|_, endpoint| endpoint.active() > 0);
            }
            if known.len() < KEPT {
                known.insert(address, Arc::clone(&made));
            }
            known
        });
        kept
    }
}

/// Whether what a name outside of the mesh stands for is a place to reach through this waypoint: not the mesh, whose policies would be
/// gone past, nor what only this machine should reach.
pub(crate) fn is_outside(mesh: &Snapshot, ip: IpAddr, on_loopback: bool) -> bool {
    let ip = ip.to_canonical();
    // A range that somebody declares to be outside may hold what names lead to.
    let mut services = mesh.services_at(ip);
    let inside = services.any(|service| service.vips.contains(&ip) || !service.external);
    is_place(ip, on_loopback) && !inside && mesh.workload_by_ip(ip).is_none()
}

/// Whether an address is another machine's, or at least not this machine's alone.
fn is_place(ip: IpAddr, on_loopback: bool) -> bool {
    let reserved = match ip {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !(reserved || ip.is_unspecified() || ip.is_multicast() || (ip.is_loopback() && !on_loopback))
}

/// The host, if it is one of those that end in `suffix`.
fn own_host(named: Option<&str>, suffix: &str) -> Option<Host> {
    let authority: Authority = named.filter(|named| !named.contains('@'))?.parse().ok()?;
    let host = authority.host().to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    let begun = host.strip_suffix(suffix)?;
    // What a client names is the whole name.
    let host: Host = format!("{host}.").parse().ok()?;
    (!begun.is_empty() && host.address().is_none()).then_some(host)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_hosts_of_the_service_are_its_own() {
        for (named, own) in [
            (Some("a.example.com"), Some("a.example.com.")),
            (Some("A.b.Example.com:8443"), Some("a.b.example.com.")),
            (Some("a.example.com."), Some("a.example.com.")),
            (Some(".example.com"), None),
            (Some("example.com"), None),
            (Some("aexample.com"), None),
            (Some("a.example.com.evil.org"), None),
            (Some("user@a.example.com"), None),
            (Some("127.0.0.1"), None),
            (Some("[::1]"), None),
            (None, None),
        ] {
            let found = own_host(named, ".example.com").map(|host| host.to_string());
            assert_eq!(found.as_deref(), own, "{named:?}");
        }
        assert_eq!(own_host(Some("127.0.0.1"), ""), None);
    }
}
