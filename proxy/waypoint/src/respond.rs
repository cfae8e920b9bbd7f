//! Phase 8, response: what goes back to the client, from an endpoint or from the waypoint itself.

use std::time::Duration;

use bytes::Bytes;
use cairn_http::body::Body;
use cairn_http::{grpc, headers};
use cairn_route::{DirectResponse, Facts, HeaderOperations, Redirect};
use cairn_wasm::LocalReply;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, SERVER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version};

use crate::exchange::Exchange;
use crate::failure::{Failure, Flags, Reply};
use crate::plan::RoutePlan;

const ISTIO_ENVOY: HeaderValue = HeaderValue::from_static("istio-envoy");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain");
const OVERLOADED: HeaderName = HeaderName::from_static("x-envoy-overloaded");
const UPSTREAM_SERVICE_TIME: HeaderName = HeaderName::from_static("x-envoy-upstream-service-time");

/// Prepares an endpoint's response: the fields that end at this hop go, those that Istio's proxies add come.
pub(crate) fn upstream(exchange: &mut Exchange, response: &mut Response<Body>, took: Duration) {
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let headers = response.headers_mut();
    headers::strip_hop_by_hop(headers);
    headers.insert(SERVER, ISTIO_ENVOY);
    headers.insert(UPSTREAM_SERVICE_TIME, HeaderValue::from(milliseconds));
    exchange.recorder.upstream_answered(milliseconds);
}

/// Applies a route's operations on a response to a request that had the fields `request`.
pub(crate) fn operate(
    exchange: &Exchange,
    operations: &HeaderOperations,
    route_name: &str,
    request: &HeaderMap,
    response: &mut Response<Body>,
) {
    if !operations.is_empty() {
        let flags = exchange.recorder.flags();
        let facts = Facts {
            response_code: Some(response.status()),
            ..exchange.facts(route_name, &flags)
        };
        operations.apply_to_response(response.headers_mut(), request, &facts);
    }
}

/// A row of the rescue table, in the protocol of the client.
pub(crate) fn failure(exchange: &mut Exchange, reply: Reply) -> Response<Body> {
    exchange.recorder.flag(reply.flags);
    let mut response = if exchange.recorder.is_grpc() {
        let chosen = reply
            .grpc_status
            .and_then(|code| grpc::Code::from_u16(code.into()));
        let code = chosen.unwrap_or_else(|| grpc::Code::from_http(reply.status));
        grpc::trailers_only(code, &reply.body)
    } else {
        local(reply.status, Bytes::from(reply.body.into_owned()))
    };
    response.headers_mut().insert(SERVER, ISTIO_ENVOY);
    if let Some(challenge) = reply.challenge {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    if reply.overloaded {
        let yes = HeaderValue::from_static("true");
        response.headers_mut().insert(OVERLOADED, yes);
    }
    if reply.close && exchange.parts.version <= Version::HTTP_11 {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    exchange
        .recorder
        .answered(response.status(), response.headers(), reply.details);
    response
}

/// What a filter leaves of a response: its own, or that of its failure.
pub(crate) fn stopped(exchange: &mut Exchange, failure: Failure) -> Response<Body> {
    match failure {
        Failure::Replied(reply) => replied(exchange, *reply),
        Failure::ExternallyRefused(refusal) => {
            exchange.recorder.flag(Flags::UNAUTHORIZED_EXTERNALLY);
            let reply = LocalReply {
                status: refusal.status,
                headers: refusal.headers,
                body: refusal.body,
                grpc_status: None,
                details: refusal.details.to_owned(),
            };
            replied(exchange, reply)
        }
        other => self::failure(exchange, other.reply()),
    }
}

/// The response that a filter, or an authorization server, gives.
fn replied(exchange: &mut Exchange, reply: LocalReply) -> Response<Body> {
    let mut response = if exchange.recorder.is_grpc() {
        let chosen = reply
            .grpc_status
            .and_then(|code| grpc::Code::from_u16(code.into()));
        let code = chosen.unwrap_or_else(|| grpc::Code::from_http(reply.status));
        grpc::trailers_only(code, &String::from_utf8_lossy(&reply.body))
    } else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = reply.status;
        response
            .headers_mut()
            .insert(CONTENT_LENGTH, HeaderValue::from(reply.body.len()));
        *response.body_mut() = Body::full(reply.body);
        response
    };
    response.headers_mut().extend(reply.headers);
    response.headers_mut().insert(SERVER, ISTIO_ENVOY);
    let details = reply.details.into();
    exchange
        .recorder
        .answered(response.status(), response.headers(), details);
    response
}

/// The fixed response of a route.
pub(crate) fn direct(exchange: &mut Exchange, route: &RoutePlan, direct: &DirectResponse) -> Response<Body> {
    let response = local(direct.status, direct.body.clone());
    own(exchange, route, response)
}

/// The redirect of a route.
pub(crate) fn redirect(
    exchange: &mut Exchange,
    route: &RoutePlan,
    redirect: &Redirect,
) -> Result<Response<Body>, Failure> {
    let location = cairn_route::redirect::location(redirect, &exchange.head());
    let location = HeaderValue::from_str(&location).map_err(|_| Failure::BrokenRoute)?;
    let mut response = local(redirect.status, Bytes::new());
    response.headers_mut().insert(LOCATION, location);
    Ok(own(exchange, route, response))
}

/// The answer to a preflight.
pub(crate) fn preflight(exchange: &mut Exchange, fields: HeaderMap) -> Response<Body> {
    let mut response = local(StatusCode::OK, Bytes::new());
    *response.headers_mut() = fields;
    response
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from(0));
    response.headers_mut().insert(SERVER, ISTIO_ENVOY);
    exchange
        .recorder
        .answered(response.status(), response.headers(), "cors_response".into());
    response
}

/// Puts fields in place of those of the same names.
pub(crate) fn override_with(headers: &mut HeaderMap, fields: HeaderMap) {
    for name in fields.keys() {
        headers.remove(name);
    }
    headers.extend(fields);
}

/// Finishes a response that a route makes itself.
fn own(exchange: &mut Exchange, route: &RoutePlan, mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(SERVER, ISTIO_ENVOY);
    if let Some(operations) = route.response_headers() {
        operate(
            exchange,
            operations,
            &route.name,
            &exchange.parts.headers,
            &mut response,
        );
    }
    exchange
        .recorder
        .answered(response.status(), response.headers(), "direct_response".into());
    response
}

fn local(status: StatusCode, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if !body.is_empty() {
        response.headers_mut().insert(CONTENT_TYPE, TEXT);
    }
    response
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    *response.body_mut() = Body::full(body);
    response
}
