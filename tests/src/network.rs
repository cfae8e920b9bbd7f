//! Loopback addresses that no other test uses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};

/// A /24 of 127.0.0.0/8 for one mesh: the second octet tells test processes apart, the third the tests in one.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    second: u8,
    third: u8,
}

impl Network {
    /// A network that this process has not given out yet.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "a new one differs from every other")]
    pub fn new() -> Network {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        // 127.0/16 is for the examples, 127.240/12 for addresses that the mesh gives out itself.
        let second = 1 + u8::try_from(std::process::id() % 230).unwrap_or_default();
        let third = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(third < 255, "one test process has used all its networks");
        Network { second, third }
    }

    /// The address ending in `host`.
    #[must_use]
    pub fn ip(self, host: u8) -> IpAddr {
        Ipv4Addr::new(127, self.second, self.third, host).into()
    }

    /// `ip(host)` with a port.
    #[must_use]
    pub fn socket(self, host: u8, port: u16) -> SocketAddr {
        SocketAddr::new(self.ip(host), port)
    }

    /// `text` with `NET.` replaced by the network's three octets and a dot.
    #[must_use]
    pub fn fill(self, text: &str) -> String {
        text.replace("NET.", &format!("127.{}.{}.", self.second, self.third))
    }
}
