//! The TCP connection under TLS.

use tokio::io::BufReader;
use tokio::net::TcpStream;

/// How much is read from the socket at once. rustls asks for 4 KiB at a time, which would make four system calls of
/// every record of a bulk transfer.
const READ: usize = 32 << 10;

/// A TCP connection that is read in large pieces. Writes go straight through.
pub type Transport = BufReader<TcpStream>;

/// Prepares a TCP connection for TLS.
#[must_use]
pub fn transport(tcp: TcpStream) -> Transport {
    BufReader::with_capacity(READ, tcp)
}
