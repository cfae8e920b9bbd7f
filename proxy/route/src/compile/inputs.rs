//! What compiling takes into account.

use std::sync::Arc;

use cairn_api::gateway::{GrpcRoute, HttpRoute, ReferenceGrant, TcpRoute, TlsRoute};
use cairn_api::istio::VirtualService;
use cairn_api::meta::ObjectRef;

use crate::rules::DestinationRules;

/// Everything that decides the routes of one service and port. `..Inputs::default()` leaves out what
/// is not known; what refers to it is then not checked.
#[derive(Clone, Copy, Default)]
pub struct Inputs<'a> {
    /// The service's host, fully qualified.
    pub service_host: &'a str,
    /// The service's namespace.
    pub service_namespace: &'a str,
    /// The waypoint's namespace.
    pub waypoint_namespace: &'a str,
    /// The object that declares the service; `None`: the Service that its host names.
    pub origin: Option<&'a ObjectRef>,
    /// The service port.
    pub port: u16,
    /// The name of that port, which parents of the Gateway API may ask for; `None`: not known.
    pub port_name: Option<&'a str>,
    /// VirtualServices, in any order, delegates among them; those that do not apply are passed over. With many of them,
    /// choose with [`VirtualServices`](crate::VirtualServices) first.
    pub virtual_services: &'a [Arc<VirtualService>],
    /// HTTPRoutes, in any order; those that do not name the service as their parent are passed over. With many of them,
    /// choose with [`GatewayRoutes`](crate::GatewayRoutes) first.
    pub http_routes: &'a [Arc<HttpRoute>],
    /// GRPCRoutes, likewise.
    pub grpc_routes: &'a [Arc<GrpcRoute>],
    /// TCPRoutes, likewise.
    pub tcp_routes: &'a [Arc<TcpRoute>],
    /// TLSRoutes, likewise.
    pub tls_routes: &'a [Arc<TlsRoute>],
    /// What lets routes refer to Services of other namespaces.
    pub reference_grants: &'a [Arc<ReferenceGrant>],
    /// The services of the mesh.
    pub services: Option<&'a dyn KnownServices>,
    /// The DestinationRules.
    pub rules: Option<&'a DestinationRules>,
}

/// The services that destinations can name.
pub trait KnownServices {
    /// The service with this full host name.
    fn service(&self, host: &str) -> Option<KnownService>;
}

/// A service that a destination names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownService {
    /// Its namespace.
    pub namespace: String,
    /// Its port numbers.
    pub ports: Vec<u16>,
}

impl<F: Fn(&str) -> Option<KnownService>> KnownServices for F {
    fn service(&self, host: &str) -> Option<KnownService> {
        self(host)
    }
}
