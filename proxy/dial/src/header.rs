//! The PROXY protocol: who speaks to whom, said before anything else.
//!
//! <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

/// The version of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyHeader {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// The two ends of the connection that is carried on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ends {
    /// Who opened it.
    pub source: SocketAddr,
    /// Where to, as the source saw it.
    pub destination: SocketAddr,
}

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const UNSPECIFIED: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

impl ProxyHeader {
    /// The bytes to begin with.
    ///
    /// A header has room for two addresses of one family. IPv4 addresses that are written as IPv6 (`::ffff:192.0.2.1`) count
    /// as IPv4. Where the families still differ, the header says that it does not know (`UNKNOWN`, or `LOCAL` without
    /// addresses): the endpoint then takes the addresses of the connection itself.
    #[must_use]
    pub fn encode(self, ends: &Ends) -> Vec<u8> {
        let source = ends.source.ip().to_canonical();
        let destination = ends.destination.ip().to_canonical();
        let ports = (ends.source.port(), ends.destination.port());
        match self {
            ProxyHeader::V1 => {
                let family = match (source, destination) {
                    (IpAddr::V4(_), IpAddr::V4(_)) => "TCP4",
                    (IpAddr::V6(_), IpAddr::V6(_)) => "TCP6",
                    _ => return b"PROXY UNKNOWN\r\n".to_vec(),
                };
                let (from, to) = ports;
                format!("PROXY {family} {source} {destination} {from} {to}\r\n").into_bytes()
            }
            ProxyHeader::V2 => {
                let mut addresses = Vec::with_capacity(36);
                let (command, family) = match (source, destination) {
                    (IpAddr::V4(source), IpAddr::V4(destination)) => {
                        addresses.extend(source.octets());
                        addresses.extend(destination.octets());
                        (PROXY, TCP4)
                    }
                    (IpAddr::V6(source), IpAddr::V6(destination)) => {
                        addresses.extend(source.octets());
                        addresses.extend(destination.octets());
                        (PROXY, TCP6)
                    }
                    _ => (LOCAL, UNSPECIFIED),
                };
                if command == PROXY {
                    addresses.extend(ports.0.to_be_bytes());
                    addresses.extend(ports.1.to_be_bytes());
                }
                // 0, 12 or 36.
                let length = u8::try_from(addresses.len()).unwrap_or_default();
                let mut header = Vec::with_capacity(52);
                header.extend(SIGNATURE);
                header.extend([command, family, 0, length]);
                header.extend(addresses);
                header
            }
        }
    }

    /// Sends it, at once as the specification wants it.
    ///
    /// # Errors
    /// The stream is gone.
    pub async fn send<S>(self, stream: &mut S, ends: &Ends) -> io::Result<()>
    where
        S: AsyncWrite + Unpin,
    {
        stream.write_all(&self.encode(ends)).await?;
        stream.flush().await
    }
}

#[cfg(test)]
mod tests;
