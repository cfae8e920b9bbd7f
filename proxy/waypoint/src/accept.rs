//! Phase 1, accept: TLS 1.3 with a certificate of the mesh, then HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cairn_hbone::DrainWatch;
use cairn_hbone::server::ConnectionInfo;
use cairn_identity::{Identities, SpiffeId, tls};
use cairn_net::{ConnectionLimit, accept_loop};
use http::StatusCode;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::proxy::Proxy;
use crate::tunnel::Tunnels;

/// Tunnel connections that may be open at a time.
const MAX_CONNECTIONS: u32 = 65_536;
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Takes connections of ztunnels.
pub(crate) struct Acceptor {
    identities: Identities,
    identity: SpiffeId,
    settings: cairn_hbone::Settings,
    handler: Arc<Tunnels>,
}

impl Acceptor {
    /// The acceptor and its connections are all who hold on to `drain`, so that it is over when they are.
    pub(crate) fn new(
        identities: Identities,
        identity: SpiffeId,
        proxy: Arc<Proxy>,
        drain: DrainWatch,
    ) -> Acceptor {
        // Istio's waypoint answers what is not CONNECT as a route that is not found.
        let settings = cairn_hbone::Settings {
            non_connect: StatusCode::NOT_FOUND,
            ..cairn_hbone::Settings::default()
        };
        Acceptor {
            identities,
            identity,
            settings,
            handler: Arc::new(Tunnels { proxy, drain }),
        }
    }

    /// Accepts until told to stop. The connections' tasks outlive the loop; the drain waits for them.
    pub(crate) async fn run(self, listener: TcpListener, mut stopped: watch::Receiver<bool>) {
        let acceptor = Arc::new(self);
        let limit = ConnectionLimit::new(MAX_CONNECTIONS);
        let stop = async {
            // The sender is dropped with the waypoint, which is a stop as well.
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        accept_loop(listener, &limit, stop, |stream, peer| {
            let acceptor = Arc::clone(&acceptor);
            async move {
                if let Err(error) = acceptor.connection(stream, peer).await {
                    tracing::debug!(%peer, "tunnel connection: {error}");
                }
            }
        })
        .await;
    }

    async fn connection(&self, stream: TcpStream, peer_address: SocketAddr) -> Result<(), ConnectionError> {
        let drain = self.handler.drain.clone();
        let local_address = stream.local_addr()?;
        let credential = self.identities.credential(&self.identity).await?;
        let (stream, peer) = tls::accept(cairn_hbone::transport(stream), &credential, HANDSHAKE).await?;
        let info = ConnectionInfo {
            peer_address,
            local_address,
            peer,
        };
        cairn_hbone::server::serve(stream, info, &self.settings, drain, Arc::clone(&self.handler)).await?;
        Ok(())
    }
}

/// Why a connection came to nothing, or broke.
#[derive(Debug, thiserror::Error)]
enum ConnectionError {
    #[error(transparent)]
    Socket(#[from] std::io::Error),
    #[error(transparent)]
    Identity(#[from] cairn_identity::IdentityError),
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    #[error(transparent)]
    Tunnels(#[from] cairn_hbone::server::Error),
}
