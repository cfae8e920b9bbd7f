//! A client that calls from a pod's address.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};

const TIMEOUT: Duration = Duration::from_secs(60);

/// Where to call from.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    source: IpAddr,
}

/// A response with its whole body.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as text.
    pub body: String,
    /// The trailers.
    pub trailers: HeaderMap,
}

impl Answer {
    /// Reads a response to its end.
    ///
    /// # Errors
    ///
    /// The body breaks off.
    pub async fn of(response: Response<BoxBody<Bytes, anyhow::Error>>) -> anyhow::Result<Answer> {
        let (head, body) = response.into_parts();
        let body = body.collect().await?;
        let trailers = body.trailers().cloned().unwrap_or_default();
        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
            trailers,
        })
    }

    /// A header's value as text; empty when it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

impl Client {
    /// A client whose connections leave from `source`.
    #[must_use]
    pub fn from(source: IpAddr) -> Client {
        Client { source }
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// Refused, reset, unreachable.
    pub async fn connect(&self, address: SocketAddr) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((self.source, 0).into())?;
        socket.connect(address).await
    }

    /// A connection for several HTTP/1.1 requests.
    ///
    /// # Errors
    ///
    /// The connection failed.
    pub async fn http1(&self, address: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = self.connect(address).await?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Sends one HTTP/1.1 request on a connection of its own; a missing Host becomes the address.
    ///
    /// # Errors
    ///
    /// The connection failed or ended before the response did.
    pub async fn send(&self, address: SocketAddr, request: Request<&str>) -> anyhow::Result<Answer> {
        let exchange = async {
            let mut sender = self.http1(address).await?;
            let mut request = request.map(|body| Full::new(Bytes::from(body.to_owned())));
            if !request.headers().contains_key(http::header::HOST) {
                request
                    .headers_mut()
                    .insert(http::header::HOST, address.to_string().try_into()?);
            }
            let response = sender.send_request(request).await?;
            Answer::of(response.map(|body| body.map_err(Into::into).boxed())).await
        };
        tokio::time::timeout(TIMEOUT, exchange).await?
    }

    /// GETs a path.
    ///
    /// # Errors
    ///
    /// As [`send`](Client::send).
    pub async fn get(&self, address: SocketAddr, path: &str) -> anyhow::Result<Answer> {
        self.send(address, Request::get(path).body("")?).await
    }
}
