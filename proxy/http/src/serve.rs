//! Serving HTTP on one byte stream.
//!
//! [`serve_http1`] and [`serve_http2`] run a connection to its end with the limits of [`Settings`], hand each request to a
//! service and drain when told to. A service is a closure from `Request<Body>` to a future of a response.

mod answer;
mod linger;
mod overseen;
mod patient;

#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Sleep, sleep};

use crate::body::Body;
use crate::guard::{self, Link, Refusal, StrictHead};
use answer::{Http1Service, Http2Service};
use overseen::Overseer;
use patient::Patient;

/// How long a stream may stand still because of its client: Envoy's `stream_idle_timeout`.
pub const STREAM_IDLE: Duration = Duration::from_secs(300);

/// Limits and habits of the server side.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Limits of HTTP/1 heads; the size and number of fields hold for HTTP/2 as well.
    pub head: guard::Limits,
    /// HTTP/2.
    pub http2: Http2,
    /// What happens when a connection is drained.
    pub drain: Drain,
    /// How long a client may leave an answer unread that waits for it; then its stream is reset, or its connection
    /// closed. `None`: as long as it likes. Default [`STREAM_IDLE`]. A silent service has all the time it wants, and so
    /// has a stream after a switch.
    pub stream_idle: Option<Duration>,
    /// Told of each HTTP/2 request that is refused for its form: its connection goes on. The one that HTTP/1 allows of is
    /// in [`Served::refusal`].
    pub refused: Option<Refused>,
}

/// Who is told of refused requests and their heads.
#[derive(Clone)]
pub struct Refused(Arc<Tell>);

type Tell = dyn Fn(&Refusal, &Parts) + Send + Sync;

impl Refused {
    /// Has `tell` called for each of them.
    pub fn new(tell: impl Fn(&Refusal, &Parts) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refused")
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            head: guard::Limits::default(),
            http2: Http2::default(),
            drain: Drain::default(),
            stream_idle: Some(STREAM_IDLE),
            refused: None,
        }
    }
}

/// HTTP/2 settings.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Http2 {
    /// SETTINGS_MAX_CONCURRENT_STREAMS; default 100.
    pub max_concurrent_streams: u32,
    /// Bytes that a client may send ahead on one stream; default 128 KiB.
    pub stream_window: u32,
    /// Bytes that a client may send ahead on the connection; default 16 MiB.
    ///
    /// h2 gives a connection up when the overhead of small frames that nobody has read exceeds half of this. It must be
    /// large beside the stream's window, or one slow stream of tiny messages ends all the others: 100 times is enough.
    pub connection_window: u32,
    /// Response bytes that are buffered for one stream; default 256 KiB.
    pub send_buffer: usize,
    /// Idle time after which the client is pinged, and time for its answer; default none: the tunnel below has pings.
    pub keep_alive: Option<(Duration, Duration)>,
}

impl Default for Http2 {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 100,
            stream_window: 128 * 1024,
            connection_window: 16 << 20,
            send_buffer: 256 * 1024,
            keep_alive: None,
        }
    }
}

/// How a connection is drained.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Drain {
    /// How long an HTTP/1 connection waits for one more request, to answer it with `Connection: close`. Closing an idle
    /// connection at once loses the request that is on its way; default 5 s.
    pub grace: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(5),
        }
    }
}

/// What became of a connection.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Served {
    /// HTTP/1: the request that was refused for its form. It never reached the service, must be logged by the server, and
    /// was the last of its connection.
    pub refusal: Option<Refusal>,
    /// What ended the connection, unless it ended well.
    pub error: Option<hyper::Error>,
}

/// Serves HTTP/1.0 and 1.1 on `io` until either side closes it.
///
/// Requests are checked by [`StrictHead`] first. Keep-alive, pipelining, `100-continue` and HTTP/1.0 are hyper's; a
/// response with status 101, or 2xx to CONNECT, makes the connection a byte stream that
/// [`crate::upgrade::OnUpgrade::take`] on the request's extensions gives. A service that fails closes the connection
/// without an answer.
///
/// `drain` is a future that ends when the connection should: the next answer says `Connection: close`, and a connection
/// without a request is closed after [`Drain::grace`].
///
/// ```
/// use std::convert::Infallible;
///
/// use cairn_http::body::Body;
/// use cairn_http::serve::{Settings, serve_http1};
/// use http::{Request, Response};
/// use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (mut client, server) = tokio::io::duplex(1024);
/// let service = |request: Request<Body>| async move {
///     Ok::<_, Infallible>(Response::new(Body::from(request.uri().path().to_owned())))
/// };
/// client.write_all(b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
/// let served = serve_http1(server, service, &Settings::default(), std::future::pending()).await;
/// assert!(served.error.is_none() && served.refusal.is_none());
/// let mut answer = String::new();
/// client.read_to_string(&mut answer).await.unwrap();
/// assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n/hello"));
/// # }
/// ```
pub async fn serve_http1<IO, S, F, B, E, D>(io: IO, service: S, settings: &Settings, drain: D) -> Served
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Fn(Request<Body>) -> F,
    F: Future<Output = Result<Response<B>, E>>,
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
    D: Future<Output = ()>,
{
    let link = Arc::new(Link::default());
    let io = Patient::new(io, settings.stream_idle, Arc::clone(&link));
    let guard = StrictHead::linked(io, settings.head.clone(), Arc::clone(&link));
    let mut builder = http1::Builder::new();
    // The guard minds the time: hyper would allocate a timer for every request.
    builder.header_read_timeout(None);
    builder.max_buf_size((2 * settings.head.head_bytes).max(BUFFER));
    if settings.head.headers != 100 {
        builder.max_headers(settings.head.headers);
    }
    let service = Http1Service::new(service, Arc::clone(&link));
    let mut connection = builder
        .serve_connection(TokioIo::new(guard), service)
        .with_upgrades();
    let mut drain = pin!(drain);
    let mut draining = Draining::No;
    let ended = poll_fn(|cx| {
        match &mut draining {
            Draining::No => {
                if drain.as_mut().poll(cx).is_ready() {
                    link.drain();
                    let mut grace = Box::pin(sleep(settings.drain.grace));
                    let _ = grace.as_mut().poll(cx);
                    draining = Draining::Grace(grace);
                }
            }
            Draining::Grace(grace) => {
                if grace.as_mut().poll(cx).is_ready() {
                    Pin::new(&mut connection).graceful_shutdown();
                    draining = Draining::Last;
                }
            }
            Draining::Last => {}
        }
        Pin::new(&mut connection).poll(cx)
    })
    .await;
    let refusal = link.refusal().cloned();
    match connection.into_parts() {
        Some(parts) => linger::after(parts.io.into_inner(), ended.is_ok()).await,
        None => answer::finish_refused_switch(&link).await,
    }
    Served {
        refusal,
        error: ended.err(),
    }
}

/// Bytes of a message that hyper reads ahead, and of an answer that it takes from a body while its client is slow.
const BUFFER: usize = 128 * 1024;

enum Draining {
    No,
    Grace(Pin<Box<Sleep>>),
    Last,
}

/// Serves HTTP/2 with prior knowledge on `io` until either side closes it.
///
/// Streams run as tasks of their own. Extended CONNECT (RFC 8441) is offered; a 2xx answer to it makes the stream a byte
/// stream as after an HTTP/1 upgrade. A service that fails resets its stream. When `drain` ends the client is told to go
/// away, and the connection ends with its last stream.
///
/// Requests that h2 lets through and HTTP/1 would be refused for are answered here, and [`Settings::refused`] is told of
/// each. What breaks the protocol itself never becomes a request: h2 resets its stream or ends the connection, answers
/// 431 where a head is too large, and tells nobody.
pub async fn serve_http2<IO, S, F, B, E, D>(io: IO, service: S, settings: &Settings, drain: D) -> Served
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Fn(Request<Body>) -> F,
    F: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
    E: Into<Box<dyn Error + Send + Sync>> + 'static,
    D: Future<Output = ()>,
{
    let mut builder = http2::Builder::new(Overseer::new(settings.stream_idle));
    builder
        .max_concurrent_streams(settings.http2.max_concurrent_streams)
        .max_header_list_size(u32::try_from(settings.head.head_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(settings.http2.stream_window)
        .initial_connection_window_size(settings.http2.connection_window)
        .max_send_buf_size(settings.http2.send_buffer)
        .enable_connect_protocol();
    if let Some((interval, timeout)) = settings.http2.keep_alive {
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(interval)
            .keep_alive_timeout(timeout);
    }
    let io = Patient::new(io, settings.stream_idle, Arc::default());
    let service = Http2Service::new(service, settings);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    let mut drain = pin!(drain);
    let mut draining = false;
    let ended = poll_fn(|cx| {
        if !draining && drain.as_mut().poll(cx).is_ready() {
            draining = true;
            connection.as_mut().graceful_shutdown();
        }
        match connection.as_mut().poll(cx) {
            Poll::Ready(ended) => Poll::Ready(ended),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    Served {
        refusal: None,
        error: ended.err(),
    }
}
