//! HBONE tunnels into a waypoint, as a ztunnel opens them, for tests of the waypoint alone.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use cairn_hbone::{
    Authority, ConnectError, ConnectRequest, Destination, Pool, PoolOptions, Settings, Tunnel,
};
use cairn_identity::{Identities, LocalCa, Options, SpiffeId};
use http::{HeaderMap, Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::Answer;

/// Opens tunnels as any identity of a mesh whose CA directory the test has.
#[derive(Clone)]
pub struct Tunnels {
    pool: Pool,
    waypoint: SpiffeId,
    address: SocketAddr,
}

impl Tunnels {
    /// Tunnels to the waypoint that runs as `waypoint` and listens on `address`.
    #[must_use]
    pub fn new(ca: &Path, waypoint: &str, address: SocketAddr) -> Tunnels {
        let ca = LocalCa::open_or_create(ca, "cluster.local").expect("the CA directory can be opened");
        let identities = Identities::new(Arc::new(ca), Options::default());
        Tunnels {
            pool: Pool::new(identities, Settings::default(), PoolOptions::default()),
            waypoint: waypoint.parse().expect("a SPIFFE id"),
            address,
        }
    }

    /// A tunnel for `authority`, from the workload at `source` that runs as service account `account`: of namespace
    /// `default`, or of that of a `NAMESPACE/ACCOUNT`.
    ///
    /// # Errors
    ///
    /// The waypoint refuses.
    pub async fn open(
        &self,
        account: &str,
        source: IpAddr,
        authority: impl Into<Authority>,
    ) -> Result<Tunnel, ConnectError> {
        let (namespace, account) = account.split_once('/').unwrap_or(("default", account));
        let destination = Destination {
            source: SpiffeId::new("cluster.local", namespace, account),
            expected: Arc::from([self.waypoint.clone()]),
            address: self.address,
            bind: Some(source),
        };
        self.pool
            .connect(&destination, ConnectRequest::new(authority.into()))
            .await
    }

    /// How many connections the tunnels share.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.pool.connections()
    }

    /// One HTTP/1.1 request in a tunnel of its own.
    ///
    /// # Errors
    ///
    /// The waypoint refuses the tunnel, or breaks it.
    pub async fn send(
        &self,
        account: &str,
        source: IpAddr,
        authority: SocketAddr,
        request: Request<&str>,
    ) -> anyhow::Result<Answer> {
        let tunnel = self.open(account, source, authority).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tunnel)).await?;
        tokio::spawn(connection.with_upgrades());
        let mut request = request.map(|body| Full::new(Bytes::from(body.to_owned())));
        if !request.headers().contains_key(http::header::HOST) {
            request
                .headers_mut()
                .insert(http::header::HOST, authority.to_string().try_into()?);
        }
        let response = sender.send_request(request).await?;
        Answer::of(response.map(|body| body.map_err(Into::into).boxed())).await
    }

    /// One HTTP/2 request in a tunnel of its own, with trailers.
    ///
    /// # Errors
    ///
    /// The waypoint refuses the tunnel, or breaks it or the stream.
    pub async fn send_http2(
        &self,
        account: &str,
        source: IpAddr,
        authority: SocketAddr,
        request: Request<&str>,
        trailers: HeaderMap,
    ) -> anyhow::Result<Answer> {
        let tunnel = self.open(account, source, authority).await?;
        let handshake =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tunnel)).await?;
        let (mut sender, connection) = handshake;
        tokio::spawn(connection);
        let (mut head, body) = request.into_parts();
        let uri = Uri::builder().scheme("http").authority(authority.to_string());
        head.uri = uri
            .path_and_query(head.uri.path_and_query().map_or("/", |path| path.as_str()))
            .build()?;
        let body = Full::new(Bytes::from(body.to_owned()))
            .with_trailers(async { (!trailers.is_empty()).then_some(Ok(trailers)) })
            .boxed();
        let response = sender.send_request(Request::from_parts(head, body)).await?;
        Answer::of(response.map(|body| body.map_err(Into::into).boxed())).await
    }
}
