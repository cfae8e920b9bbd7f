//! What all connections share.

use std::net::SocketAddr;
use std::sync::Arc;

use cairn_hbone::Pool;
use cairn_identity::Identities;
use cairn_mesh::{HBONE_PORT, Snapshot};
use tokio::sync::watch;

use crate::ledger::Ledger;

/// The ports that belong to a ztunnel beside every workload: outbound and inbound capture, tunnels.
const OWN_PORTS: [u16; 3] = [15001, 15006, HBONE_PORT];

/// What all connections share.
pub(crate) struct Proxy {
    pub(crate) mesh: watch::Sender<Arc<Snapshot>>,
    pub(crate) identities: Identities,
    pub(crate) pool: Pool,
    pub(crate) ledger: Ledger,
    /// Where SOCKS5 is spoken.
    pub(crate) socks5: Option<SocketAddr>,
}

impl Proxy {
    /// The mesh as it is now.
    pub(crate) fn mesh(&self) -> Arc<Snapshot> {
        Arc::clone(&self.mesh.borrow())
    }

    /// Whether a connection to this address of nobody's would come back to this proxy.
    pub(crate) fn is_own(&self, address: SocketAddr) -> bool {
        let own_port = OWN_PORTS.contains(&address.port()) && address.ip().is_loopback();
        own_port || self.socks5 == Some(address)
    }
}
