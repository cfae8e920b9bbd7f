//! TCP keepalive.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// When the kernel probes an idle connection, and when it gives the connection up.
///
/// The default is ztunnel's: first probe after 180 s, then every 180 s, dead after 9 unanswered probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Keepalive {
    /// Idle time before the first probe.
    pub time: Duration,
    /// Time between probes.
    pub interval: Duration,
    /// Unanswered probes after which the connection is reset.
    pub retries: u32,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(180),
            interval: Duration::from_secs(180),
            retries: 9,
        }
    }
}

impl Keepalive {
    /// Switches keepalive on for a TCP socket.
    ///
    /// # Errors
    ///
    /// What `setsockopt` answers, which for a live TCP socket is nothing but a value out of range.
    pub fn apply<'s, S>(&self, socket: &'s S) -> io::Result<()>
    where
        SockRef<'s>: From<&'s S>,
    {
        let settings = TcpKeepalive::new()
            .with_time(self.time)
            .with_interval(self.interval)
            .with_retries(self.retries);
        SockRef::from(socket).set_tcp_keepalive(&settings)
    }
}
