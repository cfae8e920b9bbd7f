//! The endpoints that requests are sent to, and the connections to them.
//!
//! A connection belongs to a workload, by its uid and identity, never to an address alone: when the workload goes or
//! its address is given to another, its pool is closed and no request meant for it reaches its successor.

mod connections;
mod dial;
mod stream;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};

use cairn_identity::SpiffeId;
use cairn_mesh::{Outbound, Waypoint, Workload};
use cairn_telemetry::traffic::{Interned, WorkloadLabels};

pub(crate) use self::connections::{Connections, Keeping, Lanes};
use self::dial::Way;
pub(crate) use self::dial::{Dial, DialError, Dialer};
pub(crate) use self::stream::Stream;
use crate::labels;

/// One port of one workload.
pub(crate) struct Upstream {
    pub(crate) workload: Arc<Workload>,
    pub(crate) labels: Interned<WorkloadLabels>,
    pub(crate) address: SocketAddr,
    /// Another waypoint, which has a say in what the workload receives.
    pub(crate) guard: Option<Arc<Waypoint>>,
    pub(crate) connections: Arc<Connections>,
}

impl Upstream {
    /// A port of a workload, at an address that is not necessarily listed.
    pub(crate) fn direct(
        dialer: &Arc<Dialer>,
        workload: &Arc<Workload>,
        address: SocketAddr,
        keeping: &Keeping,
    ) -> Upstream {
        let dial = Dial {
            dialer: Arc::clone(dialer),
            address,
            way: Way::straight(workload, address),
            keepalive: keeping.keepalive,
            layering: None,
        };
        Upstream {
            labels: labels::workload(workload),
            workload: Arc::clone(workload),
            address,
            guard: None,
            connections: Arc::new(Connections::new(dial, keeping.clone())),
        }
    }
}

/// Every pool that is in use, so that a new configuration goes on with the connections of the last.
pub(crate) struct Upstreams {
    dialer: Arc<Dialer>,
    known: HashMap<Key, Weak<Connections>>,
}

/// What must stay the same for a connection to be used again.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    keeping: Keeping,
    uid: Arc<str>,
    identity: SpiffeId,
    address: SocketAddr,
    way: Way,
}

impl Upstreams {
    pub(crate) fn new(dialer: Arc<Dialer>) -> Upstreams {
        Upstreams {
            dialer,
            known: HashMap::new(),
        }
    }

    /// The upstream of a workload's port where `leg` leads; `None` when it leads nowhere.
    pub(crate) fn get(
        &mut self,
        workload: &Arc<Workload>,
        leg: Outbound,
        keeping: &Keeping,
    ) -> Option<Upstream> {
        let (address, guard) = match leg {
            Outbound::Hbone { authority, .. } => (authority, None),
            Outbound::Plain { address, .. } => (address, None),
            Outbound::Waypoint {
                waypoint, authority, ..
            } => (authority, Some(waypoint)),
            Outbound::Passthrough { .. } | Outbound::Refuse { .. } => return None,
        };
        let way = match &guard {
            None => Way::straight(workload, address),
            Some(guard) => Way::Tunnel {
                proxy: guard.socket()?,
                expected: guard.identity.clone(),
            },
        };
        Some(self.kept(workload, address, way, guard, keeping))
    }

    /// The upstream of a workload's port at an address that its name stands for.
    pub(crate) fn named(
        &mut self,
        workload: &Arc<Workload>,
        address: SocketAddr,
        keeping: &Keeping,
    ) -> Upstream {
        let way = Way::straight(workload, address);
        self.kept(workload, address, way, None, keeping)
    }

    fn kept(
        &mut self,
        workload: &Arc<Workload>,
        address: SocketAddr,
        way: Way,
        guard: Option<Arc<Waypoint>>,
        keeping: &Keeping,
    ) -> Upstream {
        let key = Key {
            keeping: keeping.clone(),
            uid: Arc::clone(&workload.uid),
            identity: workload.identity.clone(),
            address,
            way: way.clone(),
        };
        let connections = self.known.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
            let dial = Dial {
                dialer: Arc::clone(&self.dialer),
                address,
                way,
                keepalive: keeping.keepalive,
                layering: None,
            };
            let connections = Arc::new(Connections::new(dial, keeping.clone()));
            self.known.insert(key, Arc::downgrade(&connections));
            connections
        });
        let labels = labels::workload(workload);
        Upstream {
            workload: Arc::clone(workload),
            labels,
            address,
            guard,
            connections,
        }
    }

    /// Opens the connections.
    pub(crate) fn dialer(&self) -> &Arc<Dialer> {
        &self.dialer
    }

    /// The address that connections come from.
    pub(crate) fn source(&self) -> Option<IpAddr> {
        self.dialer.source
    }

    /// Closes the pools of workloads that no plan names any more, and forgets them.
    pub(crate) fn sweep(&mut self) {
        self.known.retain(|_, connections| connections.strong_count() > 0);
    }
}

#[cfg(test)]
mod tests;
