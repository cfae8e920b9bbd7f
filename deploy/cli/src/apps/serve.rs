//! Serving a sample, and calling from one to the next.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use cairn_net::ConnectOptions;
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::{App, Pod};

/// The largest body that a sample reads.
const MAX_BODY: usize = 1 << 20;
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The headers that the samples pass on, so that traces and per-user routes hold across calls.
const PASSED_ON: [&str; 8] = [
    "end-user",
    "user-agent",
    "x-request-id",
    "traceparent",
    "tracestate",
    "b3",
    "authorization",
    "cookie",
];

/// A request with its whole body.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    pub(super) fn path(&self) -> &str {
        self.uri.path()
    }

    /// GETs `http://service:port/path` from this pod; the body when the answer is 2xx, else what went wrong.
    pub(super) async fn get(&self, pod: &Pod, host: &str, path: &str) -> Result<Bytes, String> {
        tokio::time::timeout(CALL_TIMEOUT, self.get_unbounded(pod, host, path))
            .await
            .unwrap_or_else(|_| Err(format!("{host} did not answer in {CALL_TIMEOUT:?}")))
    }

    async fn get_unbounded(&self, pod: &Pod, host: &str, path: &str) -> Result<Bytes, String> {
        let address = (pod.resolve)(host).ok_or_else(|| format!("no service {host}"))?;
        let failed = |error: &dyn std::fmt::Display| format!("{host}: {error}");
        let options = ConnectOptions {
            source: Some(pod.address),
            ..ConnectOptions::default()
        };
        let stream = cairn_net::connect(address, &options)
            .await
            .map_err(|error| failed(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(&error))?;
        // Ends with the connection, which ends when the sender below is dropped.
        tokio::spawn(connection);
        let mut request = Request::get(path).header(http::header::HOST, host);
        for name in PASSED_ON {
            for value in self.headers.get_all(name) {
                request = request.header(name, value);
            }
        }
        let request = request
            .body(Full::<Bytes>::default())
            .map_err(|error| failed(&error))?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| failed(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_BODY)
            .collect()
            .await
            .map_err(|error| failed(&error))?;
        if !status.is_success() {
            return Err(format!("{host} answered {status}"));
        }
        Ok(body.to_bytes())
    }
}

/// A sample that runs. It stops when this is dropped.
pub(crate) struct Serving {
    /// When it stops; not at all while there is none.
    end: watch::Sender<Option<Instant>>,
    task: JoinHandle<()>,
}

impl Serving {
    /// Serves `app` on `listener`.
    pub(crate) fn start(app: App, pod: Pod, listener: TcpListener) -> Serving {
        let (end, ended) = watch::channel(None);
        Serving {
            end,
            task: tokio::spawn(serve(app, pod, listener, ended)),
        }
    }

    /// Lets it go on for `grace`, as a pod that is being deleted does, so that nobody calls into the void before the
    /// proxies know.
    pub(crate) fn retire(&self, grace: Duration) {
        self.end.send_replace(Some(Instant::now() + grace));
    }

    pub(crate) fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// Stops it now; its address is free afterwards.
    pub(crate) async fn stop(self) {
        self.end.send_replace(Some(Instant::now()));
        // Its panic would have been reported when it happened.
        let _ = self.task.await;
    }
}

async fn serve(app: App, pod: Pod, listener: TcpListener, mut ended: watch::Receiver<Option<Instant>>) {
    // Dropping the set with this future ends every connection.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = end(&mut ended) => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(app.clone(), pod.clone(), stream));
                }
                // No file descriptor is left, or the client has gone already.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Resolves when the time has come, or when nobody is left to say so.
async fn end(ended: &mut watch::Receiver<Option<Instant>>) {
    loop {
        let at = *ended.borrow_and_update();
        let due = async {
            match at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => return,
            changed = ended.changed() => if changed.is_err() { return },
        }
    }
}

async fn connection(app: App, pod: Pod, stream: TcpStream) {
    let keep_alive = app.keeps_connections();
    let service = service_fn(move |request| {
        let (app, pod) = (app.clone(), pod.clone());
        async move { Ok::<_, Infallible>(answer(&app, &pod, request).await) }
    });
    let mut server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    server.http1().keep_alive(keep_alive);
    // A client that goes away is no concern of a sample's.
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(app: &App, pod: &Pod, request: Request<Incoming>) -> http::Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return super::status(http::StatusCode::PAYLOAD_TOO_LARGE);
    };
    let call = Call {
        method: head.method,
        uri: head.uri,
        headers: head.headers,
        body: body.to_bytes(),
    };
    app.answer(pod, call).await
}
