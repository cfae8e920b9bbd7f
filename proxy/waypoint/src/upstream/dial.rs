//! The ways to an endpoint, and what goes before the bytes of a connection.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use cairn_dial::{Alpn, Ends, LayerError, Layers};
use cairn_hbone::{Authority, ConnectError, ConnectRequest, Destination, Pool as Tunnels, Tunnel};
use cairn_http::pool;
use cairn_identity::SpiffeId;
use cairn_mesh::{HBONE_PORT, Tunnel as Transport, Workload};
use cairn_net::{ConnectOptions, Keepalive, connect};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::stream::Stream;

/// How long the layers of a connection may take where no rule gives a connection its time: Envoy's for TLS.
const LAYERING: Duration = Duration::from_secs(10);

/// How the address of an endpoint is reached.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    /// In the clear.
    Plain,
    /// Through a tunnel to `proxy`, which has to prove that it is `expected`.
    Tunnel { proxy: SocketAddr, expected: SpiffeId },
}

impl Way {
    /// Through the proxy of the workload's node, if it is captured.
    pub(crate) fn straight(workload: &Workload, address: SocketAddr) -> Way {
        match workload.protocol {
            Transport::None => Way::Plain,
            Transport::Hbone => Way::Tunnel {
                proxy: SocketAddr::new(address.ip(), HBONE_PORT),
                expected: workload.identity.clone(),
            },
        }
    }
}

/// How this waypoint opens connections: as itself, from its own address.
pub(crate) struct Dialer {
    tunnels: Option<Tunnels>,
    identity: Option<SpiffeId>,
    pub(crate) source: Option<IpAddr>,
}

impl Dialer {
    pub(crate) fn new(tunnels: Tunnels, identity: SpiffeId, source: Option<IpAddr>) -> Dialer {
        Dialer {
            tunnels: Some(tunnels),
            identity: Some(identity),
            source,
        }
    }

    /// For compiling without serving: nothing can be reached.
    pub(crate) fn offline() -> Dialer {
        Dialer {
            tunnels: None,
            identity: None,
            source: None,
        }
    }

    /// Whether it runs on loopback, where others may be too.
    pub(crate) fn is_on_loopback(&self) -> bool {
        self.source.is_some_and(|source| source.is_loopback())
    }

    /// Whether nothing can be reached.
    pub(crate) fn is_offline(&self) -> bool {
        self.tunnels.is_none()
    }

    async fn tunnel(
        &self,
        proxy: SocketAddr,
        expected: &SpiffeId,
        address: SocketAddr,
    ) -> Result<Tunnel, DialError> {
        let (Some(tunnels), Some(identity)) = (&self.tunnels, &self.identity) else {
            return Err(DialError::Offline);
        };
        let destination = Destination {
            source: identity.clone(),
            expected: Arc::from([expected.clone()]),
            address: proxy,
            bind: self.source.filter(|source| source.is_ipv4() == proxy.is_ipv4()),
        };
        let request = ConnectRequest::new(Authority::Ip(address));
        Ok(tunnels.connect(&destination, request).await?)
    }

    async fn plain(&self, address: SocketAddr, keepalive: Option<Keepalive>) -> Result<TcpStream, DialError> {
        // A loopback source would not be routed to another host.
        let source = self.source.filter(|source| {
            source.is_ipv4() == address.is_ipv4() && source.is_loopback() == address.ip().is_loopback()
        });
        let usual = ConnectOptions::default();
        let options = ConnectOptions {
            source,
            keepalive: keepalive.or(usual.keepalive),
            ..usual
        };
        Ok(connect(address, &options).await?)
    }
}

/// Opens connections to one endpoint.
#[derive(Clone)]
pub(crate) struct Dial {
    pub(crate) dialer: Arc<Dialer>,
    pub(crate) address: SocketAddr,
    pub(crate) way: Way,
    /// When connections in the clear are probed; `None`: as everywhere.
    pub(crate) keepalive: Option<Keepalive>,
    /// What is put upon each; `None`: nothing.
    pub(crate) layering: Option<Arc<Layering>>,
}

/// What is put upon a connection, and what that says of it.
pub(crate) struct Layering {
    pub(crate) layers: Layers,
    pub(crate) ends: Ends,
    pub(crate) server_name: Option<Arc<str>>,
    pub(crate) alpn: Alpn,
}

impl Dial {
    /// Whether connections are tunnels.
    pub(crate) fn is_tunnel(&self) -> bool {
        matches!(self.way, Way::Tunnel { .. })
    }

    pub(crate) fn layered(&self, layering: Layering) -> Dial {
        Dial {
            layering: Some(Arc::new(layering)),
            ..self.clone()
        }
    }
}

impl pool::Connect for Dial {
    type Io = Stream;
    type Error = DialError;

    async fn connect(&self) -> Result<Stream, DialError> {
        let stream = match &self.way {
            Way::Plain => Stream::plain(self.dialer.plain(self.address, self.keepalive).await?),
            Way::Tunnel { proxy, expected } => {
                let tunnel = self.dialer.tunnel(*proxy, expected, self.address).await?;
                Stream::Tunnel(tunnel)
            }
        };
        match &self.layering {
            None => Ok(stream),
            // On the heap: few connections have layers.
            Some(layering) => Box::pin(layering.apply(stream)).await,
        }
    }

    fn reset(stream: &mut Stream) {
        stream.reset_when_dropped();
    }

    fn is_over(stream: &Stream) -> bool {
        stream.is_over()
    }

    fn unacknowledged(stream: &Stream) -> Option<u64> {
        stream.unacknowledged()
    }

    fn local_address(&self, stream: &Stream) -> Option<SocketAddr> {
        stream.local_address()
    }
}

impl Layering {
    async fn apply(&self, stream: Stream) -> Result<Stream, DialError> {
        let server_name = self.server_name.as_deref();
        let layered = self.layers.apply(stream, &self.ends, server_name, self.alpn);
        let layered = timeout(LAYERING, layered).await;
        let layered = layered.map_err(|_| DialError::LayersTimeout)??;
        Ok(Stream::Layered(Box::new(layered)))
    }
}

/// Why an endpoint could not be connected to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error(transparent)]
    Tcp(#[from] cairn_net::ConnectError),
    #[error(transparent)]
    Tunnel(#[from] ConnectError),
    #[error(transparent)]
    Layers(#[from] LayerError),
    #[error("the endpoint did not agree on TLS or a tunnel within {LAYERING:?}")]
    LayersTimeout,
    #[error("the endpoint did not answer in the time that its DestinationRule gives it")]
    Timeout,
    #[error("this waypoint was compiled without its connections")]
    Offline,
}
