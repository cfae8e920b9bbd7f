//! Phase 6 and 7, route and attempt: a request as its route wants it, sent to the route's cluster.

use std::sync::Arc;
use std::time::SystemTime;

use cairn_balance::Outcome;
use cairn_http::body::Body;
use cairn_http::interim::Interim;
use cairn_route::{Destination, HeaderOperations, rewrite};
use http::header::{HOST, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri};
use http_body::Body as _;

use crate::attempt::{Answered, Trial};
use crate::deadline::{self, Sending, Timed, Timer};
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::plan::RoutePlan;
use crate::timeouts::Timeouts;
use crate::upload::Upload;
use crate::{attempt, mirror, respond, switch};

const ORIGINAL_PATH: HeaderName = HeaderName::from_static("x-envoy-original-path");
const ORIGINAL_HOST: HeaderName = HeaderName::from_static("x-envoy-original-host");

/// Sends a request to one destination of its route, the default one when the route has none; gives the response as
/// the client gets it.
pub(crate) async fn send(
    exchange: &mut Exchange,
    route: &RoutePlan,
    destination: Option<&Destination>,
    body: Body,
) -> Result<Response<Body>, Failure> {
    let persistence = route.session();
    let before =
        persistence.and_then(|persistence| persistence.read(&exchange.parts.headers, SystemTime::now()));
    let led = before
        .as_ref()
        .and_then(|session| route.sessions.get(&session.endpoint));
    // A session stays with its endpoint, whatever weights say now.
    let led = led.filter(|session| !session.endpoint.standing().is_ejected());
    let destination = match led {
        Some(session) => route.destination(session.destination),
        None => destination,
    };
    if destination.is_some_and(|destination| destination.broken.is_some()) {
        return Err(Failure::BrokenRoute);
    }
    let cluster = match led {
        Some(session) => &session.cluster,
        None => route.cluster(destination).ok_or(Failure::ClusterNotFound)?,
    };
    let pinned = led.map(|session| Arc::clone(&session.endpoint));
    exchange.recorder.clustered(cluster);
    let response_headers = destination.map(|destination| &destination.response_headers);
    let quoted = quoted(exchange, response_headers);
    let affinity = cluster.affinity(&exchange.parts, exchange.downstream.remote.ip());
    let uri = target(exchange, route)?;
    let retry = &route.retry;
    let timeouts = Timeouts {
        request: route.timeout(),
        attempt: retry.per_try_timeout,
    };
    let is_grpc = exchange.recorder.is_grpc();
    let timeouts = Timeouts::new(timeouts, &mut exchange.parts.headers, is_grpc);
    operate(exchange, route, destination);
    let (body, ended) = count(exchange, body);
    let mut timer = timeouts
        .request
        .map(|timeout| deadline::timer(timeout, ended.clone()));
    let request = request(exchange, uri, body);
    let mut request = mirror::copy(exchange, route, request);
    // Hints tell a part of the response: where something has a say in that, they do not pass it by.
    let unchanged = exchange.filters.is_none() && response_headers.is_none_or(HeaderOperations::is_empty);
    if let Some(interim) = Interim::take(&mut exchange.parts.extensions).filter(|_| unchanged) {
        request.extensions_mut().insert(interim);
    }

    let trial = Trial {
        retry,
        timeouts,
        sending: ended,
        hash: affinity.hash,
        pinned,
        in_session: persistence.is_some(),
    };
    let attempt = attempt::send(exchange, cluster, trial, request);
    let Answered {
        mut response,
        took,
        by,
    } = match &mut timer {
        None => attempt.await?,
        Some(timer) => tokio::select! {
            biased;
            answered = attempt => answered?,
            () = timer => {
                if let Some(endpoint) = exchange.tried.take() {
                    cluster.observe(&endpoint, Outcome::Timeout);
                }
                return Err(Failure::ResponseTimeout);
            }
        },
    };
    exchange.recorder.answering();
    let switched = switch::accepted(exchange, &mut response);
    respond::upstream(exchange, &mut response, took);
    if let Some(cookie) = affinity.cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    let issued = persistence
        .zip(by)
        .and_then(|(persistence, by)| persistence.issue(by, before.as_ref(), SystemTime::now()));
    if let Some((name, token)) = issued {
        response.headers_mut().append(name, token);
    }
    if let Some(operations) = response_headers {
        respond::operate(exchange, operations, &route.name, &quoted, &mut response);
    }
    exchange
        .recorder
        .answered(response.status(), response.headers(), "via_upstream".into());
    if let Some(streams) = switched {
        switch::spawn(exchange, streams, &mut response);
        return Ok(response);
    }
    Ok(match timer {
        Some(timer) => timed(response, timer),
        None => response,
    })
}

/// Path and query to forward.
fn target(exchange: &mut Exchange, route: &RoutePlan) -> Result<Uri, Failure> {
    let Some(rewrite) = route.rewrite() else {
        return Ok(exchange.parts.uri.clone());
    };
    let target = rewrite::apply(rewrite, &exchange.head()).map_err(|_| Failure::BrokenRoute)?;
    // `/static../x` under a rewrite of `/static` must not climb out of what was authorized.
    if target
        .path()
        .split('/')
        .any(|segment| segment == "." || segment == "..")
    {
        return Err(Failure::AmbiguousPath);
    }
    let original = exchange
        .parts
        .uri
        .path_and_query()
        .map(|target| HeaderValue::from_str(target.as_str()));
    if let Some(Ok(original)) = original {
        exchange.parts.headers.insert(ORIGINAL_PATH, original);
    }
    let mut parts = exchange.parts.uri.clone().into_parts();
    parts.path_and_query = Some(target);
    Uri::from_parts(parts).map_err(|_| Failure::BrokenRoute)
}

/// Header operations and the authority of the destination.
fn operate(exchange: &mut Exchange, route: &RoutePlan, destination: Option<&Destination>) {
    let own = HeaderValue::from_str(exchange.authority.as_str()).ok();
    let mut headers = std::mem::take(&mut exchange.parts.headers);
    let authority = destination.and_then(|destination| destination.authority.clone());
    if let (Some(_), Some(own)) = (&authority, &own) {
        headers.insert(ORIGINAL_HOST, own.clone());
    }
    if let Some(host) = authority.or(own) {
        headers.insert(HOST, host);
    }
    if let Some(destination) = destination.filter(|destination| !destination.request_headers.is_empty()) {
        let flags = exchange.recorder.flags();
        destination
            .request_headers
            .apply_to_request(&mut headers, &exchange.facts(&route.name, &flags));
    }
    exchange.parts.headers = headers;
}

/// The request's fields, when a value written to the response will quote them.
fn quoted(exchange: &Exchange, operations: Option<&HeaderOperations>) -> HeaderMap {
    match operations {
        Some(operations) if operations.quotes_request() => exchange.parts.headers.clone(),
        _ => HeaderMap::new(),
    }
}

/// The request's body, counted; and the news of its end and its progress, unless it has ended already.
fn count(exchange: &Exchange, body: Body) -> (Body, Option<Sending>) {
    if body.is_end_stream() {
        return (Body::empty(), None);
    }
    let recorder = &exchange.recorder;
    let (upload, news) = Upload::new(body, recorder.progress(), recorder.is_grpc());
    let sending = Sending {
        ended: news,
        progress: recorder.progress(),
    };
    (Body::boxed(upload), Some(sending))
}

fn request(exchange: &mut Exchange, uri: Uri, body: Body) -> Request<Body> {
    let mut request = Request::new(body);
    *request.method_mut() = exchange.parts.method.clone();
    *request.version_mut() = exchange.parts.version;
    *request.uri_mut() = uri;
    *request.headers_mut() = std::mem::take(&mut exchange.parts.headers);
    switch::ask(exchange, &mut request);
    request
}

fn timed(response: Response<Body>, timer: Timer) -> Response<Body> {
    response.map(|body| {
        if body.is_end_stream() {
            body
        } else {
            Body::boxed(Timed::new(body, timer))
        }
    })
}
