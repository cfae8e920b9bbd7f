//! HTTP/2 connections to the endpoint.

mod connection;
mod group;
mod last_words;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response};
use tokio::time::timeout;

use self::connection::{Connection, Lease, Offer};
use self::group::{Group, Outcome, Place, Unopened};
use self::last_words::LastWords;
use super::{Cause, Connect, Failure, Payload, SendError, Settings, prepare};
use crate::body::{Body, Stream, Upload, UploadError};
use crate::interim::Interim;
use crate::upgrade::{OnUpgrade, Tunnel};

/// All HTTP/2 connections to one endpoint.
pub(super) struct Connections<C>
where
    C: Connect,
{
    opener: Arc<Opener<C>>,
    group: Arc<Group<C::Error>>,
}

/// Opens connections, for as long as one attempt takes: in a task of its own.
struct Opener<C> {
    connect: C,
    builder: Builder,
    settings: Settings,
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
        Self {
            opener: Arc::new(Opener {
                connect,
                builder,
                settings,
            }),
            group: Group::new(),
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
        let settings = &self.opener.settings;
        let mut retried = false;
        let mut waited = false;
        loop {
            if self.group.is_closed() {
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
                lease.0.retire();
                if reused {
                    continue;
                }
                let failure = Failure::ResetBeforeSent(error.into());
                return Err(SendError::unsent(failure, false, Request::from_parts(head, body)));
            }
            if head.extensions.get::<h2::ext::Protocol>().is_some() {
                let failure = match lease.0.extended_connect(settings.connect_timeout).await {
                    Offer::Made => None,
                    Offer::NotMade => Some(Failure::Unsupported(
                        "the upstream does not offer extended CONNECT".into(),
                    )),
                    Offer::Lost if reused => continue,
                    Offer::Lost => Some(Failure::ResetBeforeSent(
                        "the connection ended before the upstream's settings".into(),
                    )),
                    // Another connection may do better; another wait is more than the request can be asked for.
                    Offer::Silent if reused && !waited => {
                        waited = true;
                        continue;
                    }
                    Offer::Silent => Some(Failure::ConnectTimeout),
                };
                if let Some(failure) = failure {
                    let request = Request::from_parts(head, body);
                    return Err(SendError::unsent(failure, reused, request));
                }
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
        let settings = &self.opener.settings;
        match self.group.reserve(settings) {
            Place::Open(lease) => Ok((lease, true)),
            // However many attempts it takes, nobody waits for longer than for one.
            place => timeout(settings.connect_timeout, self.wait(place))
                .await
                .unwrap_or(Err(Failure::ConnectTimeout)),
        }
    }

    async fn wait(&self, mut place: Place<C::Error>) -> Result<(Lease, bool), Failure<C::Error>> {
        let settings = &self.opener.settings;
        loop {
            let attempt = match place {
                Place::Open(lease) => return Ok((lease, true)),
                Place::Opening(attempt) => attempt,
                Place::Start(attempt, outcome) => {
                    self.start(outcome);
                    attempt
                }
            };
            let connection = attempt.connection().await?;
            if let Some(lease) = connection.try_lease(settings) {
                return Ok((lease, false));
            }
            // Others were faster.
            place = self.group.reserve(settings);
        }
    }

    /// Makes a connection in a task of its own: whoever asked for it may give up, and others wait for it as well.
    fn start(&self, outcome: Outcome<C::Error>) {
        let opener = Arc::clone(&self.opener);
        let group = Arc::downgrade(&self.group);
        tokio::spawn(async move {
            let made = timeout(opener.settings.connect_timeout, opener.open())
                .await
                .unwrap_or(Err(Unopened::Timeout));
            if let Some(group) = group.upgrade() {
                group.settle(&outcome, made, &opener.settings);
            }
        });
    }

    pub(super) fn close(&self) {
        self.group.close();
    }

    pub(super) fn open(&self) -> usize {
        self.group.open()
    }
}

impl<C> Opener<C>
where
    C: Connect,
{
    async fn open(&self) -> Result<Arc<Connection>, Unopened<C::Error>> {
        let io = self
            .connect
            .connect()
            .await
            .map_err(|error| Unopened::Connect(Arc::new(error)))?;
        let local = self.connect.local_address(&io);
        let (sender, mut task) = self
            .builder
            .handshake(LastWords::new(io))
            .await
            .map_err(|error| Unopened::Handshake(Arc::new(error)))?;
        let connection = Connection::new(sender, task.ping_pong(), local);
        // Weak: the task ends by itself once every sender and stream is gone.
        let watched = Arc::downgrade(&connection);
        let task = tokio::spawn(async move {
            if let Err(error) = task.await {
                tracing::debug!(%error, "upstream HTTP/2 connection ended");
            }
            if let Some(connection) = watched.upgrade() {
                connection.retire();
            }
        });
        if let Some(keepalive) = self.settings.keepalive {
            connection.keep_alive(keepalive, task.abort_handle());
        }
        Ok(connection)
    }
}

/// Opens a stream and waits for the head of its response, uploading `body` meanwhile.
async fn exchange<E, B>(
    mut sender: SendRequest<Bytes>,
    lease: Lease,
    mut head: Parts,
    body: Option<B>,
) -> Result<Response<Body>, Failure<E>>
where
    B: Payload,
{
    let interim = Interim::take(&mut head.extensions);
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
    let answered = head_of(response, interim, &mut upload).await;
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
    mut response: ResponseFuture,
    mut interim: Option<Interim>,
    upload: &mut Option<Upload<B>>,
) -> Result<Response<RecvStream>, Stopped>
where
    B: Payload,
{
    poll_fn(|cx| {
        if let Some(uploading) = upload
            && let Poll::Ready(uploaded) = uploading.poll(cx)
        {
            *upload = None;
            if let Err(UploadError::Body(error)) = uploaded {
                return Poll::Ready(Err(Stopped::Body(error.into())));
            }
        }
        while let Some(client) = &interim {
            match response.poll_informational(cx) {
                Poll::Ready(Some(Ok(hint))) => client.pass(hint.status(), hint.headers()),
                Poll::Ready(_) => interim = None,
                Poll::Pending => break,
            }
        }
        Pin::new(&mut response).poll(cx).map_err(Stopped::Stream)
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
        connection.retire();
        Failure::Refused(error.into())
    } else {
        Failure::Unsendable(error.into())
    }
}

fn stream_failed<E>(error: h2::Error, connection: &Connection) -> Failure<E> {
    let remote_closed = error.is_io();
    if error.is_go_away() || remote_closed {
        connection.retire();
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
