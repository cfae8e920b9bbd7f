//! Phase 2, tunnel: which destination a CONNECT asks for, and whether this waypoint takes the client there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use cairn_hbone::server::{Handler, Request};
use cairn_hbone::{Authority, DrainWatch};
use cairn_identity::SpiffeId;
use cairn_mesh::{Service, Workload};
use http::{HeaderMap, StatusCode};

use crate::downstream::{Downstream, Target};
use crate::plan::{Plans, RoutePlan};
use crate::protocol;
use crate::proxy::Proxy;
use crate::upstream::{Keeping, Upstream};

/// Takes the tunnels of one connection.
pub(crate) struct Tunnels {
    pub(crate) proxy: Arc<Proxy>,
    /// Told when connections are to finish what they have begun and take nothing new, and when they are to be cut.
    pub(crate) drain: DrainWatch,
}

/// Why a tunnel is refused; Envoy's answer to all of them is 503.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("nothing in the mesh has this address or name")]
    Unknown,
    #[error("the service has no such port")]
    NoPort,
    #[error("the destination does not belong to this waypoint")]
    NotOurs,
}

impl Handler for Tunnels {
    async fn connect(&self, request: Request) {
        let plans = self.proxy.plans.load_full();
        let peer = request.peer.clone();
        let (local, target) = match resolve(&plans, &self.proxy, &request.authority, &peer) {
            Ok(found) => found,
            Err(refusal) => {
                tracing::debug!(authority = %request.authority, %peer, "tunnel refused: {refusal}");
                request.reject(StatusCode::SERVICE_UNAVAILABLE);
                return;
            }
        };
        let remote = request.connection.peer_address;
        let drain = self.drain.clone();
        let Some(downstream) = Downstream::new(&plans.mesh, peer, remote, local, target, drain) else {
            request.reject(StatusCode::BAD_REQUEST);
            return;
        };
        // The client may have gone while we looked.
        if let Ok(tunnel) = request.accept(HeaderMap::new()) {
            protocol::serve(&self.proxy, &Arc::new(downstream), tunnel).await;
        }
    }
}

/// The destination of an authority, and the address that the client meant.
fn resolve(
    plans: &Plans,
    proxy: &Proxy,
    authority: &Authority,
    peer: &SpiffeId,
) -> Result<(SocketAddr, Target), Refusal> {
    match authority {
        Authority::Ip(address) => {
            if let Some(service) = plans.mesh.service_at(address.ip(), peer.namespace()) {
                return Ok((*address, to_service(plans, service, address.port(), peer)?));
            }
            let workload = plans.mesh.workload_by_ip(address.ip()).ok_or(Refusal::Unknown)?;
            Ok((*address, to_workload(plans, proxy, workload, *address, peer)?))
        }
        Authority::Host { host, port } => {
            let service = plans.mesh.service_named(host, peer.namespace());
            let service = service.ok_or(Refusal::Unknown)?;
            let address = service
                .vips
                .first()
                .copied()
                .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            Ok((
                SocketAddr::new(address, *port),
                to_service(plans, service, *port, peer)?,
            ))
        }
    }
}

fn to_service(plans: &Plans, service: &Service, port: u16, peer: &SpiffeId) -> Result<Target, Refusal> {
    if !plans.may_use(service, peer) {
        return Err(Refusal::NotOurs);
    }
    let plan = plans.service(&service.id).ok_or(Refusal::NotOurs)?;
    plan.port(port).ok_or(Refusal::NoPort)?;
    Ok(Target::Service(Arc::clone(&service.id), port))
}

fn to_workload(
    plans: &Plans,
    proxy: &Proxy,
    workload: &Arc<Workload>,
    address: SocketAddr,
    peer: &SpiffeId,
) -> Result<Target, Refusal> {
    plans
        .reach(&workload.uid, address, peer)
        .ok_or(Refusal::NotOurs)?;
    let upstream = Upstream::direct(&proxy.dialer, workload, address, &Keeping::default());
    let route = Arc::new(RoutePlan::direct(upstream, address, &plans.retry));
    Ok(Target::Workload(Arc::clone(&workload.uid), address, route))
}
