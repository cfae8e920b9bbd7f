//! What the status of a route says.

use std::sync::Arc;

use cairn_api::gateway::{GrpcRoute, HttpRoute, ParentReference, ReferenceGrant};
use cairn_api::meta::{Condition, ObjectRef};

use super::document::Document;
use super::lookup::{Lookup, Unresolved};
use super::{parents, rules};
use crate::compile::findings::Findings;
use crate::compile::inputs::{Inputs, KnownService, KnownServices};

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

/// What is to be said of a route under one of its parents: an entry of `status.parents`.
#[derive(Debug, Clone, PartialEq)]
pub struct ParentStatus {
    /// The parent.
    pub parent: ParentReference,
    /// `Accepted` and `ResolvedRefs`, and `PartiallyInvalid` when some rules are; without generation and time.
    pub conditions: Vec<Condition>,
}

/// The status of an HTTPRoute, for each parent that is a Service or a ServiceEntry. Other parents are others' matter.
pub fn http_route_status(route: &HttpRoute, scope: &RouteScope<'_>) -> Vec<ParentStatus> {
    status(&Document::http(route), scope)
}

/// The status of a GRPCRoute, likewise.
pub fn grpc_route_status(route: &GrpcRoute, scope: &RouteScope<'_>) -> Vec<ParentStatus> {
    status(&Document::grpc(route), scope)
}

fn status(document: &Document<'_>, scope: &RouteScope<'_>) -> Vec<ParentStatus> {
    let inputs = Inputs {
        services: Some(scope.services),
        reference_grants: scope.reference_grants,
        ..Inputs::default()
    };
    let mut findings = Findings::new(document.object.clone());
    let mut lookup = Lookup {
        route: &document.object,
        inputs: &inputs,
        unresolved: Vec::new(),
    };
    let compiled = document
        .rules
        .iter()
        .map(|rule| rules::compile(rule, &mut lookup, &mut findings));
    let refused: Vec<Option<String>> = compiled.map(|rule| rule.refused).collect();
    let unresolved = lookup.unresolved;
    let namespace = document.object.namespace.as_str();
    let references = document.parents.iter();
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

fn condition(kind: &str, status: bool, reason: &str, message: String) -> Condition {
    Condition {
        type_: kind.to_owned(),
        status: if status { "True" } else { "False" }.to_owned(),
        reason: reason.to_owned(),
        message,
        ..Condition::default()
    }
}
