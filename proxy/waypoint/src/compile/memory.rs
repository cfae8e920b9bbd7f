//! What one version of the configuration leaves to the next of what has been learnt and is under way.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use cairn_balance::{Standing, Standings};
use cairn_dial::{Fingerprint, Tls, TlsSettings};

use crate::breaker::{Breaker, Limits};
use crate::clock;
use crate::cluster::Cluster;
use crate::upstream::Upstream;

/// An endpoint is the same while its cluster, its workload and its address are.
type Known = (Arc<str>, Arc<str>, SocketAddr);

/// Endpoints that were set aside stay aside, and what is under way goes on counting.
#[derive(Default)]
pub(super) struct Memory {
    standings: Standings<Known>,
    breakers: HashMap<Arc<str>, Weak<Breaker>>,
    /// What TLS has been built of settings, with the sessions that it remembers, and whether this version has asked for it.
    tls: HashMap<Fingerprint, (Tls, bool)>,
    /// Of the version that is being compiled.
    clusters: HashMap<Wanted, Option<Arc<Cluster>>>,
}

/// Host, port and subset.
type Wanted = (String, Option<u16>, Option<String>);

impl Memory {
    /// Begins another version.
    pub(super) fn begin(&mut self) {
        self.clusters.clear();
    }

    /// TLS of these settings.
    pub(super) fn tls(&mut self, settings: &TlsSettings) -> Result<Tls, String> {
        let fingerprint = settings.fingerprint();
        if let Some((tls, asked)) = self.tls.get_mut(&fingerprint) {
            *asked = true;
            return Ok(tls.clone());
        }
        let tls = Tls::new(settings).map_err(|error| error.to_string())?;
        self.tls.insert(fingerprint, (tls.clone(), true));
        Ok(tls)
    }

    /// The cluster that this version has already made of a host's port and subset.
    pub(super) fn made(&self, wanted: &Wanted) -> Option<Option<Arc<Cluster>>> {
        self.clusters.get(wanted).cloned()
    }

    pub(super) fn keep(&mut self, wanted: Wanted, cluster: Option<Arc<Cluster>>) {
        self.clusters.insert(wanted, cluster);
    }

    /// What is known of an endpoint of the cluster `name`.
    pub(super) fn standing(&mut self, name: &Arc<str>, upstream: &Upstream) -> Arc<Standing> {
        let key = (
            Arc::clone(name),
            Arc::clone(&upstream.workload.uid),
            upstream.address,
        );
        self.standings.of(key, clock::now())
    }

    /// The breaker of the cluster `name`; another one when its limits are others.
    pub(super) fn breaker(&mut self, name: &Arc<str>, limits: Limits) -> Arc<Breaker> {
        let known = self.breakers.get(name).and_then(Weak::upgrade);
        if let Some(known) = known.filter(|known| known.limits() == limits) {
            return known;
        }
        let breaker = Arc::new(Breaker::new(limits));
        self.breakers.insert(Arc::clone(name), Arc::downgrade(&breaker));
        breaker
    }

    /// Forgets what nobody has any more.
    pub(super) fn sweep(&mut self) {
        self.clusters.clear();
        self.standings.sweep();
        self.tls.retain(|_, (_, asked)| std::mem::take(asked));
        self.breakers.retain(|_, breaker| breaker.strong_count() > 0);
    }
}
