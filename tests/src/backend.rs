//! An application that tells what reached it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// One request as a backend saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The request's method.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// `:authority` or Host.
    pub authority: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The protocol it came by.
    pub version: Version,
    /// The address it came from.
    pub peer: SocketAddr,
}

/// What a backend does with a request in place of answering it well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfortune {
    /// It answers with this status.
    Status(u16),
    /// It answers with this gRPC status, and without a message.
    Grpc(u8),
    /// It closes the connection.
    Reset,
    /// It never answers.
    Silence,
}

/// What a backend says of its load, and where.
#[derive(Clone, Copy, Debug)]
pub enum Load {
    /// Before the body.
    Head(&'static str),
    /// Behind it.
    Trailers(&'static str),
}

/// A server of HTTP/1.1 and HTTP/2 on one address; answers `backend NAME` with the request's body behind it, and
/// its trailers behind that.
#[derive(Debug)]
pub struct Backend {
    seen: Arc<Mutex<Vec<Seen>>>,
    stalled: watch::Sender<bool>,
    waiting: Arc<AtomicUsize>,
    misfortunes: Arc<Mutex<VecDeque<Misfortune>>>,
    load: Arc<Mutex<Option<Load>>>,
    // Ends the accept loop and all connections with the backend.
    _tasks: JoinSet<()>,
}

impl Backend {
    /// Listens on `address`.
    pub async fn start(address: SocketAddr, name: &str) -> Backend {
        let listener = TcpListener::bind(address)
            .await
            .expect("the backend's address is free");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        let (stalled, stalls) = watch::channel(false);
        let waiting = Arc::new(AtomicUsize::new(0));
        let misfortunes: Arc<Mutex<VecDeque<Misfortune>>> = Arc::default();
        let (record, waits, name) = (Arc::clone(&seen), Arc::clone(&waiting), name.to_owned());
        let script = Arc::clone(&misfortunes);
        let load: Arc<Mutex<Option<Load>>> = Arc::default();
        let loaded = Arc::clone(&load);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, peer)) = listener.accept().await {
                let (record, waits, name) = (Arc::clone(&record), Arc::clone(&waits), name.clone());
                let (stalls, script) = (stalls.clone(), Arc::clone(&script));
                let loaded = Arc::clone(&loaded);
                connections.spawn(async move {
                    let service = service_fn(move |request| {
                        let (record, waits, name) = (Arc::clone(&record), Arc::clone(&waits), name.clone());
                        let mut stalls = stalls.clone();
                        let load = *loaded.lock().unwrap_or_else(PoisonError::into_inner);
                        let misfortune = script.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                        async move {
                            waits.fetch_add(1, Ordering::Relaxed);
                            // An error means that the backend has been dropped, and this connection with it.
                            let _ = stalls.wait_for(|stalls| !stalls).await;
                            waits.fetch_sub(1, Ordering::Relaxed);
                            let answer = answer(&record, &name, peer, request).await;
                            suffer(misfortune, tell(load, answer)).await
                        }
                    });
                    let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Backend {
            seen,
            stalled,
            waiting,
            misfortunes,
            load,
            _tasks: tasks,
        }
    }

    /// What befalls the next requests, one after the other, in place of what was to befall them.
    pub fn befall(&self, misfortunes: &[Misfortune]) {
        let mut script = self.misfortunes.lock().unwrap_or_else(PoisonError::into_inner);
        *script = misfortunes.iter().copied().collect();
    }

    /// Says this of its load with each answer from now on, in the form of ORCA.
    pub fn tell(&self, load: Load) {
        *self.load.lock().unwrap_or_else(PoisonError::into_inner) = Some(load);
    }

    /// Answers nothing from now on.
    pub fn stall(&self) {
        self.stalled.send_replace(true);
    }

    /// Answers again, what has waited first.
    pub fn resume(&self) {
        self.stalled.send_replace(false);
    }

    /// How many requests have arrived and wait for an answer.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// All that came so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What came last.
    #[must_use]
    pub fn last(&self) -> Seen {
        self.seen().pop().expect("a request reached the backend")
    }
}

fn tell(
    load: Option<Load>,
    mut answer: Response<BoxBody<Bytes, Infallible>>,
) -> Response<BoxBody<Bytes, Infallible>> {
    const NAME: &str = "endpoint-load-metrics";
    match load {
        None => answer,
        Some(Load::Head(report)) => {
            answer
                .headers_mut()
                .insert(NAME, HeaderValue::from_static(report));
            answer
        }
        Some(Load::Trailers(report)) => answer.map(|body| {
            let trailers =
                HeaderMap::from_iter([(HeaderName::from_static(NAME), HeaderValue::from_static(report))]);
            body.with_trailers(async { Some(Ok(trailers)) }).boxed()
        }),
    }
}

async fn suffer(
    misfortune: Option<Misfortune>,
    mut answer: Response<BoxBody<Bytes, Infallible>>,
) -> std::io::Result<Response<BoxBody<Bytes, Infallible>>> {
    match misfortune {
        None => Ok(answer),
        Some(Misfortune::Status(status)) => {
            *answer.status_mut() = http::StatusCode::from_u16(status).expect("a status");
            Ok(answer)
        }
        Some(Misfortune::Grpc(code)) => {
            let response = Response::builder()
                .header("content-type", "application/grpc")
                .header("grpc-status", code.to_string());
            Ok(response.body(BoxBody::default()).expect("a response"))
        }
        Some(Misfortune::Reset) => Err(std::io::ErrorKind::ConnectionReset.into()),
        Some(Misfortune::Silence) => std::future::pending().await,
    }
}

async fn answer(
    record: &Mutex<Vec<Seen>>,
    name: &str,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Response<BoxBody<Bytes, Infallible>> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Response::new(BoxBody::default());
    };
    let trailers = body.trailers().cloned();
    let body = body.to_bytes();
    let host = head
        .headers
        .get(http::header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let authority = head
        .uri
        .authority()
        .map_or_else(|| host.to_owned(), ToString::to_string);
    let mut headers = head.headers;
    headers.extend(trailers.clone().unwrap_or_default());
    let text = format!("backend {name}: {}", String::from_utf8_lossy(&body));
    record.lock().unwrap_or_else(PoisonError::into_inner).push(Seen {
        method: head.method,
        target: head
            .uri
            .path_and_query()
            .map(ToString::to_string)
            .unwrap_or_default(),
        authority,
        headers,
        body,
        version: head.version,
        peer,
    });
    let body = Full::new(Bytes::from(text));
    Response::new(match trailers {
        None => body.boxed(),
        Some(trailers) => body.with_trailers(async { Some(Ok(trailers)) }).boxed(),
    })
}
