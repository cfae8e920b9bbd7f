//! Outgoing connections.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time;

use crate::{Keepalive, sys};

/// How to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectOptions {
    /// The local address to connect from; its port is the kernel's choice. `None`: the kernel chooses both.
    pub source: Option<IpAddr>,
    /// How long the connection may take to be established. Default 10 s.
    pub timeout: Duration,
    /// TCP keepalive; on by default.
    pub keepalive: Option<Keepalive>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            source: None,
            timeout: Duration::from_secs(10),
            keepalive: Some(Keepalive::default()),
        }
    }
}

/// Why a connection could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No answer within the time allowed.
    #[error("cannot connect to {address}: no answer within {timeout:?}")]
    Timeout {
        /// The peer.
        address: SocketAddr,
        /// The time allowed.
        timeout: Duration,
    },
    /// The peer's machine answered that nothing listens there.
    #[error("cannot connect to {address}: connection refused")]
    Refused {
        /// The peer.
        address: SocketAddr,
    },
    /// There is no way to the peer.
    #[error("cannot connect to {address}: {source}")]
    Unreachable {
        /// The peer.
        address: SocketAddr,
        /// What the kernel answered.
        source: io::Error,
    },
    /// The local address cannot be used: it is not on this machine, or of the other address family.
    #[error("cannot connect to {address} from {local}: {source}")]
    Source {
        /// The peer.
        address: SocketAddr,
        /// The local address asked for.
        local: IpAddr,
        /// What the kernel answered.
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot connect to {address}: {source}")]
    Io {
        /// The peer.
        address: SocketAddr,
        /// What the kernel answered.
        source: io::Error,
    },
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> Self {
        let kind = match &error {
            ConnectError::Timeout { .. } => io::ErrorKind::TimedOut,
            ConnectError::Refused { .. } => io::ErrorKind::ConnectionRefused,
            ConnectError::Unreachable { source, .. }
            | ConnectError::Source { source, .. }
            | ConnectError::Io { source, .. } => source.kind(),
        };
        io::Error::new(kind, error)
    }
}

/// Connects to a peer. The stream has `TCP_NODELAY` set.
///
/// With a source address no port is taken before the connection is made (`IP_BIND_ADDRESS_NO_PORT`), so that one
/// source can hold as many connections to *each* peer as there are ephemeral ports, not that many in all.
///
/// # Errors
///
/// [`ConnectError`]; its text names the peer.
pub async fn connect(address: SocketAddr, options: &ConnectOptions) -> Result<TcpStream, ConnectError> {
    let socket = open(address, options)?;
    match time::timeout(options.timeout, socket.connect(address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(source)) => Err(explain(address, source)),
        Err(_) => Err(ConnectError::Timeout {
            address,
            timeout: options.timeout,
        }),
    }
}

fn open(address: SocketAddr, options: &ConnectOptions) -> Result<TcpSocket, ConnectError> {
    let io = |source| ConnectError::Io { address, source };
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )
    .map_err(io)?;
    socket.set_tcp_nodelay(true).map_err(io)?;
    if let Some(keepalive) = options.keepalive {
        keepalive.apply(&socket).map_err(io)?;
    }
    if let Some(local) = options.source {
        bind(&socket, local).map_err(|source| ConnectError::Source {
            address,
            local,
            source,
        })?;
    }
    Ok(TcpSocket::from_std_stream(socket.into()))
}

fn bind(socket: &Socket, source: IpAddr) -> io::Result<()> {
    // A kernel without the option still connects; it only runs out of ports sooner.
    if let Err(error) = sys::set_bind_address_no_port(socket.as_fd()) {
        tracing::debug!(%error, "IP_BIND_ADDRESS_NO_PORT is not available");
    }
    socket.bind(&SocketAddr::new(source, 0).into())
}

fn explain(address: SocketAddr, source: io::Error) -> ConnectError {
    match source.kind() {
        io::ErrorKind::ConnectionRefused => ConnectError::Refused { address },
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            ConnectError::Unreachable { address, source }
        }
        _ => ConnectError::Io { address, source },
    }
}

#[cfg(test)]
mod tests;
