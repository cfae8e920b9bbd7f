//! Real requests from a pod's address.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use cairn_net::ConnectOptions;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout};

/// How long a request may take from connecting to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(15);

/// A pod that calls a service.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// The pod's address.
    pub(crate) from: IpAddr,
    /// The service's.
    pub(crate) to: SocketAddr,
    /// What Host says.
    pub(crate) host: &'static str,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// From before connecting, or sending where a connection was there, to the end of the body.
    pub(crate) took: Duration,
}

impl Answer {
    /// Whether it is the answer to what a policy forbids.
    pub(crate) fn is_denied(&self) -> bool {
        self.status == StatusCode::FORBIDDEN && self.body.trim() == "RBAC: access denied"
    }

    /// Whether a waypoint gave it or passed it on.
    pub(crate) fn is_from_waypoint(&self) -> bool {
        self.headers
            .get(http::header::SERVER)
            .is_some_and(|server| server == "istio-envoy")
    }

    /// The version of helloworld that answered.
    pub(crate) fn version(&self) -> Option<&str> {
        self.body.strip_prefix("Hello version: ")?.split(',').next()
    }
}

/// Its status, and what tells it from others.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version() {
            Some(version) => write!(f, "{} from {version}", self.status.as_u16()),
            None => write!(f, "{} {}", self.status.as_u16(), self.body.trim()),
        }
    }
}

impl Client {
    /// Sends one request on a connection of its own.
    pub(crate) async fn send(&self, method: Method, path: &str) -> anyhow::Result<Answer> {
        self.send_with(method, path, &HeaderMap::new()).await
    }

    pub(crate) async fn send_with(
        &self,
        method: Method,
        path: &str,
        headers: &HeaderMap,
    ) -> anyhow::Result<Answer> {
        let begin = Instant::now();
        let answer = timeout(TIMEOUT, async {
            self.connect().await?.send_with(method, path, headers).await
        });
        let answer = answer
            .await
            .with_context(|| format!("no answer in {TIMEOUT:?}"))??;
        Ok(Answer {
            took: begin.elapsed(),
            ..answer
        })
    }

    /// A connection that takes one request after the other.
    pub(crate) async fn connect(&self) -> anyhow::Result<Connection> {
        let options = ConnectOptions {
            source: Some(self.from),
            ..ConnectOptions::default()
        };
        let stream = cairn_net::connect(self.to, &options).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Ends when the sender is dropped.
        tokio::spawn(connection);
        Ok(Connection {
            sender,
            host: self.host,
        })
    }
}

/// A connection of a pod to a service.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: &'static str,
}

impl Connection {
    pub(crate) async fn send(&mut self, method: Method, path: &str) -> anyhow::Result<Answer> {
        let none = HeaderMap::new();
        let answer = timeout(TIMEOUT, self.send_with(method, path, &none)).await;
        answer.with_context(|| format!("no answer in {TIMEOUT:?}"))?
    }

    /// Whether it takes another request.
    pub(crate) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    async fn send_with(&mut self, method: Method, path: &str, headers: &HeaderMap) -> anyhow::Result<Answer> {
        let begin = Instant::now();
        self.sender.ready().await?;
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, self.host);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::<Bytes>::default())?;
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
            took: begin.elapsed(),
        })
    }
}

#[cfg(test)]
mod tests;
