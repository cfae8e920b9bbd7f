//! Connections that stop being HTTP: WebSocket and other upgrades.

use std::time::Duration;

use cairn_http::body::{Body, End, Outcome};
use cairn_http::upgrade::{OnUpgrade, Wanted, bridge};
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Method, Request, Response, StatusCode};

use crate::exchange::Exchange;

/// How long an upgraded connection may be silent.
const IDLE: Duration = Duration::from_secs(3600);

const NAMES_UPGRADE: HeaderValue = HeaderValue::from_static("upgrade");

/// Both ends of a connection that is switching.
pub(crate) struct Streams {
    client: OnUpgrade,
    endpoint: OnUpgrade,
    protocol: Option<HeaderValue>,
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
    let endpoint = OnUpgrade::take(response.extensions_mut()).filter(|_| agreed)?;
    Some(Streams {
        client: switch.stream,
        endpoint,
        protocol: response.headers().get(UPGRADE).cloned(),
    })
}

/// Copies between the streams once the response has been written, in a task of its own that records the request at its
/// end.
pub(crate) fn spawn(exchange: &mut Exchange, streams: Streams, response: &mut Response<Body>) {
    if let Some(protocol) = streams.protocol {
        response.headers_mut().insert(UPGRADE, protocol);
        response.headers_mut().insert(CONNECTION, NAMES_UPGRADE);
    }
    let recorder = exchange.recorder.take();
    let drain = exchange.downstream.drain.clone();
    tokio::spawn(async move {
        let (Ok(client), Ok(endpoint)) = tokio::join!(streams.client.stream(), streams.endpoint.stream())
        else {
            return;
        };
        tokio::select! {
            carried = bridge(client, endpoint, IDLE) => {
                recorder.carried(carried.sent);
                recorder.close(&End {
                    bytes: carried.received,
                    messages: 0,
                    outcome: Outcome::Complete,
                    trailers: None,
                });
            }
            () = drain.forced() => {}
        }
    });
}
