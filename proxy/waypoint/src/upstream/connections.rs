//! The connections to one endpoint, for requests and for what is not HTTP.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use cairn_dial::{Alpn, Ends, Layers};
use cairn_http::pool;
use cairn_net::Keepalive;
use http::uri::Authority;
use tokio::time::timeout;

use super::dial::{Dial, DialError, Layering};
use super::stream::Stream;
use crate::sought::Sought;

/// Sets of connections of one endpoint that are kept for what only some requests may use.
const KEPT: usize = 256;

/// The connections to one port of one workload.
pub(crate) struct Connections {
    dial: Dial,
    keeping: Keeping,
    lanes: Lanes,
    /// Those that only requests may use that agree in what the endpoint is told of them.
    particular: ArcSwap<HashMap<Particulars, Arc<Lanes>>>,
}

/// The connections for requests, by what is spoken.
pub(crate) struct Lanes {
    pub(crate) http1: pool::Upstream<Dial>,
    pub(crate) http2: pool::Upstream<Dial>,
}

/// Lanes for one request.
pub(crate) enum Lent<'a> {
    All(&'a Lanes),
    Some(Arc<Lanes>),
}

/// What an endpoint is told of a request when the connection is opened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Particulars {
    server_name: Option<Arc<str>>,
    ends: Option<(SocketAddr, SocketAddr)>,
}

impl Deref for Lent<'_> {
    type Target = Lanes;

    fn deref(&self) -> &Lanes {
        match self {
            Lent::All(lanes) => lanes,
            Lent::Some(lanes) => lanes,
        }
    }
}

impl Lanes {
    fn new(dial: &Dial, keeping: &Keeping, particulars: &Particulars) -> Lanes {
        let pool = |version, alpn| {
            let layers = keeping.layers.as_deref();
            let dial = match layers.and_then(for_requests) {
                None => dial.clone(),
                Some(layers) => dial.layered(particulars.layering(layers, alpn)),
            };
            pool::Upstream::new(dial, version, keeping.settings())
        };
        Lanes {
            http1: pool(pool::Version::Http1, Alpn::None),
            http2: pool(pool::Version::Http2, Alpn::Http2),
        }
    }
}

/// Those of requests: tunnels through a forward proxy are for what is not HTTP.
fn for_requests(layers: &Layers) -> Option<Layers> {
    let layers = Layers {
        tunnel: None,
        ..layers.clone()
    };
    (!layers.is_empty()).then_some(layers)
}

fn wants_server_name(layers: &Layers) -> bool {
    layers.tls.as_ref().is_some_and(|tls| tls.wants_server_name())
}

impl Particulars {
    fn of(layers: &Layers, sought: &Sought<'_>) -> Particulars {
        let host = sought.host.filter(|_| wants_server_name(layers));
        let host = host.and_then(|host| Some(host.parse::<Authority>().ok()?.host().to_ascii_lowercase()));
        Particulars {
            server_name: host.map(Arc::from),
            ends: layers.proxy_protocol.map(|_| (sought.source, sought.destination)),
        }
    }

    fn none() -> Particulars {
        Particulars {
            server_name: None,
            ends: None,
        }
    }

    fn are_none(&self) -> bool {
        self.server_name.is_none() && self.ends.is_none()
    }

    fn layering(&self, layers: Layers, alpn: Alpn) -> Layering {
        let nobody = SocketAddr::from(([0, 0, 0, 0], 0));
        let (source, destination) = self.ends.unwrap_or((nobody, nobody));
        Layering {
            layers,
            ends: Ends { source, destination },
            server_name: self.server_name.clone(),
            alpn,
        }
    }
}

impl Connections {
    pub(crate) fn new(dial: Dial, keeping: Keeping) -> Connections {
        Connections {
            lanes: Lanes::new(&dial, &keeping, &Particulars::none()),
            particular: ArcSwap::default(),
            keeping,
            dial,
        }
    }

    /// Whether they are tunnels.
    pub(crate) fn are_tunnels(&self) -> bool {
        self.dial.is_tunnel()
    }

    /// The connections that a request may use.
    pub(crate) fn lanes(&self, sought: &Sought<'_>) -> Lent<'_> {
        let Some(layers) = self.keeping.layers.as_deref() else {
            return Lent::All(&self.lanes);
        };
        let mut particulars = Particulars::of(layers, sought);
        if particulars.server_name.is_none() && wants_server_name(layers) {
            // A request without a host that could be one: no certificate is for it.
            particulars.server_name = Some(Arc::from(""));
        }
        if particulars.are_none() {
            return Lent::All(&self.lanes);
        }
        if let Some(lanes) = self.particular.load().get(&particulars) {
            return Lent::Some(Arc::clone(lanes));
        }
        let made = Arc::new(Lanes::new(&self.dial, &self.keeping, &particulars));
        let mut lent = Arc::clone(&made);
        self.particular.rcu(|known| {
            if let Some(lanes) = known.get(&particulars) {
                lent = Arc::clone(lanes);
                return HashMap::clone(known);
            }
            lent = Arc::clone(&made);
            // What is forgotten ends when its last request has.
            let mut known = if known.len() < KEPT {
                HashMap::clone(known)
            } else {
                HashMap::new()
            };
            known.insert(particulars.clone(), Arc::clone(&made));
            known
        });
        Lent::Some(lent)
    }

    /// A connection for bytes that are not HTTP.
    pub(crate) async fn open(&self, sought: &Sought<'_>) -> Result<Stream, DialError> {
        use cairn_http::pool::Connect as _;
        let layered;
        let dial = match self.keeping.layers.as_deref() {
            None => &self.dial,
            Some(layers) => {
                let particulars = Particulars::of(layers, sought);
                layered = self
                    .dial
                    .layered(particulars.layering(layers.clone(), Alpn::None));
                &layered
            }
        };
        let dialed = dial.connect();
        let mut stream = match self.keeping.connect_timeout {
            None => dialed.await?,
            Some(longest) => timeout(longest, dialed).await.map_err(|_| DialError::Timeout)??,
        };
        stream.reset_when_dropped();
        Ok(stream)
    }
}

/// How connections to an endpoint are to be kept. What is `None` is as the pool has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Keeping {
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) max_requests: Option<NonZeroU32>,
    pub(crate) max_streams: Option<usize>,
    /// After so long one takes no further requests, or ends where it is not HTTP.
    pub(crate) max_age: Option<Duration>,
    /// Pings of HTTP/2.
    pub(crate) pings: Option<pool::Keepalive>,
    /// When those in the clear are probed; `None`: as everywhere.
    pub(crate) keepalive: Option<Keepalive>,
    /// What is put upon each.
    pub(crate) layers: Option<Arc<Layers>>,
}

impl Keeping {
    fn settings(&self) -> pool::Settings {
        let mut settings = pool::Settings::default();
        settings.connect_timeout = self.connect_timeout.unwrap_or(settings.connect_timeout);
        settings.idle_timeout = self.idle_timeout.unwrap_or(settings.idle_timeout);
        settings.max_requests = self.max_requests;
        settings.max_age = self.max_age;
        settings.keepalive = self.pings;
        settings.max_streams = self.max_streams.unwrap_or(settings.max_streams);
        settings
    }
}
