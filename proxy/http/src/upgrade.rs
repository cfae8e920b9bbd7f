//! Connections that stop being HTTP: WebSocket and whatever else a peer agrees to switch to.
//!
//! On HTTP/1 a switch is `Upgrade` answered with 101, on HTTP/2 it is an extended CONNECT answered with 2xx (RFC 8441);
//! after it both are byte streams. [`requested`] tells whether a request asks for one, [`OnUpgrade`] gives the stream of
//! either side once the response has passed, and [`bridge`] copies between the two.

mod bridge;
mod tunnel;
pub(crate) mod websocket;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http::header::{CONNECTION, UPGRADE};
use http::{Extensions, HeaderMap, HeaderValue, Method, Request};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use bridge::{BridgeError, Bridged, Count, Counters, Timeouts, bridge};

pub(crate) use tunnel::Tunnel;

/// The protocol that a request asks to switch to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// HTTP/1: the value of `Upgrade`.
    Upgrade(HeaderValue),
    /// HTTP/2 extended CONNECT: the value of `:protocol`.
    Extended(hyper::ext::Protocol),
    /// A plain CONNECT.
    Connect,
}

impl Wanted {
    /// Whether the protocol is WebSocket, the one that has an equivalent on both versions of HTTP.
    pub fn is_websocket(&self) -> bool {
        match self {
            Wanted::Upgrade(value) => value.as_bytes().eq_ignore_ascii_case(b"websocket"),
            Wanted::Extended(protocol) => protocol.as_str().eq_ignore_ascii_case("websocket"),
            Wanted::Connect => false,
        }
    }
}

/// What `request` asks to switch to, if anything.
///
/// `Upgrade` only counts when `Connection` names it (RFC 9110 section 7.8). The HTTP/1 server of this crate has removed
/// every `Upgrade` that its settings do not allow, so that what is left is meant.
pub fn requested<B>(request: &Request<B>) -> Option<Wanted> {
    if request.method() == Method::CONNECT {
        let protocol = request.extensions().get::<hyper::ext::Protocol>();
        return Some(protocol.map_or(Wanted::Connect, |it| Wanted::Extended(it.clone())));
    }
    asked(request.headers()).cloned().map(Wanted::Upgrade)
}

/// The `Upgrade` of a request's head that is meant.
pub(crate) fn asked(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(UPGRADE).filter(|_| names_upgrade(headers))
}

fn names_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// The byte stream of a message that switched protocols, once hyper or h2 has let go of it.
///
/// Take it from the request before the request is sent on, and from the response before it is answered; await it after
/// the response has been handed to the downstream connection, from a task of its own.
pub struct OnUpgrade(Source);

enum Source {
    Hyper(hyper::upgrade::OnUpgrade),
    Ready(Tunnel),
}

impl OnUpgrade {
    /// Takes the pending switch out of the extensions of a request or response.
    pub fn take(extensions: &mut Extensions) -> Option<Self> {
        if let Some(pending) = extensions.remove::<hyper::upgrade::OnUpgrade>() {
            return Some(Self(Source::Hyper(pending)));
        }
        let slot = extensions.remove::<Slot>()?;
        let tunnel = slot.0.lock().ok()?.take()?;
        Some(Self(Source::Ready(tunnel)))
    }

    /// Leaves the stream of an extended CONNECT in the extensions of its response.
    pub(crate) fn put(extensions: &mut Extensions, tunnel: Tunnel) {
        extensions.insert(Slot(Arc::new(Mutex::new(Some(tunnel)))));
    }

    /// Waits for the stream.
    ///
    /// # Errors
    ///
    /// When the connection ended before the response was written, or the response refused the switch.
    pub async fn stream(self) -> Result<Upgraded, hyper::Error> {
        Ok(Upgraded(match self.0 {
            Source::Hyper(pending) => Kind::Hyper(TokioIo::new(pending.await?)),
            Source::Ready(tunnel) => Kind::Tunnel(tunnel),
        }))
    }
}

impl fmt::Debug for OnUpgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnUpgrade")
    }
}

/// Extensions hold clonable values only, a stream has one owner.
#[derive(Clone)]
struct Slot(Arc<Mutex<Option<Tunnel>>>);

/// A connection or stream after the switch.
///
/// Dropped before it was shut down it is reset, as far as the stream below is. The exception is a stream that hyper's
/// HTTP/2 server has switched: hyper ends it in order, and takes a client's CANCEL for the end of what it sent.
pub struct Upgraded(Kind);

enum Kind {
    Hyper(TokioIo<hyper::upgrade::Upgraded>),
    Tunnel(Tunnel),
}

impl AsyncRead for Upgraded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Hyper(io) => Pin::new(io).poll_read(cx, buf),
            Kind::Tunnel(io) => Pin::new(io).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Kind::Hyper(io) => Pin::new(io).poll_write(cx, buf),
            Kind::Tunnel(io) => Pin::new(io).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Hyper(io) => Pin::new(io).poll_flush(cx),
            Kind::Tunnel(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Hyper(io) => Pin::new(io).poll_shutdown(cx),
            Kind::Tunnel(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upgraded")
    }
}
