//! From `backendRefs` to destinations.

use cairn_api::gateway::{BackendObjectReference, HttpBackendRef};
use http::HeaderValue;

use super::filters;
use super::lookup::Lookup;
use crate::compile::findings::Findings;
use crate::compile::operations::Operations;
use crate::destination::{Destination, WeightedDestinations};
use crate::headers::HeaderOperations;

/// What the backends of a rule make of its requests.
pub(super) enum Backends {
    Forward(WeightedDestinations),
    /// They are answered 500.
    Nowhere {
        reason: String,
    },
}

/// What a rule gives to all its backends.
pub(super) struct Shared<'a> {
    pub(super) operations: &'a Operations,
    /// The authority that the rule asks for, which goes before the backend's.
    pub(super) authority: Option<&'a HeaderValue>,
}

/// The destinations of a rule, whose path in the object is `field`. `None`: part of it does not compile.
pub(super) fn compile(
    lookup: &mut Lookup<'_, '_>,
    list: &[HttpBackendRef],
    field: &str,
    shared: &Shared<'_>,
    findings: &mut Findings,
) -> Option<Backends> {
    if list.is_empty() {
        let reason = "the rule has no backend".to_owned();
        let message = format!("{reason}, so its requests are answered 500");
        findings.warning(field, message, "give it `backendRefs`");
        return Some(Backends::Nowhere { reason });
    }
    let single = list.len() == 1;
    let backends = list.iter().enumerate();
    let compiled: Vec<Option<Destination>> = backends
        .map(|(place, backend)| {
            let field = format!("{field}.backendRefs[{place}]");
            self::backend(lookup, backend, &field, shared, single, findings)
        })
        .collect();
    let destinations: Vec<Destination> = compiled.into_iter().collect::<Option<_>>()?;
    let weighs = destinations.iter().any(|destination| destination.weight > 0);
    let weighted = WeightedDestinations::new(destinations).filter(|_| weighs);
    Some(weighted.map_or_else(
        || Backends::Nowhere {
            reason: "no backend has a weight".to_owned(),
        },
        Backends::Forward,
    ))
}

fn backend(
    lookup: &mut Lookup<'_, '_>,
    backend: &HttpBackendRef,
    field: &str,
    shared: &Shared<'_>,
    single: bool,
    findings: &mut Findings,
) -> Option<Destination> {
    let Ok(weight) = u32::try_from(backend.weight.unwrap_or(1)) else {
        findings.error(
            format!("{field}.weight"),
            "a weight cannot be negative",
            "write zero or more",
        );
        return None;
    };
    let reference = BackendObjectReference {
        group: backend.group.clone(),
        kind: backend.kind.clone(),
        namespace: backend.namespace.clone(),
        name: backend.name.clone(),
        port: backend.port,
    };
    let before = findings.len();
    let own = filters::of_backend(&backend.filters, field, findings);
    let target = lookup.resolve(&reference, field, findings);
    let (own, (host, port)) = match (own, target) {
        (Some(own), Ok(target)) => (own, target),
        _ => {
            let reason = findings.error_since(before).unwrap_or_default();
            return Some(broken(weight, reason));
        }
    };
    let authority = shared.authority.cloned().or_else(|| own.authority.clone());
    let (request_headers, response_headers) = shared.operations.merged(own, single);
    Some(Destination {
        host,
        subset: None,
        port: Some(port),
        weight,
        authority,
        request_headers,
        response_headers,
        broken: None,
    })
}

/// A destination whose share of the requests is answered 500.
fn broken(weight: u32, reason: String) -> Destination {
    Destination {
        host: String::new(),
        subset: None,
        port: None,
        weight,
        authority: None,
        request_headers: HeaderOperations::default(),
        response_headers: HeaderOperations::default(),
        broken: Some(reason),
    }
}
