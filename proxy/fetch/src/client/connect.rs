//! Connections to servers, made to checked addresses only.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use cairn_net::ConnectOptions;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::error::FetchError;
use crate::guard::forbidden;
use crate::tls::Trust;

use super::names::{Insecure, Names};

/// How long one address may take to answer, so that the next one still gets its turn within an attempt.
const PATIENCE: Duration = Duration::from_secs(4);

/// A connection, with or without TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Makes connections.
#[derive(Debug)]
pub(crate) struct Connector {
    pub(crate) insecure: Insecure,
    pub(crate) names: Names,
    trust: Trust,
    allow_private: bool,
}

impl Connector {
    pub(crate) fn new(insecure: Insecure, trust: Trust, allow_private: bool) -> Self {
        Self {
            insecure,
            names: Names::System,
            trust,
            allow_private,
        }
    }

    /// Connects to the server of an `http` or `https` address.
    pub(crate) async fn connect(&self, url: &Url) -> Result<Box<dyn Stream>, FetchError> {
        let stream = self.tcp(url).await?;
        if url.scheme() != "https" {
            return Ok(Box::new(stream));
        }
        let failed = |source| FetchError::Tls {
            host: authority(url),
            source: Arc::new(source),
        };
        let config = if self.insecure.names(url) {
            self.trust.unverified()
        } else {
            self.trust.verified()
        };
        let config = config.map_err(|error| failed(io::Error::other(error)))?;
        let name = server_name(url).ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
        let stream = TlsConnector::from(config)
            .connect(name, stream)
            .await
            .map_err(failed)?;
        Ok(Box::new(stream))
    }

    async fn tcp(&self, url: &Url) -> Result<TcpStream, FetchError> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        let options = ConnectOptions {
            timeout: PATIENCE,
            ..ConnectOptions::default()
        };
        for address in self.addresses(url).await? {
            match cairn_net::connect(address, &options).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error.into(),
            }
        }
        Err(FetchError::Connect {
            host: authority(url),
            source: Arc::new(last),
        })
    }

    /// The addresses of a server that may be connected to; at least one.
    async fn addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, FetchError> {
        let port = url.port_or_known_default().unwrap_or_default();
        let found = match url.host() {
            Some(Host::Ipv4(address)) => Ok(vec![SocketAddr::new(address.into(), port)]),
            Some(Host::Ipv6(address)) => Ok(vec![SocketAddr::new(address.into(), port)]),
            Some(Host::Domain(name)) => self.names.resolve(name, port).await,
            None => Err(io::ErrorKind::InvalidInput.into()),
        };
        let host = url.host_str().unwrap_or_default();
        let unresolved = |source| FetchError::Resolve {
            host: host.to_owned(),
            source: Arc::new(source),
        };
        let found = found.map_err(unresolved)?;
        let first: Option<(IpAddr, &str)> = found
            .iter()
            .find_map(|one| Some((one.ip(), self.forbidden(one.ip())?)));
        let allowed: Vec<SocketAddr> = found
            .into_iter()
            .filter(|one| self.forbidden(one.ip()).is_none())
            .collect();
        match (first, allowed.is_empty()) {
            (Some((address, why)), true) => Err(FetchError::Forbidden {
                host: host.to_owned(),
                address,
                why,
            }),
            (None, true) => Err(unresolved(io::Error::other("the name has no address"))),
            (_, false) => Ok(allowed),
        }
    }

    fn forbidden(&self, address: IpAddr) -> Option<&'static str> {
        forbidden(address, self.allow_private)
    }
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn server_name(url: &Url) -> Option<ServerName<'static>> {
    match url.host()? {
        Host::Domain(name) => ServerName::try_from(name.to_owned()).ok(),
        Host::Ipv4(address) => Some(ServerName::IpAddress(IpAddr::from(address).into())),
        Host::Ipv6(address) => Some(ServerName::IpAddress(IpAddr::from(address).into())),
    }
}
