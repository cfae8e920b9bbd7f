//! WebSocket to an upstream of the other version of HTTP (RFC 8441): `Upgrade` becomes extended CONNECT and back, so that
//! whoever sends the request gets the answer of the version that it was written in.

use http::header::{CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{Extensions, HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::ext::Protocol;

use super::Cause;
use crate::body::Body;
use crate::upgrade::{requested, websocket};

const WEBSOCKET: &str = "websocket";

/// An `Upgrade` that is on its way as an extended CONNECT.
pub(super) struct Upgrade {
    key: Option<HeaderValue>,
}

impl Upgrade {
    /// Turns a request for WebSocket by `Upgrade` into an extended CONNECT; leaves every other request alone.
    pub(super) fn translate<B>(request: &mut Request<B>) -> Option<Self> {
        let wanted = requested(request)?;
        // RFC 6455 section 4.1: the handshake is a GET. Anything else would lose its body as a CONNECT.
        if *request.method() != Method::GET || !wanted.is_websocket() {
            return None;
        }
        *request.method_mut() = Method::CONNECT;
        request.extensions_mut().insert(Protocol::from_static(WEBSOCKET));
        let key = request.headers_mut().remove(websocket::KEY);
        Some(Self { key })
    }

    /// The answer as one to `Upgrade`: 101 with the accepted key.
    pub(super) fn answer(self, response: &mut Response<Body>) {
        if !response.status().is_success() {
            return;
        }
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.remove(CONTENT_LENGTH);
        ask(headers);
        if let Some(key) = &self.key {
            headers.insert(websocket::ACCEPT, websocket::accept(key));
        }
    }

    /// Makes a request that was not sent what it was.
    pub(super) fn undo<B>(self, request: &mut Request<B>) {
        *request.method_mut() = Method::GET;
        take_protocol(request.extensions_mut());
        ask(request.headers_mut());
        if let Some(key) = self.key {
            request.headers_mut().insert(websocket::KEY, key);
        }
    }
}

/// An extended CONNECT that is on its way as an `Upgrade`.
pub(super) struct Extended {
    key: HeaderValue,
}

impl Extended {
    /// Turns an extended CONNECT for WebSocket into an `Upgrade`; leaves every other request alone.
    pub(super) fn translate<B>(request: &mut Request<B>) -> Option<Self> {
        if *request.method() != Method::CONNECT || !is_websocket(request.extensions()) {
            return None;
        }
        take_protocol(request.extensions_mut());
        *request.method_mut() = Method::GET;
        let key = websocket::key();
        let headers = request.headers_mut();
        ask(headers);
        headers.insert(websocket::KEY, key.clone());
        headers
            .entry(SEC_WEBSOCKET_VERSION)
            .or_insert(HeaderValue::from_static("13"));
        Some(Self { key })
    }

    /// The answer as one to CONNECT: 200.
    ///
    /// # Errors
    ///
    /// When the upstream accepts the request without switching, or answers another key than the one it was asked with.
    pub(super) fn answer(self, response: &mut Response<Body>) -> Result<(), Cause> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            if response.headers().get(websocket::ACCEPT) != Some(&websocket::accept(&self.key)) {
                return Err("the upstream has not understood the WebSocket handshake".into());
            }
            *response.status_mut() = StatusCode::OK;
            for name in [CONNECTION, UPGRADE, websocket::ACCEPT] {
                response.headers_mut().remove(name);
            }
            return Ok(());
        }
        if response.status().is_success() {
            return Err("the upstream has answered a request for WebSocket without switching".into());
        }
        Ok(())
    }

    /// Makes a request that was not sent what it was.
    pub(super) fn undo<B>(self, request: &mut Request<B>) {
        *request.method_mut() = Method::CONNECT;
        request.extensions_mut().insert(Protocol::from_static(WEBSOCKET));
        for name in [CONNECTION, UPGRADE, websocket::KEY] {
            request.headers_mut().remove(name);
        }
    }
}

fn ask(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(WEBSOCKET));
}

fn is_websocket(extensions: &Extensions) -> bool {
    let hyper = extensions.get::<Protocol>().map(Protocol::as_str);
    let h2 = extensions
        .get::<h2::ext::Protocol>()
        .map(h2::ext::Protocol::as_str);
    hyper
        .or(h2)
        .is_some_and(|protocol| protocol.eq_ignore_ascii_case(WEBSOCKET))
}

fn take_protocol(extensions: &mut Extensions) {
    extensions.remove::<Protocol>();
    extensions.remove::<h2::ext::Protocol>();
}
