//! Phase 7, attempt: an endpoint, a connection, a response; and another endpoint as the route's retry policy has it.
//!
//! Endpoints that failed are avoided. A request of which an endpoint may have seen something is sent again only where the
//! policy says so, and only while its body is still known from its first byte.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cairn_balance::{Endpoint, Picked};
use cairn_http::body::{Body, Replay};
use cairn_http::grpc;
use cairn_http::interim::Interim;
use cairn_http::pool::{self, SendError};
use cairn_mesh::AppProtocol;
use cairn_route::{EndpointMark, Lost, Retry};
use http::{HeaderMap, Method, Request, Response, Uri, Version, request};
use http_body::Body as _;
use tokio::time::{Instant, sleep};

use crate::access_log::UpstreamLocal;
use crate::breaker::{Overflow, Retrying, UnderWay};
use crate::cluster::{self, Cluster, Speaks};
use crate::deadline::{self, Sending};
use crate::exchange::Exchange;
use crate::failure::{Failure, Flags, UpstreamFault};
use crate::filtering::Stopped;
use crate::load;
use crate::sought::{self, Sought};
use crate::timeouts::Timeouts;
use crate::upload;
use crate::upstream::{Dial, DialError, Lanes, Upstream};

/// Bytes of a body that are kept for another attempt, as many as Envoy buffers; a longer one is sent once.
const KEPT: usize = 1 << 20;
/// The same where there is another attempt only if nobody has looked at the first: that is known before much has been sent.
const KEPT_UNSEEN: usize = 64 << 10;

/// An attempt without a response.
struct Missed {
    failure: Failure,
    /// None: it is not for another attempt to mend.
    lost: Option<Lost>,
    /// The request, when nothing of it has reached anybody.
    unsent: Option<Box<Request<Body>>>,
}

/// How a request is to be tried.
pub(crate) struct Trial<'a> {
    pub(crate) retry: &'a Retry,
    /// How long the request and each attempt to its response may take.
    pub(crate) timeouts: Timeouts,
    /// The news of the request's body, unless it has ended.
    pub(crate) sending: Option<Sending>,
    /// What leads to an endpoint again.
    pub(crate) hash: Option<u64>,
    /// The endpoint of the request's session, which is tried first.
    pub(crate) pinned: Option<Arc<Endpoint<Upstream>>>,
    /// Whether who answers has to be named in a session.
    pub(crate) in_session: bool,
}

/// What came of a request.
pub(crate) struct Answered {
    pub(crate) response: Response<Body>,
    /// How long its head took.
    pub(crate) took: Duration,
    /// The endpoint that answered, for its session.
    pub(crate) by: Option<EndpointMark>,
}

/// Sends a request to an endpoint of `cluster`.
pub(crate) async fn send(
    exchange: &mut Exchange,
    cluster: &Arc<Cluster>,
    trial: Trial<'_>,
    request: Request<Body>,
) -> Result<Answered, Failure> {
    let Trial {
        retry,
        timeouts,
        sending,
        hash,
        mut pinned,
        in_session,
    } = trial;
    let plans = Arc::clone(&exchange.plans);
    let downstream = Arc::clone(&exchange.downstream);
    let (mut request, kept) = keep(exchange, retry, request);
    let mut failed: Vec<SocketAddr> = Vec::new();
    // Those whose localities are left alone.
    let mut left: Vec<SocketAddr> = Vec::new();
    let mut retries = 0;
    let mut retrying = None;
    let first = Instant::now();
    loop {
        // Of the time for a request that has not ended yet nothing has passed.
        let elapsed = if retries > 0 && sending.is_none() {
            first.elapsed()
        } else {
            Duration::ZERO
        };
        timeouts.tell(request.headers_mut(), elapsed);
        let sought = Sought {
            mesh: &plans.mesh,
            source: downstream.remote,
            destination: downstream.local,
            host: sought::host(request.headers()),
        };
        let avoided = if retry.previous_hosts {
            &[]
        } else {
            failed.as_slice()
        };
        let pinned = pinned.take().filter(|_| failed.is_empty());
        let elsewhere = (!left.is_empty()).then(|| cluster.choose_elsewhere(hash, &left, avoided));
        let chosen = match pinned.map(Picked::new).or(elsewhere.flatten()) {
            Some(chosen) => chosen,
            None => cluster.choose(sought, hash, avoided).await?,
        };
        let lanes = chosen.data.connections.lanes(&sought);
        let pool = pool_of(&lanes, cluster, &request);
        exchange.recorder.attempted(&chosen.data);
        let admitted = match &cluster.breaker {
            None => None,
            Some(breaker) => {
                let admitted = breaker.admit(is_exclusive(pool)).await;
                Some(admitted.map_err(|Overflow| Failure::Overflow)?)
            }
        };
        let mut under_way = UnderWay::new(admitted, retrying.take());
        if cluster.learns() {
            exchange.tried = Some(Arc::clone(chosen.endpoint()));
        }
        let began = Instant::now();
        let sent = once(exchange, &chosen.data, pool, request, retries);
        let sent = within(timeouts.attempt, &sending, retries, sent).await;
        if exchange.tried.take().is_some() {
            let outcome = match &sent {
                Ok(response) => Some(cluster::outcome(response.status(), response.headers())),
                Err(missed) if missed.lost == Some(Lost::Connect) && missed.is_termination() => None,
                Err(missed) => cluster::outcome_of_failure(&missed.failure),
            };
            if let Some(outcome) = outcome {
                cluster.observe(&chosen, outcome);
            }
        }
        let heard = match (&cluster.utilization, &sent) {
            (Some(utilization), Ok(response)) => load::note(&chosen, utilization, response.headers()),
            _ => false,
        };
        let worth = match &sent {
            _ if retry.attempts == 0 => false,
            Ok(response) => retry.instead_of(response.status(), response.headers()),
            Err(missed) => missed.lost.is_some_and(|lost| retry.after(lost)),
        };
        let (outcome, unsent) = match sent {
            Ok(response) => (Ok(response), None),
            Err(missed) => (Err(missed.failure), missed.unsent),
        };
        let again = if worth && retries < retry.attempts {
            // Its place among the retries is another's now, or its own again.
            under_way.tried();
            permitted(exchange, cluster, || {
                unsent.map(|unsent| *unsent).or_else(|| kept.as_ref()?.again())
            })
        } else {
            None
        };
        match (again, outcome) {
            (Some((again, permit)), _) => (request, retrying) = (again, permit),
            (None, Ok(response)) => {
                if worth && retry.attempts > 0 && retries == retry.attempts {
                    exchange.recorder.flag(Flags::RETRIES_EXCEEDED);
                }
                let by = in_session.then(|| cluster.mark(&chosen.data));
                let awaited = cluster.utilization.clone().filter(|_| !heard);
                exchange.recorder.hold(chosen, under_way, awaited);
                return Ok(Answered {
                    response,
                    took: began.elapsed(),
                    by,
                });
            }
            (None, Err(failure)) => return Err(failure),
        }
        failed.push(chosen.data.address);
        if retry.leaves_localities(retries + 1) {
            left.clone_from(&failed);
        }
        drop((chosen, under_way));
        sleep(retry.pause(retries, rand::random())).await;
        retries += 1;
    }
}

/// One attempt.
async fn once(
    exchange: &mut Exchange,
    upstream: &Upstream,
    pool: &pool::Upstream<Dial>,
    request: Request<Body>,
    retries: u32,
) -> Result<Response<Body>, Missed> {
    let mut local = None;
    let sent = pool.send_from(request, &mut local).await;
    if let Some(local) = local {
        exchange.recorder.connected(UpstreamLocal::Address(local));
    } else if sent.is_ok() && upstream.connections.are_tunnels() {
        exchange.recorder.connected(UpstreamLocal::Tunnel);
    }
    let missed = match sent {
        Ok(response) => return Ok(response),
        Err(error) => missed(error, retries),
    };
    if let Failure::Upstream {
        fault: UpstreamFault::Connect(reason),
        ..
    } = &missed.failure
    {
        exchange.recorder.upstream_failed(reason.clone());
    }
    Err(missed)
}

/// An attempt, for as long as one may take.
async fn within(
    timeout: Option<Duration>,
    sending: &Option<Sending>,
    retries: u32,
    attempt: impl Future<Output = Result<Response<Body>, Missed>>,
) -> Result<Response<Body>, Missed> {
    let Some(timeout) = timeout else {
        return attempt.await;
    };
    tokio::select! {
        biased;
        sent = attempt => sent,
        () = deadline::up(timeout, sending.clone()) => Err(Missed {
            failure: Failure::PerTryTimeout { retries },
            lost: Some(Lost::Reset { unsent: false }),
            unsent: None,
        }),
    }
}

/// The request to send again, if the destination lets one more retry in. It is asked for last: with that, an upload that is
/// under way has come to its end.
fn permitted(
    exchange: &mut Exchange,
    cluster: &Cluster,
    again: impl FnOnce() -> Option<Request<Body>>,
) -> Option<(Request<Body>, Option<Retrying>)> {
    let Some(breaker) = &cluster.breaker else {
        return again().map(|again| (again, None));
    };
    match breaker.retry() {
        Ok(retrying) => again().map(|again| (again, Some(retrying))),
        Err(Overflow) => {
            exchange.recorder.flag(Flags::UPSTREAM_OVERFLOW);
            None
        }
    }
}

/// A request that may be sent again.
struct Kept {
    method: Method,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
    /// All that the request has besides.
    interim: Option<Interim>,
    body: Replay,
}

impl Kept {
    fn new(head: &request::Parts, body: Replay) -> Kept {
        Kept {
            method: head.method.clone(),
            uri: head.uri.clone(),
            version: head.version,
            headers: head.headers.clone(),
            interim: head.extensions.get().cloned(),
            body,
        }
    }

    /// The request once more; none when its body is not known from its beginning any more.
    fn again(&self) -> Option<Request<Body>> {
        let mut request = Request::new(self.body.attempt()?);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = self.version;
        *request.headers_mut() = self.headers.clone();
        if let Some(interim) = &self.interim {
            request.extensions_mut().insert(interim.clone());
        }
        Some(request)
    }
}

/// Keeps a request that may have to be sent again after something of it was sent.
fn keep(exchange: &Exchange, retry: &Retry, request: Request<Body>) -> (Request<Body>, Option<Kept>) {
    // What is to become something else than HTTP is asked for once.
    if exchange.switch.is_some() {
        return (request, None);
    }
    let limit = if retry.keeps_body(exchange.recorder.is_grpc()) {
        KEPT
    } else if keeps_unseen(retry, &request) {
        KEPT_UNSEEN
    } else {
        return (request, None);
    };
    let (head, body) = request.into_parts();
    let kept = Kept::new(&head, Replay::new(body, limit));
    let first = kept.body.attempt().unwrap_or_else(Body::empty);
    (Request::from_parts(head, first), Some(kept))
}

/// Whether a request is sent again that was lost on its way to a connection that had been closed, or refused unread. The pool
/// sees to those itself that may be sent twice.
fn keeps_unseen(retry: &Retry, request: &Request<Body>) -> bool {
    let twice = request.method().is_idempotent() && request.body().is_end_stream();
    retry.attempts > 0 && !twice && (retry.after(Lost::Connect) || retry.after(Lost::Refused))
}

/// HTTP/2 when the port says so, when it says nothing and the client speaks it, and for gRPC, which is nothing else; a port
/// that is declared as HTTP is HTTP/1.1, as in Istio. A WebSocket of an HTTP/2 client goes over HTTP/1.1 all the same,
/// for hardly any server takes it otherwise; the pool translates.
pub(crate) fn pool_of<'a>(
    lanes: &'a Lanes,
    cluster: &Cluster,
    request: &Request<Body>,
) -> &'a pool::Upstream<Dial> {
    let spoken = request.version() == Version::HTTP_2 && request.method() != Method::CONNECT;
    let http2 = match (cluster.protocol, cluster.speaks) {
        (AppProtocol::Http2 | AppProtocol::Grpc, _) | (_, Some(Speaks::Http2)) => true,
        (_, Some(Speaks::AsClient)) => spoken,
        (AppProtocol::Http, None) => spoken && grpc::is_grpc(request.headers()),
        _ => spoken,
    };
    if http2 { &lanes.http2 } else { &lanes.http1 }
}

/// Whether a request has a connection for itself.
pub(crate) fn is_exclusive(pool: &pool::Upstream<Dial>) -> bool {
    pool.version() == pool::Version::Http1
}

/// What a failed attempt means for the client, and for another attempt.
fn missed(error: SendError<DialError>, retries: u32) -> Missed {
    let unsent = error.request;
    let reset = Lost::Reset {
        unsent: unsent.is_some(),
    };
    let (fault, lost) = match error.failure {
        pool::Failure::Connect(error) => (UpstreamFault::Connect(error.to_string()), Lost::Connect),
        pool::Failure::ConnectTimeout => (UpstreamFault::ConnectTimeout, Lost::Connect),
        pool::Failure::Refused(_) => (UpstreamFault::Refused, Lost::Refused),
        // Of a connection that had rested. One that is closed as soon as it is made is the endpoint's fault.
        pool::Failure::Unseen(_) if error.reused => (UpstreamFault::Terminated, Lost::Connect),
        pool::Failure::Unseen(_) => (UpstreamFault::Terminated, Lost::Reset { unsent: true }),
        pool::Failure::Protocol(_) => (UpstreamFault::Protocol, reset),
        pool::Failure::RequestBody(cause) => {
            let failure = match stopped(&*cause) {
                Some(stopped) => Failure::from(stopped),
                None if upload::is_stalled(&*cause) => Failure::StreamIdle,
                None => Failure::DownstreamBody,
            };
            return Missed::for_good(failure);
        }
        pool::Failure::Unsendable(_) => return Missed::for_good(Failure::BadTarget),
        pool::Failure::Unsupported(_) => {
            // What one endpoint of a destination does not speak is hardly spoken by the next.
            let fault = UpstreamFault::Unsupported;
            return Missed::for_good(Failure::Upstream { fault, retries });
        }
        pool::Failure::Closed => {
            return Missed {
                failure: Failure::NoHealthyUpstream,
                lost: Some(Lost::Connect),
                unsent,
            };
        }
        _ => (UpstreamFault::Terminated, reset),
    };
    // A connection that was idle and is found dead has seen nothing: that is no connection, as far as the client goes.
    let lost = if unsent.is_some() && error.reused {
        Lost::Connect
    } else {
        lost
    };
    Missed {
        failure: Failure::Upstream { fault, retries },
        lost: Some(lost),
        unsent,
    }
}

impl Missed {
    /// Whether a connection was there and ended: of one that had rested, nothing is known against the endpoint.
    fn is_termination(&self) -> bool {
        let fault = UpstreamFault::Terminated;
        matches!(&self.failure, Failure::Upstream { fault: found, .. } if *found == fault)
    }

    fn for_good(failure: Failure) -> Missed {
        Missed {
            failure,
            lost: None,
            unsent: None,
        }
    }
}

/// What a filter has done to the body.
fn stopped<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a Stopped> {
    cause
        .downcast_ref()
        .or_else(|| cause.source().and_then(|source| stopped(source)))
}

#[cfg(test)]
mod tests;
