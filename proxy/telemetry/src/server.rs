//! Small HTTP/1.1 servers for people, probes and scrapers: admin, stats and readiness.
//!
//! They are not on the data path and are built to be harmless: few connections, small requests, short timeouts.
//!
//! ```no_run
//! use std::sync::Arc;
//! use cairn_telemetry::Readiness;
//! use cairn_telemetry::metrics::Registry;
//! use cairn_telemetry::server::{self, Routes};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let routes = Routes::admin()
//!     .metrics(Registry::new())
//!     .ready(Readiness::default())
//!     .get("/version", "the version", |_| async { server::text(http::StatusCode::OK, "1\n") });
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:15000").await?;
//! server::serve(listener, Arc::new(routes), std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```

mod endpoints;
mod routes;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time;

pub use routes::{Request, Response, Routes, json, text};

/// Connections at a time, enough for scrapers, probes and a person with a browser.
const MAX_CONNECTIONS: u32 = 128;
const MAX_BODY: usize = 64 << 10;
const MAX_HEAD: usize = 16 << 10;
const LIMITS: Limits = Limits {
    head: Duration::from_secs(10),
    body: Duration::from_secs(10),
    drain: Duration::from_secs(2),
};

/// How long things may take.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// From the beginning of the wait for a request to the end of its head.
    head: Duration,
    /// The body of a request.
    body: Duration,
    /// Requests in flight at shutdown.
    drain: Duration,
}

/// Why a server cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// An admin server on an address that others can reach.
    #[error("the admin interface must not listen on {0}: it has no authentication; choose a loopback address, such as 127.0.0.1:{port}", port = .0.port())]
    NotLoopback(SocketAddr),
    /// The listener does not know its address.
    #[error("the listener cannot be used: {0}")]
    Listener(#[source] io::Error),
}

/// Serves the routes until `shutdown` resolves, then lets requests in flight finish for two seconds.
///
/// # Errors
///
/// [`ServeError::NotLoopback`]: routes made by [`Routes::admin`] are served on loopback addresses only.
pub async fn serve(
    listener: TcpListener,
    routes: Arc<Routes>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    serve_within(listener, routes, shutdown, LIMITS).await
}

async fn serve_within(
    listener: TcpListener,
    routes: Arc<Routes>,
    shutdown: impl Future<Output = ()>,
    limits: Limits,
) -> Result<(), ServeError> {
    let address = listener.local_addr().map_err(ServeError::Listener)?;
    if routes.is_local() && !address.ip().to_canonical().is_loopback() {
        return Err(ServeError::NotLoopback(address));
    }
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS as usize));
    let (stopping, stopped) = watch::channel(());
    let mut shutdown = pin!(shutdown);
    loop {
        let stream = tokio::select! {
            biased;
            () = &mut shutdown => break,
            stream = accept(&listener) => stream,
        };
        let place = tokio::select! {
            biased;
            () = &mut shutdown => break,
            place = places.clone().acquire_owned() => place,
        };
        let (routes, stopped) = (routes.clone(), stopped.clone());
        tokio::spawn(async move {
            connection(stream, routes, stopped, limits).await;
            drop(place);
        });
    }
    drop(listener);
    drop(stopping);
    // Either all places are free again, or those who hold them have had their time.
    drop(time::timeout(limits.drain, places.acquire_many(MAX_CONNECTIONS)).await);
    Ok(())
}

/// The next connection. Errors, such as a shortage of descriptors, are waited out.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::debug!(%error, "cannot accept a connection");
                time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    routes: Arc<Routes>,
    mut stopped: watch::Receiver<()>,
    limits: Limits,
) {
    let service = service_fn(move |request| {
        let routes = routes.clone();
        async move { Ok::<_, Infallible>(answer(&routes, request, limits).await) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(MAX_HEAD);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut running = true;
    loop {
        tokio::select! {
            result = &mut connection => {
                if let Err(error) = result {
                    tracing::debug!(%error, "a connection to the admin, stats or readiness server failed");
                }
                return;
            }
            // The sender is dropped at shutdown; nothing is ever sent.
            _ = stopped.changed(), if running => {
                running = false;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

async fn answer(
    routes: &Routes,
    request: http::Request<Incoming>,
    limits: Limits,
) -> http::Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let response = match time::timeout(limits.body, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(body)) => {
            routes
                .answer(http::Request::from_parts(head, body.to_bytes()))
                .await
        }
        Ok(Err(_)) => text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large or broken\n"),
        Err(_) => text(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time\n"),
    };
    response.map(|body| Full::new(Bytes::from(body)))
}

#[cfg(test)]
mod tests;
