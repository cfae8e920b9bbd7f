//! What one version of the configuration leaves to the next of what has been learnt and is under way.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use cairn_balance::{Standing, Standings};
use cairn_dial::{Fingerprint, Tls, TlsSettings};

use crate::beyond::Beyond;
use crate::breaker::{Breaker, Limits};
use crate::clock;
use crate::cluster::Cluster;
use crate::upstream::{Keeping, Upstream};

/// An endpoint is the same while its cluster, its workload and its address are.
type Known = (Arc<str>, Arc<str>, SocketAddr);

/// Endpoints that were set aside stay aside, and what is under way goes on counting.
#[derive(Default)]
pub(super) struct Memory {
    standings: Standings<Known>,
    breakers: HashMap<Arc<str>, Weak<Breaker>>,
    beyonds: HashMap<Led, Weak<Beyond>>,
    /// What TLS has been built of settings, with the sessions that it remembers, and whether this version has asked for it.
    tls: HashMap<Fingerprint, (Tls, bool)>,
    /// Of the version that is being compiled.
    clusters: HashMap<Wanted, Option<Arc<Cluster>>>,
}

/// A cluster, what leads to its endpoints, and how connections are kept.
type Led = (Arc<str>, String, Keeping);

/// A service's id, port and subset.
type Wanted = (Arc<str>, Option<u16>, Option<String>);

impl Memory {
    /// Begins another version.
    pub(super) fn begin(&mut self) {
        self.clusters.clear();
    }

    /// The endpoints that nobody lists, with their connections.
    pub(super) fn beyond(&mut self, led: Led, make: impl FnOnce() -> Beyond) -> Arc<Beyond> {
        let known = self.beyonds.get(&led).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let made = Arc::new(make());
            self.beyonds.insert(led, Arc::downgrade(&made));
            made
        })
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

    /// The cluster that this version has already made of a service's port and subset.
    pub(super) fn made(&self, wanted: &Wanted) -> Option<Option<Arc<Cluster>>> {
        self.clusters.get(wanted).cloned()
    }

    pub(super) fn keep(&mut self, wanted: Wanted, cluster: Option<Arc<Cluster>>) {
        self.clusters.insert(wanted, cluster);
    }

    /// What is known of an endpoint of the cluster `name`, which is that of no other service.
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
        self.beyonds.retain(|_, beyond| beyond.strong_count() > 0);
        self.breakers.retain(|_, breaker| breaker.strong_count() > 0);
    }
}
