//! What the status of a route says.

use std::sync::Arc;

use cairn_api::gateway::{GrpcRoute, HttpRoute, ParentReference, ReferenceGrant, TcpRoute, TlsRoute};
use cairn_api::meta::{Condition, ObjectRef};

use super::connections;
use super::document::Document;
use super::lookup::{Lookup, Unresolved};
use super::{parents, rules};
use crate::compile::findings::Findings;
use crate::compile::inputs::{Inputs, KnownService, KnownServices};
use crate::condition::{ParentStatus, condition};

/// The mesh around a route.
#[derive(Clone, Copy)]
pub struct RouteScope<'a> {
    /// The service that a Service or ServiceEntry declares; `None`: there is no such object.
    pub parent: &'a dyn Fn(&ObjectRef) -> Option<KnownService>,
    /// The services of the mesh, by host.
    pub services: &'a dyn KnownServices,
    /// What lets routes refer to Services of other namespaces.
    pub reference_grants: &'a [Arc<ReferenceGrant>],
}

/// The status of an HTTPRoute, for each parent that is a Service or a ServiceEntry. Other parents are others' matter.
pub fn http_route_status(route: &HttpRoute, scope: &RouteScope<'_>) -> Vec<ParentStatus> {
    status(&Document::http(route), scope)
}

/// The status of a GRPCRoute, likewise.
pub fn grpc_route_status(route: &GrpcRoute, scope: &RouteScope<'_>) -> Vec<ParentStatus> {
    status(&Document::grpc(route), scope)
}

/// The status of a TCPRoute, likewise.
pub fn tcp_route_status(route: &TcpRoute, scope: &RouteScope<'_>) -> Vec<ParentStatus> {
    status_of_connections(&connections::Document::tcp(route), scope)
}

/// The status of a TLSRoute, likewise.
pub fn tls_route_status(route: &TlsRoute, scope: &RouteScope<'_>) -> Vec<ParentStatus> {
    status_of_connections(&connections::Document::tls(route), scope)
}

fn status(document: &Document<'_>, scope: &RouteScope<'_>) -> Vec<ParentStatus> {
    of_parents(&document.object, document.parents, scope, |lookup, findings| {
        let rules = document.rules.iter();
        rules
            .map(|rule| rules::compile(rule, lookup, findings).refused)
            .collect()
    })
}

fn status_of_connections(document: &connections::Document<'_>, scope: &RouteScope<'_>) -> Vec<ParentStatus> {
    of_parents(&document.object, document.parents, scope, |lookup, findings| {
        document.compile(lookup, findings).refused
    })
}

/// What is said under each parent; `compile` tells of each rule why it is refused.
fn of_parents(
    route: &ObjectRef,
    references: &[ParentReference],
    scope: &RouteScope<'_>,
    compile: impl FnOnce(&mut Lookup<'_, '_>, &mut Findings) -> Vec<Option<String>>,
) -> Vec<ParentStatus> {
    let inputs = Inputs {
        services: Some(scope.services),
        reference_grants: scope.reference_grants,
        ..Inputs::default()
    };
    let mut findings = Findings::new(route.clone());
    let mut lookup = Lookup::new(route, &inputs);
    let refused = compile(&mut lookup, &mut findings);
    let unresolved = lookup.unresolved;
    let namespace = route.namespace.as_str();
    let references = references.iter();
    references
        .filter_map(|reference| {
            let parent = parents::parent(reference, namespace)?;
            let accepted = accepted(reference, &parent, namespace, &refused, scope);
            let partly = refused
                .iter()
                .flatten()
                .next()
                .filter(|_| accepted.status == "True");
            let partly =
                partly.map(|why| condition("PartiallyInvalid", true, "UnsupportedValue", why.clone()));
            let conditions = [accepted, resolved(&unresolved)].into_iter().chain(partly);
            Some(ParentStatus {
                parent: reference.clone(),
                conditions: conditions.collect(),
            })
        })
        .collect()
}

fn accepted(
    reference: &ParentReference,
    parent: &ObjectRef,
    namespace: &str,
    refused: &[Option<String>],
    scope: &RouteScope<'_>,
) -> Condition {
    let no = |reason: &str, message: String| condition("Accepted", false, reason, message);
    let Some(service) = (scope.parent)(parent) else {
        return no("NoMatchingParent", format!("there is no {parent}"));
    };
    if let Some(port) = reference.port.filter(|port| !service.ports.contains(port)) {
        return no("NoMatchingParent", format!("{parent} has no port {port}"));
    }
    if parent.namespace != namespace {
        let message = format!(
            "a waypoint acts on no route for the clients of one namespace; write it in {}",
            parent.namespace
        );
        return no("UnsupportedValue", message);
    }
    match refused.iter().flatten().next() {
        Some(why) if refused.iter().all(Option::is_some) => no("UnsupportedValue", why.clone()),
        _ => condition("Accepted", true, "Accepted", String::new()),
    }
}

fn resolved(unresolved: &[Unresolved]) -> Condition {
    match unresolved {
        [] => condition("ResolvedRefs", true, "ResolvedRefs", String::new()),
        [first, ..] => {
            let messages: Vec<&str> = unresolved.iter().map(|one| one.message.as_str()).collect();
            condition("ResolvedRefs", false, first.reason, messages.join("; "))
        }
    }
}
