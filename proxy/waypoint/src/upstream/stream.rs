//! The byte streams to endpoints.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use cairn_dial::Layered;
use cairn_hbone::Tunnel;
use cairn_net::doubt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection to an endpoint.
pub(crate) enum Stream {
    Plain(Plain),
    Tunnel(Tunnel),
    /// With what a rule puts upon it.
    Layered(Box<Layered<Stream>>),
}

/// A connection in the clear.
pub(crate) struct Plain {
    tcp: TcpStream,
    shut_down: bool,
    /// Whether its end says that everything has been said, unless it is a reset.
    resets: bool,
}

impl Drop for Plain {
    fn drop(&mut self) {
        if self.resets
            && !self.shut_down
            && let Err(error) = self.tcp.set_zero_linger()
        {
            tracing::debug!(%error, "a reset could not be passed on");
        }
    }
}

impl Stream {
    /// A connection in the clear.
    pub(crate) fn plain(tcp: TcpStream) -> Stream {
        Stream::Plain(Plain {
            tcp,
            shut_down: false,
            resets: false,
        })
    }

    /// Has the connection reset when it is dropped before it was shut down, as a tunnel is in any case: nothing in the
    /// bytes that it carries tells whether they are all.
    pub(crate) fn reset_when_dropped(&mut self) {
        match self {
            Stream::Plain(plain) => plain.resets = true,
            Stream::Tunnel(_) => {}
            Stream::Layered(layered) => layered.get_mut().reset_when_dropped(),
        }
    }

    /// Whether a connection on which nothing is expected is over, as far as the kernel knows.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Stream::Plain(plain) => doubt::is_over(&plain.tcp),
            Stream::Tunnel(_) => false,
            // Tickets come with the first answer; what comes later of itself is the end.
            Stream::Layered(layered) => layered.get_ref().is_over(),
        }
    }

    /// How many bytes that were written the peer has not acknowledged, where they are the bytes of a request.
    pub(crate) fn unacknowledged(&self) -> Option<u64> {
        match self {
            Stream::Plain(plain) => doubt::unacknowledged(&plain.tcp),
            Stream::Tunnel(_) | Stream::Layered(_) => None,
        }
    }

    /// The near end of a connection in the clear. What tunnels share belongs to none of them.
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Stream::Plain(plain) => plain.tcp.local_addr().ok(),
            Stream::Tunnel(_) => None,
            Stream::Layered(layered) => layered.get_ref().local_address(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Plain(plain) => Pin::new(&mut plain.tcp).poll_read(cx, buffer),
            Stream::Tunnel(tunnel) => Pin::new(tunnel).poll_read(cx, buffer),
            Stream::Layered(layered) => Pin::new(layered).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Stream::Plain(plain) => Pin::new(&mut plain.tcp).poll_write(cx, bytes),
            Stream::Tunnel(tunnel) => Pin::new(tunnel).poll_write(cx, bytes),
            Stream::Layered(layered) => Pin::new(layered).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Plain(plain) => Pin::new(&mut plain.tcp).poll_flush(cx),
            Stream::Tunnel(tunnel) => Pin::new(tunnel).poll_flush(cx),
            Stream::Layered(layered) => Pin::new(layered).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Plain(plain) => {
                let polled = Pin::new(&mut plain.tcp).poll_shutdown(cx);
                plain.shut_down |= matches!(polled, Poll::Ready(Ok(())));
                polled
            }
            Stream::Tunnel(tunnel) => Pin::new(tunnel).poll_shutdown(cx),
            Stream::Layered(layered) => Pin::new(layered).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Stream::Plain(plain) => Pin::new(&mut plain.tcp).poll_write_vectored(cx, slices),
            Stream::Tunnel(tunnel) => Pin::new(tunnel).poll_write_vectored(cx, slices),
            Stream::Layered(layered) => Pin::new(layered).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Plain(plain) => plain.tcp.is_write_vectored(),
            Stream::Tunnel(tunnel) => tunnel.is_write_vectored(),
            Stream::Layered(layered) => layered.is_write_vectored(),
        }
    }
}
