//! The next leg of a connection, as the mesh decides it.

use std::net::SocketAddr;
use std::sync::Arc;

use cairn_hbone::{Authority, Baggage};
use cairn_identity::SpiffeId;
use cairn_mesh::{
    Candidates, Endpoint, Outbound as Decision, Service, Snapshot, Tunnel as Protocol, Workload,
};

use super::Caller;
use crate::admission::Admission;
use crate::failure::Failure;
use crate::party::Party;
use crate::proxy::Proxy;
use crate::record::{Direction, Record};
use crate::vips;

/// One way to try.
pub(super) struct Leg {
    pub(super) record: Record,
    pub(super) way: Way,
    /// The uid of the workload, if it was chosen among others.
    pub(super) endpoint: Option<Arc<str>>,
    /// What has to let the connection in, when this proxy stands at the other end as well and no tunnel leads there.
    pub(super) admission: Option<Box<Admission>>,
}

pub(super) enum Way {
    /// Through a tunnel of the caller's identity.
    Tunnel {
        address: SocketAddr,
        authority: SocketAddr,
        expected: Arc<[SpiffeId]>,
    },
    /// In the clear.
    Plain(SocketAddr),
}

/// Where a connection goes, or why it goes nowhere. Endpoints that are `avoided` are not chosen.
pub(super) fn decide(
    proxy: &Proxy,
    caller: &Caller,
    destination: SocketAddr,
    avoided: &[Arc<str>],
) -> Result<Leg, Box<(Record, Failure)>> {
    let mesh = proxy.mesh();
    let choose = |candidates| choose(candidates, avoided);
    let decision = if caller.workload.protocol == Protocol::Hbone {
        mesh.outbound(&caller.workload, destination, choose)
    } else {
        mesh.uncaptured(destination, choose)
    };
    let record = Record {
        direction: Direction::Outbound,
        source: caller.address,
        client: Party::workload(&caller.workload),
        destination,
        authority: None,
        service: None,
        server: Party::default(),
    };
    match decision {
        Decision::Waypoint {
            waypoint,
            address,
            authority,
            expected,
            service,
            ..
        } => {
            let server = Party::peer(
                &waypoint.identity,
                mesh.workload_by_ip(address.ip()),
                Baggage::default(),
            );
            Ok(tunnel(
                caller,
                Record {
                    service,
                    server,
                    ..record
                },
                address,
                authority,
                expected,
            ))
        }
        Decision::Hbone {
            workload,
            service,
            address,
            authority,
            expected,
        } => {
            let endpoint = service.as_ref().map(|_| Arc::clone(&workload.uid));
            let server = Party::workload(&workload).proven(&workload.identity);
            let leg = tunnel(
                caller,
                Record {
                    service,
                    server,
                    ..record
                },
                address,
                authority,
                expected,
            );
            Ok(Leg { endpoint, ..leg })
        }
        Decision::Plain {
            workload,
            service,
            address,
        } => {
            let endpoint = service.as_ref().map(|_| Arc::clone(&workload.uid));
            let record = Record {
                service,
                server: Party::workload(&workload),
                ..record
            };
            let leg = plain(proxy, &mesh, record, address)?;
            let leg = Leg { endpoint, ..leg };
            if workload.protocol == Protocol::Hbone {
                admit(proxy, leg, &workload, address)
            } else {
                Ok(leg)
            }
        }
        Decision::Passthrough { address } => {
            let service: Option<&Arc<Service>> = mesh.service_at(address.ip(), &caller.workload.namespace);
            plain(
                proxy,
                &mesh,
                Record {
                    service: service.cloned(),
                    ..record
                },
                address,
            )
        }
        Decision::Refuse { reason, service } => {
            Err(Box::new((Record { service, ..record }, Failure::Refused(reason))))
        }
    }
}

/// Each endpoint with the probability of its capacity.
fn choose<'a>(candidates: Candidates<'a>, avoided: &[Arc<str>]) -> Option<&'a Endpoint> {
    candidates.pick_where(rand::random(), |endpoint| {
        !avoided.contains(&endpoint.workload.uid)
    })
}

fn tunnel(
    caller: &Caller,
    record: Record,
    address: SocketAddr,
    authority: SocketAddr,
    expected: Vec<SpiffeId>,
) -> Leg {
    Leg {
        record: Record {
            client: record.client.proven(&caller.workload.identity),
            destination: address,
            authority: Some(Authority::Ip(authority)),
            ..record
        },
        way: Way::Tunnel {
            address,
            authority,
            expected: expected.into(),
        },
        endpoint: None,
        admission: None,
    }
}

fn plain(
    proxy: &Proxy,
    mesh: &Snapshot,
    record: Record,
    address: SocketAddr,
) -> Result<Leg, Box<(Record, Failure)>> {
    let record = Record {
        destination: address,
        ..record
    };
    if proxy.is_own(address) || vips::is_captured(mesh, address) {
        return Err(Box::new((record, Failure::Recursive(address))));
    }
    Ok(Leg {
        record,
        way: Way::Plain(address),
        endpoint: None,
        admission: None,
    })
}

/// A connection in the clear to a captured workload: what would take it there is this proxy, which asks the policies.
fn admit(
    proxy: &Proxy,
    leg: Leg,
    workload: &Workload,
    address: SocketAddr,
) -> Result<Leg, Box<(Record, Failure)>> {
    let mut admission = Box::new(Admission {
        mesh: proxy.mesh.subscribe(),
        local: Arc::clone(&workload.uid),
        shown: None,
        peer: None,
        source: leg.record.source.ip(),
        received_on: address.ip(),
        target: Authority::Ip(address),
        service: leg
            .record
            .service
            .as_ref()
            .map(|service| service.hostname.to_string()),
    });
    let record = Record {
        direction: Direction::Inbound,
        ..leg.record
    };
    match admission.check() {
        Ok(_) => Ok(Leg {
            record,
            admission: Some(admission),
            ..leg
        }),
        Err(failure) => Err(Box::new((record, failure))),
    }
}
