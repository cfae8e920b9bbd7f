//! A mesh of one CA, servers in it, and clients that do what no decent client does.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cairn_identity::{BoxFuture, Identities, LocalCa, Options, SpiffeId, tls};
use h2::client::{Connection, SendRequest};
use http::{Method, Request as HttpRequest};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::client::TlsStream;

use crate::{
    Authority, ConnectRequest, ConnectionInfo, Destination, Drain, Handler, Pool, PoolOptions, Request,
    Settings, Transport, Tunnel, drain, server, transport,
};

pub(crate) const LIMIT: Duration = Duration::from_secs(10);

pub(crate) fn id(account: &str) -> SpiffeId {
    SpiffeId::new("cluster.local", "default", account)
}

pub(crate) fn to(address: &str) -> ConnectRequest {
    ConnectRequest::new(Authority::Ip(address.parse().unwrap()))
}

/// Polls for what has to happen soon.
pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not happen within 10 s");
}

pub(crate) struct Mesh {
    dir: TempDir,
    pub(crate) identities: Identities,
}

impl Mesh {
    pub(crate) fn new() -> Mesh {
        let dir = tempfile::tempdir().unwrap();
        let identities = Mesh::identities_in(&dir, "cluster.local");
        Mesh { dir, identities }
    }

    /// The identities of another trust domain under the same root.
    pub(crate) fn identities_of(&self, trust_domain: &str) -> Identities {
        Mesh::identities_in(&self.dir, trust_domain)
    }

    fn identities_in(dir: &TempDir, trust_domain: &str) -> Identities {
        let ca = LocalCa::open_or_create(dir.path(), trust_domain).unwrap();
        let options = Options {
            trust_domain: trust_domain.to_owned(),
            ..Options::default()
        };
        Identities::new(Arc::new(ca), options)
    }

    pub(crate) async fn serve<H: Handler>(&self, handler: H) -> Server {
        self.serve_with(Settings::default(), handler).await
    }

    /// A server with the identity `hello`.
    pub(crate) async fn serve_with<H: Handler>(&self, settings: Settings, handler: H) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let credential = self.identities.credential(&id("hello")).await.unwrap();
        let (drain, watch) = drain::channel();
        let log = Arc::new(Log::default());
        let handler = Arc::new(handler);
        let accepting = tokio::spawn({
            let log = log.clone();
            async move {
                while let Ok((tcp, peer_address)) = listener.accept().await {
                    let local_address = tcp.local_addr().unwrap();
                    let (credential, settings) = (credential.clone(), settings.clone());
                    let (watch, handler, log) = (watch.clone(), handler.clone(), log.clone());
                    let serving = tokio::spawn({
                        let log = log.clone();
                        async move {
                            let (tls, peer) = match tls::accept(transport(tcp), &credential, LIMIT).await {
                                Ok(accepted) => accepted,
                                Err(error) => return log.end(error.to_string()),
                            };
                            log.connections.fetch_add(1, Ordering::SeqCst);
                            let info = ConnectionInfo {
                                peer_address,
                                local_address,
                                peer,
                            };
                            match server::serve(tls, info, &settings, watch, handler).await {
                                Ok(()) => log.end("ok".to_owned()),
                                Err(error) => log.end(error.to_string()),
                            }
                        }
                    });
                    log.tasks.lock().unwrap().push(serving.abort_handle());
                }
            }
        });
        Server {
            address,
            drain: Some(drain),
            log,
            accepting: accepting.abort_handle(),
        }
    }

    pub(crate) fn pool(&self) -> Pool {
        self.pool_with(PoolOptions::default())
    }

    pub(crate) fn pool_with(&self, options: PoolOptions) -> Pool {
        Pool::new(self.identities.clone(), Settings::default(), options)
    }

    /// HTTP/2 without a pool, whose connection nobody polls yet.
    pub(crate) async fn raw(
        &self,
        server: &Server,
    ) -> (SendRequest<Bytes>, Connection<TlsStream<Transport>, Bytes>) {
        h2::client::handshake(self.tls(server).await).await.unwrap()
    }

    pub(crate) async fn tls(&self, server: &Server) -> TlsStream<Transport> {
        let credential = self.identities.credential(&id("sleep")).await.unwrap();
        let tcp = TcpStream::connect(server.address).await.unwrap();
        tls::connect(transport(tcp), &credential, &[id("hello")], LIMIT)
            .await
            .unwrap()
            .0
    }

    /// HTTP/2 without a pool.
    pub(crate) async fn client(&self, server: &Server) -> SendRequest<Bytes> {
        let (sender, connection) = self.raw(server).await;
        tokio::spawn(connection);
        sender
    }
}

#[derive(Default)]
pub(crate) struct Log {
    /// Connections that got as far as HTTP/2.
    connections: AtomicUsize,
    /// How connections ended.
    ends: Mutex<Vec<String>>,
    tasks: Mutex<Vec<AbortHandle>>,
}

impl Log {
    fn end(&self, how: String) {
        self.ends.lock().unwrap().push(how);
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    drain: Option<Drain>,
    log: Arc<Log>,
    accepting: AbortHandle,
}

impl Server {
    pub(crate) fn connections(&self) -> usize {
        self.log.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn ends(&self) -> Vec<String> {
        self.log.ends.lock().unwrap().clone()
    }

    pub(crate) fn drain(&mut self) -> Drain {
        self.drain.take().unwrap()
    }

    pub(crate) fn stop_accepting(&self) {
        self.accepting.abort();
    }

    /// Drops every connection as a crash would.
    pub(crate) fn cut(&self) {
        for task in self.log.tasks.lock().unwrap().drain(..) {
            task.abort();
        }
    }

    pub(crate) fn destination(&self) -> Destination {
        Destination {
            source: id("sleep"),
            expected: Arc::new([id("hello")]),
            address: self.address,
            bind: None,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

/// A [`Handler`] that is a function.
pub(crate) struct With<F>(pub(crate) F);

impl<F> Handler for With<F>
where
    F: Fn(Request) -> BoxFuture<'static, ()> + Send + Sync + 'static,
{
    async fn connect(&self, request: Request) {
        (self.0)(request).await;
    }
}

pub(crate) fn with<F, R>(handle: F) -> impl Handler
where
    F: Fn(Request) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    With(move |request| -> BoxFuture<'static, ()> { Box::pin(handle(request)) })
}

/// Sends back what it receives, until the end.
pub(crate) fn echo() -> impl Handler {
    with(|request: Request| async move {
        let Ok(tunnel) = request.accept(http::HeaderMap::new()) else {
            return;
        };
        reflect(tunnel).await;
    })
}

pub(crate) async fn reflect(mut tunnel: Tunnel) {
    while let Ok(Some(data)) = tunnel.recv().await {
        if tunnel.send(data).await.is_err() {
            return;
        }
    }
    let _ = tunnel.finish();
}

/// Accepts and waits for good.
pub(crate) fn hold() -> impl Handler {
    with(|request: Request| async move {
        let _tunnel = request.accept(http::HeaderMap::new());
        std::future::pending::<()>().await;
    })
}

pub(crate) fn request(method: Method, uri: &str) -> HttpRequest<()> {
    HttpRequest::builder().method(method).uri(uri).body(()).unwrap()
}

/// Bytes that differ from place to place.
pub(crate) fn pattern(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    (0..length)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect()
}
