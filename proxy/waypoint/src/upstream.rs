//! The endpoints that requests are sent to, and the connections to them.
//!
//! A connection belongs to a workload, by its uid and identity, never to an address alone: when the workload goes or
//! its address is given to another, its pool is closed and no request meant for it reaches its successor.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use cairn_hbone::{Authority, ConnectError, ConnectRequest, Destination, Pool as Tunnels, Tunnel};
use cairn_http::pool;
use cairn_identity::SpiffeId;
use cairn_mesh::{HBONE_PORT, Outbound, Tunnel as Transport, Waypoint, Workload};
use cairn_net::{ConnectOptions, connect};
use cairn_telemetry::traffic::{Interned, WorkloadLabels};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::labels;

/// One port of one workload.
pub(crate) struct Upstream {
    pub(crate) workload: Arc<Workload>,
    pub(crate) labels: Interned<WorkloadLabels>,
    pub(crate) address: SocketAddr,
    /// Another waypoint, which has a say in what the workload receives.
    pub(crate) guard: Option<Arc<Waypoint>>,
    pub(crate) connections: Arc<Connections>,
}

impl Upstream {
    /// A port of a workload that was addressed itself, at the address that was used.
    pub(crate) fn direct(dialer: &Arc<Dialer>, workload: &Arc<Workload>, address: SocketAddr) -> Upstream {
        let dial = Dial {
            dialer: Arc::clone(dialer),
            address,
            way: Way::straight(workload, address),
        };
        Upstream {
            labels: labels::workload(workload),
            workload: Arc::clone(workload),
            address,
            guard: None,
            connections: Arc::new(Connections::new(dial, Keeping::default())),
        }
    }
}

/// The connections to one port of one workload.
pub(crate) struct Connections {
    dial: Dial,
    /// How long one that is not HTTP may take to open; `None`: as the dialer has it.
    connect_timeout: Option<Duration>,
    pub(crate) http1: pool::Upstream<Dial>,
    pub(crate) http2: pool::Upstream<Dial>,
}

impl Connections {
    fn new(dial: Dial, keeping: Keeping) -> Connections {
        let pool = |version| pool::Upstream::new(dial.clone(), version, keeping.settings());
        Connections {
            http1: pool(pool::Version::Http1),
            http2: pool(pool::Version::Http2),
            connect_timeout: keeping.connect_timeout,
            dial,
        }
    }

    /// Whether they are tunnels.
    pub(crate) fn are_tunnels(&self) -> bool {
        matches!(self.dial.way, Way::Tunnel { .. })
    }

    /// A connection for bytes that are not HTTP.
    pub(crate) async fn open(&self) -> Result<Stream, DialError> {
        use cairn_http::pool::Connect as _;
        let dialed = self.dial.connect();
        let mut stream = match self.connect_timeout {
            None => dialed.await?,
            Some(longest) => timeout(longest, dialed).await.map_err(|_| DialError::Timeout)??,
        };
        stream.reset_when_dropped();
        Ok(stream)
    }
}

/// Every pool that is in use, so that a new configuration goes on with the connections of the last.
pub(crate) struct Upstreams {
    dialer: Arc<Dialer>,
    known: HashMap<Key, Weak<Connections>>,
}

/// How connections to an endpoint are to be kept. What is `None` is as the pool has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Keeping {
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) max_requests: Option<NonZeroU32>,
    pub(crate) max_streams: Option<usize>,
}

impl Keeping {
    fn settings(self) -> pool::Settings {
        let mut settings = pool::Settings::default();
        settings.connect_timeout = self.connect_timeout.unwrap_or(settings.connect_timeout);
        settings.idle_timeout = self.idle_timeout.unwrap_or(settings.idle_timeout);
        settings.max_requests = self.max_requests;
        settings.max_streams = self.max_streams.unwrap_or(settings.max_streams);
        settings
    }
}

/// What must stay the same for a connection to be used again.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    keeping: Keeping,
    uid: Arc<str>,
    identity: SpiffeId,
    address: SocketAddr,
    way: Way,
}

/// How the address of an endpoint is reached.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Way {
    /// In the clear.
    Plain,
    /// Through a tunnel to `proxy`, which has to prove that it is `expected`.
    Tunnel { proxy: SocketAddr, expected: SpiffeId },
}

impl Way {
    /// Through the proxy of the workload's node, if it is captured.
    fn straight(workload: &Workload, address: SocketAddr) -> Way {
        match workload.protocol {
            Transport::None => Way::Plain,
            Transport::Hbone => Way::Tunnel {
                proxy: SocketAddr::new(address.ip(), HBONE_PORT),
                expected: workload.identity.clone(),
            },
        }
    }
}

impl Upstreams {
    pub(crate) fn new(dialer: Arc<Dialer>) -> Upstreams {
        Upstreams {
            dialer,
            known: HashMap::new(),
        }
    }

    /// The upstream of a workload's port where `leg` leads; `None` when it leads nowhere.
    pub(crate) fn get(
        &mut self,
        workload: &Arc<Workload>,
        leg: Outbound,
        keeping: Keeping,
    ) -> Option<Upstream> {
        let (address, guard) = match leg {
            Outbound::Hbone { authority, .. } => (authority, None),
            Outbound::Plain { address, .. } => (address, None),
            Outbound::Waypoint {
                waypoint, authority, ..
            } => (authority, Some(waypoint)),
            Outbound::Passthrough { .. } | Outbound::Refuse { .. } => return None,
        };
        let way = match &guard {
            None => Way::straight(workload, address),
            Some(guard) => Way::Tunnel {
                proxy: guard.socket()?,
                expected: guard.identity.clone(),
            },
        };
        let key = Key {
            keeping,
            uid: Arc::clone(&workload.uid),
            identity: workload.identity.clone(),
            address,
            way: way.clone(),
        };
        let connections = self.known.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
            let dial = Dial {
                dialer: Arc::clone(&self.dialer),
                address,
                way,
            };
            let connections = Arc::new(Connections::new(dial, keeping));
            self.known.insert(key, Arc::downgrade(&connections));
            connections
        });
        let labels = labels::workload(workload);
        Some(Upstream {
            workload: Arc::clone(workload),
            labels,
            address,
            guard,
            connections,
        })
    }

    /// The address that connections come from.
    pub(crate) fn source(&self) -> Option<IpAddr> {
        self.dialer.source
    }

    /// Closes the pools of workloads that no plan names any more, and forgets them.
    pub(crate) fn sweep(&mut self) {
        self.known.retain(|_, connections| connections.strong_count() > 0);
    }
}

/// How this waypoint opens connections: as itself, from its own address.
pub(crate) struct Dialer {
    tunnels: Option<Tunnels>,
    identity: Option<SpiffeId>,
    source: Option<IpAddr>,
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

    async fn plain(&self, address: SocketAddr) -> Result<TcpStream, DialError> {
        // A loopback source would not be routed to another host.
        let source = self.source.filter(|source| {
            source.is_ipv4() == address.is_ipv4() && source.is_loopback() == address.ip().is_loopback()
        });
        Ok(connect(
            address,
            &ConnectOptions {
                source,
                ..ConnectOptions::default()
            },
        )
        .await?)
    }
}

/// Opens connections to one endpoint.
#[derive(Clone)]
pub(crate) struct Dial {
    dialer: Arc<Dialer>,
    address: SocketAddr,
    way: Way,
}

impl pool::Connect for Dial {
    type Io = Stream;
    type Error = DialError;

    async fn connect(&self) -> Result<Stream, DialError> {
        match &self.way {
            Way::Plain => {
                let tcp = self.dialer.plain(self.address).await?;
                Ok(Stream::Plain(Plain {
                    tcp,
                    shut_down: false,
                    resets: false,
                }))
            }
            Way::Tunnel { proxy, expected } => self
                .dialer
                .tunnel(*proxy, expected, self.address)
                .await
                .map(Stream::Tunnel),
        }
    }

    fn reset(stream: &mut Stream) {
        stream.reset_when_dropped();
    }

    fn local_address(&self, stream: &Stream) -> Option<SocketAddr> {
        stream.local_address()
    }
}

/// Why an endpoint could not be connected to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error(transparent)]
    Tcp(#[from] cairn_net::ConnectError),
    #[error(transparent)]
    Tunnel(#[from] ConnectError),
    #[error("the endpoint did not answer in the time that its DestinationRule gives it")]
    Timeout,
    #[error("this waypoint was compiled without its connections")]
    Offline,
}

/// A connection to an endpoint.
pub(crate) enum Stream {
    Plain(Plain),
    Tunnel(Tunnel),
}

/// A connection in the clear.
pub(crate) struct Plain {
    tcp: TcpStream,
    shut_down: bool,
    /// Whether its end says that everything has been said, unless it is a reset.
    resets: bool,
}

impl Drop for Plain {
    fn drop(&mut self) {
        if self.resets
            && !self.shut_down
            && let Err(error) = self.tcp.set_zero_linger()
        {
            tracing::debug!(%error, "a reset could not be passed on");
        }
    }
}

impl Stream {
    /// Has the connection reset when it is dropped before it was shut down, as a tunnel is in any case: nothing in the
    /// bytes that it carries tells whether they are all.
    pub(crate) fn reset_when_dropped(&mut self) {
        if let Stream::Plain(plain) = self {
            plain.resets = true;
        }
    }

    /// The near end of a connection in the clear. What tunnels share belongs to none of them.
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Stream::Plain(plain) => plain.tcp.local_addr().ok(),
            Stream::Tunnel(_) => None,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Plain(plain) => Pin::new(&mut plain.tcp).poll_read(cx, buffer),
            Stream::Tunnel(tunnel) => Pin::new(tunnel).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Stream::Plain(plain) => Pin::new(&mut plain.tcp).poll_write(cx, bytes),
            Stream::Tunnel(tunnel) => Pin::new(tunnel).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Plain(plain) => Pin::new(&mut plain.tcp).poll_flush(cx),
            Stream::Tunnel(tunnel) => Pin::new(tunnel).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Plain(plain) => {
                let polled = Pin::new(&mut plain.tcp).poll_shutdown(cx);
                plain.shut_down |= matches!(polled, Poll::Ready(Ok(())));
                polled
            }
            Stream::Tunnel(tunnel) => Pin::new(tunnel).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Stream::Plain(plain) => Pin::new(&mut plain.tcp).poll_write_vectored(cx, slices),
            Stream::Tunnel(tunnel) => Pin::new(tunnel).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Plain(plain) => plain.tcp.is_write_vectored(),
            Stream::Tunnel(tunnel) => tunnel.is_write_vectored(),
        }
    }
}

#[cfg(test)]
mod tests;
