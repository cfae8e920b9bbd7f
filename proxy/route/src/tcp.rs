//! Routes of connections: what is decided without reading HTTP.

use std::net::IpAddr;
use std::sync::Arc;

use cairn_api::meta::ObjectRef;
use ipnet::IpNet;

use crate::destination::WeightedDestinations;
use crate::head::SourceWorkload;
use crate::host;
use crate::matcher::SourceMatch;

/// What of a connection decides its route.
#[derive(Debug, Clone, Copy)]
pub struct Connection<'a> {
    /// The address that the client connected to.
    pub destination: IpAddr,
    /// The client's address.
    pub client: IpAddr,
    /// The server name of a TLS hello, in lower case; `None`: it is not TLS, or names no server.
    pub server_name: Option<&'a str>,
    /// The client's workload, when it is known.
    pub source: Option<SourceWorkload<'a>>,
}

/// The routes of connections to one service and port, in order: the first that matches is taken. They are tried one by one.
/// Immutable; share it in an [`Arc`].
#[derive(Debug, Clone)]
pub struct TcpRoutes {
    routes: Vec<Arc<TcpRoute>>,
    asks_for_server_name: bool,
}

/// One match block of a `tls` or `tcp` route, with where it leads.
#[derive(Debug, Clone)]
pub struct TcpRoute {
    /// The conditions.
    pub matches: ConnectionMatch,
    /// Where it leads.
    pub action: TcpAction,
    /// The object that the route comes from.
    pub source: ObjectRef,
    /// The field of the object, `spec.tcp[0].match[1]`.
    pub field: String,
}

/// Where a connection is led.
#[derive(Debug, Clone)]
pub enum TcpAction {
    /// To one of several destinations.
    Forward(WeightedDestinations),
    /// Nowhere: what the route asks for could not be compiled. The connection is closed, so that it is not taken to where a
    /// later route would have led it.
    Broken {
        /// What is wrong.
        reason: String,
    },
}

/// The conditions of a route; a connection satisfies them when it satisfies each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionMatch {
    /// Server names, of which one must match; a `*` at the front stands for any beginning. None: the connection need
    /// not be TLS.
    pub server_names: Vec<String>,
    /// Addresses, of which one must hold the destination. None: every destination.
    pub destinations: Vec<IpNet>,
    /// The addresses that must hold the client. `None`: every client.
    pub clients: Option<IpNet>,
    /// Conditions on the client's workload.
    pub source: SourceMatch,
}

impl TcpRoutes {
    pub(crate) fn new(routes: Vec<TcpRoute>) -> TcpRoutes {
        TcpRoutes {
            asks_for_server_name: routes.iter().any(|route| !route.matches.server_names.is_empty()),
            routes: routes.into_iter().map(Arc::new).collect(),
        }
    }

    /// The first route that matches. `None`: the connection goes to the service that it is addressed to.
    pub fn find(&self, connection: &Connection<'_>) -> Option<&Arc<TcpRoute>> {
        self.routes.get(self.position(connection)?)
    }

    /// The place in [`routes`](Self::routes) of the route that [`find`](Self::find) answers, for what is kept beside it.
    pub fn position(&self, connection: &Connection<'_>) -> Option<usize> {
        self.routes
            .iter()
            .position(|route| route.matches.matches(connection))
    }

    /// All routes, first to last.
    pub fn routes(&self) -> &[Arc<TcpRoute>] {
        &self.routes
    }

    /// Whether some route asks for the server name: a TLS hello has to be read then.
    pub fn asks_for_server_name(&self) -> bool {
        self.asks_for_server_name
    }
}

impl ConnectionMatch {
    /// Whether `connection` satisfies every condition.
    pub fn matches(&self, connection: &Connection<'_>) -> bool {
        let address = connection.destination.to_canonical();
        let names = &self.server_names;
        (names.is_empty() || connection.server_name.is_some_and(|name| self.has_name(name)))
            && (self.destinations.is_empty() || self.destinations.iter().any(|net| net.contains(&address)))
            && self
                .clients
                .is_none_or(|net| net.contains(&connection.client.to_canonical()))
            && self.source.matches(connection.source)
    }

    /// Whether every connection satisfies them.
    pub(crate) fn is_catch_all(&self) -> bool {
        *self == ConnectionMatch::default()
    }

    fn has_name(&self, name: &str) -> bool {
        let mut names = self.server_names.iter();
        names.any(|known| match host::wildcard_suffix(known) {
            Some(suffix) => name.ends_with(suffix),
            None => name == *known,
        })
    }
}
