//! What routes of the Gateway API attach to.

use std::collections::HashMap;
use std::sync::Arc;

use cairn_api::gateway::{GrpcRoute, HttpRoute, ParentReference, TcpRoute, TlsRoute};
use cairn_api::meta::{Kind, ObjectRef};

use crate::compile::inputs::Inputs;

const GATEWAY: &str = "gateway.networking.k8s.io";
const ISTIO: &str = "networking.istio.io";

/// Routes of the Gateway API by the services that they attach to, for compiling thousands of services without looking at
/// each route for each.
#[derive(Debug, Clone, Default)]
pub struct GatewayRoutes {
    http: HashMap<ObjectRef, Vec<Arc<HttpRoute>>>,
    grpc: HashMap<ObjectRef, Vec<Arc<GrpcRoute>>>,
    tcp: HashMap<ObjectRef, Vec<Arc<TcpRoute>>>,
    tls: HashMap<ObjectRef, Vec<Arc<TlsRoute>>>,
}

impl GatewayRoutes {
    /// Indexes all routes of requests.
    pub fn new(http: &[Arc<HttpRoute>], grpc: &[Arc<GrpcRoute>]) -> GatewayRoutes {
        let mut index = GatewayRoutes::default();
        for route in http {
            for parent in parents(&route.spec.parent_refs, &route.metadata.namespace) {
                add(index.http.entry(parent).or_default(), route);
            }
        }
        for route in grpc {
            for parent in parents(&route.spec.parent_refs, &route.metadata.namespace) {
                add(index.grpc.entry(parent).or_default(), route);
            }
        }
        index
    }

    /// Indexes all routes of connections too.
    #[must_use]
    pub fn with_connections(mut self, tcp: &[Arc<TcpRoute>], tls: &[Arc<TlsRoute>]) -> GatewayRoutes {
        for route in tcp {
            for parent in parents(&route.spec.parent_refs, &route.metadata.namespace) {
                add(self.tcp.entry(parent).or_default(), route);
            }
        }
        for route in tls {
            for parent in parents(&route.spec.parent_refs, &route.metadata.namespace) {
                add(self.tls.entry(parent).or_default(), route);
            }
        }
        self
    }

    /// The HTTPRoutes that name a Service or ServiceEntry as their parent.
    pub fn http(&self, parent: &ObjectRef) -> &[Arc<HttpRoute>] {
        self.http.get(parent).map(Vec::as_slice).unwrap_or_default()
    }

    /// The GRPCRoutes that name it.
    pub fn grpc(&self, parent: &ObjectRef) -> &[Arc<GrpcRoute>] {
        self.grpc.get(parent).map(Vec::as_slice).unwrap_or_default()
    }

    /// The TCPRoutes that name it.
    pub fn tcp(&self, parent: &ObjectRef) -> &[Arc<TcpRoute>] {
        self.tcp.get(parent).map(Vec::as_slice).unwrap_or_default()
    }

    /// The TLSRoutes that name it.
    pub fn tls(&self, parent: &ObjectRef) -> &[Arc<TlsRoute>] {
        self.tls.get(parent).map(Vec::as_slice).unwrap_or_default()
    }
}

fn add<T>(routes: &mut Vec<Arc<T>>, route: &Arc<T>) {
    if !routes.iter().any(|known| Arc::ptr_eq(known, route)) {
        routes.push(Arc::clone(route));
    }
}

fn parents(references: &[ParentReference], namespace: &str) -> impl Iterator<Item = ObjectRef> {
    references
        .iter()
        .filter_map(move |reference| parent(reference, namespace))
}

/// The Service or ServiceEntry that a route of `namespace` names; `None`: its parent is something else.
pub(super) fn parent(reference: &ParentReference, namespace: &str) -> Option<ObjectRef> {
    let group = reference.group.as_deref().unwrap_or(GATEWAY);
    let kind = match (group, reference.kind.as_deref().unwrap_or("Gateway")) {
        ("" | "core", "Service") => Kind::Service,
        (ISTIO, "ServiceEntry") => Kind::ServiceEntry,
        _ => return None,
    };
    let namespace = reference.namespace.as_deref().unwrap_or(namespace);
    Some(ObjectRef::new(kind, namespace, reference.name.as_str()))
}

/// The places in `references` of those that name the service and port of `inputs`.
pub(super) fn attached(
    references: &[ParentReference],
    namespace: &str,
    inputs: &Inputs<'_>,
) -> impl Iterator<Item = usize> {
    let origin = origin(inputs);
    let numbered = references.iter().enumerate();
    numbered
        .filter(move |(_, reference)| {
            parent(reference, namespace) == origin
                && origin.is_some()
                && reference.port.is_none_or(|port| port == inputs.port)
                && reference
                    .section_name
                    .as_deref()
                    .is_none_or(|section| inputs.port_name.is_none_or(|name| name == section))
        })
        .map(|(place, _)| place)
}

/// The object that declares the service of `inputs`; a Service has its name and namespace in its host.
fn origin(inputs: &Inputs<'_>) -> Option<ObjectRef> {
    if let Some(origin) = inputs.origin {
        return Some(origin.clone());
    }
    let (name, rest) = inputs.service_host.split_once('.')?;
    let (namespace, _) = rest.split_once(".svc")?;
    (namespace == inputs.service_namespace).then(|| ObjectRef::new(Kind::Service, namespace, name))
}
