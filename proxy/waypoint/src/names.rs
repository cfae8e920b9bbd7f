//! The addresses of endpoints that are known by name.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use cairn_dns::{DnsError, Host, Options, Resolver};
use tokio::sync::watch;

/// What resolves names, if anything does.
pub(crate) struct Names {
    resolver: Result<Resolver, DnsError>,
    /// Those that were too many to be followed.
    refused: ArcSwap<HashSet<Host>>,
}

/// A name of an endpoint, as it stood when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(crate) host: Host,
    /// In an order of their own: answers come in any.
    pub(crate) addresses: Vec<IpAddr>,
    /// Whether anything has come of asking for it.
    pub(crate) asked: bool,
}

impl Names {
    /// Without a name server to ask, no name has an address.
    pub(crate) fn new(options: Options) -> Names {
        let resolver = Resolver::new(options);
        if let Err(error) = &resolver {
            tracing::warn!(%error, "names of endpoints are not resolved");
        }
        Names {
            resolver,
            refused: ArcSwap::default(),
        }
    }

    /// For compiling without serving: nothing is asked for.
    pub(crate) fn offline() -> Names {
        let reason = "this waypoint was compiled without its connections".to_owned();
        Names {
            resolver: Err(DnsError::NoServers { reason }),
            refused: ArcSwap::default(),
        }
    }

    /// What is known of a name that is followed.
    pub(crate) fn known(&self, host: &Host) -> Name {
        let resolver = self.resolver.as_ref().ok();
        let followed = resolver.and_then(|resolver| resolver.followed(host));
        let resolution = followed.map(|followed| followed.resolution());
        let mut addresses = resolution
            .as_ref()
            .map_or_else(Vec::new, |resolution| resolution.addresses().to_vec());
        addresses.sort_unstable();
        Name {
            host: host.clone(),
            addresses,
            asked: resolver.is_none()
                || self.refused.load().contains(host)
                || resolution.is_some_and(|resolution| resolution.is_asked()),
        }
    }

    /// The first address of the last answer about a name that is followed.
    pub(crate) fn first(&self, host: &Host) -> Option<IpAddr> {
        let resolver = self.resolver.as_ref().ok()?;
        let resolution = resolver.followed(host)?.resolution();
        // An answer without addresses changes nothing, as in Envoy's LOGICAL_DNS.
        resolution.last_known().first().copied()
    }

    /// The addresses of a name that a request brings.
    pub(crate) async fn lookup(&self, host: &Host) -> Result<Arc<[IpAddr]>, DnsError> {
        match &self.resolver {
            Ok(resolver) => resolver.lookup(host).await,
            Err(error) => Err(error.clone()),
        }
    }

    /// Keeps just these names resolved from now on.
    pub(crate) fn follow(&self, hosts: impl IntoIterator<Item = Host>) {
        let Ok(resolver) = &self.resolver else { return };
        let refused = match resolver.follow(hosts) {
            Ok(()) => HashSet::new(),
            Err(error) => {
                tracing::error!("{error}");
                error.refused.into_iter().collect()
            }
        };
        self.refused.store(Arc::new(refused));
    }

    /// Changes with the addresses of names that are followed; `None`: they never do.
    pub(crate) fn changes(&self) -> Option<watch::Receiver<u64>> {
        let resolver = self.resolver.as_ref().ok()?;
        Some(resolver.changes())
    }
}
