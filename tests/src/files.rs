//! A web server of files, for what proxies download.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A running server.
#[derive(Debug)]
pub struct Files {
    address: SocketAddr,
    shelf: Arc<Mutex<Shelf>>,
    // Ends the accept loop and all connections with the server.
    _tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Shelf {
    files: BTreeMap<String, (&'static str, Bytes)>,
    /// The `Authorization` without which nothing is given.
    key: Option<String>,
    /// What is given without end.
    streams: BTreeMap<String, &'static str>,
    poured: Arc<AtomicU64>,
    asked: Vec<String>,
}

/// A body of zeros that has no end, and counts what is taken of it.
struct Endless(Arc<AtomicU64>);

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        self.0.fetch_add(ZEROS.len() as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&ZEROS)))))
    }
}

impl Files {
    /// Listens on `address`, with nothing to give yet.
    pub async fn start(address: SocketAddr) -> Files {
        let listener = TcpListener::bind(address)
            .await
            .expect("the server's address is free");
        let address = listener.local_addr().expect("it has an address");
        let shelf = Arc::<Mutex<Shelf>>::default();
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&shelf);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shelf = Arc::clone(&shared);
                connections.spawn(async move {
                    let service = service_fn(move |request| {
                        let answer = answer(&shelf, &request);
                        async move { Ok::<_, Infallible>(answer) }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Files {
            address,
            shelf,
            _tasks: tasks,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives `bytes` at `path` from now on.
    pub fn put(&self, path: &str, content_type: &'static str, bytes: impl Into<Bytes>) {
        let mut shelf = self.shelf();
        shelf.files.insert(path.to_owned(), (content_type, bytes.into()));
    }

    /// Gives zeros without end at `path` from now on, of a length that is not told.
    pub fn pour(&self, path: &str, content_type: &'static str) {
        self.shelf().streams.insert(path.to_owned(), content_type);
    }

    /// How many bytes were taken of what has no end.
    #[must_use]
    pub fn poured(&self) -> u64 {
        self.shelf().poured.load(Ordering::Relaxed)
    }

    /// Gives nothing without this `Authorization` from now on.
    pub fn lock(&self, authorization: &str) {
        self.shelf().key = Some(authorization.to_owned());
    }

    /// The paths that it was asked for.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.shelf().asked.clone()
    }

    fn shelf(&self) -> std::sync::MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(shelf: &Mutex<Shelf>, request: &Request<Incoming>) -> Response<BoxBody<Bytes, Infallible>> {
    let mut shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
    let path = request.uri().path().to_owned();
    shelf.asked.push(path.clone());
    if shelf.key.is_some() && authorization(request.headers()) != shelf.key.as_deref() {
        return Response::builder()
            .status(StatusCode::UNAUTHORIZED)
            .header(header::WWW_AUTHENTICATE, "Basic realm=\"files\"")
            .body(BoxBody::default())
            .expect("a response");
    }
    if let Some(content_type) = shelf.streams.get(&path) {
        return Response::builder()
            .header(header::CONTENT_TYPE, *content_type)
            .body(Endless(Arc::clone(&shelf.poured)).boxed())
            .expect("a response");
    }
    match shelf.files.get(&path) {
        Some((content_type, bytes)) => Response::builder()
            .header(header::CONTENT_TYPE, *content_type)
            .body(Full::new(bytes.clone()).boxed())
            .expect("a response"),
        None => Response::builder()
            .status(StatusCode::NOT_FOUND)
            .body(BoxBody::default())
            .expect("a response"),
    }
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()
}
