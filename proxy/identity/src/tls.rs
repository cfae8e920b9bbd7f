//! Handshakes after which both ends know who the other is.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::verify::reason;
use crate::{Credential, PeerError, SpiffeId, identity_of};

/// Serves one handshake on `stream` within `limit`; returns the encrypted stream and who the client is.
///
/// # Errors
/// No handshake within `limit`, no certificate, one that does not chain to our roots, or one of another trust domain.
pub async fn accept<S>(
    stream: S,
    credential: &Credential,
    limit: Duration,
) -> Result<(server::TlsStream<S>, SpiffeId), TlsError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let acceptor = TlsAcceptor::from(credential.server_config());
    // On the heap: the handshake is the largest part of the futures that contain it, and the shortest-lived.
    let handshake = Box::pin(acceptor.accept(stream));
    let tls = timeout(limit, handshake)
        .await
        .map_err(|_| TlsError::Timeout)?
        .map_err(TlsError::from_io)?;
    let peer = identity_in(tls.get_ref().1.peer_certificates())?;
    Ok((tls, peer))
}

/// Makes one handshake on `stream` within `limit`; returns the encrypted stream and who the server is.
///
/// The server has to be one of `expected`, or any of our trust domain when that is empty. It is checked within the
/// handshake: no byte of the application, nor our certificate, goes to anybody else.
///
/// TLS 1.3 lets a client finish before the server has looked at its certificate: that it was refused shows at the
/// first read.
///
/// # Errors
/// No handshake within `limit`, a chain that does not lead to our roots, or another identity than expected.
pub async fn connect<S>(
    stream: S,
    credential: &Credential,
    expected: &[SpiffeId],
    limit: Duration,
) -> Result<(client::TlsStream<S>, SpiffeId), TlsError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let connector = TlsConnector::from(credential.client_config_for(expected));
    // An address is never sent as SNI, and the verifier does not look at names.
    let nobody = ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into());
    let handshake = Box::pin(connector.connect(nobody, stream));
    let tls = timeout(limit, handshake)
        .await
        .map_err(|_| TlsError::Timeout)?
        .map_err(TlsError::from_io)?;
    let peer = identity_in(tls.get_ref().1.peer_certificates())?;
    Ok((tls, peer))
}

fn identity_in(certificates: Option<&[CertificateDer<'_>]>) -> Result<SpiffeId, PeerError> {
    let leaf = certificates.and_then(<[_]>::first).ok_or(PeerError::NoIdentity)?;
    identity_of(leaf)
}

/// Why there is no TLS connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The peer did not complete the handshake in time.
    #[error("the TLS handshake took too long")]
    Timeout,
    /// The peer's certificate is in order, but not of somebody who is accepted here.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// The handshake failed: transport, protocol or certificate chain.
    #[error("the TLS handshake failed: {0}")]
    Handshake(io::Error),
}

impl TlsError {
    fn from_io(error: io::Error) -> TlsError {
        match reason(&error) {
            Some(peer) => TlsError::Peer(peer),
            None => TlsError::Handshake(error),
        }
    }
}

#[cfg(test)]
mod tests;
