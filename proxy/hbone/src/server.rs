//! The receiving end: CONNECT requests on a connection whose peer is known.

use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cairn_identity::SpiffeId;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Method, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::settings::{MAX_RESET_STREAMS, MAX_STREAM_ERRORS, RESET_MEMORY};
use crate::supervisor::{Order, Supervisor};
use crate::{Authority, Baggage, DrainWatch, Forwarded, Settings, TraceParent, Tunnel, authority};

/// How long a connection that is being closed may take to say so.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Tasks per stream that a client may have: a client that opens and resets streams in a row starts tasks faster than
/// they end.
const TASKS_PER_STREAM: usize = 2;

/// What decides about tunnels.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request, and carries its bytes if it is accepted.
    ///
    /// Runs in a task of its own. A request that is dropped without an answer is reset.
    fn connect(&self, request: Request) -> impl Future<Output = ()> + Send;
}

/// Whom a connection is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// The other end of the TCP connection. Istio's ztunnel gives it the address of the client's pod.
    pub peer_address: SocketAddr,
    /// Our end of the TCP connection.
    pub local_address: SocketAddr,
    /// The identity that the peer has proven.
    pub peer: SpiffeId,
}

/// Serves one connection until it ends: the client closes it, the drain is over, or it breaks.
///
/// `io` is a stream on which the TLS handshake is done, as [`tls::accept`](cairn_identity::tls::accept) gives it. Once
/// `drain` says so, the client is asked to open no more streams (GOAWAY), and those that are open go on until `drain`
/// forces. Whatever happens here concerns this connection only.
///
/// # Errors
/// Why the connection broke, for the log. There is nothing left to do about it.
pub async fn serve<S, H>(
    io: S,
    info: ConnectionInfo,
    settings: &Settings,
    drain: DrainWatch,
    handler: Arc<H>,
) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Handler,
{
    let handshake = Box::pin(builder(settings).handshake::<S, Bytes>(io));
    let mut connection = timeout(settings.handshake_timeout, handshake)
        .await
        .map_err(|_| Error::HandshakeTimeout)?
        .map_err(Error::Handshake)?;
    let streams = Streams::new(info, settings, handler);
    let mut orders = Supervisor::start(connection.ping_pong(), settings, drain.clone());
    let mut is_draining = false;
    let end = loop {
        tokio::select! {
            biased;
            stream = connection.accept() => match stream {
                Some(Ok((request, responder))) => streams.open(request, responder),
                // Told to go away, a client may close at once and leave our answer unread.
                Some(Err(error)) if is_draining && error.is_io() => return Ok(()),
                Some(Err(error)) => return Err(Error::Connection(error)),
                None => return Ok(()),
            },
            order = orders.next() => match order {
                Order::Drain => {
                    is_draining = true;
                    connection.graceful_shutdown();
                }
                Order::Close => break Ok(()),
                Order::Dead => break Err(Error::Dead),
            },
        }
    };
    connection.abrupt_shutdown(Reason::NO_ERROR);
    // The peer may be gone. It is not waited for.
    let _ = timeout(LAST_WORDS, poll_fn(|cx| connection.poll_closed(cx))).await;
    // Not before, for whoever drains waits for it.
    drop(drain);
    end
}

fn builder(settings: &Settings) -> h2::server::Builder {
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(settings.stream_window())
        .initial_connection_window_size(settings.connection_window())
        .max_frame_size(settings.max_frame_size())
        .max_header_list_size(settings.max_header_list_size)
        .max_concurrent_streams(settings.max_concurrent_streams)
        .max_send_buffer_size(settings.send_buffer)
        .data_frame_budget(settings.data_frame_budget)
        .max_concurrent_reset_streams(MAX_RESET_STREAMS)
        .reset_stream_duration(RESET_MEMORY)
        .max_local_error_reset_streams(Some(MAX_STREAM_ERRORS))
        .max_pending_accept_reset_streams(MAX_RESET_STREAMS);
    builder
}

/// What the streams of one connection have in common.
struct Streams<H> {
    info: Arc<ConnectionInfo>,
    handler: Arc<H>,
    tasks: Arc<Semaphore>,
    non_connect: StatusCode,
    release_at: usize,
}

impl<H: Handler> Streams<H> {
    fn new(mut info: ConnectionInfo, settings: &Settings, handler: Arc<H>) -> Streams<H> {
        // A listener for both families shows IPv4 addresses in the form of IPv6 ones, which no policy has in mind.
        for address in [&mut info.peer_address, &mut info.local_address] {
            address.set_ip(address.ip().to_canonical());
        }
        let tasks = (settings.max_concurrent_streams as usize).saturating_mul(TASKS_PER_STREAM);
        Streams {
            info: Arc::new(info),
            handler,
            tasks: Arc::new(Semaphore::new(tasks.min(Semaphore::MAX_PERMITS))),
            non_connect: settings.non_connect,
            release_at: settings.release_at(),
        }
    }

    fn open(&self, request: http::Request<RecvStream>, mut responder: SendResponse<Bytes>) {
        let Ok(permit) = self.tasks.clone().try_acquire_owned() else {
            return responder.send_reset(Reason::REFUSED_STREAM);
        };
        if request.method() != Method::CONNECT {
            return refuse(&mut responder, self.non_connect);
        }
        let named = request
            .uri()
            .authority()
            .and_then(|named| authority::parse(named.as_str()).ok());
        let Some(authority) = named else {
            return refuse(&mut responder, StatusCode::BAD_REQUEST);
        };
        let (parts, body) = request.into_parts();
        let request = Request {
            connection: self.info.clone(),
            peer: self.info.peer.clone(),
            authority,
            baggage: Baggage::from_headers(&parts.headers),
            forwarded: Forwarded::from_headers(&parts.headers),
            traceparent: TraceParent::from_headers(&parts.headers),
            headers: parts.headers,
            responder,
            body,
            release_at: self.release_at,
        };
        let handler = self.handler.clone();
        tokio::spawn(async move {
            handler.connect(request).await;
            drop(permit);
        });
    }
}

/// Answers without a body. An error means that the client does not wait for the answer any more.
fn refuse(responder: &mut SendResponse<Bytes>, status: StatusCode) {
    let mut response = Response::new(());
    *response.status_mut() = status;
    if let Err(error) = responder.send_response(response, true) {
        tracing::debug!(%error, %status, "a refusal did not reach the client");
    }
}

/// One CONNECT that waits for its answer.
pub struct Request {
    /// The connection that it came on.
    pub connection: Arc<ConnectionInfo>,
    /// The identity that the client has proven.
    pub peer: SpiffeId,
    /// Where the client wants to go.
    pub authority: Authority,
    /// What the client says about its workload.
    pub baggage: Baggage,
    /// What the client says about its own client.
    pub forwarded: Option<Forwarded>,
    /// The trace that the tunnel belongs to.
    pub traceparent: Option<TraceParent>,
    /// All headers.
    pub headers: HeaderMap,
    responder: SendResponse<Bytes>,
    body: RecvStream,
    release_at: usize,
}

impl Request {
    /// Answers 200 with `headers`: the tunnel is open.
    ///
    /// # Errors
    /// The client has gone away.
    pub fn accept(mut self, headers: HeaderMap) -> Result<Tunnel, Error> {
        let mut response = Response::new(());
        *response.headers_mut() = headers;
        let stream = self
            .responder
            .send_response(response, false)
            .map_err(Error::Stream)?;
        Ok(Tunnel::new(stream, self.body, self.release_at, None))
    }

    /// Answers with `status`, and nothing else.
    pub fn reject(mut self, status: StatusCode) {
        refuse(&mut self.responder, status);
    }

    /// Resolves when the client has given the request up, for use while the answer is being worked out.
    pub async fn cancelled(&mut self) {
        // Whatever the reason or the error: nobody waits.
        let _ = poll_fn(|cx| self.responder.poll_reset(cx)).await;
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("connection", &self.connection)
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

/// Why a connection or a stream of a client broke.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client did not begin to speak HTTP/2 in time.
    #[error("the client did not begin to speak HTTP/2 in time")]
    HandshakeTimeout,
    /// The client speaks something other than HTTP/2.
    #[error("the client does not speak HTTP/2: {0}")]
    Handshake(#[source] h2::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Connection(#[source] h2::Error),
    /// The client did not answer a PING.
    #[error("the client does not answer")]
    Dead,
    /// The client has given up a request before it was answered.
    #[error("the client gave up: {0}")]
    Stream(#[source] h2::Error),
}
