//! One connection to a tunnel server.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::error::ConnectError;
use crate::Settings;
use crate::settings::{MAX_RESET_STREAMS, MAX_STREAM_ERRORS, RESET_MEMORY};
use crate::supervisor::unanswered;

/// Largest header list that a server may answer with.
const MAX_RESPONSE_HEADERS: u32 = 16 << 10;

/// A connection, and how many tunnels are on it.
pub(super) struct Connection {
    /// `None` once no more tunnels may be opened. The connection closes when the last one on it has ended.
    sender: Mutex<Option<SendRequest<Bytes>>>,
    streams: AtomicUsize,
    is_usable: AtomicBool,
    last_used: Mutex<Instant>,
}

/// Limits of a connection.
pub(super) struct Limits {
    /// How long HTTP/2 may take to begin.
    pub(super) handshake: Duration,
    /// How long it is kept without tunnels.
    pub(super) unused: Duration,
}

impl Connection {
    /// Begins HTTP/2 on `io`. `ended` is called when no more tunnels can be opened.
    pub(super) async fn open<S>(
        io: S,
        settings: &Settings,
        limits: Limits,
        ended: impl Fn(&Weak<Connection>) + Send + Sync + 'static,
    ) -> Result<Arc<Connection>, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let handshake = Box::pin(builder(settings).handshake::<S, Bytes>(io));
        let (sender, mut http2) = timeout(limits.handshake, handshake)
            .await
            .map_err(|_| ConnectError::HandshakeTimeout)?
            .map_err(|error| ConnectError::Handshake(Arc::new(error)))?;
        let connection = Arc::new(Connection {
            sender: Mutex::new(Some(sender)),
            streams: AtomicUsize::new(0),
            is_usable: AtomicBool::new(true),
            last_used: Mutex::new(Instant::now()),
        });
        let pings = http2.ping_pong();
        // The tasks hold it weakly: it lives for as long as the pool or a tunnel wants it.
        let weak = Arc::downgrade(&connection);
        let (dead, is_dead) = oneshot::channel();
        let supervisor = tokio::spawn({
            let (settings, unused, weak) = (settings.clone(), limits.unused, weak.clone());
            async move {
                let mut unanswered = pin!(unanswered(pings, &settings));
                tokio::select! {
                    () = &mut unanswered => {}
                    () = until_unused(&weak, unused) => {
                        // Tunnels may have been opened on it just now. They still need the PINGs.
                        unanswered.await;
                    }
                }
                // The connection is there for as long as this task.
                let _ = dead.send(());
            }
        });
        tokio::spawn(async move {
            tokio::select! {
                biased;
                end = http2 => {
                    if let Err(error) = end {
                        tracing::debug!(%error, "a pooled connection broke");
                    }
                }
                Ok(()) = is_dead => tracing::debug!("a pooled connection does not answer"),
            }
            supervisor.abort();
            if let Some(connection) = weak.upgrade() {
                connection.retire();
            }
            ended(&weak);
        });
        Ok(connection)
    }

    /// A place for one tunnel, if there are fewer than `max` of them.
    pub(super) fn reserve(self: &Arc<Connection>, max: usize) -> Option<Lease> {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = sender.as_ref()?;
        // Only changed upwards under this lock.
        if self.streams.load(Ordering::Relaxed) >= max.min(sender.current_max_send_streams()) {
            return None;
        }
        self.streams.fetch_add(1, Ordering::Relaxed);
        Some(Lease {
            connection: self.clone(),
            sender: sender.clone(),
        })
    }

    pub(super) fn is_usable(&self) -> bool {
        self.is_usable.load(Ordering::Relaxed)
    }

    /// Opens no more tunnels. Those that are open go on; then the connection closes.
    pub(super) fn retire(&self) {
        self.is_usable.store(false, Ordering::Relaxed);
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(sender);
    }

    /// Whether there are tunnels, and when there was one last. The least comes first to be let go.
    pub(super) fn last_used(&self) -> (bool, Instant) {
        let used = self.streams.load(Ordering::Relaxed) > 0;
        (
            used,
            *self.last_used.lock().unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// When it will have been unused for `limit`; `None` when it has been already.
    fn unused_at(&self, limit: Duration) -> Option<Instant> {
        let now = Instant::now();
        match self.last_used() {
            (true, _) => Some(now + limit),
            (false, since) => Some(since + limit).filter(|at| *at > now),
        }
    }
}

/// Waits until the connection has had no tunnel for `limit`, and retires it.
async fn until_unused(connection: &Weak<Connection>, limit: Duration) {
    loop {
        let Some(at) = connection.upgrade().map(|connection| {
            let at = connection.unused_at(limit);
            if at.is_none() {
                connection.retire();
            }
            at
        }) else {
            return;
        };
        match at {
            Some(at) => sleep(at - Instant::now()).await,
            None => return,
        }
    }
}

fn builder(settings: &Settings) -> h2::client::Builder {
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(settings.stream_window())
        .initial_connection_window_size(settings.connection_window())
        .max_frame_size(settings.max_frame_size())
        .max_header_list_size(MAX_RESPONSE_HEADERS)
        .max_send_buffer_size(settings.send_buffer)
        .data_frame_budget(settings.data_frame_budget)
        .max_concurrent_reset_streams(MAX_RESET_STREAMS)
        .reset_stream_duration(RESET_MEMORY)
        .max_local_error_reset_streams(Some(MAX_STREAM_ERRORS))
        .enable_push(false);
    builder
}

/// The place of one tunnel on a connection; free again when this is dropped.
pub(super) struct Lease {
    connection: Arc<Connection>,
    sender: SendRequest<Bytes>,
}

impl Lease {
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Sends the head of a request and waits for that of the answer.
    pub(super) async fn send(
        &self,
        head: Request<()>,
    ) -> Result<(Response<RecvStream>, SendStream<Bytes>), h2::Error> {
        let mut sender = self.sender.clone().ready().await?;
        let (response, stream) = sender.send_request(head, false)?;
        Ok((response.await?, stream))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        *self
            .connection
            .last_used
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.connection.streams.fetch_sub(1, Ordering::Relaxed);
    }
}
