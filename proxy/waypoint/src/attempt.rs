//! Phase 7, attempt: an endpoint, a connection, a response; and another endpoint where that is safe.
//!
//! As Istio's default retry policy has it, a request that certainly reached nobody is sent again, twice at most:
//! connections that could not be made, and streams that were refused. Endpoints that failed are avoided.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cairn_http::body::Body;
use cairn_http::grpc;
use cairn_http::pool::{self, SendError};
use cairn_mesh::AppProtocol;
use http::{Method, Request, Response, Version};
use tokio::time::{Instant, sleep};

use crate::access_log::UpstreamLocal;
use crate::exchange::Exchange;
use crate::failure::{Failure, UpstreamFault};
use crate::filtering::Stopped;
use crate::plan::Cluster;
use crate::upload;
use crate::upstream::{Dial, DialError, Upstream};

/// Attempts after the first.
const RETRIES: u32 = 2;
/// Envoy's base interval between attempts; it doubles, is jittered, and never exceeds ten times itself.
const BACKOFF: Duration = Duration::from_millis(25);

/// Sends a request to an endpoint of `cluster`; gives the head of its response and how long that took.
pub(crate) async fn send(
    exchange: &mut Exchange,
    cluster: &Arc<Cluster>,
    mut request: Request<Body>,
) -> Result<(Response<Body>, Duration), Failure> {
    let mut failed: Vec<SocketAddr> = Vec::new();
    let mut retries = 0;
    loop {
        let fresh = |upstream: &Upstream| !failed.contains(&upstream.address);
        let chosen = cluster
            .pick(fresh)
            .or_else(|| cluster.pick(|_| true))
            .ok_or(Failure::NoHealthyUpstream)?;
        let pool = pool_of(&chosen.data, cluster.protocol, &request);
        exchange.recorder.attempted(&chosen.data);
        let began = Instant::now();
        let mut local = None;
        let sent = pool.send_from(request, &mut local).await;
        if let Some(local) = local {
            exchange.recorder.connected(UpstreamLocal::Address(local));
        }
        let error = match sent {
            Ok(response) => {
                if chosen.data.connections.are_tunnels() {
                    exchange.recorder.connected(UpstreamLocal::Tunnel);
                }
                exchange.recorder.hold(chosen);
                return Ok((response, began.elapsed()));
            }
            Err(error) => error,
        };
        let (failure, unsent) = classify(error, retries);
        if let Failure::Upstream {
            fault: UpstreamFault::Connect(reason),
            ..
        } = &failure
        {
            exchange.recorder.upstream_failed(reason.clone());
        }
        match unsent {
            Some(again) if retries < RETRIES => request = *again,
            _ => return Err(failure),
        }
        failed.push(chosen.data.address);
        drop(chosen);
        sleep(backoff(retries)).await;
        retries += 1;
    }
}

/// HTTP/2 when the port says so, when it says nothing and the client speaks it, and for gRPC, which is nothing else; a port
/// that is declared as HTTP is HTTP/1.1, as in Istio. A WebSocket of an HTTP/2 client goes over HTTP/1.1 all the same,
/// for hardly any server takes it otherwise; the pool translates.
pub(crate) fn pool_of<'a>(
    upstream: &'a Upstream,
    protocol: AppProtocol,
    request: &Request<Body>,
) -> &'a pool::Upstream<Dial> {
    let spoken = request.version() == Version::HTTP_2 && request.method() != Method::CONNECT;
    let http2 = match protocol {
        AppProtocol::Http2 | AppProtocol::Grpc => true,
        AppProtocol::Http => spoken && grpc::is_grpc(request.headers()),
        _ => spoken,
    };
    if http2 {
        &upstream.connections.http2
    } else {
        &upstream.connections.http1
    }
}

/// What a failed attempt means for the client, and the request when it certainly reached nobody.
fn classify(error: SendError<DialError>, retries: u32) -> (Failure, Option<Box<Request<Body>>>) {
    let fault = match error.failure {
        pool::Failure::Connect(error) => UpstreamFault::Connect(error.to_string()),
        pool::Failure::ConnectTimeout => UpstreamFault::ConnectTimeout,
        pool::Failure::Refused(_) => UpstreamFault::Refused,
        pool::Failure::Protocol(_) => UpstreamFault::Protocol,
        pool::Failure::RequestBody(cause) => {
            let failure = match stopped(&*cause) {
                Some(stopped) => Failure::from(stopped),
                None if upload::is_stalled(&*cause) => Failure::StreamIdle,
                None => Failure::DownstreamBody,
            };
            return (failure, None);
        }
        pool::Failure::Unsendable(_) => return (Failure::BadTarget, None),
        pool::Failure::Unsupported(_) => {
            // What one endpoint of a destination does not speak is hardly spoken by the next.
            let fault = UpstreamFault::Unsupported;
            return (Failure::Upstream { fault, retries }, None);
        }
        pool::Failure::Closed => return (Failure::NoHealthyUpstream, error.request),
        _ => UpstreamFault::Terminated,
    };
    (Failure::Upstream { fault, retries }, error.request)
}

/// What a filter has done to the body.
fn stopped<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a Stopped> {
    cause
        .downcast_ref()
        .or_else(|| cause.source().and_then(|source| stopped(source)))
}

/// Fully jittered, as Envoy's `JitteredExponentialBackOffStrategy`.
fn backoff(retries: u32) -> Duration {
    let ceiling = BACKOFF.saturating_mul(1 << retries.min(4)).min(BACKOFF * 10);
    ceiling.mul_f64(rand::random())
}

#[cfg(test)]
mod tests;
