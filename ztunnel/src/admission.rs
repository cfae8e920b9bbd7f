//! Whether a connection may reach a local workload, asked when it arrives and again whenever the mesh changes.

use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use cairn_hbone::Authority;
use cairn_identity::SpiffeId;
use cairn_mesh::{Arrival, Inbound, Service, Snapshot, Target, Tunnel};
use tokio::sync::watch;

use crate::failure::Failure;

/// One connection that asks to be let in.
pub(crate) struct Admission {
    /// Begins to be followed before the policies are asked, so that no change falls between the two.
    pub(crate) mesh: watch::Receiver<Arc<Snapshot>>,
    /// The uid of the workload.
    pub(crate) local: Arc<str>,
    /// The identity that was shown for it, which it must still have; none where nothing was shown.
    pub(crate) shown: Option<SpiffeId>,
    /// The identity that the client has proven.
    pub(crate) peer: Option<SpiffeId>,
    pub(crate) source: IpAddr,
    pub(crate) received_on: IpAddr,
    pub(crate) target: Authority,
    /// The service that the client says it is for.
    pub(crate) service: Option<String>,
}

impl Admission {
    /// Asks; says where the connection goes, and the service that it is counted for.
    pub(crate) fn check(&mut self) -> Result<(SocketAddr, Option<Arc<Service>>), Failure> {
        let mesh = Arc::clone(&self.mesh.borrow_and_update());
        let is_ours = |identity: &SpiffeId| self.shown.as_ref().is_none_or(|shown| shown == identity);
        let local = mesh
            .workload(&self.local)
            .filter(|local| is_ours(&local.identity) && local.protocol == Tunnel::Hbone)
            .ok_or(Failure::Gone)?;
        let arrival = Arrival {
            peer: self.peer.as_ref(),
            source: self.source,
            received_on: self.received_on,
            target: match &self.target {
                Authority::Ip(address) => Target::Address(*address),
                Authority::Host { host, port } => Target::Host { host, port: *port },
            },
            service: self.service.as_deref(),
        };
        match mesh.inbound(local, &arrival) {
            Inbound::Deliver { address, service } => Ok((address, service)),
            Inbound::Refuse(rejection) => Err(rejection.into()),
        }
    }

    /// Resolves when the connection may not go on any more, with the reason.
    pub(crate) async fn revoked(&mut self) -> Failure {
        loop {
            if self.mesh.changed().await.is_err() {
                return pending().await;
            }
            match self.check() {
                Ok(_) => {}
                Err(Failure::Denied(reason)) => {
                    tracing::debug!(source = %self.source, target = %self.target, reason, "no longer allowed");
                    return Failure::PolicyChanged;
                }
                Err(other) => return other,
            }
        }
    }
}
