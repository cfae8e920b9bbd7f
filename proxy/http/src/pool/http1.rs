//! HTTP/1.1 connections to the endpoint.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::shelf::{Limits, Perishable, Shelf};
use super::watched::{Known, Signs, Watched};
use super::{Cause, Connect, Failure, Payload, SendError, Settings, prepare};
use crate::body::{Body, Drive, Driven, Progress};
use crate::interim::Interim;
use crate::upgrade;

/// Bytes of a response that hyper reads ahead, and of a request that it takes from a body while the peer is slow.
const BUFFER: usize = 128 * 1024;

/// All HTTP/1 connections to one endpoint.
pub(super) struct Connections<C, B> {
    connect: C,
    settings: Box<Settings>,
    builder: http1::Builder,
    shelf: Arc<Shelf<Box<Connection<B>>>>,
}

impl<C, B> Connections<C, B>
where
    C: Connect,
    B: Payload,
{
    pub(super) fn new(connect: C, settings: Settings) -> Self {
        let mut builder = http1::Builder::new();
        // RFC 9112 section 5.2: a proxy replaces the folds of a response by spaces.
        builder
            .allow_obsolete_multiline_headers_in_responses(true)
            .max_header_size(settings.max_head_bytes);
        builder.max_buf_size((2 * settings.max_head_bytes).max(BUFFER));
        if settings.max_headers != 100 {
            builder.max_headers(settings.max_headers);
        }
        let shelf = Shelf::new(Limits {
            items: settings.max_idle,
            age: settings.idle_timeout,
            sweep: settings.sweep_interval,
        });
        Self {
            connect,
            settings: Box::new(settings),
            builder,
            shelf,
        }
    }

    pub(super) async fn send(
        &self,
        mut request: Request<B>,
        local: &mut Option<SocketAddr>,
    ) -> Result<Response<Body>, SendError<C::Error, B>> {
        if self.shelf.is_closed() {
            return Err(SendError::unsent(Failure::Closed, false, request));
        }
        if let Err(cause) = prepare::for_http1(&mut request) {
            return Err(SendError::unsent(Failure::Unsendable(cause), false, request));
        }
        let mut parcel = Parcel::new(request);
        while let Some(connection) = self.shelf.take() {
            if connection.is_overdue() {
                continue;
            }
            *local = connection.local;
            let again = parcel.replay();
            connection.signs.begin(again.is_none());
            match exchange(connection, parcel).await {
                Ok(response) => return Ok(response),
                Err(Broken::Unsent(returned, _)) => parcel = *returned,
                Err(Broken::Sent { failure, body }) => match (again, body) {
                    // The rest of the shelf is likely to be as stale as this one was.
                    (Some(head), Some(body))
                        if matches!(failure, Failure::ResetAfterSent { .. } | Failure::Unseen(_)) =>
                    {
                        parcel = Parcel {
                            head,
                            body,
                            empty: true,
                        };
                        break;
                    }
                    _ => return Err(SendError::lost(failure, true)),
                },
            }
        }
        let connection = match self.open().await {
            Ok(connection) => connection,
            Err(failure) => return Err(SendError::unsent(failure, false, parcel.into_request())),
        };
        *local = connection.local;
        match exchange(connection, parcel).await {
            Ok(response) => Ok(response),
            Err(Broken::Unsent(parcel, error)) => Err(SendError::unsent(
                Failure::ResetBeforeSent(error.into()),
                false,
                parcel.into_request(),
            )),
            Err(Broken::Sent { failure, .. }) => Err(SendError::lost(failure, false)),
        }
    }

    async fn open(&self) -> Result<Box<Connection<B>>, Failure<C::Error>> {
        let io = tokio::time::timeout(self.settings.connect_timeout, self.connect.connect())
            .await
            .map_err(|_| Failure::ConnectTimeout)?
            .map_err(|error| Failure::Connect(Arc::new(error)))?;
        let local = self.connect.local_address(&io);
        let signs = Arc::new(Signs::default());
        let known = Known {
            reset: C::reset,
            is_over: C::is_over,
            unacknowledged: C::unacknowledged,
        };
        let io = TokioIo::new(Watched::new(io, Arc::clone(&signs), known));
        let (sender, task) = self
            .builder
            .handshake(io)
            .await
            .map_err(|error| Failure::ResetBeforeSent(error.into()))?;
        let task: Task = Box::pin(task.with_upgrades());
        Ok(Box::new(Connection {
            sender,
            task: Some(task),
            local,
            signs,
            left: self.settings.max_requests.map(NonZeroU32::get),
            expires: None,
            ends: self.settings.max_age.map(|age| Instant::now() + age),
            shelf: Arc::downgrade(&self.shelf),
        }))
    }

    pub(super) fn close(&self) {
        self.shelf.close();
    }

    pub(super) fn idle(&self) -> usize {
        self.shelf.len()
    }
}

/// A request taken apart, so that a head that was copied and a body that was never needed make a request again.
struct Parcel<B> {
    head: Parts,
    body: B,
    empty: bool,
}

impl<B> Parcel<B>
where
    B: Payload,
{
    fn new(request: Request<B>) -> Self {
        let (head, body) = request.into_parts();
        let empty = body.is_end_stream();
        Self { head, body, empty }
    }

    /// A copy of the head, where a proxy may send the request twice: idempotent (RFC 9110 section 9.2.2) and empty.
    fn replay(&self) -> Option<Parts> {
        (self.empty && self.head.method.is_idempotent()).then(|| self.head.clone())
    }

    fn into_request(self) -> Request<B> {
        Request::from_parts(self.head, self.body)
    }
}

/// Why an exchange came to nothing.
enum Broken<E, B> {
    /// The request was not written: here it is again.
    Unsent(Box<Parcel<B>>, hyper::Error),
    /// It was, or may have been. An empty body has stayed behind.
    Sent { failure: Failure<E>, body: Option<B> },
}

type Task = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// One connection, and the way back to the shelf.
struct Connection<B> {
    sender: http1::SendRequest<Sending<B>>,
    /// `None` once it has ended.
    task: Option<Task>,
    local: Option<SocketAddr>,
    signs: Arc<Signs>,
    /// Requests that it may still serve.
    left: Option<u32>,
    /// When the peer is about to close it.
    expires: Option<Instant>,
    /// When it has had its time.
    ends: Option<Instant>,
    shelf: Weak<Shelf<Box<Connection<B>>>>,
}

impl<B> Connection<B>
where
    B: Payload,
{
    fn is_overdue(&self) -> bool {
        let mut ends = self.expires.iter().chain(&self.ends);
        ends.any(|end| *end <= Instant::now())
    }

    /// Moves the connection; when it ends, whatever waits for an answer from it is told.
    fn poll_task(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(task) = &mut self.task
            && task.as_mut().poll(cx).is_ready()
        {
            self.task = None;
        }
        self.task.is_none()
    }
}

impl<B> Drive for Connection<B>
where
    B: Payload,
{
    fn poll_drive(&mut self, cx: &mut Context<'_>) -> Progress {
        if self.poll_task(cx) {
            Progress::Over
        } else if self.sender.is_ready() {
            Progress::Idle
        } else {
            Progress::Busy
        }
    }

    fn release(mut self: Box<Self>) {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return;
            }
        }
        if let Some(shelf) = self.shelf.upgrade() {
            shelf.put(self);
        }
    }
}

impl<B> Perishable for Box<Connection<B>>
where
    B: Payload,
{
    fn is_alive(&mut self) -> bool {
        self.poll_drive(&mut Context::from_waker(Waker::noop())) == Progress::Idle
    }
}

/// Sends one request over `connection` and drives it until the head of the response is there.
async fn exchange<E, B>(
    mut connection: Box<Connection<B>>,
    parcel: Parcel<B>,
) -> Result<Response<Body>, Broken<E, B>>
where
    B: Payload,
{
    let Parcel { head, body, empty } = parcel;
    let asked = Asked {
        upgrade: upgrade::asked(&head.headers).is_some(),
        tunnel: head.method == Method::CONNECT,
    };
    let (sending, kept, upload) = if empty {
        (
            Sending {
                body: None,
                upload: None,
            },
            Some(body),
            None,
        )
    } else {
        let upload = Arc::new(AtomicU8::new(UPLOADING));
        (
            Sending {
                body: Some(body),
                upload: Some(Arc::clone(&upload)),
            },
            None,
            Some(upload),
        )
    };
    let mut request = Request::from_parts(head, sending);
    if let Some(interim) = Interim::take(request.extensions_mut()) {
        hyper::ext::on_informational(&mut request, move |response| {
            interim.pass(response.status(), response.headers());
        });
    }
    let mut answer = pin!(connection.sender.try_send_request(request));
    let answered = poll_fn(|cx| {
        // The answer comes out of the connection, in this task: waking this task for it would be a wasted turn.
        connection.poll_task(cx);
        answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    })
    .await;
    match answered {
        Ok(response) => {
            let uploading = upload.is_some_and(|upload| upload.load(Ordering::Acquire) == UPLOADING)
                || connection.signs.blocked.load(Ordering::Relaxed);
            deliver(connection, response, &asked, uploading).map_err(|cause| Broken::Sent {
                failure: Failure::Protocol(cause),
                body: None,
            })
        }
        Err(error) => Err(broken(
            error,
            kept,
            upload.as_deref(),
            connection.signs.is_unseen(),
        )),
    }
}

/// How a request asks for the connection to stop being HTTP.
struct Asked {
    upgrade: bool,
    tunnel: bool,
}

/// Decides who drives the connection from here on.
///
/// # Errors
///
/// When the upstream stops speaking HTTP without having been asked to: whatever followed would be taken for the answer to
/// something else, by whoever the 101 was passed on to.
fn deliver<B>(
    mut connection: Box<Connection<B>>,
    mut response: Response<Incoming>,
    asked: &Asked,
    uploading: bool,
) -> Result<Response<Body>, Cause>
where
    B: Payload,
{
    let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if upgraded && !asked.upgrade {
        return Err("the upstream has switched protocols without having been asked to".into());
    }
    let switched = upgraded || (asked.tunnel && response.status().is_success());
    connection.signs.switched.store(switched, Ordering::Release);
    connection.expires = prepare::kept_for(response.headers()).map(|kept| Instant::now() + kept);
    prepare::response(response.headers_mut());
    Ok(if connection.task.is_none() {
        response.map(Body::from)
    } else if switched {
        if let Some(task) = connection.task.take() {
            tokio::spawn(task);
        }
        response.map(|_| Body::empty())
    } else if connection.sender.is_ready() {
        connection.release();
        response.map(Body::from)
    } else if uploading {
        // Tied to the reader of the response, the upload would stop whenever that reader does.
        tokio::spawn(see_off(connection));
        response.map(Body::from)
    } else {
        response.map(|incoming| Body::driven(Driven::new(incoming, connection)))
    })
}

/// Drives a connection to the end of its exchange.
async fn see_off<B>(mut connection: Box<Connection<B>>)
where
    B: Payload,
{
    let progress = poll_fn(|cx| match connection.poll_drive(cx) {
        Progress::Busy => Poll::Pending,
        progress => Poll::Ready(progress),
    })
    .await;
    if progress == Progress::Idle {
        connection.release();
    }
}

fn broken<E, B>(
    mut error: TrySendError<Request<Sending<B>>>,
    kept: Option<B>,
    upload: Option<&AtomicU8>,
    unseen: bool,
) -> Broken<E, B>
where
    B: Payload,
{
    if let Some(message) = error.take_message() {
        let (head, mut sending) = message.into_parts();
        let empty = kept.is_some();
        if let Some(body) = kept.or_else(|| sending.body.take()) {
            return Broken::Unsent(Box::new(Parcel { head, body, empty }), error.into_error());
        }
        return Broken::Sent {
            failure: reset(error.into_error(), unseen),
            body: None,
        };
    }
    let failed = upload.is_some_and(|upload| upload.load(Ordering::Acquire) == FAILED);
    let error = error.into_error();
    let failure = if failed {
        Failure::RequestBody(error.into())
    } else if error.is_parse() {
        Failure::Protocol(error.into())
    } else {
        reset(error, unseen)
    };
    Broken::Sent { failure, body: kept }
}

fn reset<E>(error: hyper::Error, unseen: bool) -> Failure<E> {
    if unseen {
        return Failure::Unseen(error.into());
    }
    let io = error.source().is_some_and(<dyn Error>::is::<std::io::Error>);
    Failure::ResetAfterSent {
        remote_closed: io || error.is_incomplete_message() || error.is_closed(),
        cause: error.into(),
    }
}

const UPLOADING: u8 = 0;
const UPLOADED: u8 = 1;
const FAILED: u8 = 2;

/// The body as hyper sends it; `None` for a request without one. hyper drops it when it has been sent.
struct Sending<B> {
    body: Option<B>,
    upload: Option<Arc<AtomicU8>>,
}

impl<B> HttpBody for Sending<B>
where
    B: Payload,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(cx);
        if let Poll::Ready(Some(Err(_))) = &polled
            && let Some(upload) = &self.upload
        {
            upload.store(FAILED, Ordering::Release);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl<B> Drop for Sending<B> {
    fn drop(&mut self) {
        if let Some(upload) = &self.upload {
            let _ = upload.compare_exchange(UPLOADING, UPLOADED, Ordering::AcqRel, Ordering::Acquire);
        }
    }
}
