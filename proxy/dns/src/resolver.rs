//! What resolves names.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::watch;

use crate::ask::Asker;
use crate::error::{DnsError, TooManyNames};
use crate::follow::{Followed, Following};
use crate::host::Host;
use crate::lookup::Lookups;
use crate::options::Options;

/// Resolves names: those that configuration names, kept resolved in the background, and those that requests bring.
///
/// When it is dropped, all of its work ends.
#[derive(Debug)]
pub struct Resolver {
    following: Following,
    lookups: Lookups,
}

impl Resolver {
    /// A resolver that asks as `options` say. It asks nothing yet.
    ///
    /// # Errors
    ///
    /// [`DnsError::NoServers`] when /etc/resolv.conf is to be read and cannot be.
    pub fn new(options: Options) -> Result<Self, DnsError> {
        let asker = Arc::new(Asker::new(&options)?);
        let options = Arc::new(options);
        Ok(Self {
            following: Following::new(asker.clone(), options.clone()),
            lookups: Lookups::new(asker, options),
        })
    }

    /// Keeps exactly these names resolved from now on, those that are followed already without a break. Must be called
    /// within a tokio runtime.
    ///
    /// A name is asked for again when its TTL ends, and after a failure ever more seldom.
    ///
    /// # Errors
    ///
    /// When there are more than [`Options::max_names`], the rest is followed; names that were followed before come first.
    pub fn follow(&self, hosts: impl IntoIterator<Item = Host>) -> Result<(), TooManyNames> {
        self.following.follow(hosts.into_iter().collect())
    }

    /// A name that is followed. It takes no lock, and the result can be kept where requests read it.
    pub fn followed(&self, host: &Host) -> Option<Followed> {
        self.following.get(host)
    }

    /// Tells when addresses of names that are followed have changed, or a name has been asked for the first time. Changes
    /// between two looks are told as one. Another order of the same addresses is no change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.following.changes()
    }

    /// Waits until each name that is followed by then has been asked for, with whatever outcome: what Envoy calls warming.
    pub async fn settled(&self) {
        self.following.settled().await;
    }

    /// The addresses of a name that a request brings, at least one: for wildcard hosts of `resolution: DYNAMIC_DNS`.
    ///
    /// Whoever asks for a name while it is being looked up waits for the same answer. Answers are remembered for their
    /// TTL, that there are none for [`Options::refresh`], failures for [`Options::min_backoff`], of at most
    /// [`Options::max_cached`] names, of which the least recently used leave. While servers fail, an earlier answer holds
    /// for [`Options::keep_stale`] longer. Must be called within a tokio runtime.
    ///
    /// A name that a client has chosen should be asked for as absolute, with a closing dot, so that the system's search
    /// list does not make another of it.
    ///
    /// # Errors
    ///
    /// [`DnsError::NoAddresses`] when a server says so, [`DnsError::Busy`] when too many names are being looked up, else
    /// what the servers failed on.
    pub async fn lookup(&self, host: &Host) -> Result<Arc<[IpAddr]>, DnsError> {
        if let Some(address) = host.address() {
            return Ok([address].into());
        }
        if let Some(followed) = self.following.get(host) {
            let resolution = followed.resolution();
            if !resolution.addresses().is_empty() {
                return Ok(resolution.addresses().clone());
            }
        }
        self.lookups.lookup(host).await
    }
}
