//! Phase 5, external authorization: a server that the mesh configuration names decides about what policies with the action
//! CUSTOM match, before anything else looks at the request.
//!
//! Nobody but the request itself waits for the server, and no longer than its provider allows.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cairn_authz::Custom;
use cairn_ext_authz::{ANSWER_LIMIT, Allowed, Asked, BodyLimit, CheckError, HeldBody, Peer, Verdict};
use cairn_http::body::{Body, peek};
use cairn_http::headers::X_REQUEST_ID;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Request, Response, Version};
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::plan::{External, Plans};
use crate::proxy::Proxy;
use crate::sought::{self, Sought};
use crate::{attempt, head};

/// How long a client may take to send what a server wants to see of a body.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// Has the servers decide that policies name for this request and that have not decided yet. Gives its body; what has been read
/// of it is in it again.
pub(crate) async fn check(exchange: &mut Exchange, mut body: Body) -> Result<Body, Failure> {
    // What a server has changed may be what another has to decide about.
    while let Some(custom) = next(exchange) {
        let plans = Arc::clone(&exchange.plans);
        let Some(external) = plans.externals.get(&*custom.provider) else {
            return Err(Failure::Denied(custom.details));
        };
        exchange.asked.push(custom.provider);
        body = ask(exchange, external, body).await?;
    }
    Ok(body)
}

fn next(exchange: &Exchange) -> Option<Custom> {
    let mut sets = exchange.scope.policies(exchange.access());
    sets.find_map(|(set, access)| {
        set.customs(&access)
            .find(|custom| !exchange.asked.contains(&custom.provider))
    })
}

async fn ask(exchange: &mut Exchange, external: &External, body: Body) -> Result<Body, Failure> {
    let provider = &external.provider;
    let held = provider
        .body()
        .filter(|_| exchange.switch.is_none() && !body.is_end_stream());
    let (held, body) = match held {
        None => (None, body),
        Some(limit) => {
            let (first, complete, body) = hold(body, limit).await?;
            (Some((first, complete)), body)
        }
    };
    let held = held.as_ref().map(|(bytes, complete)| HeldBody {
        bytes,
        complete: *complete,
    });
    let decided = match request(exchange, external, held) {
        Err(error) => Verdict::Error(error),
        Ok(request) => {
            let (proxy, plans) = (Arc::clone(&exchange.proxy), Arc::clone(&exchange.plans));
            let sent = send(&proxy, &plans, external, request);
            let answered = tokio::time::timeout(provider.timeout(), sent).await;
            match answered.unwrap_or(Err(CheckError::Timeout)) {
                Ok((answer, trailers)) => provider.verdict(answer, trailers.as_ref()),
                Err(error) => Verdict::Error(error),
            }
        }
    };
    match decided {
        Verdict::Allowed(allowed) => apply(exchange, *allowed)?,
        Verdict::Denied(refusal) => return Err(Failure::ExternallyRefused(refusal)),
        Verdict::Error(error) => {
            tracing::warn!(provider = provider.name(), "no decision about a request: {error}");
            provider.settle(error).map_err(Failure::ExternallyRefused)?;
        }
    }
    Ok(body)
}

/// What a server is to see of a body, and the whole body.
async fn hold(body: Body, limit: BodyLimit) -> Result<(Bytes, bool, Body), Failure> {
    let peeked = tokio::time::timeout(PATIENCE, peek(body, limit.bytes));
    let peeked = peeked
        .await
        .map_err(|_| Failure::StreamIdle)?
        .map_err(|_| Failure::DownstreamBody)?;
    if !peeked.complete && !limit.partial {
        return Err(Failure::RequestTooLarge);
    }
    Ok((peeked.first, peeked.complete, peeked.body))
}

/// The question about a request.
fn request(
    exchange: &Exchange,
    external: &External,
    body: Option<HeldBody<'_>>,
) -> Result<Request<Body>, CheckError> {
    let root = PathAndQuery::from_static("/");
    let headers = &exchange.parts.headers;
    let id = headers.get(X_REQUEST_ID).and_then(|id| id.to_str().ok());
    let downstream = &exchange.downstream;
    let asked = Asked {
        method: &exchange.parts.method,
        target: exchange.parts.uri.path_and_query().unwrap_or(&root),
        authority: exchange.authority.as_str(),
        scheme: "http",
        version: exchange.parts.version,
        headers,
        body,
        received: None,
        id: id.unwrap_or_default(),
        time: SystemTime::now(),
        source: Peer {
            address: Some(downstream.remote),
            principal: Some(downstream.peer.as_str()),
            service: None,
        },
        destination: Peer {
            address: Some(downstream.local),
            principal: exchange
                .plans
                .waypoint
                .as_ref()
                .map(|waypoint| waypoint.identity.as_str()),
            service: None,
        },
        sni: None,
    };
    let mut request = external.provider.check(&asked)?.map(Body::full);
    if external.provider.is_grpc() {
        *request.version_mut() = Version::HTTP_2;
    }
    if !external.fields.is_empty() {
        let flags = exchange.recorder.flags();
        let facts = exchange.facts("", &flags);
        external
            .fields
            .apply_to_response(request.headers_mut(), headers, &facts);
    }
    Ok(request)
}

/// Sends a question to the server's service, as the waypoint; gives the answer with its trailers.
async fn send(
    proxy: &Proxy,
    plans: &Plans,
    external: &External,
    request: Request<Body>,
) -> Result<(Response<Bytes>, Option<HeaderMap>), CheckError> {
    let connect = |reason: String| CheckError::Connect(reason);
    let own = proxy.dialer.source.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    let sought = Sought {
        mesh: &plans.mesh,
        source: SocketAddr::new(own, 0),
        destination: external.address,
        host: None,
    };
    let host = sought::host(request.headers()).map(str::to_owned);
    let sought = Sought {
        host: host.as_deref(),
        ..sought
    };
    let chosen = external.cluster.choose(sought, None, &[]).await;
    let endpoint = chosen.map_err(|_| connect("no healthy endpoint".to_owned()))?;
    let lanes = endpoint.data.connections.lanes(&sought);
    let pool = if external.provider.is_grpc() {
        &lanes.http2
    } else {
        attempt::pool_of(&lanes, &external.cluster, &request)
    };
    let mut local = None;
    let response = pool
        .send_from(request, &mut local)
        .await
        .map_err(|error| connect(error.failure.to_string()))?;
    let (head, body) = response.into_parts();
    let collected = Limited::new(body, ANSWER_LIMIT)
        .collect()
        .await
        .map_err(|error| {
            if error.is::<LengthLimitError>() {
                CheckError::TooLarge
            } else {
                connect(error.to_string())
            }
        })?;
    let trailers = collected.trailers().cloned();
    Ok((Response::from_parts(head, collected.to_bytes()), trailers))
}

/// Makes of the request what the server wants of it, in its one form again.
fn apply(exchange: &mut Exchange, allowed: Allowed) -> Result<(), Failure> {
    if !allowed.leaves_request() {
        let before = exchange.parts.headers.get(HOST).cloned();
        allowed
            .apply(&mut exchange.parts)
            .map_err(Failure::ExternallyRefused)?;
        let host = exchange.parts.headers.get(HOST);
        if let Some(host) = host.filter(|host| before.as_ref() != Some(host)) {
            let authority = Authority::try_from(host.as_bytes()).map_err(|_| Failure::MissingHost)?;
            exchange.authority = authority;
        }
        head::changed(exchange)?;
    }
    exchange.allowed.push(allowed);
    Ok(())
}
