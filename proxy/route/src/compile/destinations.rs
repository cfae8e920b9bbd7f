//! From `route` to [`WeightedDestinations`].

use cairn_api::istio::{self, HttpRouteDestination};
use http::HeaderValue;

use super::findings::Findings;
use super::inputs::Inputs;
use super::operations::{self, Operations};
use crate::destination::{Destination, WeightedDestinations};
use crate::headers::HeaderOperations;
use crate::host;

/// What a route gives to all its destinations.
pub(super) struct Shared {
    pub(super) operations: Operations,
    /// The authority that the route asks for, which goes before the destination's.
    pub(super) authority: Option<HeaderValue>,
}

/// Compiles `list`, the destinations of a route, whose path in the object is `field`. `None`: one of
/// them does not compile, and there is a finding that says so. A destination that compiles but is not
/// known to the mesh stays: its requests are answered 503.
pub(super) fn compile(
    list: &[HttpRouteDestination],
    field: &str,
    shared: &Shared,
    inputs: Option<&Inputs<'_>>,
    findings: &mut Findings,
) -> Option<WeightedDestinations> {
    let single = list.len() == 1;
    let mut destinations = Vec::with_capacity(list.len());
    let mut complete = true;
    for (place, entry) in list.iter().enumerate() {
        let field = format!("{field}[{place}]");
        match destination(entry, &field, shared, single, findings) {
            Some(mut destination) => {
                if let Some(inputs) = inputs {
                    resolve(
                        &mut destination,
                        &format!("{field}.destination"),
                        inputs,
                        findings,
                    );
                }
                destinations.push(destination);
            }
            None => complete = false,
        }
    }
    if !complete {
        return None;
    }
    let weighted = WeightedDestinations::new(destinations);
    if weighted.is_none() {
        findings.error(
            field,
            "the weights of all destinations are zero, so no request can go anywhere",
            "give at least one destination a `weight`",
        );
    }
    weighted
}

/// A destination without weight and operations: `place`, whose path in the object is `field`. `None` as above.
pub(super) fn plain(
    place: &istio::Destination,
    field: &str,
    inputs: Option<&Inputs<'_>>,
    findings: &mut Findings,
) -> Option<Destination> {
    let is_named = !place.host.is_empty();
    if !is_named {
        findings.error(
            format!("{field}.host"),
            "the destination names no host",
            "name a service",
        );
    }
    let port = self::port(place, field, findings);
    let mut destination = Destination {
        host: host::qualified(&place.host, &findings.object().namespace),
        subset: subset(place),
        port: port.filter(|_| is_named)?,
        weight: 1,
        authority: None,
        request_headers: HeaderOperations::default(),
        response_headers: HeaderOperations::default(),
        broken: None,
    };
    if let Some(inputs) = inputs {
        resolve(&mut destination, field, inputs, findings);
    }
    Some(destination)
}

fn destination(
    entry: &HttpRouteDestination,
    field: &str,
    shared: &Shared,
    single: bool,
    findings: &mut Findings,
) -> Option<Destination> {
    let place = entry
        .destination
        .as_ref()
        .filter(|destination| !destination.host.is_empty());
    if place.is_none() {
        findings.error(
            format!("{field}.destination.host"),
            "the destination names no host",
            "name a service",
        );
    }
    let weight = u32::try_from(entry.weight.unwrap_or(0));
    if weight.is_err() {
        findings.error(
            format!("{field}.weight"),
            "a weight cannot be negative",
            "write zero or more",
        );
    }
    let port = place.map(|place| self::port(place, &format!("{field}.destination"), findings));
    let own = operations::compile(entry.headers.as_ref(), &format!("{field}.headers"), findings);
    let (place, weight, port, own) = (place?, weight.ok()?, port??, own?);
    let authority = shared.authority.clone().or_else(|| own.authority.clone());
    let (request_headers, response_headers) = shared.operations.merged(own, single);
    Some(Destination {
        host: host::qualified(&place.host, &findings.object().namespace),
        subset: subset(place),
        port,
        weight,
        authority,
        request_headers,
        response_headers,
        broken: None,
    })
}

fn subset(place: &istio::Destination) -> Option<String> {
    Some(place.subset.clone()).filter(|subset| !subset.is_empty())
}

/// The port that was written, if one was. `None`: it is not one.
fn port(place: &istio::Destination, field: &str, findings: &mut Findings) -> Option<Option<u16>> {
    let Some(number) = place.port.as_ref().and_then(|port| port.number) else {
        return Some(None);
    };
    match u16::try_from(number) {
        Ok(port) if port > 0 => Some(Some(port)),
        _ => {
            findings.error(
                format!("{field}.port.number"),
                format!("{number} is not a port"),
                "write one from 1 to 65535",
            );
            None
        }
    }
}

/// Fills in the port, and says what of the destination the mesh does not know.
fn resolve(destination: &mut Destination, field: &str, inputs: &Inputs<'_>, findings: &mut Findings) {
    let Some(services) = inputs.services else { return };
    let host = destination.host.as_str();
    let Some(service) = services.service(host) else {
        findings.error(
            format!("{field}.host"),
            format!("there is no service `{host}`; its requests are answered 503"),
            "name a service of the mesh, in full when it is in another namespace: `name.namespace.svc.cluster.local`",
        );
        return;
    };
    let listed = || {
        service
            .ports
            .iter()
            .map(u16::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (destination.port, service.ports.as_slice()) {
        (Some(port), ports) if !ports.contains(&port) => findings.error(
            format!("{field}.port.number"),
            format!("`{host}` has no port {port}; its requests are answered 503"),
            format!("write one of its ports: {}", listed()),
        ),
        (Some(_), _) => {}
        (None, [port]) => destination.port = Some(*port),
        (None, ports) => {
            destination.port = Some(inputs.port);
            if !ports.contains(&inputs.port) {
                findings.error(
                    format!("{field}.port"),
                    format!(
                        "`{host}` has several ports and none is {}, where the request came in",
                        inputs.port
                    ),
                    format!("write one of its ports, `port: {{number: …}}`: {}", listed()),
                );
            }
        }
    }
    if let (Some(subset), Some(rules)) = (&destination.subset, inputs.rules) {
        let policy = rules.find(host, &service.namespace, inputs.waypoint_namespace);
        if policy.is_some_and(|policy| policy.subset(subset).is_some()) {
            return;
        }
        let known: Vec<&str> = policy
            .into_iter()
            .flat_map(|policy| policy.subsets())
            .map(|subset| subset.name.as_str())
            .collect();
        let hint = match known.as_slice() {
            [] => format!(
                "define it in a DestinationRule for `{host}`, in the service's or the waypoint's namespace"
            ),
            known => format!("name one of its subsets: {}", known.join(", ")),
        };
        findings.error(
            format!("{field}.subset"),
            format!("`{host}` has no subset `{subset}`; its requests are answered 503"),
            hint,
        );
    }
}
