//! A web server that answers as a test says, and remembers what it was asked.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(crate) type Answer = Response<BoxBody<Bytes, Infallible>>;
type Handler = dyn Fn(&Asked) -> Answer + Send + Sync;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    /// The `Authorization`, or nothing.
    pub(crate) authorization: String,
    pub(crate) body: String,
}

pub(crate) struct Server {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start(handler: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (handler, log): (Arc<Handler>, _) = (Arc::new(handler), asked.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, handler.clone(), log.clone()));
            }
        });
        Self {
            address,
            asked,
            _tasks: tasks,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The methods and paths of what was asked, of one method.
    pub(crate) fn paths(&self, method: &str) -> Vec<String> {
        self.asked()
            .into_iter()
            .filter(|one| one.method == method)
            .map(|one| one.path)
            .collect()
    }
}

pub(crate) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    handler: Arc<Handler>,
    log: Arc<Mutex<Vec<Asked>>>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (handler, log) = (handler.clone(), log.clone());
        async move {
            let authorization = request.headers().get("authorization").cloned();
            let asked = Asked {
                method: request.method().to_string(),
                path: request.uri().to_string(),
                authorization: authorization
                    .map_or_else(String::new, |value| value.to_str().unwrap().to_owned()),
                body: String::from_utf8(request.collect().await.unwrap().to_bytes().to_vec()).unwrap(),
            };
            log.lock().unwrap().push(asked.clone());
            Ok::<_, Infallible>(handler(&asked))
        }
    });
    // A client that goes away is part of several tests.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

pub(crate) fn answer(status: u16, body: impl Into<Bytes>) -> Answer {
    Response::builder()
        .status(status)
        .body(Full::new(body.into()).boxed())
        .unwrap()
}

/// An answer with one more header.
pub(crate) fn with(mut answer: Answer, name: &'static str, value: impl AsRef<str>) -> Answer {
    answer.headers_mut().insert(name, value.as_ref().parse().unwrap());
    answer
}

pub(crate) fn redirect(to: &str) -> Answer {
    with(answer(302, ""), "location", to)
}

/// A body without end that counts what was taken of it.
pub(crate) struct Endless(pub(crate) Arc<AtomicU64>);

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = Bytes::from_static(&[0; 16 * 1024]);
        self.0.fetch_add(chunk.len() as u64, Ordering::SeqCst);
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }
}
