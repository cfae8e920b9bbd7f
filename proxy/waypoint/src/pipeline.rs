//! The life of a request, one phase after the other.
//!
//! Each phase is a module; this file says in which order they act, and which of them see which requests. A phase ends
//! in a value or in a [`Failure`], and every failure becomes a response in one place.

use std::sync::Arc;

use bytes::Bytes;
use cairn_http::body::{Body, Error, Observed};
use cairn_route::Action;
use http::{Request, Response};

use crate::downstream::Downstream;
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::proxy::Proxy;
use crate::{authorize, fault, forward, head, respond};

/// Answers one request of an admitted connection.
pub(crate) async fn serve(
    proxy: Arc<Proxy>,
    downstream: Arc<Downstream>,
    request: Request<Body>,
) -> Response<impl http_body::Body<Data = Bytes, Error = Error>> {
    let (parts, body) = request.into_parts();
    let mut exchange = Exchange::open(&proxy, downstream, parts);
    let response = match run(&mut exchange, body).await {
        Ok(response) => response,
        Err(failure) => respond::failure(&mut exchange, failure.reply()),
    };
    // Phase 9, record: when the body has ended.
    let recorder = exchange.recorder;
    let grpc = recorder.is_grpc();
    response.map(|body| Observed::new(body, move |end| recorder.close(&end)).counting_messages(grpc))
}

async fn run(exchange: &mut Exchange, body: Body) -> Result<Response<Body>, Failure> {
    head::check(exchange)?;
    authorize::check(exchange.scope.policies(exchange.access()))?;
    let route = exchange.scope.find(&exchange.head())?;
    exchange.recorder.routed(&route.name);
    if let Some(fault) = route.fault() {
        fault::inject(fault, &mut exchange.recorder).await?;
    }
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

#[cfg(test)]
mod tests;
