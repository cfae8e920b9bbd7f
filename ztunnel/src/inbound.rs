//! Taking tunnels to local pods.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cairn_hbone::{
    ConnectionInfo, CopyTimeouts, DrainWatch, Handler, Request, Settings, baggage, copy, server, transport,
};
use cairn_identity::{SpiffeId, tls};
use cairn_mesh::{HBONE_PORT, Snapshot, Tunnel, Workload};
use http::HeaderMap;
use tokio::net::TcpStream;

use crate::admission::Admission;
use crate::failure::Failure;
use crate::ledger::{Direction, Record};
use crate::listeners::Serve;
use crate::party::{Party, baggage_of};
use crate::proxy::Proxy;
use crate::sockets::on_behalf_of;

/// How long the TLS handshake of a client may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Where tunnels are taken: at the addresses on loopback of captured workloads. Waypoints take their own.
pub(crate) fn addresses(mesh: &Snapshot) -> BTreeSet<SocketAddr> {
    let local = mesh.workloads().filter(|workload| is_local(workload));
    let addresses = local
        .flat_map(|workload| &workload.addresses)
        .map(|address| address.to_canonical());
    addresses
        .filter(|address| address.is_loopback())
        .map(|address| SocketAddr::new(address, HBONE_PORT))
        .collect()
}

/// Whose certificates are shown there.
pub(crate) fn identities(mesh: &Snapshot) -> BTreeSet<SpiffeId> {
    mesh.workloads()
        .filter(|workload| is_local(workload))
        .map(|workload| workload.identity.clone())
        .collect()
}

fn is_local(workload: &Workload) -> bool {
    workload.protocol == Tunnel::Hbone && workload.gateway.is_none() && !workload.host_network
}

/// Takes tunnels for whichever workload is at the address that they come to.
#[derive(Clone)]
pub(crate) struct Inbound {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) drain: DrainWatch,
}

impl Serve for Inbound {
    async fn serve(self, stream: TcpStream, peer: SocketAddr) {
        let Ok(local) = stream.local_addr() else { return };
        let handshake = async {
            let workload = self.workload(local)?;
            let credential = self.proxy.identities.credential(&workload.identity).await?;
            let (stream, peer) = tls::accept(transport(stream), &credential, HANDSHAKE).await?;
            Ok::<_, Failure>((workload, stream, peer))
        };
        let accepted = tokio::select! {
            accepted = handshake => accepted,
            () = self.drain.draining() => Err(Failure::Drained),
        };
        let (workload, stream, identity) = match accepted {
            Ok(accepted) => accepted,
            Err(failure) => {
                return self
                    .proxy
                    .ledger
                    .turned_away(Direction::Inbound, peer, local, &failure);
            }
        };
        let streams = Streams {
            proxy: Arc::clone(&self.proxy),
            workload,
            drain: self.drain.clone(),
        };
        let info = ConnectionInfo {
            peer_address: peer,
            local_address: local,
            peer: identity,
        };
        // On the heap, for it is large and lasts long.
        let served = Box::pin(server::serve(
            stream,
            info,
            &self.settings,
            self.drain.clone(),
            Arc::new(streams),
        ));
        if let Err(error) = served.await {
            tracing::debug!(%peer, %local, %error, "a connection of tunnels broke");
        }
    }
}

impl Inbound {
    fn workload(&self, local: SocketAddr) -> Result<Arc<Workload>, Failure> {
        let mesh = self.proxy.mesh();
        let workload = mesh
            .workload_by_ip(local.ip())
            .filter(|workload| is_local(workload));
        workload.cloned().ok_or(Failure::Gone)
    }
}

/// The tunnels on one connection.
struct Streams {
    proxy: Arc<Proxy>,
    /// As it was when its certificate was shown.
    workload: Arc<Workload>,
    drain: DrainWatch,
}

impl Handler for Streams {
    async fn connect(&self, request: Request) {
        // Held for as long as the tunnel lasts, so that a drain waits for its line in the access log.
        let drain = self.drain.clone();
        let began = Instant::now();
        let (mut record, mut admission) = self.arrival(&request);
        let (request, application) = match self.reach(request, &mut record, &mut admission).await {
            Ok(reached) => reached,
            Err((request, failure)) => {
                self.proxy.ledger.failed(&record, began, &failure);
                return request.reject(failure.status());
            }
        };
        let tunnel = match request.accept(self.answer()) {
            Ok(tunnel) => tunnel,
            Err(_) => return self.proxy.ledger.failed(&record, began, &Failure::ClientGone),
        };
        let account = self.proxy.ledger.open(record, began);
        let copied = Box::pin(copy::bidirectional(
            application,
            tunnel,
            CopyTimeouts::default(),
            &account,
        ));
        let result = tokio::select! {
            biased;
            failure = admission.revoked() => Err(failure),
            () = drain.forced() => Err(Failure::Drained),
            outcome = copied => outcome.error.map_or(Ok(()), |error| Err(error.into())),
        };
        account.close(result);
    }
}

impl Streams {
    /// What arrives, for the log and for the policies.
    fn arrival(&self, request: &Request) -> (Record, Admission) {
        let mesh = self.proxy.mesh.subscribe();
        let connection = &request.connection;
        let source = SocketAddr::new(
            connection.peer_address.ip().to_canonical(),
            connection.peer_address.port(),
        );
        let at_address = mesh.borrow().workload_by_ip(source.ip()).cloned();
        let record = Record {
            direction: Direction::Inbound,
            source,
            client: Party::peer(&request.peer, at_address.as_ref(), request.baggage.clone()),
            destination: connection.local_address,
            authority: Some(request.authority.clone()),
            service: None,
            server: Party::workload(&self.workload).proven(&self.workload.identity),
        };
        let admission = Admission {
            mesh,
            local: Arc::clone(&self.workload.uid),
            shown: Some(self.workload.identity.clone()),
            peer: Some(request.peer.clone()),
            source: source.ip(),
            received_on: connection.local_address.ip(),
            target: request.authority.clone(),
            service: request
                .forwarded
                .as_ref()
                .and_then(|forwarded| forwarded.host.clone()),
        };
        (record, admission)
    }

    /// Asks the policies, and connects to the application from the client's address.
    async fn reach(
        &self,
        mut request: Request,
        record: &mut Record,
        admission: &mut Admission,
    ) -> Result<(Request, TcpStream), (Request, Failure)> {
        let address = match admission.check() {
            Ok((address, service)) => {
                record.service = service;
                address
            }
            Err(failure) => return Err((request, failure)),
        };
        let options = on_behalf_of(record.source.ip(), address.ip());
        let connected = tokio::select! {
            biased;
            failure = admission.revoked() => Err(failure),
            () = self.drain.forced() => Err(Failure::Drained),
            () = request.cancelled() => Err(Failure::ClientGone),
            connected = cairn_net::connect(address, &options) => connected.map_err(Failure::from),
        };
        match connected {
            Ok(application) => Ok((request, application)),
            Err(failure) => Err((request, failure)),
        }
    }

    /// The headers of a 200: who is at this end.
    fn answer(&self) -> HeaderMap {
        let said = baggage_of(&self.workload).to_header();
        said.into_iter().map(|value| (baggage::HEADER, value)).collect()
    }
}
