//! Accepting connections for as long as the process lives.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time;

/// The first pause when resources are short; it doubles up to [`LONGEST_PAUSE`].
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How many connections may be open at a time, shared by all the listeners that it is given to.
#[derive(Debug, Clone)]
pub struct ConnectionLimit {
    free: Arc<Semaphore>,
    max: u32,
}

impl ConnectionLimit {
    /// At most `max` connections. The next ones wait in the kernel's queue until one closes.
    pub fn new(max: u32) -> Self {
        // tokio's semaphore has a bound of its own, which on 32-bit machines is below u32::MAX.
        let max = u32::try_from(Semaphore::MAX_PERMITS).map_or(max, |bound| max.min(bound));
        Self {
            free: Arc::new(Semaphore::new(max as usize)),
            max,
        }
    }

    /// Connections that are open now.
    pub fn open(&self) -> usize {
        (self.max as usize).saturating_sub(self.free.available_permits())
    }

    /// Waits until every connection has closed. New ones wait meanwhile: call it when accepting has stopped.
    pub async fn all_closed(&self) {
        // An error would mean that the semaphore is closed, which nothing does.
        drop(self.free.acquire_many(self.max).await);
    }

    async fn take(&self) -> Option<OwnedSemaphorePermit> {
        self.free.clone().acquire_owned().await.ok()
    }
}

/// Accepts connections and runs `handle` for each on a task of its own, until `stop` resolves.
///
/// The loop survives what `accept` reports about a single connection (the client has gone already) and a shortage
/// of file descriptors or memory: it pauses, longer each time, up to one second. Streams have `TCP_NODELAY`
/// set. Connections that are open when `stop` resolves go on; [`ConnectionLimit::all_closed`] waits for them. So do those
/// that the kernel has taken by then and that wait in its queue: closing the listener would reset them.
pub async fn accept_loop<H, F>(
    listener: TcpListener,
    limit: &ConnectionLimit,
    stop: impl Future<Output = ()>,
    mut handle: H,
) where
    H: FnMut(TcpStream, SocketAddr) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    accept_until(&listener, limit, stop, &mut handle).await;
    accept_queue(listener, limit, &mut handle);
}

async fn accept_until<H, F>(
    listener: &TcpListener,
    limit: &ConnectionLimit,
    stop: impl Future<Output = ()>,
    handle: &mut H,
) where
    H: FnMut(TcpStream, SocketAddr) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut stop = pin!(stop);
    let mut pause = Pause::default();
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if concerns_one_connection(&error) => {
                tracing::debug!(%error, "a connection was lost before it was accepted");
                continue;
            }
            Err(error) => {
                let pause = pause.next(listener, &error);
                tokio::select! {
                    biased;
                    () = &mut stop => return,
                    () = time::sleep(pause) => continue,
                }
            }
        };
        pause = Pause::default();
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, %peer, "a connection was lost before it was served");
            continue;
        }
        // Taken after the accept, so that an idle listener holds no share of the limit.
        let permit = tokio::select! {
            biased;
            () = &mut stop => return,
            permit = limit.take() => permit,
        };
        serve(handle(stream, peer), permit);
    }
}

/// Accepts what waits in the kernel's queue, and nothing that comes later.
fn accept_queue<H, F>(listener: TcpListener, limit: &ConnectionLimit, handle: &mut H)
where
    H: FnMut(TcpStream, SocketAddr) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    // Asked directly: the runtime only learns now and then what has arrived.
    let Ok(listener) = listener.into_std() else { return };
    loop {
        let (stream, peer) = match listener.accept() {
            Ok(accepted) => accepted,
            Err(error) if concerns_one_connection(&error) => continue,
            Err(_) => return,
        };
        let ready = stream
            .set_nonblocking(true)
            .and_then(|()| stream.set_nodelay(true));
        let stream = ready.and_then(|()| TcpStream::from_std(stream));
        if let (Ok(stream), Ok(permit)) = (stream, limit.free.clone().try_acquire_owned()) {
            serve(handle(stream, peer), Some(permit));
        }
    }
}

fn serve(connection: impl Future<Output = ()> + Send + 'static, permit: Option<OwnedSemaphorePermit>) {
    tokio::spawn(async move {
        connection.await;
        drop(permit);
    });
}

/// The growing pause between attempts to accept.
#[derive(Default)]
struct Pause {
    last: Option<Duration>,
}

impl Pause {
    fn next(&mut self, listener: &TcpListener, error: &io::Error) -> Duration {
        let pause = self
            .last
            .map_or(SHORTEST_PAUSE, |last| (last * 2).min(LONGEST_PAUSE));
        // Warned of once per shortage, and once more when it lasts: the log must not become the next victim.
        if self.last.is_none() || (pause == LONGEST_PAUSE && self.last != Some(LONGEST_PAUSE)) {
            let address = listener
                .local_addr()
                .map_or_else(|_| "?".to_owned(), |address| address.to_string());
            tracing::warn!(%error, address, "cannot accept connections; trying again");
        }
        self.last = Some(pause);
        pause
    }
}

/// Errors of the connection that was to be accepted, as accept(2) lists them; the listener itself is well.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNABORTED
                | libc::ECONNRESET
                | libc::EINTR
                | libc::EPERM
                | libc::EPROTO
                | libc::ENOPROTOOPT
                | libc::EOPNOTSUPP
                | libc::ENETDOWN
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
                | libc::ENONET
                | libc::ETIMEDOUT
        )
    )
}

#[cfg(test)]
mod tests;
