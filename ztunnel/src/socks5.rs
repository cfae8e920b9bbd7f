//! SOCKS5 (RFC 1928), for applications whose connections cannot be captured: CONNECT only, without authentication. Who
//! calls is told by the address that the connection comes from.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use cairn_hbone::ConnectError;
use cairn_mesh::Refusal;
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::listeners::Serve;
use crate::names;
use crate::outbound::{Caller, Outbound};
use crate::record::Direction;
use crate::sockets::{keep_alive, reset};

const VERSION: u8 = 5;
/// The method "no authentication".
const OPEN: u8 = 0;
/// The answer that no method will do.
const NO_METHOD: u8 = 0xff;
const CONNECT: u8 = 1;

/// How long a client may take to say where to.
const PATIENCE: Duration = Duration::from_secs(10);

/// Takes connections that say in SOCKS5 where they go.
#[derive(Clone)]
pub(crate) struct Socks5 {
    pub(crate) outbound: Outbound,
}

impl Serve for Socks5 {
    async fn serve(self, mut stream: TcpStream, peer: SocketAddr) {
        let Ok(local) = stream.local_addr() else { return };
        let Some(caller) = self.outbound.caller(peer, local) else {
            return reset(&stream);
        };
        keep_alive(&stream);
        let failed = |error: &dyn fmt::Display| {
            self.outbound
                .proxy
                .ledger
                .refused(Direction::Outbound, caller.address, local, error);
        };
        let asked = match timeout(PATIENCE, negotiate(&mut stream)).await {
            Ok(Ok(asked)) => asked,
            Ok(Err(error)) => {
                failed(&error);
                if let Some(reply) = error.reply() {
                    answer(&mut stream, reply).await;
                }
                return;
            }
            Err(_) => return failed(&"SOCKS5: the client did not say in time where to connect to"),
        };
        let Some(destination) = self.resolve(&caller, &asked) else {
            failed(&format!("SOCKS5: the mesh knows no host {asked}"));
            return answer(&mut stream, Reply::HostUnreachable).await;
        };
        match self.outbound.open(&caller, destination).await {
            Ok(opened) => {
                answer(&mut stream, Reply::Succeeded).await;
                self.outbound.carry(stream, opened).await;
            }
            Err(failure) => answer(&mut stream, Reply::of(&failure)).await,
        }
    }
}

impl Socks5 {
    fn resolve(&self, caller: &Caller, asked: &Asked) -> Option<SocketAddr> {
        match asked {
            Asked::Address(address) => Some(*address),
            Asked::Host(host, port) => {
                names::resolve(&self.outbound.proxy.mesh(), &caller.workload, host, *port)
            }
        }
    }
}

/// Where a client wants to go.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Address(SocketAddr),
    Host(String, u16),
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Asked::Address(address) => address.fmt(f),
            Asked::Host(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

/// Why a client cannot be understood.
#[derive(Debug, thiserror::Error)]
enum Misunderstanding {
    #[error("SOCKS5: {0}")]
    Io(#[from] io::Error),
    #[error("SOCKS5: the client speaks version {0}")]
    Version(u8),
    #[error("SOCKS5: the client insists on authentication")]
    Authentication,
    #[error("SOCKS5: only CONNECT is understood, not command {0}")]
    Command(u8),
    #[error("SOCKS5: unknown type of address {0}")]
    AddressType(u8),
    #[error("SOCKS5: the host name is not text")]
    Host,
}

impl Misunderstanding {
    fn reply(&self) -> Option<Reply> {
        match self {
            Misunderstanding::Command(_) => Some(Reply::CommandNotSupported),
            Misunderstanding::AddressType(_) => Some(Reply::AddressTypeNotSupported),
            Misunderstanding::Host => Some(Reply::HostUnreachable),
            Misunderstanding::Io(_) | Misunderstanding::Version(_) | Misunderstanding::Authentication => None,
        }
    }
}

/// The codes of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reply {
    Succeeded = 0,
    GeneralFailure = 1,
    NotAllowed = 2,
    HostUnreachable = 4,
    ConnectionRefused = 5,
    CommandNotSupported = 7,
    AddressTypeNotSupported = 8,
}

impl Reply {
    fn of(failure: &Failure) -> Reply {
        match failure {
            Failure::Denied(_)
            | Failure::Refused(Refusal::UnknownDestination(_))
            | Failure::Tunnel(ConnectError::Status(StatusCode::UNAUTHORIZED)) => Reply::NotAllowed,
            Failure::Refused(_) => Reply::HostUnreachable,
            Failure::Connect(cairn_net::ConnectError::Refused { .. }) => Reply::ConnectionRefused,
            _ => Reply::GeneralFailure,
        }
    }
}

/// Agrees on no authentication, and reads where the client wants to go.
async fn negotiate(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<Asked, Misunderstanding> {
    let [version, count] = read(stream).await?;
    if version != VERSION {
        return Err(Misunderstanding::Version(version));
    }
    let mut methods = vec![0; count.into()];
    stream.read_exact(&mut methods).await?;
    if !methods.contains(&OPEN) {
        stream.write_all(&[VERSION, NO_METHOD]).await?;
        return Err(Misunderstanding::Authentication);
    }
    stream.write_all(&[VERSION, OPEN]).await?;

    let [version, command, _, kind] = read(stream).await?;
    if version != VERSION {
        return Err(Misunderstanding::Version(version));
    }
    if command != CONNECT {
        return Err(Misunderstanding::Command(command));
    }
    let address = match kind {
        1 => IpAddr::from(Ipv4Addr::from(read::<4>(stream).await?)),
        4 => IpAddr::from(Ipv6Addr::from(read::<16>(stream).await?)).to_canonical(),
        3 => {
            let [length] = read(stream).await?;
            let mut host = vec![0; length.into()];
            stream.read_exact(&mut host).await?;
            let host = String::from_utf8(host).map_err(|_| Misunderstanding::Host)?;
            return Ok(Asked::Host(host, u16::from_be_bytes(read(stream).await?)));
        }
        other => return Err(Misunderstanding::AddressType(other)),
    };
    Ok(Asked::Address(SocketAddr::new(
        address,
        u16::from_be_bytes(read(stream).await?),
    )))
}

async fn read<const N: usize>(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// Answers a request; the address in it means nothing to a client of CONNECT.
async fn answer(stream: &mut TcpStream, reply: Reply) {
    let message = [VERSION, reply as u8, 0, 1, 0, 0, 0, 0, 0, 0];
    if let Err(error) = stream.write_all(&message).await {
        tracing::debug!(%error, "an answer did not reach the client");
    }
}

#[cfg(test)]
mod tests;
