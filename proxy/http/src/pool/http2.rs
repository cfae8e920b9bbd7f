//! HTTP/2 connections to the endpoint.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Ping, PingPong, Reason, RecvStream, SendStream};
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response};
use tokio::time::{Duration, Instant, sleep};

use super::{Cause, Connect, Failure, Payload, SendError, Settings, prepare};
use crate::body::{Body, Stream, Upload, UploadError};
use crate::upgrade::{OnUpgrade, Tunnel};

/// All HTTP/2 connections to one endpoint.
pub(super) struct Connections<C> {
    connect: C,
    builder: Builder,
    settings: Settings,
    shared: Arc<Shared>,
    /// Held while a connection is opened, so that a burst of requests opens one and not one each.
    opening: tokio::sync::Mutex<()>,
}

struct Shared {
    open: Mutex<Vec<Arc<Connection>>>,
    closed: AtomicBool,
    /// Set and unset under the lock of `open`.
    sweeping: AtomicBool,
}

struct Connection {
    sender: SendRequest<Bytes>,
    local: Option<SocketAddr>,
    streams: AtomicUsize,
    /// It takes no new streams: closed, broken or told to go away.
    spent: AtomicBool,
    pings: tokio::sync::Mutex<Option<PingPong>>,
    unused_since: Mutex<Instant>,
}

/// A place among the streams of a connection.
struct Lease(Arc<Connection>);

impl Drop for Lease {
    fn drop(&mut self) {
        if self.0.streams.fetch_sub(1, Ordering::AcqRel) == 1 {
            *self.0.unused_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    }
}

impl<C> Connections<C>
where
    C: Connect,
{
    pub(super) fn new(connect: C, settings: Settings) -> Self {
        let mut builder = Builder::new();
        builder
            .initial_window_size(settings.stream_window)
            .initial_connection_window_size(settings.connection_window)
            // h2 gives a connection up whose small frames pile up beyond this, with all its streams: one reader of small
            // messages that is slow, as gRPC has them, must not get there within its window.
            .data_frame_budget(settings.stream_window as usize * 64)
            .initial_max_send_streams(settings.max_streams)
            .max_header_list_size(u32::try_from(settings.max_head_bytes).unwrap_or(u32::MAX))
            .enable_push(false);
        let shared = Arc::new(Shared {
            open: Mutex::new(Vec::new()),
            closed: AtomicBool::new(false),
            sweeping: AtomicBool::new(false),
        });
        Self {
            connect,
            builder,
            settings,
            shared,
            opening: tokio::sync::Mutex::new(()),
        }
    }

    pub(super) async fn send<B>(
        &self,
        mut request: Request<B>,
        local: &mut Option<SocketAddr>,
    ) -> Result<Response<Body>, SendError<C::Error, B>>
    where
        B: Payload,
    {
        if let Err(cause) = prepare::for_http2(&mut request) {
            return Err(SendError::unsent(Failure::Unsendable(cause), false, request));
        }
        let (mut head, body) = request.into_parts();
        let empty = head.method == Method::CONNECT || body.is_end_stream();
        let mut retried = false;
        loop {
            if self.shared.is_closed() {
                return Err(SendError::unsent(
                    Failure::Closed,
                    false,
                    Request::from_parts(head, body),
                ));
            }
            let (lease, reused) = match self.lease().await {
                Ok(found) => found,
                Err(failure) => {
                    return Err(SendError::unsent(failure, false, Request::from_parts(head, body)));
                }
            };
            *local = lease.0.local;
            let mut sender = lease.0.sender.clone();
            if let Err(error) = poll_fn(|cx| sender.poll_ready(cx)).await {
                lease.0.spent.store(true, Ordering::Release);
                if reused {
                    continue;
                }
                let failure = Failure::ResetBeforeSent(error.into());
                return Err(SendError::unsent(failure, false, Request::from_parts(head, body)));
            }
            if head.extensions.get::<h2::ext::Protocol>().is_some()
                && !lease.0.offers_extended_connect().await
            {
                let failure = Failure::Unsendable("the upstream does not offer extended CONNECT".into());
                return Err(SendError::unsent(
                    failure,
                    reused,
                    Request::from_parts(head, body),
                ));
            }
            if !empty {
                return exchange(sender, lease, head, Some(body))
                    .await
                    .map_err(|failure| SendError::lost(failure, reused));
            }
            // What the peer has not processed may be sent again whatever its method.
            let again = (!retried).then(|| head.clone());
            match (exchange(sender, lease, head, None::<B>).await, again) {
                (Ok(response), _) => return Ok(response),
                (Err(Failure::Refused(_)), Some(again)) => {
                    retried = true;
                    head = again;
                }
                (Err(failure), _) => return Err(SendError::lost(failure, reused)),
            }
        }
    }

    /// A place on an open connection, or on a new one; and whether the connection was there before.
    async fn lease(&self) -> Result<(Lease, bool), Failure<C::Error>> {
        if let Some(lease) = self.shared.lease(self.settings.max_streams) {
            return Ok((lease, true));
        }
        let _opening = self.opening.lock().await;
        if let Some(lease) = self.shared.lease(self.settings.max_streams) {
            return Ok((lease, true));
        }
        let full = self.shared.open().len() >= self.settings.max_connections;
        if full && let Some(lease) = self.shared.lease_beyond_limit() {
            return Ok((lease, true));
        }
        let connection = self.open_one().await?;
        let lease = connection.lease();
        self.shared.add(
            connection,
            self.settings.sweep_interval,
            self.settings.idle_timeout,
        );
        Ok((lease, false))
    }

    async fn open_one(&self) -> Result<Arc<Connection>, Failure<C::Error>> {
        let io = tokio::time::timeout(self.settings.connect_timeout, self.connect.connect())
            .await
            .map_err(|_| Failure::ConnectTimeout)?
            .map_err(Failure::Connect)?;
        let local = self.connect.local_address(&io);
        let (sender, mut task) = self
            .builder
            .handshake(io)
            .await
            .map_err(|error| Failure::ResetBeforeSent(error.into()))?;
        let pings = tokio::sync::Mutex::new(task.ping_pong());
        let connection = Arc::new(Connection {
            sender,
            local,
            streams: AtomicUsize::new(0),
            spent: AtomicBool::new(false),
            pings,
            unused_since: Mutex::new(Instant::now()),
        });
        // Weak: the task ends by itself once every sender and stream is gone.
        let watched = Arc::downgrade(&connection);
        tokio::spawn(async move {
            if let Err(error) = task.await {
                tracing::debug!(%error, "upstream HTTP/2 connection ended");
            }
            if let Some(connection) = watched.upgrade() {
                connection.spent.store(true, Ordering::Release);
            }
        });
        Ok(connection)
    }

    pub(super) fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.open().clear();
    }

    pub(super) fn open(&self) -> usize {
        self.shared
            .open()
            .iter()
            .filter(|it| !it.spent.load(Ordering::Acquire))
            .count()
    }
}

impl Connection {
    fn lease(self: &Arc<Self>) -> Lease {
        self.streams.fetch_add(1, Ordering::AcqRel);
        Lease(Arc::clone(self))
    }

    /// Whether the peer takes extended CONNECT. Its settings come before its answer to the first ping, so that on a new
    /// connection that answer is waited for (RFC 8441 section 3 forbids guessing).
    async fn offers_extended_connect(&self) -> bool {
        if !self.sender.is_extended_connect_protocol_enabled() {
            let mut pings = self.pings.lock().await;
            if let Some(mut first) = pings.take() {
                let _ = first.ping(Ping::opaque()).await;
            }
        }
        self.sender.is_extended_connect_protocol_enabled()
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Vec<Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// A place on the first connection that has one. Filling them in order lets the last ones fall idle.
    fn lease(&self, max_streams: usize) -> Option<Lease> {
        let mut open = self.open();
        open.retain(|it| !it.spent.load(Ordering::Acquire));
        open.iter()
            .find(|it| {
                it.streams.load(Ordering::Acquire) < max_streams.min(it.sender.current_max_send_streams())
            })
            .map(Connection::lease)
    }

    /// A place in the queue of the connection with the fewest streams.
    fn lease_beyond_limit(&self) -> Option<Lease> {
        self.open()
            .iter()
            .min_by_key(|it| it.streams.load(Ordering::Acquire))
            .map(Connection::lease)
    }

    /// Adds a connection, and sees to it that those which nobody has used for `idle` are dropped.
    fn add(self: &Arc<Self>, connection: Arc<Connection>, interval: Duration, idle: Duration) {
        let mut open = self.open();
        if self.is_closed() {
            return;
        }
        open.push(connection);
        if self.sweeping.swap(true, Ordering::AcqRel) {
            return;
        }
        let shared: Weak<Self> = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                sleep(interval.min(idle)).await;
                let Some(shared) = shared.upgrade() else { return };
                let mut open = shared.open();
                open.retain(|it| !it.is_superfluous(idle));
                if open.is_empty() {
                    shared.sweeping.store(false, Ordering::Release);
                    return;
                }
            }
        });
    }
}

impl Connection {
    fn is_superfluous(&self, idle: Duration) -> bool {
        let unused_since = *self.unused_since.lock().unwrap_or_else(PoisonError::into_inner);
        self.spent.load(Ordering::Acquire)
            || (self.streams.load(Ordering::Acquire) == 0 && unused_since.elapsed() >= idle)
    }
}

/// Opens a stream and waits for the head of its response, uploading `body` meanwhile.
async fn exchange<E, B>(
    mut sender: SendRequest<Bytes>,
    lease: Lease,
    head: Parts,
    body: Option<B>,
) -> Result<Response<Body>, Failure<E>>
where
    B: Payload,
{
    let connects = head.method == Method::CONNECT;
    let last = body.is_none() && !connects;
    let (response, stream) = sender
        .send_request(Request::from_parts(head, ()), last)
        .map_err(|error| opening_failed(error, &lease.0))?;
    drop(sender);
    let (mut upload, tunnel) = match body {
        Some(body) => (Some(Upload::new(body, stream)), None),
        None => (None, connects.then_some(stream)),
    };
    let answered = head_of(response, &mut upload).await;
    let response = match answered {
        Ok(response) => response,
        Err(Stopped::Body(cause)) => return Err(Failure::RequestBody(cause)),
        Err(Stopped::Stream(error)) => return Err(stream_failed(error, &lease.0)),
    };
    Ok(deliver(response, upload, tunnel, lease))
}

enum Stopped {
    Body(Cause),
    Stream(h2::Error),
}

async fn head_of<B>(
    response: ResponseFuture,
    upload: &mut Option<Upload<B>>,
) -> Result<Response<RecvStream>, Stopped>
where
    B: Payload,
{
    let mut response = pin!(response);
    poll_fn(|cx| {
        if let Some(uploading) = upload
            && let Poll::Ready(uploaded) = uploading.poll(cx)
        {
            *upload = None;
            if let Err(UploadError::Body(error)) = uploaded {
                return Poll::Ready(Err(Stopped::Body(error.into())));
            }
        }
        response.as_mut().poll(cx).map_err(Stopped::Stream)
    })
    .await
}

fn deliver<B>(
    response: Response<RecvStream>,
    upload: Option<Upload<B>>,
    tunnel: Option<SendStream<Bytes>>,
    lease: Lease,
) -> Response<Body>
where
    B: Payload,
{
    let (mut head, recv) = response.into_parts();
    prepare::response(&mut head.headers);
    if let Some(send) = tunnel.filter(|_| head.status.is_success()) {
        OnUpgrade::put(&mut head.extensions, Tunnel::new(recv, send, Box::new(lease)));
        return Response::from_parts(head, Body::empty());
    }
    // Tied to the reader of the response, the upload would stop whenever that reader does.
    let upload = upload.map(|mut upload| {
        tokio::spawn(async move { poll_fn(|cx| upload.poll(cx)).await.is_ok() }).abort_handle()
    });
    let length = content_length(&head.headers).filter(|_| !recv.is_end_stream());
    Response::from_parts(
        head,
        Body::stream(Stream::new(recv, length, upload, Box::new(lease))),
    )
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The stream was never opened.
fn opening_failed<E>(error: h2::Error, connection: &Connection) -> Failure<E> {
    if error.is_go_away() || error.is_io() {
        connection.spent.store(true, Ordering::Release);
        Failure::Refused(error.into())
    } else {
        Failure::Unsendable(error.into())
    }
}

fn stream_failed<E>(error: h2::Error, connection: &Connection) -> Failure<E> {
    let remote_closed = error.is_io();
    if error.is_go_away() || remote_closed {
        connection.spent.store(true, Ordering::Release);
    }
    // h2 ends a stream with the peer's GOAWAY only where it lies beyond the last one that the peer has looked at.
    let unprocessed = error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM);
    if error.is_remote() && unprocessed {
        Failure::Refused(error.into())
    } else if error.is_library() {
        Failure::Protocol(error.into())
    } else {
        Failure::ResetAfterSent {
            remote_closed,
            cause: error.into(),
        }
    }
}
