//! All that is put upon a connection, in its order.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::header::{Ends, ProxyHeader};
use crate::stream::Tunneled;
use crate::tls::{Alpn, Protocol, Tls, TlsError, TlsStream};
use crate::tunnel::{Tunnel, TunnelError};

/// What is put upon a connection to an endpoint: in this order, each within the one before.
///
/// Equal layers make equal connections, but for what is said of a single one: whoever keeps connections has to tell them
/// apart by the ends too when there is a PROXY header, and by the server name and ALPN when there is TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Layers {
    /// Who speaks to whom, in the clear.
    pub proxy_protocol: Option<ProxyHeader>,
    /// TLS; with a tunnel, to the proxy.
    pub tls: Option<Tls>,
    /// A tunnel through the endpoint, which is a forward proxy.
    pub tunnel: Option<Tunnel>,
}

impl Layers {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.proxy_protocol.is_none() && self.tls.is_none() && self.tunnel.is_none()
    }

    /// Puts them upon `stream`.
    ///
    /// `server_name` and `alpn` are for TLS, see [`Tls::connect`]. With a tunnel, `alpn` is not said: HTTP/1.1 is spoken to
    /// the proxy, and for that Envoy says nothing.
    ///
    /// # Errors
    /// One of them could not be put on, and the stream is gone.
    pub async fn apply<S>(
        &self,
        mut stream: S,
        ends: &Ends,
        server_name: Option<&str>,
        alpn: Alpn,
    ) -> Result<Layered<S>, LayerError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        if let Some(header) = self.proxy_protocol {
            header.send(&mut stream, ends).await.map_err(LayerError::Header)?;
        }
        let secured = match &self.tls {
            None => Secured::Plain(stream),
            Some(tls) => {
                let alpn = if self.tunnel.is_some() { Alpn::None } else { alpn };
                Secured::Tls(tls.connect(stream, server_name, alpn).await?)
            }
        };
        Ok(Layered(match &self.tunnel {
            None => Inner::Direct(secured),
            // On the heap, as it is rare and large.
            Some(tunnel) => Inner::Tunneled(Box::new(Box::pin(tunnel.open(secured)).await?)),
        }))
    }
}

/// Why a layer could not be put on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// The PROXY header could not be sent.
    #[error("the PROXY header could not be sent: {0}")]
    Header(io::Error),
    /// There is no TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There is no tunnel.
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
}

/// A stream with its layers. Without any it is the stream itself.
///
/// Shutting it down ends the layers as well as the stream.
pub struct Layered<S>(Inner<S>);

enum Inner<S> {
    Direct(Secured<S>),
    Tunneled(Box<Tunneled<Secured<S>>>),
}

enum Secured<S> {
    Plain(S),
    Tls(TlsStream<S>),
}

impl<S> Layered<S> {
    /// What the endpoint has agreed to speak; `None`: it said nothing of it, or was not asked.
    #[must_use]
    pub fn alpn(&self) -> Option<Protocol> {
        match &self.0 {
            Inner::Direct(Secured::Tls(stream)) => stream.alpn(),
            Inner::Direct(Secured::Plain(_)) | Inner::Tunneled(_) => None,
        }
    }

    /// The stream underneath.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        let secured = match &self.0 {
            Inner::Direct(secured) => secured,
            Inner::Tunneled(tunneled) => tunneled.get_ref(),
        };
        match secured {
            Secured::Plain(stream) => stream,
            Secured::Tls(stream) => stream.get_ref(),
        }
    }

    /// The stream underneath. Reading or writing there breaks the layers, if there are any.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut S {
        let secured = match &mut self.0 {
            Inner::Direct(secured) => secured,
            Inner::Tunneled(tunneled) => tunneled.get_mut(),
        };
        match secured {
            Secured::Plain(stream) => stream,
            Secured::Tls(stream) => stream.get_mut(),
        }
    }

    /// The stream underneath; the layers are gone, with what they have read ahead.
    #[must_use]
    pub fn into_inner(self) -> S {
        let secured = match self.0 {
            Inner::Direct(secured) => secured,
            Inner::Tunneled(tunneled) => tunneled.into_inner(),
        };
        match secured {
            Secured::Plain(stream) => stream,
            Secured::Tls(stream) => stream.into_inner(),
        }
    }
}

impl<S> From<S> for Layered<S> {
    fn from(stream: S) -> Layered<S> {
        Layered(Inner::Direct(Secured::Plain(stream)))
    }
}

impl<S> fmt::Debug for Layered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (is_tunneled, secured) = match &self.0 {
            Inner::Direct(secured) => (false, secured),
            Inner::Tunneled(tunneled) => (true, tunneled.get_ref()),
        };
        f.debug_struct("Layered")
            .field("tls", &matches!(secured, Secured::Tls(_)))
            .field("tunnel", &is_tunneled)
            .finish_non_exhaustive()
    }
}

/// Passes reads and writes on to whichever stream it is.
macro_rules! delegate {
    ($stream:ident { $($variant:pat => $inner:expr),+ $(,)? }) => {
        impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for $stream<S> {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                match &mut *self {
                    $($variant => Pin::new($inner).poll_read(cx, buffer),)+
                }
            }
        }

        impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for $stream<S> {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &[u8],
            ) -> Poll<io::Result<usize>> {
                match &mut *self {
                    $($variant => Pin::new($inner).poll_write(cx, buffer),)+
                }
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                match &mut *self {
                    $($variant => Pin::new($inner).poll_write_vectored(cx, buffers),)+
                }
            }

            fn is_write_vectored(&self) -> bool {
                match self {
                    $($variant => $inner.is_write_vectored(),)+
                }
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match &mut *self {
                    $($variant => Pin::new($inner).poll_flush(cx),)+
                }
            }

            fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match &mut *self {
                    $($variant => Pin::new($inner).poll_shutdown(cx),)+
                }
            }
        }
    };
}

delegate!(Secured {
    Secured::Plain(stream) => stream,
    Secured::Tls(stream) => stream,
});

delegate!(Layered {
    Layered(Inner::Direct(stream)) => stream,
    Layered(Inner::Tunneled(stream)) => stream,
});

#[cfg(test)]
mod tests;
