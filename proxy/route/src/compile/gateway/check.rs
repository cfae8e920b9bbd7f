//! What is wrong with a route by itself: what would be wrong with it in any mesh.

use cairn_api::gateway::{GrpcRoute, HttpRoute, TcpRoute, TlsRoute};
use cairn_config::Problem;

use super::connections;
use super::document::Document;
use super::lookup::Lookup;
use super::rules;
use crate::compile::findings::Findings;
use crate::compile::inputs::Inputs;

/// What is wrong with an HTTPRoute so that a rule of it, or part of one, is answered 500. None: it is taken.
pub(crate) fn http_route(route: &HttpRoute) -> Vec<Problem> {
    requests(&Document::http(route))
}

/// What is wrong with a GRPCRoute, likewise.
pub(crate) fn grpc_route(route: &GrpcRoute) -> Vec<Problem> {
    requests(&Document::grpc(route))
}

/// What is wrong with a TCPRoute so that connections are closed. None: it is taken.
pub(crate) fn tcp_route(route: &TcpRoute) -> Vec<Problem> {
    connections(&connections::Document::tcp(route))
}

/// What is wrong with a TLSRoute, likewise.
pub(crate) fn tls_route(route: &TlsRoute) -> Vec<Problem> {
    connections(&connections::Document::tls(route))
}

fn requests(document: &Document<'_>) -> Vec<Problem> {
    let inputs = Inputs::default();
    let mut findings = Findings::new(document.object.clone());
    let mut lookup = Lookup::blind(&document.object, &inputs);
    let mut refused = false;
    for rule in &document.rules {
        refused |= rules::compile(rule, &mut lookup, &mut findings).refused.is_some();
    }
    if refused {
        findings.into_problems()
    } else {
        Vec::new()
    }
}

fn connections(document: &connections::Document<'_>) -> Vec<Problem> {
    let inputs = Inputs::default();
    let mut findings = Findings::new(document.object.clone());
    let mut lookup = Lookup::blind(&document.object, &inputs);
    let compiled = document.compile(&mut lookup, &mut findings);
    match compiled.refused.iter().any(Option::is_some) {
        true => findings.into_problems(),
        false => Vec::new(),
    }
}
