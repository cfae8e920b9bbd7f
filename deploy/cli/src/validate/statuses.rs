//! What the status of a route or policy of the Gateway API would be, in a line for each of its parents.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use cairn_api::meta::{Kind, ObjectRef};
use cairn_config::State;
use cairn_mesh::{Origin, Service, Snapshot};
use cairn_route::{
    BackendTlsPolicies, KnownService, ParentStatus, RouteScope, grpc_route_status, http_route_status,
    tcp_route_status, tls_route_status,
};

/// One entry of `status.parents`.
pub(super) struct Status {
    route: ObjectRef,
    status: ParentStatus,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parent = &self.status.parent;
        let kind = parent.kind.as_deref().unwrap_or("Gateway");
        write!(f, "status: {} under {kind} {}", self.route, parent.name)?;
        for condition in &self.status.conditions {
            write!(
                f,
                "; {}={} ({}",
                condition.type_, condition.status, condition.reason
            )?;
            if !condition.message.is_empty() && condition.status != "True" {
                write!(f, ": {}", condition.message)?;
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}

/// The statuses of all routes whose parents are services, and of policies.
pub(super) fn of_routes(state: &State) -> Vec<Status> {
    let objects = &state.objects;
    let routes = objects.http_routes.len()
        + objects.grpc_routes.len()
        + objects.tcp_routes.len()
        + objects.tls_routes.len();
    if routes == 0 && objects.backend_tls_policies.is_empty() {
        return Vec::new();
    }
    let (mesh, _) = Snapshot::compile(state);
    let parents: HashMap<ObjectRef, KnownService> = mesh
        .services()
        .map(|service| (origin(service), known(service)))
        .collect();
    let grants: Vec<_> = objects.reference_grants.values().cloned().collect();
    let services = |host: &str| mesh.services_named(host).next().map(known);
    let scope = RouteScope {
        parent: &|object| parents.get(object).cloned(),
        services: &services,
        reference_grants: &grants,
    };
    let http = objects.http_routes.values().flat_map(|route| {
        let object = ObjectRef::from_key(Kind::HttpRoute, &route.metadata.key());
        told(&object, http_route_status(route, &scope))
    });
    let grpc = objects.grpc_routes.values().flat_map(|route| {
        let object = ObjectRef::from_key(Kind::GrpcRoute, &route.metadata.key());
        told(&object, grpc_route_status(route, &scope))
    });
    let tcp = objects.tcp_routes.values().flat_map(|route| {
        let object = ObjectRef::from_key(Kind::TcpRoute, &route.metadata.key());
        told(&object, tcp_route_status(route, &scope))
    });
    let tls = objects.tls_routes.values().flat_map(|route| {
        let object = ObjectRef::from_key(Kind::TlsRoute, &route.metadata.key());
        told(&object, tls_route_status(route, &scope))
    });
    let (policies, _) = BackendTlsPolicies::new(objects);
    let policies = objects.backend_tls_policies.keys().flat_map(|key| {
        let object = ObjectRef::from_key(Kind::BackendTlsPolicy, key);
        told(&object, policies.status(&object).to_vec())
    });
    http.chain(grpc).chain(tcp).chain(tls).chain(policies).collect()
}

fn told(route: &ObjectRef, statuses: Vec<ParentStatus>) -> Vec<Status> {
    let statuses = statuses.into_iter().map(|status| Status {
        route: route.clone(),
        status,
    });
    statuses.collect()
}

fn known(service: &Arc<Service>) -> KnownService {
    KnownService {
        namespace: service.namespace.clone(),
        ports: service.ports.iter().map(|port| port.number).collect(),
    }
}

fn origin(service: &Service) -> ObjectRef {
    let kind = match service.origin {
        Origin::Kubernetes => Kind::Service,
        Origin::ServiceEntry => Kind::ServiceEntry,
    };
    ObjectRef::new(kind, service.namespace.as_str(), service.name.as_str())
}
