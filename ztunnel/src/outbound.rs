//! Bringing the connections of pods to where they go.

mod leg;

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use cairn_hbone::{
    Authority, ConnectRequest, CopyTimeouts, Destination, DrainWatch, Forwarded, TraceParent, Tunnel, copy,
};
use cairn_mesh::Workload;
use tokio::net::TcpStream;

use crate::admission::Admission;
use crate::failure::Failure;
use crate::party::baggage_of;
use crate::proxy::Proxy;
use crate::record::{Direction, Record};
use crate::sockets::{on_behalf_of, source_for};
use leg::{Leg, Way};

/// Endpoints that are tried before a connection is given up.
const ATTEMPTS: usize = 3;

/// Who a connection is from.
pub(crate) struct Caller {
    pub(crate) workload: Arc<Workload>,
    pub(crate) address: SocketAddr,
}

/// Opens and carries the connections of pods. A drain waits for whoever holds one.
#[derive(Clone)]
pub(crate) struct Outbound {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) drain: DrainWatch,
}

/// A connection to where a caller wants to go.
pub(crate) struct Opened {
    stream: Stream,
    record: Record,
    admission: Option<Box<Admission>>,
    began: Instant,
}

enum Stream {
    Tunnel(Tunnel),
    Plain(TcpStream),
}

impl Outbound {
    /// Whose connection this is. An address that no workload has is told of, and nothing else is done for it.
    pub(crate) fn caller(&self, peer: SocketAddr, destination: SocketAddr) -> Option<Caller> {
        let address = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let mesh = self.proxy.mesh();
        if let Some(workload) = mesh.workload_by_ip(address.ip()) {
            return Some(Caller {
                workload: Arc::clone(workload),
                address,
            });
        }
        let error = format!(
            "unknown source: no workload of the mesh has the address {}; call from a pod's address: curl --interface POD_IP",
            address.ip()
        );
        self.proxy
            .ledger
            .refused(Direction::Outbound, address, destination, &error);
        None
    }

    /// Opens a connection for `caller` to where the mesh says that `destination` is. When an endpoint of a service
    /// cannot be reached, another one is tried; a waypoint is never gone round. A failure has been told of.
    pub(crate) async fn open(&self, caller: &Caller, destination: SocketAddr) -> Result<Opened, Failure> {
        let began = Instant::now();
        let mut avoided: Vec<Arc<str>> = Vec::new();
        let mut last: Option<(Record, Failure)> = None;
        let (record, failure) = loop {
            let leg = match leg::decide(&self.proxy, caller, destination, &avoided) {
                Ok(leg) => leg,
                // That there is no other endpoint is not what went wrong.
                Err(refused) => break last.unwrap_or(*refused),
            };
            let connected = tokio::select! {
                connected = Box::pin(self.connect(caller, &leg)) => connected,
                () = self.drain.forced() => Err(Failure::Drained),
            };
            match connected {
                Ok(stream) => {
                    let Leg {
                        record, admission, ..
                    } = leg;
                    return Ok(Opened {
                        stream,
                        record,
                        admission,
                        began,
                    });
                }
                Err(failure) => {
                    let endpoint = leg.endpoint.filter(|_| failure.may_pass_elsewhere());
                    let Some(endpoint) = endpoint.filter(|_| avoided.len() + 1 < ATTEMPTS) else {
                        break (leg.record, failure);
                    };
                    tracing::debug!(source = %caller.address, endpoint = &*endpoint, %failure, "trying another endpoint");
                    avoided.push(endpoint);
                    last = Some((leg.record, failure));
                }
            }
        };
        self.proxy.ledger.failed(&record, began, &failure);
        Err(failure)
    }

    /// Carries the bytes of a caller's connection until it ends.
    pub(crate) async fn carry(&self, client: TcpStream, opened: Opened) {
        let Opened {
            stream,
            record,
            mut admission,
            began,
        } = opened;
        let account = self.proxy.ledger.open(record, began);
        let timeouts = CopyTimeouts::default();
        let revoked = async {
            match &mut admission {
                Some(admission) => admission.revoked().await,
                None => pending().await,
            }
        };
        let copied = async {
            match stream {
                Stream::Tunnel(tunnel) => {
                    let outcome = Box::pin(copy::bidirectional(client, tunnel, timeouts, &account)).await;
                    outcome.error.map_or(Ok(()), |error| Err(error.into()))
                }
                Stream::Plain(server) => Ok(Box::pin(cairn_net::copy::bidirectional(
                    client, server, &timeouts, &account,
                ))
                .await?),
            }
        };
        let result = tokio::select! {
            biased;
            failure = revoked => Err(failure),
            () = self.drain.forced() => Err(Failure::Drained),
            result = copied => result,
        };
        account.close(result);
    }

    async fn connect(&self, caller: &Caller, leg: &Leg) -> Result<Stream, Failure> {
        match &leg.way {
            Way::Plain(address) => {
                let options = on_behalf_of(caller.address.ip(), address.ip());
                Ok(Stream::Plain(cairn_net::connect(*address, &options).await?))
            }
            Way::Tunnel {
                address,
                authority,
                expected,
            } => {
                let destination = Destination {
                    source: caller.workload.identity.clone(),
                    expected: Arc::clone(expected),
                    address: *address,
                    bind: source_for(caller.address.ip(), address.ip()),
                };
                let service = leg.record.service.as_deref().map(|service| &*service.hostname);
                let request = ConnectRequest {
                    authority: Authority::Ip(*authority),
                    baggage: baggage_of(&caller.workload),
                    forwarded: Some(Forwarded::new(caller.address, service)),
                    traceparent: Some(TraceParent::random()),
                };
                Ok(Stream::Tunnel(
                    self.proxy.pool.connect(&destination, request).await?,
                ))
            }
        }
    }
}
