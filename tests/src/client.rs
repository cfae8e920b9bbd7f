//! A client that calls from a pod's address.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
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

    /// Connects through SOCKS5 to a name or an address.
    ///
    /// # Errors
    ///
    /// The proxy cannot be reached, or refuses; then the error is its reply code.
    pub async fn socks5(&self, proxy: SocketAddr, host: &str, port: u16) -> anyhow::Result<TcpStream> {
        let mut stream = self.connect(proxy).await?;
        stream.write_all(&[5, 1, 0]).await?;
        let mut chosen = [0; 2];
        stream.read_exact(&mut chosen).await?;
        anyhow::ensure!(chosen == [5, 0], "SOCKS5 method {chosen:?}");
        let mut request = vec![5, 1, 0];
        match host.parse() {
            Ok(IpAddr::V4(ip)) => {
                request.push(1);
                request.extend(ip.octets());
            }
            _ => {
                request.extend([3, u8::try_from(host.len())?]);
                request.extend(host.as_bytes());
            }
        }
        request.extend(port.to_be_bytes());
        stream.write_all(&request).await?;
        // Version, reply, reserved, an IPv4 address and a port.
        let mut reply = [0; 10];
        stream.read_exact(&mut reply).await?;
        anyhow::ensure!(reply[..2] == [5, 0], "SOCKS5 reply {}", reply[1]);
        Ok(stream)
    }

    /// A connection for several HTTP/1.1 requests.
    ///
    /// # Errors
    ///
    /// The connection failed.
    pub async fn http1(&self, address: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        Client::over(self.connect(address).await?).await
    }

    /// HTTP/1.1 on a connection that is there already.
    ///
    /// # Errors
    ///
    /// The connection failed.
    pub async fn over(stream: TcpStream) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Sends one request on a connection that is there already; a missing Host becomes `host`.
    ///
    /// # Errors
    ///
    /// The connection ended before the response did.
    pub async fn exchange(
        sender: &mut SendRequest<Full<Bytes>>,
        host: &str,
        request: Request<&str>,
    ) -> anyhow::Result<Answer> {
        let mut request = request.map(|body| Full::new(Bytes::from(body.to_owned())));
        if !request.headers().contains_key(http::header::HOST) {
            request.headers_mut().insert(http::header::HOST, host.try_into()?);
        }
        let exchange = async {
            let response = sender.send_request(request).await?;
            Answer::of(response.map(|body| body.map_err(Into::into).boxed())).await
        };
        tokio::time::timeout(TIMEOUT, exchange).await?
    }

    /// Sends one HTTP/1.1 request on a connection of its own; a missing Host becomes the address.
    ///
    /// # Errors
    ///
    /// The connection failed or ended before the response did.
    pub async fn send(&self, address: SocketAddr, request: Request<&str>) -> anyhow::Result<Answer> {
        let mut sender = tokio::time::timeout(TIMEOUT, self.http1(address)).await??;
        Client::exchange(&mut sender, &address.to_string(), request).await
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
