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
use crate::listeners::Serve;
use crate::party::{Party, baggage_of};
use crate::proxy::Proxy;
use crate::record::{Direction, Record};
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
        let Some(workload) = at(&self.proxy.mesh(), local) else {
            return self.turned_away(Party::default(), peer, local, &Failure::Gone);
        };
        let handshake = async {
            let credential = self.proxy.identities.credential(&workload.identity).await?;
            Ok(tls::accept(transport(stream), &credential, HANDSHAKE).await?)
        };
        let accepted = tokio::select! {
            accepted = handshake => accepted,
            () = self.drain.draining() => Err(Failure::Drained),
        };
        let (stream, identity) = match accepted {
            Ok(accepted) => accepted,
            Err(failure) => return self.turned_away(Party::workload(&workload), peer, local, &failure),
        };
        let streams = Streams {
            proxy: Arc::clone(&self.proxy),
            shown: workload.identity.clone(),
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
    /// A client was turned away before it had asked for anything.
    fn turned_away(&self, server: Party, source: SocketAddr, destination: SocketAddr, failure: &Failure) {
        let record = Record {
            direction: Direction::Inbound,
            source,
            client: Party::default(),
            destination,
            authority: None,
            service: None,
            server,
        };
        self.proxy.ledger.turned_away(&record, failure);
    }
}

/// The workload that tunnels are taken for at an address of ours.
fn at(mesh: &Snapshot, local: SocketAddr) -> Option<Arc<Workload>> {
    mesh.workload_by_ip(local.ip())
        .filter(|workload| is_local(workload))
        .cloned()
}

/// The tunnels on one connection.
struct Streams {
    proxy: Arc<Proxy>,
    /// The identity that was shown to the client.
    shown: SpiffeId,
    drain: DrainWatch,
}

impl Handler for Streams {
    async fn connect(&self, request: Request) {
        // Held for as long as the tunnel lasts, so that a drain waits for its line in the access log.
        let drain = self.drain.clone();
        let began = Instant::now();
        let (workload, mut record, mut admission) = match self.arrival(&request) {
            Ok(arrival) => arrival,
            Err(record) => {
                self.proxy.ledger.turned_away(&record, &Failure::Gone);
                return request.reject(Failure::Gone.status());
            }
        };
        let (request, application) = match self.reach(request, &mut record, &mut admission).await {
            Ok(reached) => reached,
            Err((request, failure)) => {
                self.proxy.ledger.failed(&record, began, &failure);
                return request.reject(failure.status());
            }
        };
        let tunnel = match request.accept(said_of(&workload)) {
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
    /// What arrives, for the log and for the policies. It is for whoever is at the address now, provided that it is
    /// the identity that was shown: a pod may have given way to another one since.
    fn arrival(&self, request: &Request) -> Result<(Arc<Workload>, Record, Admission), Box<Record>> {
        let mut mesh = self.proxy.mesh.subscribe();
        let now = Arc::clone(&mesh.borrow_and_update());
        let connection = &request.connection;
        let local = connection.local_address;
        let source = SocketAddr::new(
            connection.peer_address.ip().to_canonical(),
            connection.peer_address.port(),
        );
        let client = Party::peer(
            &request.peer,
            now.workload_by_ip(source.ip()),
            request.baggage.clone(),
        );
        let record = Record {
            direction: Direction::Inbound,
            source,
            client,
            destination: local,
            authority: Some(request.authority.clone()),
            service: None,
            server: Party::default().proven(&self.shown),
        };
        let Some(workload) = at(&now, local).filter(|workload| workload.identity == self.shown) else {
            return Err(Box::new(record));
        };
        let admission = Admission {
            mesh,
            local: Arc::clone(&workload.uid),
            shown: Some(self.shown.clone()),
            peer: Some(request.peer.clone()),
            source: source.ip(),
            received_on: local.ip(),
            target: request.authority.clone(),
            service: request
                .forwarded
                .as_ref()
                .and_then(|forwarded| forwarded.host.clone()),
        };
        let server = Party::workload(&workload).proven(&self.shown);
        Ok((workload, Record { server, ..record }, admission))
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
}

/// The headers of a 200: who is at this end.
fn said_of(workload: &Workload) -> HeaderMap {
    let said = baggage_of(workload).to_header();
    said.into_iter().map(|value| (baggage::HEADER, value)).collect()
}
