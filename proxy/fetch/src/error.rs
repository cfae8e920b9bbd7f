//! Why a module could not be had.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Why a module could not be had. Cloned to everyone who waited for the same one.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The name of the host is not known.
    #[error("cannot resolve {host}: {source}; check the name, and that the proxy's DNS knows it")]
    Resolve {
        /// The host.
        host: String,
        /// What the resolver answered.
        source: Arc<io::Error>,
    },
    /// The host has only addresses that modules are never fetched from.
    #[error("{host} is {address}, {why}, and is never asked for a module; publish the module elsewhere")]
    Forbidden {
        /// The host as it was named.
        host: String,
        /// Its address.
        address: IpAddr,
        /// What kind of address that is.
        why: &'static str,
    },
    /// No connection to the host.
    #[error("cannot connect to {host}: {source}")]
    Connect {
        /// The host and port.
        host: String,
        /// What the network answered; it names the address.
        source: Arc<io::Error>,
    },
    /// No TLS with the host.
    #[error("no TLS with {host}: {source}; check its certificate, and the roots that the proxy trusts")]
    Tls {
        /// The host and port.
        host: String,
        /// What the handshake failed on.
        source: Arc<io::Error>,
    },
    /// The attempt took longer than it may.
    #[error("{what} was not there within {limit:?}; check that its server answers")]
    Timeout {
        /// The source.
        what: String,
        /// How long an attempt may take.
        limit: Duration,
    },
    /// The exchange with a server broke off, or was no HTTP.
    #[error("the exchange for {url} failed: {reason}")]
    Exchange {
        /// The address, without its query.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// A server answered with a status that is no success.
    #[error("{url} answered {status}{detail}")]
    Status {
        /// The address, without its query.
        url: String,
        /// The status code.
        status: u16,
        /// What the server said about it, after a colon, or nothing.
        detail: String,
    },
    /// A server wants to know who asks, or does not let them have it.
    #[error("{url} answered {status}{detail}; {advice}")]
    Unauthorized {
        /// The address, without its query.
        url: String,
        /// The status code.
        status: u16,
        /// What the server said about it, after a colon, or nothing.
        detail: String,
        /// What to do.
        advice: &'static str,
    },
    /// What was asked for is not there.
    #[error("{url} is not there{detail}; check the name and the tag")]
    NotFound {
        /// The address, without its query.
        url: String,
        /// What the server said about it, after a colon, or nothing.
        detail: String,
    },
    /// A redirect that is not followed.
    #[error("{url} redirects to {to:?}, which is not followed: {reason}")]
    Redirect {
        /// The address, without its query.
        url: String,
        /// The scheme and host of where to.
        to: String,
        /// Why not.
        reason: &'static str,
    },
    /// More bytes than are taken.
    #[error("{what} is larger than {limit} bytes, the most that is taken")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The bound.
        limit: u64,
    },
    /// What came is not what its digest says.
    #[error(
        "{what} has the checksum {actual} where {expected} is expected; correct the checksum, or publish what it names"
    )]
    Checksum {
        /// What was checked.
        what: String,
        /// The digest that was asked for.
        expected: String,
        /// The digest, or digests, of what came.
        actual: String,
    },
    /// What came is no WebAssembly.
    #[error("{what} is no WebAssembly module: it {looks}")]
    NotWasm {
        /// The source.
        what: String,
        /// What it looks like instead.
        looks: &'static str,
    },
    /// An image that holds no module in any known layout.
    #[error("the image {image} holds no module that can be read: {reason}")]
    Image {
        /// The image.
        image: String,
        /// What is missing or too much.
        reason: String,
    },
    /// A file of the machine cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: Arc<io::Error>,
    },
    /// The attempt was given up because the process ends.
    #[error("fetching {what} was given up; the proxy is stopping")]
    Interrupted {
        /// The source.
        what: String,
    },
}

impl FetchError {
    /// Whether trying again is of no use until someone has changed something: the resource, the credentials, or what is
    /// published.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Forbidden { .. }
            | Self::Unauthorized { .. }
            | Self::Redirect { .. }
            | Self::TooLarge { .. }
            | Self::Checksum { .. }
            | Self::NotWasm { .. }
            | Self::Image { .. } => true,
            // 404 is not: a module is often published a little later than the resource that names it.
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Timeout { .. }
            | Self::Exchange { .. }
            | Self::Status { .. }
            | Self::NotFound { .. }
            | Self::File { .. }
            | Self::Interrupted { .. } => false,
        }
    }
}
