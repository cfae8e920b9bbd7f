//! TLS that is begun here.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::io::{self, IoSlice};
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::{CertificateError, ClientConfig, Error, HandshakeKind, OtherError};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{TlsConnector, client};

use crate::material;
use crate::settings::{Fingerprint, SettingsError, TlsSettings};
use crate::verify::{Authorities, Name, Names, NamesError, Verifier, cryptography};

/// TLS 1.2 or 1.3 towards endpoints, ready to be begun on any number of connections.
///
/// Clones share everything, also the sessions that later connections resume. Two are equal when their settings are.
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    fingerprint: Fingerprint,
    sni: Option<ServerName<'static>>,
    named: Arc<ClientConfig>,
    /// For connections without a server name. Where that decides who is taken, it must not share sessions with `named`.
    nameless: Arc<ClientConfig>,
}

/// What is to be spoken within, as the endpoint is told (ALPN).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// It is not told.
    #[default]
    None,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// HTTP/2, or HTTP/1.1 where the endpoint does not speak that.
    Either,
}

/// What an endpoint has agreed to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

impl Tls {
    /// Builds what `settings` say.
    ///
    /// # Errors
    /// One of them cannot be read, or two contradict each other.
    pub fn new(settings: &TlsSettings) -> Result<Tls, SettingsError> {
        let authorities = material::authorities(settings)?.map(Arc::new);
        if settings.subject_alt_names.iter().any(String::is_empty) {
            return Err(SettingsError::EmptyName);
        }
        let sni = settings
            .sni
            .as_deref()
            .map(|sni| ServerName::try_from(sni.to_owned()).map_err(|_| SettingsError::Sni(sni.to_owned())));
        let sni = sni.transpose()?;
        let names = match &settings.subject_alt_names[..] {
            [] if sni.is_some() || authorities.is_none() => Names::Any,
            [] => Names::OfServer,
            names => Names::Among(names.iter().map(|name| Name::new(name)).collect()),
        };
        let named = config(settings, authorities.clone(), names.clone())?;
        let nameless = match names {
            Names::OfServer => config(settings, authorities, Names::Any)?,
            Names::Any | Names::Among(_) => named.clone(),
        };
        Ok(Tls(Arc::new(Shared {
            fingerprint: settings.fingerprint(),
            sni,
            named,
            nameless,
        })))
    }

    /// That of the settings.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }

    /// Whether the server name of a connection is told to the endpoint: no other is fixed.
    #[must_use]
    pub fn wants_server_name(&self) -> bool {
        self.0.sni.is_none()
    }

    /// Begins TLS on `stream`.
    ///
    /// `server_name` is a host name or an IP address without a port, as the connection is for; it counts where the settings
    /// do not fix one. See [`TlsSettings`] for what the certificate is held against. `None` is right for what is not HTTP.
    ///
    /// TLS 1.3 lets a client finish before the server has looked at its certificate: that it was refused shows at the
    /// first read.
    ///
    /// # Errors
    /// The server name is none, the endpoint's certificate is refused, or the handshake fails otherwise.
    pub async fn connect<S>(
        &self,
        stream: S,
        server_name: Option<&str>,
        alpn: Alpn,
    ) -> Result<TlsStream<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Shared {
            sni, named, nameless, ..
        } = &*self.0;
        let (config, name) = match (sni, server_name) {
            (Some(sni), _) => (named, sni.clone()),
            (None, Some(name)) => (named, parse(name)?),
            // An address is never sent, and the names are not looked at.
            (None, None) => (nameless, ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into())),
        };
        let connector = TlsConnector::from(config.clone());
        let offered = alpn.protocols().iter().map(|one| one.id().to_vec()).collect();
        // On the heap: the handshake is the largest part of the futures that contain it, and the shortest-lived.
        let handshake = Box::pin(connector.with_alpn(offered).connect(name, stream));
        let stream = handshake.await.map_err(TlsError::from_io)?;
        Ok(TlsStream(Box::new(stream)))
    }
}

fn parse(name: &str) -> Result<ServerName<'static>, TlsError> {
    // As the host of an authority is written.
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    ServerName::try_from(address.unwrap_or(name).to_owned())
        .map_err(|_| TlsError::ServerName(name.to_owned()))
}

fn config(
    settings: &TlsSettings,
    authorities: Option<Arc<Authorities>>,
    names: Names,
) -> Result<Arc<ClientConfig>, SettingsError> {
    let library = |error: Error| SettingsError::Library(error.to_string());
    let builder = ClientConfig::builder_with_provider(cryptography().clone())
        .with_safe_default_protocol_versions()
        .map_err(library)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { authorities, names }));
    let Some(client) = &settings.client else {
        return Ok(Arc::new(builder.with_no_client_auth()));
    };
    let (chain, key) = material::client(client)?;
    let config = builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| match error {
            Error::InconsistentKeys(_) => SettingsError::ClientPair(error.to_string()),
            Error::InvalidCertificate(_) => SettingsError::ClientChain(error.to_string()),
            error => SettingsError::ClientKey(error.to_string()),
        })?;
    Ok(Arc::new(config))
}

impl PartialEq for Tls {
    fn eq(&self, other: &Tls) -> bool {
        self.fingerprint() == other.fingerprint()
    }
}

impl Eq for Tls {}

impl Hash for Tls {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint().hash(state);
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.fingerprint()).finish()
    }
}

impl Alpn {
    fn protocols(self) -> &'static [Protocol] {
        match self {
            Alpn::None => &[],
            Alpn::Http1 => &[Protocol::Http1],
            Alpn::Http2 => &[Protocol::Http2],
            Alpn::Either => &[Protocol::Http2, Protocol::Http1],
        }
    }
}

impl Protocol {
    fn id(self) -> &'static [u8] {
        match self {
            Protocol::Http1 => b"http/1.1",
            Protocol::Http2 => b"h2",
        }
    }
}

/// A stream within TLS.
///
/// Shutting it down tells the endpoint (close_notify). An endpoint that does not tell has not said all, or somebody cut it
/// short: that end is [`io::ErrorKind::UnexpectedEof`], never the quiet end of the input.
#[derive(Debug)]
pub struct TlsStream<S>(Box<client::TlsStream<S>>);

impl<S> TlsStream<S> {
    /// What the endpoint has agreed to speak; `None`: it said nothing of it.
    #[must_use]
    pub fn alpn(&self) -> Option<Protocol> {
        let agreed = self.0.get_ref().1.alpn_protocol()?;
        [Protocol::Http1, Protocol::Http2]
            .into_iter()
            .find(|protocol| protocol.id() == agreed)
    }

    /// Whether a session of an earlier connection went on, so that no certificate was shown.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.0.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// The stream underneath.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        self.0.get_ref().0
    }

    /// The stream underneath. Reading or writing there breaks what is above.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut S {
        self.0.get_mut().0
    }

    /// The stream underneath; what is above is gone.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.0.into_inner().0
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(cx)
    }
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// What the connection is for is no server name.
    #[error("{0:?} is neither a host name nor an IP address; set `sni` to the name of the server")]
    ServerName(String),
    /// The certificate is of somebody else.
    #[error(transparent)]
    Names(NamesError),
    /// The certificate is not taken.
    #[error("the endpoint's certificate is refused: {0}; {advice}", advice = advice(.0))]
    Certificate(CertificateError),
    /// The handshake failed: transport, protocol, or what the endpoint did not like.
    #[error("the TLS handshake failed: {0}")]
    Handshake(io::Error),
}

impl TlsError {
    fn from_io(error: io::Error) -> TlsError {
        let reason = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        let Some(Error::InvalidCertificate(reason)) = reason else {
            return TlsError::Handshake(error);
        };
        if let CertificateError::Other(OtherError(inner)) = reason
            && let Some(names) = inner.downcast_ref::<NamesError>()
        {
            return TlsError::Names(names.clone());
        }
        TlsError::Certificate(reason.clone())
    }
}

fn advice(reason: &CertificateError) -> &'static str {
    match reason {
        // One by the name of its issuer is trusted, and has another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "trust the authority that issued it"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "renew it",
        CertificateError::Revoked => "replace it",
        CertificateError::UnknownRevocationStatus => "give the revocation list of each of its issuers",
        CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
            "renew the revocation list"
        }
        _ => "correct it",
    }
}

#[cfg(test)]
mod tests;
