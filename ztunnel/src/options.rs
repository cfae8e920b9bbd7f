//! How to run a ztunnel, and why it may not.

use std::net::SocketAddr;
use std::time::Duration;

use cairn_net::ListenError;
use cairn_telemetry::AccessLog;
use cairn_telemetry::log::LogHandle;
use cairn_telemetry::server::ServeError;

/// How to run a ztunnel.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the admin interface is; 127.0.0.1:15000 when it is not given.
    pub admin: Option<SocketAddr>,
    /// Where metrics are; 127.0.0.1:15020 when it is not given.
    pub stats: Option<SocketAddr>,
    /// Where readiness is; 127.0.0.1:15021 when it is not given.
    pub ready: Option<SocketAddr>,
    /// Where SOCKS5 is spoken, usually 127.0.0.1:15080; nowhere when it is not given. Clients connect to it from the address of
    /// their pod.
    pub socks5: Option<SocketAddr>,
    /// How long connections may take to finish when the ztunnel stops.
    pub grace: Duration,
    /// Where the lines of the access log go besides the log.
    pub access_lines: Option<AccessLog>,
    /// The log whose levels the admin interface changes.
    pub log: Option<LogHandle>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            admin: None,
            stats: None,
            ready: None,
            socks5: None,
            grace: Duration::from_secs(5),
            access_lines: None,
            log: None,
        }
    }
}

/// Why a ztunnel does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address cannot be listened on: of a server beside the data path, or of a pod's tunnels.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The admin interface may not be where it was asked for.
    #[error(transparent)]
    Admin(#[from] ServeError),
}
