//! Connections to one upstream endpoint.
//!
//! An [`Upstream`] owns every connection to one endpoint over one version of HTTP. It never loses a request to a
//! connection that died while it was idle: a request that did not leave is sent again on another connection, and one
//! that may have left is sent again when it is idempotent and has no body (RFC 9110 section 9.2.2). Any other is given to an
//! HTTP/1 connection that rested only after a look at whether the peer has closed it, and not at the end of the time that
//! the peer said it would keep it (`Keep-Alive: timeout`). Everything else is reported as a [`SendError`] that says how far
//! the request came, for the retry policy above to judge.
//!
//! HTTP/1 connections are driven by the task that uses them and rest in a stack, freshest on top. HTTP/2 connections
//! have a task each and are shared up to the peer's stream limit; another one is opened when it is reached.

mod http1;
mod http2;
mod prepare;
mod shelf;
mod watched;
mod websocket;

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::body::Body;
use websocket::{Extended, Upgrade};

/// Opens connections to the endpoint. Implemented by every closure of that shape.
pub trait Connect: Send + Sync + 'static {
    /// The byte stream of a connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// Why there is none. Told to every request that waits for it.
    type Error: Send + Sync + 'static;

    /// Opens a connection. Of HTTP/1 the future is dropped when the request that waits for it is; of HTTP/2 many may wait
    /// for it, and it goes on without them.
    fn connect(&self) -> impl Future<Output = Result<Self::Io, Self::Error>> + Send;

    /// Has a connection that is dropped next end as a reset. Asked of those that have switched protocols and were not shut
    /// down: their peer must not take what it has got for the whole. Nothing to do for streams that are reset by being
    /// dropped, which connections in the clear are not.
    fn reset(io: &mut Self::Io) {
        let _ = io;
    }

    /// Whether a connection on which nothing is expected is of no more use, by what is known this very moment. Asked before a
    /// request that could not be sent again is given to a connection that has been used; it must not wait. Nothing to do for
    /// streams that another task reads, for it finds out as soon as this could.
    fn is_over(io: &Self::Io) -> bool {
        let _ = io;
        false
    }

    /// How many bytes that were written the peer has not acknowledged, where that is known. Asked when the peer has closed: if
    /// these are all of a request, it has never come to anybody.
    fn unacknowledged(io: &Self::Io) -> Option<u64> {
        let _ = io;
        None
    }

    /// The near end of a connection, where it has an address.
    fn local_address(&self, io: &Self::Io) -> Option<SocketAddr> {
        let _ = io;
        None
    }
}

impl<F, T, Io, E> Connect for F
where
    F: Fn() -> T + Send + Sync + 'static,
    T: Future<Output = Result<Io, E>> + Send,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    E: Send + Sync + 'static,
{
    type Io = Io;
    type Error = E;

    fn connect(&self) -> impl Future<Output = Result<Io, E>> + Send {
        self()
    }
}

/// The version of HTTP to speak to the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/1.1, one request at a time per connection.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

/// Limits of a pool.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// How long a connection may take to open; default 10 s.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept; default 1 h.
    pub idle_timeout: Duration,
    /// How often unused connections are looked at; default 30 s.
    pub sweep_interval: Duration,
    /// Unused HTTP/1 connections that are kept; default 1024.
    pub max_idle: usize,
    /// HTTP/2 connections that are opened before requests have to share beyond the peer's stream limit; default 64.
    pub max_connections: usize,
    /// Streams per HTTP/2 connection, besides the peer's own limit; default 100.
    pub max_streams: usize,
    /// Requests that a connection serves before it is closed; none: any number.
    pub max_requests: Option<NonZeroU32>,
    /// After so long a connection takes no further requests; none: it takes them for as long as it lasts.
    pub max_age: Option<Duration>,
    /// Pings on HTTP/2 connections; none: no pings.
    pub keepalive: Option<Keepalive>,
    /// Bytes that an HTTP/2 peer may send ahead on one stream; default 256 KiB.
    pub stream_window: u32,
    /// Bytes that an HTTP/2 peer may send ahead on one connection; default 8 MiB.
    pub connection_window: u32,
    /// Longest response head, in bytes; default 60 KiB.
    pub max_head_bytes: usize,
    /// Most header fields of a response; default 100.
    pub max_headers: usize,
}

/// How the peer of an HTTP/2 connection is asked whether it is still there (RFC 9113 section 6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Keepalive {
    /// From an answer to the next ping.
    pub interval: Duration,
    /// How long the answer may take. Without it the connection is given up, with all that is under way on it.
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(3600),
            sweep_interval: Duration::from_secs(30),
            max_idle: 1024,
            max_connections: 64,
            max_streams: 100,
            max_requests: None,
            max_age: None,
            keepalive: None,
            stream_window: 256 * 1024,
            connection_window: 8 << 20,
            max_head_bytes: 60 * 1024,
            max_headers: 100,
        }
    }
}

/// A boxed error of hyper, h2 or the request's body.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// How far a request came before it failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure<E> {
    /// No connection could be opened.
    #[error("the upstream could not be connected to")]
    Connect(Arc<E>),
    /// No connection could be opened in time.
    #[error("connecting to the upstream took too long")]
    ConnectTimeout,
    /// The connection ended before the request was written to it: the upstream cannot have seen it.
    #[error("the upstream connection ended before the request was sent")]
    ResetBeforeSent(#[source] Cause),
    /// The upstream says that it has not processed the request: REFUSED_STREAM, or GOAWAY below the stream.
    #[error("the upstream refused the stream")]
    Refused(#[source] Cause),
    /// The peer had closed the connection before the request came to it: nobody has seen anything of it.
    #[error("the upstream had closed the connection before the request came to it")]
    Unseen(#[source] Cause),
    /// The connection or stream ended after the request had been written, at least in part, and before the response.
    #[error("the upstream connection ended before the response")]
    ResetAfterSent {
        /// The peer closed or reset the connection, in contrast to resetting the one stream.
        remote_closed: bool,
        /// What was seen.
        #[source]
        cause: Cause,
    },
    /// What came back was not HTTP, or beyond the limits.
    #[error("the upstream's response was not valid HTTP")]
    Protocol(#[source] Cause),
    /// The body of the request failed while it was sent: this is the downstream's doing.
    #[error("the body of the request failed")]
    RequestBody(#[source] Cause),
    /// The request cannot be put on the wire, for example for want of an authority.
    #[error("the request cannot be sent")]
    Unsendable(#[source] Cause),
    /// The upstream does not take what the request asks for: a switch that its side of the protocol has to offer.
    #[error("the upstream does not offer what the request asks for")]
    Unsupported(#[source] Cause),
    /// The pool has been closed: the endpoint is gone.
    #[error("the upstream endpoint is gone")]
    Closed,
}

/// A request that got no response.
#[derive(Debug)]
pub struct SendError<E, B = Body> {
    /// How far it came.
    pub failure: Failure<E>,
    /// Whether the connection had served a request before.
    pub reused: bool,
    /// The request, whenever it is certain that no part of it has reached the upstream.
    pub request: Option<Box<Request<B>>>,
}

impl<E, B> SendError<E, B> {
    fn lost(failure: Failure<E>, reused: bool) -> Self {
        Self {
            failure,
            reused,
            request: None,
        }
    }

    fn unsent(failure: Failure<E>, reused: bool, request: Request<B>) -> Self {
        Self {
            failure,
            reused,
            request: Some(Box::new(request)),
        }
    }

    fn with_request(mut self, change: impl FnOnce(&mut Request<B>)) -> Self {
        if let Some(request) = &mut self.request {
            change(request);
        }
        self
    }
}

impl<E, B> fmt::Display for SendError<E, B>
where
    Failure<E>: fmt::Display,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(f)
    }
}

impl<E, B> std::error::Error for SendError<E, B>
where
    Failure<E>: std::error::Error,
    B: fmt::Debug,
    E: fmt::Debug,
{
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.failure.source()
    }
}

/// What a request body must be to be sent.
pub trait Payload: http_body::Body<Data = Bytes, Error: Into<Cause>> + Send + Unpin + 'static {}

impl<B> Payload for B where B: http_body::Body<Data = Bytes, Error: Into<Cause>> + Send + Unpin + 'static {}

/// The connections to one endpoint. Dropping it closes those that are unused and lets the others finish.
pub struct Upstream<C, B = Body>
where
    C: Connect,
{
    pool: Pool<C, B>,
}

enum Pool<C, B>
where
    C: Connect,
{
    Http1(http1::Connections<C, B>),
    Http2(http2::Connections<C>),
}

impl<C, B> Upstream<C, B>
where
    C: Connect,
    B: Payload,
{
    /// A pool without connections; they are opened as requests need them.
    pub fn new(connect: C, version: Version, settings: Settings) -> Self {
        let pool = match version {
            Version::Http1 => Pool::Http1(http1::Connections::new(connect, settings)),
            Version::Http2 => Pool::Http2(http2::Connections::new(connect, settings)),
        };
        Self { pool }
    }

    /// Sends `request` and waits for the head of the response.
    ///
    /// The request is put into the form of the pool's version first: origin-form and `Host` for HTTP/1, scheme and
    /// authority for HTTP/2. Its hop-by-hop fields are the caller's to remove (see [`crate::headers`]). Dropping the
    /// future, or the body of the response, abandons the request and closes its stream or connection.
    ///
    /// WebSocket is translated to the pool's version and its answer back (RFC 8441): an `Upgrade` is answered with 101, an
    /// extended CONNECT with 200, whichever way the upstream was asked.
    ///
    /// After 101, or 2xx to CONNECT, [`crate::upgrade::OnUpgrade::take`] on the response's extensions gives the stream.
    ///
    /// # Errors
    ///
    /// [`SendError`] says how far the request came and returns it where it certainly did not leave.
    pub async fn send(&self, request: Request<B>) -> Result<Response<Body>, SendError<C::Error, B>> {
        self.send_from(request, &mut None).await
    }

    /// As [`Upstream::send`]; leaves the near end of the connection that was used last in `local`.
    ///
    /// # Errors
    ///
    /// As [`Upstream::send`].
    pub async fn send_from(
        &self,
        mut request: Request<B>,
        local: &mut Option<SocketAddr>,
    ) -> Result<Response<Body>, SendError<C::Error, B>> {
        match &self.pool {
            Pool::Http1(connections) => match Extended::translate(&mut request) {
                None => connections.send(request, local).await,
                Some(translated) => match connections.send(request, local).await {
                    Ok(mut response) => match translated.answer(&mut response) {
                        Ok(()) => Ok(response),
                        Err(cause) => Err(SendError::lost(Failure::Protocol(cause), false)),
                    },
                    Err(error) => Err(error.with_request(|request| translated.undo(request))),
                },
            },
            Pool::Http2(connections) => match Upgrade::translate(&mut request) {
                None => connections.send(request, local).await,
                Some(translated) => match connections.send(request, local).await {
                    Ok(mut response) => {
                        translated.answer(&mut response);
                        Ok(response)
                    }
                    Err(error) => Err(error.with_request(|request| translated.undo(request))),
                },
            },
        }
    }

    /// Closes unused connections and lets no further request in; those under way finish.
    pub fn close(&self) {
        match &self.pool {
            Pool::Http1(connections) => connections.close(),
            Pool::Http2(connections) => connections.close(),
        }
    }

    /// The version that this pool speaks.
    pub fn version(&self) -> Version {
        match &self.pool {
            Pool::Http1(_) => Version::Http1,
            Pool::Http2(_) => Version::Http2,
        }
    }

    /// Connections that are open and unused (HTTP/1), or open at all (HTTP/2).
    pub fn open_connections(&self) -> usize {
        match &self.pool {
            Pool::Http1(connections) => connections.idle(),
            Pool::Http2(connections) => connections.open(),
        }
    }
}

impl<C, B> fmt::Debug for Upstream<C, B>
where
    C: Connect,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").finish_non_exhaustive()
    }
}
