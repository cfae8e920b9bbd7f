//! Phase 1, accept: TLS 1.3 with a certificate of the mesh, then HTTP/2.

use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use cairn_hbone::DrainWatch;
use cairn_hbone::server::ConnectionInfo;
use cairn_identity::{Identities, SpiffeId, tls};
use cairn_net::{ConnectionLimit, accept_loop, give_way};
use http::StatusCode;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::proxy::Proxy;
use crate::tunnel::Tunnels;

/// Tunnel connections that may be open at a time.
const MAX_CONNECTIONS: u32 = 65_536;
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long connections are taken that had begun to be made when another process came to take the new ones.
const HANDOVER: Duration = Duration::from_secs(1);
/// How far the age of a connection is from the one that was asked for, as a part of it: those that came together shall not all
/// go together.
const JITTER: f64 = 0.1;

/// How connections come and go.
#[derive(Clone, Copy, Default)]
pub(crate) struct Habits {
    /// How old a connection may become before its client is asked to go on with another.
    pub(crate) max_age: Option<Duration>,
    /// Whether another process may listen on the same address, and take over.
    pub(crate) shares_port: bool,
}

/// Takes connections of ztunnels.
pub(crate) struct Acceptor {
    identities: Identities,
    identity: SpiffeId,
    settings: cairn_hbone::Settings,
    habits: Habits,
    proxy: Arc<Proxy>,
    drain: DrainWatch,
}

impl Acceptor {
    /// The acceptor and its connections are all who hold on to `drain`, so that it is over when they are.
    pub(crate) fn new(
        identities: Identities,
        identity: SpiffeId,
        proxy: Arc<Proxy>,
        drain: DrainWatch,
        habits: Habits,
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
            habits,
            proxy,
            drain,
        }
    }

    /// Accepts until told to stop. The connections' tasks outlive the loop; the drain waits for them.
    pub(crate) async fn run(self, listener: TcpListener, mut stopped: watch::Receiver<bool>) {
        let acceptor = Arc::new(self);
        let limit = ConnectionLimit::new(MAX_CONNECTIONS);
        let successor = Some(()).filter(|()| acceptor.habits.shares_port);
        let way = successor.and_then(|()| listener.as_fd().try_clone_to_owned().ok());
        let stop = async move {
            // The sender is dropped with the waypoint, which is a stop as well.
            let _ = stopped.wait_for(|stop| *stop).await;
            if let Some(listener) = way {
                if let Err(error) = give_way(&listener) {
                    tracing::warn!("connections that are being made may be lost: {error}");
                }
                drop(listener);
                sleep(HANDOVER).await;
            }
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
        let drain = self.drain.clone();
        let drain = match self.habits.max_age {
            None => drain,
            Some(age) => drain.aging(age.mul_f64(rand::random_range(1.0 - JITTER..=1.0 + JITTER))),
        };
        let local_address = stream.local_addr()?;
        let credential = self.identities.credential(&self.identity).await?;
        let (stream, peer) = tls::accept(cairn_hbone::transport(stream), &credential, HANDSHAKE).await?;
        let info = ConnectionInfo {
            peer_address,
            local_address,
            peer,
        };
        let handler = Arc::new(Tunnels {
            proxy: Arc::clone(&self.proxy),
            drain: drain.clone(),
        });
        cairn_hbone::server::serve(stream, info, &self.settings, drain, handler).await?;
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
