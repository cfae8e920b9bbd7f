//! From routes of the Gateway API to [`Route`]s and [`TcpRoute`](crate::tcp::TcpRoute)s.

mod backends;
mod check;
mod connections;
mod document;
mod filters;
mod lookup;
mod matches;
mod parents;
mod precedence;
mod rules;
mod sessions;
mod status;

use cairn_api::gateway::ParentReference;
use cairn_api::meta::ObjectRef;
use cairn_config::Problem;

pub(crate) use check::{grpc_route, http_route, tcp_route, tls_route};
pub(super) use connections::compile as compile_connections;
use document::Document;
use lookup::Lookup;
pub use parents::GatewayRoutes;
use precedence::Rank;
pub use status::{RouteScope, grpc_route_status, http_route_status, tcp_route_status, tls_route_status};

use super::findings::Findings;
use super::inputs::Inputs;
use crate::route::Route;

/// The routes of the Gateway API for the service and port of `inputs`, in the order of the specification. None: no route
/// is attached there.
pub(super) fn compile(inputs: &Inputs<'_>) -> (Vec<Route>, Vec<Problem>) {
    let http = inputs.http_routes.iter().map(|route| Document::http(route));
    let grpc = inputs.grpc_routes.iter().map(|route| Document::grpc(route));
    let mut routes: Vec<(Order, Route)> = Vec::new();
    let mut problems = Vec::new();
    for document in http.chain(grpc) {
        let mut findings = Findings::new(document.object.clone());
        if is_attached(&document.object, document.parents, inputs, &mut findings) {
            let mut lookup = Lookup::new(&document.object, inputs);
            let compiled = document
                .rules
                .iter()
                .flat_map(|rule| rules::compile(rule, &mut lookup, &mut findings).routes);
            routes.extend(compiled.map(|(rank, route)| (Order::new(rank, &document), route)));
        }
        problems.extend(findings.into_problems());
    }
    // Stable: within one route, the rule and the match that is written first goes first.
    routes.sort_by(|(one, _), (other, _)| one.cmp(other));
    (routes.into_iter().map(|(_, route)| route).collect(), problems)
}

/// What decides between two matches, the first part before the others.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Order {
    rank: Rank,
    created: Option<String>,
    name: String,
}

impl Order {
    fn new(rank: Rank, document: &Document<'_>) -> Order {
        Order {
            rank,
            created: document.created.map(str::to_owned),
            name: document.object.key().to_string(),
        }
    }
}

/// Whether the route is one of the service and port. Only those of the service's own namespace are: another one would be
/// for the clients of its namespace alone, whom a waypoint does not serve apart.
fn is_attached(
    route: &ObjectRef,
    references: &[ParentReference],
    inputs: &Inputs<'_>,
    findings: &mut Findings,
) -> bool {
    let namespace = route.namespace.as_str();
    let mut attached = parents::attached(references, namespace, inputs).peekable();
    let is_named = attached.peek().is_some();
    if namespace == inputs.service_namespace {
        return is_named;
    }
    for place in attached {
        findings.unsupported(
            format!("spec.parentRefs[{place}]"),
            "a route for the clients of its namespace alone, which a waypoint does not act on",
            format!("write it in {}, for all clients", inputs.service_namespace),
        );
    }
    false
}
