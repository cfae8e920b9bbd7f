//! The life of a request, one phase after the other.
//!
//! Each phase is a module; this file says in which order they act, and which of them see which requests. A phase ends
//! in a value or in a [`Failure`], and every failure becomes a response in one place.

use std::sync::Arc;

use bytes::Bytes;
use cairn_http::body::{Body, Error, Observed};
use cairn_route::{Action, CrossOrigin};
use http::{Request, Response};

use crate::downstream::Downstream;
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::plugin::Phase;
use crate::proxy::Proxy;
use crate::{authenticate, authorize, external, fault, forward, head, respond};

/// Answers one request of an admitted connection.
pub(crate) async fn serve(
    proxy: Arc<Proxy>,
    downstream: Arc<Downstream>,
    request: Request<Body>,
) -> Response<impl http_body::Body<Data = Bytes, Error = Error>> {
    let (parts, body) = request.into_parts();
    let mut exchange = Exchange::open(&proxy, downstream, parts);
    let (response, instead) = match run(&mut exchange, body).await {
        Ok(response) => (response, false),
        Err(failure) => (respond::stopped(&mut exchange, failure), true),
    };
    // Phase 8, response: back through the filters that the request has passed.
    let response = match exchange.filters.take() {
        None => response,
        Some(filters) => {
            let noted = filters.noted();
            let stopped = |stopped| respond::stopped(&mut exchange, Failure::from(&stopped));
            let response = filters.response(response, instead, stopped).await;
            exchange.recorder.rewritten(response.status(), response.headers());
            if exchange.recorder.tells_notes() {
                exchange.recorder.noted(&noted.read().await);
            }
            response
        }
    };
    let mut response = response;
    if let Some(fields) = exchange.cross_origin.take() {
        respond::override_with(response.headers_mut(), fields);
    }
    for allowed in &exchange.allowed {
        allowed.apply_to_response(response.headers_mut());
    }
    // Phase 9, record: when the body has ended.
    let recorder = exchange.recorder;
    let grpc = recorder.is_grpc();
    response.map(|body| Observed::new(body, move |end| recorder.close(&end)).counting_messages(grpc))
}

async fn run(exchange: &mut Exchange, body: Body) -> Result<Response<Body>, Failure> {
    head::check(exchange)?;
    let body = external::check(exchange, body).await?;
    exchange.filter().await?;
    let (body, _) = filter(exchange, Phase::Authn, body).await?;
    authenticate::check(exchange)?;
    let (body, _) = filter(exchange, Phase::Authz, body).await?;
    // Where filters have made another request of it, others may have a say.
    let body = external::check(exchange, body).await?;
    authorize::check(exchange.scope.policies(exchange.access()))?;
    let mut route = exchange.scope.find(&exchange.head())?;
    exchange.recorder.routed(&route.name);
    if let Some(fault) = route.fault() {
        fault::inject(fault, &mut exchange.recorder).await?;
    }
    if let Some(cors) = route.cors() {
        match cors.judge(exchange.parts.method.as_str(), &exchange.parts.headers) {
            CrossOrigin::Untouched => {}
            CrossOrigin::Allowed(fields) => exchange.cross_origin = Some(fields),
            CrossOrigin::Preflight(fields) => return Ok(respond::preflight(exchange, fields)),
        }
    }
    let (mut body, changed) = filter(exchange, Phase::Last, body).await?;
    if changed {
        body = external::check(exchange, body).await?;
        // What policies have allowed and the route was found for is not this request any more.
        authorize::check(exchange.scope.policies(exchange.access()))?;
        route = exchange.scope.find(&exchange.head())?;
        exchange.recorder.routed(&route.name);
    }
    exchange.settle();
    match route.action() {
        None => forward::send(exchange, &route, None, body).await,
        Some(Action::Forward(destinations)) => {
            forward::send(exchange, &route, Some(destinations.pick(rand::random())), body).await
        }
        Some(Action::Redirect(redirect)) => respond::redirect(exchange, &route, redirect),
        Some(Action::DirectResponse(direct)) => Ok(respond::direct(exchange, &route, direct)),
        Some(Action::Broken { .. }) => Err(Failure::BrokenRoute),
    }
}

/// Lets the request pass the filters up to those of `phase`; gives its body, and whether what policies and routes look at
/// is another now.
async fn filter(exchange: &mut Exchange, phase: Phase, body: Body) -> Result<(Body, bool), Failure> {
    let Some(filters) = &mut exchange.filters else {
        return Ok((body, false));
    };
    let passed = filters
        .request(phase, &mut exchange.parts, &mut exchange.authority, body)
        .await?;
    if passed.changed {
        head::changed(exchange)?;
    }
    let noted = passed.noted.is_some();
    if let Some(noted) = passed.noted {
        exchange.noted = noted;
    }
    Ok((passed.body, passed.changed || noted))
}

#[cfg(test)]
mod tests;
