//! The little mesh that both waypoints stand in: who is where.

use std::net::{IpAddr, SocketAddr};

use cairn_identity::SpiffeId;
use cairn_tests::Network;

/// The mesh's trust domain.
pub const TRUST_DOMAIN: &str = "cairn.bench";
/// The host name of the one service.
pub const HOST: &str = "app.default.svc.cluster.local";
/// Port of the service.
pub const SERVICE_PORT: u16 = 80;
/// Another port of the service, where filters are measured.
pub const OTHER_PORT: u16 = 81;
/// Port of tunnels.
pub const HBONE_PORT: u16 = 15008;

/// Addresses of one mesh, of loopback addresses that nobody else uses.
#[derive(Clone, Copy, Debug)]
pub struct Mesh {
    network: Network,
}

impl Mesh {
    /// A mesh of its own.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "a new one differs from every other")]
    pub fn new() -> Mesh {
        Mesh {
            network: Network::new(),
        }
    }

    /// The address of the service.
    #[must_use]
    pub fn service(&self) -> SocketAddr {
        self.network.socket(10, SERVICE_PORT)
    }

    /// The application of the service.
    #[must_use]
    pub fn backend(&self) -> SocketAddr {
        self.network.socket(21, 8080)
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> IpAddr {
        self.network.ip(11)
    }

    /// The waypoint of a number, up to 99.
    #[must_use]
    pub fn waypoint(&self, number: u8) -> SocketAddr {
        self.network.socket(30 + number, HBONE_PORT)
    }
}

/// The identity of a service account of the mesh.
#[must_use]
pub fn identity(account: &str) -> SpiffeId {
    SpiffeId::new(TRUST_DOMAIN, "default", account)
}

/// The identity that both waypoints have.
#[must_use]
pub fn waypoint() -> SpiffeId {
    identity("waypoint")
}
