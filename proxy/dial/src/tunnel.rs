//! Asking a forward proxy for a tunnel.

use std::io;
use std::net::Ipv6Addr;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::answer::{Answer, AnswerError, MAX_HEAD};
use crate::stream::Tunneled;

/// A tunnel through a forward proxy, to be asked for by HTTP/1.1 on any number of connections to it.
///
/// The request is Envoy's, for Istio's `tunnel`: `CONNECT host:port` with that as `host`, or `POST /` with that as `host`
/// and a chunked body that is the tunnel. There is nothing else in it, and nothing of whoever the tunnel is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tunnel {
    method: Method,
    /// `host:port`
    target: String,
}

/// How a tunnel is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// The connection becomes the tunnel.
    #[default]
    Connect,
    /// The bodies of the request and of its answer are the tunnel.
    Post,
}

impl Tunnel {
    /// A tunnel to `port` of `host`, which is a name or an IP address.
    ///
    /// # Errors
    /// The host or the port is none.
    pub fn new(method: Method, host: &str, port: u16) -> Result<Tunnel, TargetError> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let target = match bare.unwrap_or(host).parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]:{port}"),
            Err(_) if !host.is_empty() && host.bytes().all(legal) => format!("{host}:{port}"),
            Err(_) => return Err(TargetError::Host(host.to_owned())),
        };
        if port == 0 {
            return Err(TargetError::Port(host.to_owned()));
        }
        Ok(Tunnel { method, target })
    }

    /// Asks the proxy at the other end of `stream`. Any 2xx opens the tunnel; what comes behind it is the tunnel's.
    ///
    /// # Errors
    /// The proxy refuses, answers something else than HTTP/1, or is gone.
    pub async fn open<T>(&self, mut stream: T) -> Result<Tunneled<T>, TunnelError>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        stream.write_all(self.request().as_bytes()).await?;
        stream.flush().await?;
        let mut input = BytesMut::with_capacity(MAX_HEAD);
        let answer = loop {
            if let Some(answer) = Answer::parse(&input).map_err(TunnelError::Answer)? {
                break answer;
            }
            if stream.read_buf(&mut input).await? == 0 {
                return Err(TunnelError::Closed);
            }
        };
        if !(200..300).contains(&answer.status) {
            return Err(TunnelError::Refused {
                target: self.target.clone(),
                status: answer.status,
            });
        }
        input.advance(answer.length);
        let body = match self.method {
            // Whatever it says of a body does not count (RFC 9110, section 9.3.6).
            Method::Connect => None,
            Method::Post => Some(answer.body.ok_or(TunnelError::Answer(AnswerError::Framing))?),
        };
        Ok(Tunneled::new(stream, input, body))
    }

    fn request(&self) -> String {
        let target = &self.target;
        match self.method {
            Method::Connect => format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n"),
            Method::Post => {
                format!("POST / HTTP/1.1\r\nhost: {target}\r\ntransfer-encoding: chunked\r\n\r\n")
            }
        }
    }
}

/// What is wrong with where a tunnel is to lead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// Not to a host.
    #[error("a tunnel cannot lead to {0:?}; write a host name or an IP address as `targetHost`")]
    Host(String),
    /// Not to a port.
    #[error("a tunnel to {0} needs a port from 1 to 65535; write it as `targetPort`")]
    Port(String),
}

/// Why there is no tunnel.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TunnelError {
    /// The proxy does not want to.
    #[error(
        "the proxy refuses a tunnel to {target} with status {status}; allow it there, or correct `tunnel`"
    )]
    Refused {
        /// Where to, `host:port`.
        target: String,
        /// Its status.
        status: u16,
    },
    /// Its answer is none.
    #[error("the answer to the request for a tunnel is not understood: {0}; see whether that is a proxy")]
    Answer(AnswerError),
    /// It has closed the connection instead of an answer.
    #[error("the proxy closed the connection before it answered the request for a tunnel")]
    Closed,
    /// The connection is gone.
    #[error("the connection to the proxy is lost: {0}")]
    Lost(#[from] io::Error),
}

#[cfg(test)]
mod tests;
