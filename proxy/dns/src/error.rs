//! Why a host has no addresses.

use std::time::Duration;

use crate::host::Host;

/// Why a host has no addresses. Cloned to everyone who waited for the same one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DnsError {
    /// There is nobody to ask.
    #[error("no name servers: {reason}; check /etc/resolv.conf, or give name servers")]
    NoServers {
        /// What is wrong with the configuration.
        reason: String,
    },
    /// A server answered that there is nothing.
    #[error("{host} has no addresses: the name server answered {answer}; check the name")]
    NoAddresses {
        /// The name.
        host: Host,
        /// The response code, and what is missing.
        answer: String,
    },
    /// A server answered that it cannot say, or what cannot be read, or did not answer.
    #[error(
        "cannot resolve {host}: {reason}; check that the name server can be reached and knows the name's zone"
    )]
    Failed {
        /// The name.
        host: Host,
        /// What the server answered, or what kept it from answering.
        reason: String,
    },
    /// No answer in the time there was.
    #[error("cannot resolve {host}: no answer within {limit:?}; check that the name server can be reached")]
    Timeout {
        /// The name.
        host: Host,
        /// The time there was.
        limit: Duration,
    },
    /// As many names are being looked up as may be.
    #[error(
        "{host} is not looked up: {limit} other names are being looked up already; check the name server's speed"
    )]
    Busy {
        /// The name.
        host: Host,
        /// The number of names.
        limit: usize,
    },
}

/// Not every name is followed, because there are too many.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} names are not resolved, {} first, because no more than {limit} may be; raise the limit", .refused.len(), .refused.first().map_or_else(String::new, Host::to_string))]
pub struct TooManyNames {
    /// The names that are not followed, in order.
    pub refused: Vec<Host>,
    /// The most that may be.
    pub limit: usize,
}
