//! Names of hosts: which of them need not prove themselves, and what their addresses are.

use std::io;
use std::net::SocketAddr;

use url::Url;

/// The hosts that may be spoken to without proof of who they are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Insecure {
    hosts: Vec<String>,
}

impl Insecure {
    /// From a list of `host`, `host:port`, or `*`.
    pub(crate) fn new(hosts: &[String]) -> Self {
        Self {
            hosts: hosts
                .iter()
                .map(|host| host.trim().to_ascii_lowercase())
                .collect(),
        }
    }

    /// Whether the server of an address is among them.
    pub(crate) fn names(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        self.hosts
            .iter()
            .any(|one| one == "*" || one == host || *one == format!("{host}:{port}"))
    }
}

/// Where addresses of names come from.
#[derive(Debug)]
pub(crate) enum Names {
    /// The system's resolver.
    System,
    /// One answer for every name.
    #[cfg(test)]
    Fixed(Vec<std::net::IpAddr>),
}

impl Names {
    pub(crate) async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match self {
            Names::System => Ok(tokio::net::lookup_host((host, port)).await?.collect()),
            #[cfg(test)]
            Names::Fixed(addresses) => Ok(addresses.iter().map(|ip| SocketAddr::new(*ip, port)).collect()),
        }
    }
}
