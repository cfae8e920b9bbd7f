//! Versions of routes that are in force although a later one is refused.

mod versions;

use std::sync::Arc;

use cairn_api::gateway::{GrpcRouteSpec, HttpRouteSpec, TcpRouteSpec, TlsRouteSpec};
use cairn_api::istio::{VirtualService, VirtualServiceSpec};
use cairn_api::meta::Kind;
use cairn_config::{Objects, Problem};

use crate::compile::{GatewayRoutes, check, grpc_route, http_route, tcp_route, tls_route};
use versions::Versions;

/// Remembers of each VirtualService the last version that was right. A change that breaks it is then
/// not in force, as it would not be if the API server had refused it; what was in force stays.
#[derive(Debug, Default)]
pub struct LastGood {
    versions: Versions<VirtualServiceSpec>,
}

impl LastGood {
    /// The versions to compile, out of all that there are now: of each VirtualService this one, or if it has
    /// an error the last one that had none. One that never was right comes as it is, for
    /// [`compile`](crate::compile()) to make of it what it can. Unchanged ones are not checked again.
    pub fn admit<'a>(
        &mut self,
        current: impl IntoIterator<Item = &'a Arc<VirtualService>>,
    ) -> (Vec<Arc<VirtualService>>, Vec<Problem>) {
        self.versions.admit(Kind::VirtualService, current, check)
    }
}

/// Remembers of each route of the Gateway API the last version that was right, likewise: a version is refused when a rule of it
/// would be answered 500, in any mesh.
#[derive(Debug, Default)]
pub struct LastGoodRoutes {
    http: Versions<HttpRouteSpec>,
    grpc: Versions<GrpcRouteSpec>,
    tcp: Versions<TcpRouteSpec>,
    tls: Versions<TlsRouteSpec>,
}

impl LastGoodRoutes {
    /// The versions to compile, out of all that there are now. One that never was right comes as it is, for
    /// [`compile`](crate::compile()) to answer 500 where it must. Backends that are not there are no errors of a route: it has to
    /// answer 500 for their share.
    pub fn admit(&mut self, objects: &Objects) -> (GatewayRoutes, Vec<Problem>) {
        let (http, mut problems) = self
            .http
            .admit(Kind::HttpRoute, objects.http_routes.values(), http_route);
        let (grpc, found) = self
            .grpc
            .admit(Kind::GrpcRoute, objects.grpc_routes.values(), grpc_route);
        problems.extend(found);
        let (tcp, found) = self
            .tcp
            .admit(Kind::TcpRoute, objects.tcp_routes.values(), tcp_route);
        problems.extend(found);
        let (tls, found) = self
            .tls
            .admit(Kind::TlsRoute, objects.tls_routes.values(), tls_route);
        problems.extend(found);
        let routes = GatewayRoutes::new(&http, &grpc).with_connections(&tcp, &tls);
        (routes, problems)
    }
}

#[cfg(test)]
mod tests;
