//! The sending end: tunnels over connections that are shared and kept.

mod connection;
mod error;
mod group;

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use cairn_identity::{BoxFuture, Identities, SpiffeId};
use http::{HeaderMap, Method, Request, Uri};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{Authority, Baggage, Forwarded, Settings, TraceParent, Tunnel, baggage, forwarded, traceparent};
use connection::{Connection, Lease, Limits};
use group::{Group, Reserved};

pub use error::ConnectError;

/// Where a connection goes, and who is at its two ends. Tunnels share a connection when all of it is equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    /// The identity that we show.
    pub source: SpiffeId,
    /// The identities that the other end may have; none is any of our trust domain.
    pub expected: Arc<[SpiffeId]>,
    /// The address of the other end.
    pub address: SocketAddr,
    /// The local address to connect from; `None` is the system's choice.
    pub bind: Option<IpAddr>,
}

/// What the server is told about a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectRequest {
    /// Where the tunnel leads.
    pub authority: Authority,
    /// Our description of the workload at this end.
    pub baggage: Baggage,
    /// Who is behind this end.
    pub forwarded: Option<Forwarded>,
    /// The trace that the tunnel belongs to.
    pub traceparent: Option<TraceParent>,
}

impl ConnectRequest {
    /// A request that says nothing but where to.
    #[must_use]
    pub fn new(authority: Authority) -> ConnectRequest {
        ConnectRequest {
            authority,
            baggage: Baggage::default(),
            forwarded: None,
            traceparent: None,
        }
    }

    fn head(&self) -> Result<Request<()>, ConnectError> {
        let uri = Uri::builder().authority(self.authority.to_string()).build();
        let mut head = Request::new(());
        *head.method_mut() = Method::CONNECT;
        *head.uri_mut() = uri.map_err(|_| ConnectError::Authority(self.authority.clone()))?;
        *head.headers_mut() = self.headers();
        Ok(head)
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let fields = [
            (baggage::HEADER, self.baggage.to_header()),
            (
                forwarded::HEADER,
                self.forwarded.as_ref().and_then(Forwarded::to_header),
            ),
            (
                traceparent::HEADER,
                self.traceparent.as_ref().and_then(TraceParent::to_header),
            ),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
        headers
    }
}

/// How TCP connections are opened. What the default does not do, such as marking packets or working in another
/// network namespace, another one can.
pub trait Dial: Send + Sync + 'static {
    /// Opens a connection to `address`, from `bind` if given. It may take as long as it likes; the pool limits it.
    fn dial(&self, address: SocketAddr, bind: Option<IpAddr>) -> BoxFuture<'_, std::io::Result<TcpStream>>;
}

/// [`Dial`] with [`cairn_net::connect`]: no delay, TCP keepalive.
#[derive(Clone, Copy, Debug, Default)]
pub struct DirectDial;

impl Dial for DirectDial {
    fn dial(&self, address: SocketAddr, bind: Option<IpAddr>) -> BoxFuture<'_, std::io::Result<TcpStream>> {
        let options = cairn_net::ConnectOptions {
            source: bind,
            // The limit of the pool is the one that counts.
            timeout: Duration::from_secs(600),
            ..cairn_net::ConnectOptions::default()
        };
        Box::pin(async move { Ok(cairn_net::connect(address, &options).await?) })
    }
}

/// Bounds of a [`Pool`].
#[derive(Clone)]
pub struct PoolOptions {
    /// Most tunnels on one connection; the peer may allow fewer.
    pub max_streams: usize,
    /// Most connections that are kept. Beyond, the one that has been unused for longest is let go.
    pub max_connections: usize,
    /// How long a connection without tunnels is kept.
    pub unused_timeout: Duration,
    /// How long a TCP connection may take to be made.
    pub connect_timeout: Duration,
    /// How long the TLS handshake may take.
    pub tls_timeout: Duration,
    /// How long the answer to a CONNECT may take. The server may have to connect on its own for it.
    pub response_timeout: Duration,
    /// How TCP connections are opened.
    pub dial: Arc<dyn Dial>,
}

impl Default for PoolOptions {
    fn default() -> PoolOptions {
        PoolOptions {
            max_streams: 100,
            max_connections: 500,
            unused_timeout: Duration::from_secs(300),
            connect_timeout: Duration::from_secs(10),
            tls_timeout: Duration::from_secs(10),
            response_timeout: Duration::from_secs(20),
            dial: Arc::new(DirectDial),
        }
    }
}

impl fmt::Debug for PoolOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolOptions")
            .field("max_streams", &self.max_streams)
            .field("max_connections", &self.max_connections)
            .field("unused_timeout", &self.unused_timeout)
            .finish_non_exhaustive()
    }
}

/// Connections to tunnel servers, shared by all tunnels to the same [`Destination`]. Clones share the pool.
///
/// A connection takes up to [`PoolOptions::max_streams`] tunnels, then another is opened. It is given back to nobody
/// once it is known to be dead or told to go away; tunnels on it end on their own.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

/// What the tasks of connections need of the pool.
struct Inner {
    identities: Identities,
    settings: Settings,
    options: PoolOptions,
    groups: Mutex<HashMap<Destination, Group>>,
}

impl Pool {
    /// An empty pool that shows the certificates of `identities`.
    #[must_use]
    pub fn new(identities: Identities, settings: Settings, options: PoolOptions) -> Pool {
        Pool {
            inner: Arc::new(Inner {
                identities,
                settings,
                options,
                groups: Mutex::default(),
            }),
        }
    }

    /// Opens a tunnel.
    ///
    /// Where a kept connection turns out to be dead before it has answered, a new one is tried, once. Not a byte of
    /// the tunnel has been sent then.
    ///
    /// # Errors
    /// Which step failed; the status is the server's answer.
    pub async fn connect(
        &self,
        destination: &Destination,
        request: ConnectRequest,
    ) -> Result<Tunnel, ConnectError> {
        let head = request.head()?;
        let (lease, kind) = self.lease(destination, Kind::Any).await?;
        let error = match self.open(lease, head.clone()).await {
            Err(error) if error.is_stale() && kind == Kind::Kept => error,
            Err(error) if error.is_refusal() => error,
            other => return other,
        };
        tracing::debug!(address = %destination.address, %error, "trying again on a new connection");
        let (lease, _) = self.lease(destination, Kind::New).await?;
        self.open(lease, head).await
    }

    /// How many connections are kept.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.inner.groups().values().map(Group::len).sum()
    }

    async fn open(&self, lease: Lease, head: Request<()>) -> Result<Tunnel, ConnectError> {
        let limit = self.inner.options.response_timeout;
        let result = timeout(limit, lease.send(head))
            .await
            .map_err(|_| ConnectError::ResponseTimeout)?;
        let (response, stream) = result.map_err(|error| {
            let error = ConnectError::Stream(Arc::new(error));
            if error.is_stale() {
                lease.connection().retire();
            }
            error
        })?;
        if !response.status().is_success() {
            return Err(ConnectError::Status(response.status()));
        }
        let (parts, body) = response.into_parts();
        let baggage = Baggage::from_headers(&parts.headers);
        let lease = Arc::new(lease);
        Ok(Tunnel::new(stream, body, self.inner.settings.release_at(), Some(lease)).with_baggage(baggage))
    }

    /// A place on a connection of that kind, and of which kind it is: a kept one, or one that has just been opened.
    async fn lease(&self, destination: &Destination, mut kind: Kind) -> Result<(Lease, Kind), ConnectError> {
        for _ in 0..MAX_LEASE_ATTEMPTS {
            let attempt = {
                let mut groups = self.inner.groups();
                let group = groups.entry(destination.clone()).or_default();
                let max_streams = self.inner.options.max_streams;
                match group.reserve(max_streams, kind != Kind::New) {
                    Reserved::Lease(lease) => return Ok((lease, Kind::Kept)),
                    Reserved::Attempt(attempt) => attempt,
                    Reserved::Start(attempt, outcome) => {
                        // A task of its own: those who have joined want it even if its first caller has gone.
                        tokio::spawn(Inner::attempt(self.inner.clone(), destination.clone(), outcome));
                        attempt
                    }
                }
            };
            let connection = attempt.connection().await?;
            if let Some(lease) = connection.reserve(self.inner.options.max_streams) {
                return Ok((lease, Kind::New));
            }
            kind = Kind::Any;
        }
        Err(ConnectError::Abandoned)
    }
}

/// Connections that are opened for one tunnel: a peer that grants no stream on any would have us open them for ever.
const MAX_LEASE_ATTEMPTS: usize = 8;

/// Kinds of connections.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Any,
    Kept,
    New,
}

impl Inner {
    fn groups(&self) -> MutexGuard<'_, HashMap<Destination, Group>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a connection for those who wait for `outcome`.
    async fn attempt(self: Arc<Inner>, destination: Destination, outcome: group::Outcome) {
        let result = self.establish(&destination).await;
        let mut groups = self.groups();
        if let Some(group) = groups.get_mut(&destination) {
            group.settle(&outcome, result.as_ref().ok());
            if group.is_empty() {
                groups.remove(&destination);
            }
        }
        if result.is_ok() {
            shrink(&mut groups, self.options.max_connections);
        }
        // Under the lock, so that nobody joins an attempt that is over.
        outcome.settle(result);
    }

    async fn establish(
        self: &Arc<Inner>,
        destination: &Destination,
    ) -> Result<Arc<Connection>, ConnectError> {
        let options = &self.options;
        let credential = self.identities.credential(&destination.source).await?;
        let dial = options.dial.dial(destination.address, destination.bind);
        let tcp = timeout(options.connect_timeout, dial)
            .await
            .map_err(|_| ConnectError::ConnectTimeout)?;
        let tcp = crate::transport(tcp.map_err(|error| ConnectError::Connect(Arc::new(error)))?);
        let (tls, peer) =
            cairn_identity::tls::connect(tcp, &credential, &destination.expected, options.tls_timeout)
                .await
                .map_err(|error| ConnectError::Tls(Arc::new(error)))?;
        tracing::debug!(address = %destination.address, %peer, "connected");
        let forget = Forget {
            pool: Arc::downgrade(self),
            destination: destination.clone(),
        };
        let limits = Limits {
            handshake: options.tls_timeout,
            unused: options.unused_timeout,
        };
        Connection::open(tls, &self.settings, limits, move |connection| {
            forget.now(connection)
        })
        .await
    }
}

/// Takes a connection out of the pool that has ended.
struct Forget {
    pool: Weak<Inner>,
    destination: Destination,
}

impl Forget {
    fn now(&self, connection: &Weak<Connection>) {
        let Some(pool) = self.pool.upgrade() else { return };
        let mut groups = pool.groups();
        if let Some(group) = groups.get_mut(&self.destination) {
            group.remove(connection);
            if group.is_empty() {
                groups.remove(&self.destination);
            }
        }
    }
}

/// Lets connections go until `max` are left, first those that have been unused for longest.
fn shrink(groups: &mut HashMap<Destination, Group>, max: usize) {
    while groups.values().map(Group::len).sum::<usize>() > max {
        let oldest = groups
            .iter()
            .filter_map(|(key, group)| Some((group.last_used()?, key.clone())))
            .min_by_key(|entry| entry.0);
        let Some((_, key)) = oldest else { return };
        if let Some(group) = groups.get_mut(&key) {
            group.release_oldest();
            if group.is_empty() {
                groups.remove(&key);
            }
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("options", &self.inner.options)
            .finish_non_exhaustive()
    }
}
