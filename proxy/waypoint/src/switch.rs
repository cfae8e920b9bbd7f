//! Connections that stop being HTTP: WebSocket and other upgrades.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cairn_http::body::{Body, End, Outcome};
use cairn_http::upgrade::{Counters, OnUpgrade, Timeouts, Wanted, bridge};
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Method, Request, Response, StatusCode};

use crate::downstream::{Asked, Held};
use crate::exchange::Exchange;
use crate::failure::Flags;
use crate::{authorize, failure};

/// How long an upgraded connection may be silent.
const TIMEOUTS: Timeouts = Timeouts {
    idle: Some(Duration::from_secs(3600)),
    half_closed: Some(Duration::from_secs(300)),
};

const NAMES_UPGRADE: HeaderValue = HeaderValue::from_static("upgrade");

/// Both ends of a connection that is switching.
pub(crate) struct Streams {
    client: OnUpgrade,
    endpoint: OnUpgrade,
    protocol: Option<HeaderValue>,
    request: Asked,
}

/// Asks the endpoint for the switch that the client asks for.
pub(crate) fn ask(exchange: &Exchange, request: &mut Request<Body>) {
    match exchange.switch.as_ref().map(|switch| &switch.wanted) {
        Some(Wanted::Upgrade(protocol)) => {
            request.headers_mut().insert(UPGRADE, protocol.clone());
            request.headers_mut().insert(CONNECTION, NAMES_UPGRADE);
        }
        Some(Wanted::Extended(protocol)) => {
            *request.method_mut() = Method::CONNECT;
            request.extensions_mut().insert(protocol.clone());
        }
        Some(Wanted::Connect) | None => {}
    }
}

/// The streams, when the endpoint agrees to the switch.
pub(crate) fn accepted(exchange: &mut Exchange, response: &mut Response<Body>) -> Option<Streams> {
    let switch = exchange.switch.take()?;
    let agreed = match switch.wanted {
        Wanted::Upgrade(_) => response.status() == StatusCode::SWITCHING_PROTOCOLS,
        Wanted::Extended(_) | Wanted::Connect => response.status().is_success(),
    };
    let request = switch.request?;
    let endpoint = OnUpgrade::take(response.extensions_mut()).filter(|_| agreed)?;
    Some(Streams {
        client: switch.stream,
        endpoint,
        protocol: response.headers().get(UPGRADE).cloned(),
        request,
    })
}

/// Copies between the streams once the response has been written, in a task of its own that records the request at its
/// end. It ends early when a policy comes to forbid the request.
pub(crate) fn spawn(exchange: &mut Exchange, streams: Streams, response: &mut Response<Body>) {
    if let Some(protocol) = streams.protocol {
        response.headers_mut().insert(UPGRADE, protocol);
        response.headers_mut().insert(CONNECTION, NAMES_UPGRADE);
    }
    let recorder = exchange.recorder.take();
    let proxy = Arc::clone(&exchange.proxy);
    let downstream = Arc::clone(&exchange.downstream);
    let seen = exchange.plans.version;
    tokio::spawn(async move {
        let counters = Counters::default();
        let carried = async {
            let (Ok(client), Ok(endpoint)) = tokio::join!(streams.client.stream(), streams.endpoint.stream())
            else {
                return None;
            };
            Some(bridge(client, endpoint, TIMEOUTS, &counters).await)
        };
        // Flags and details of whatever is not the orderly end.
        let cut = tokio::select! {
            carried = carried => match carried {
                Some(bridged) => bridged.error.map(|error| failure::broken(&error)),
                None => Some((Flags::default(), "upgrade_not_completed".into())),
            },
            () = downstream.drain.forced() => Some((Flags::default(), "drained".into())),
            failure = authorize::revoked(&proxy, &downstream, Held::Request(&streams.request), seen) => {
                let reply = failure.reply();
                Some((reply.flags, reply.details))
            }
        };
        recorder.carried(counters.sent.load(Ordering::Relaxed));
        let bytes = counters.received.load(Ordering::Relaxed);
        match cut {
            Some((flags, details)) => recorder.cut(flags, details, bytes),
            None => recorder.close(&End {
                bytes,
                messages: 0,
                outcome: Outcome::Complete,
                trailers: None,
            }),
        }
    });
}
