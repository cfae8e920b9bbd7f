//! Listening on a set of addresses that changes.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;

use cairn_net::{ConnectionLimit, ListenError, ListenOptions, accept_loop, listen};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// Bytes of memory that the task of a connection may take: most connections only wait, and there may be very many.
const BUDGET: usize = 3 << 10;

/// What becomes of the connections that a listener accepts.
pub(crate) trait Serve: Clone + Send + Sync + 'static {
    /// Serves one connection to its end.
    fn serve(self, stream: TcpStream, peer: SocketAddr) -> impl Future<Output = ()> + Send;
}

/// Listeners on a set of addresses, all served alike. They close when this is dropped; connections go on.
pub(crate) struct Listeners<S> {
    serve: S,
    limit: ConnectionLimit,
    /// Each is listened on until its sender is dropped.
    open: HashMap<SocketAddr, oneshot::Sender<()>>,
    /// Wanted, and not to be had.
    failed: BTreeSet<SocketAddr>,
}

impl<S: Serve> Listeners<S> {
    pub(crate) fn new(serve: S, limit: ConnectionLimit) -> Listeners<S> {
        Listeners {
            serve,
            limit,
            open: HashMap::new(),
            failed: BTreeSet::new(),
        }
    }

    /// Listens on the addresses that are `wanted`, and no longer on others. Returns what went wrong that had not before.
    pub(crate) fn apply(&mut self, wanted: &BTreeSet<SocketAddr>) -> Vec<ListenError> {
        self.open.retain(|address, _| wanted.contains(address));
        self.failed.retain(|address| wanted.contains(address));
        let missing: Vec<SocketAddr> = wanted
            .iter()
            .filter(|address| !self.open.contains_key(address))
            .copied()
            .collect();
        missing
            .into_iter()
            .filter_map(|address| self.listen(address).err())
            .collect()
    }

    /// Tries again where listening has failed.
    pub(crate) fn retry(&mut self) {
        for address in self.failed.clone() {
            // What it fails with has been told already.
            let _ = self.listen(address);
        }
    }

    /// Whether some address is wanted and not to be had.
    pub(crate) fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    /// Listens on one address; an error that is known already is none.
    fn listen(&mut self, address: SocketAddr) -> Result<(), ListenError> {
        let listener = match listen(address, &ListenOptions::default()) {
            Ok(listener) => listener,
            Err(error) if self.failed.insert(address) => return Err(error),
            Err(_) => return Ok(()),
        };
        if self.failed.remove(&address) {
            tracing::info!(%address, "listening after all");
        }
        let (sender, closed) = oneshot::channel::<()>();
        let (serve, limit) = (self.serve.clone(), self.limit.clone());
        tokio::spawn(async move {
            let stop = async { drop(closed.await) };
            accept_loop(listener, &limit, stop, |stream, peer| {
                let served = serve.clone().serve(stream, peer);
                debug_assert!(
                    size_of_val(&served) <= BUDGET,
                    "{} bytes a connection",
                    size_of_val(&served)
                );
                served
            })
            .await;
        });
        self.open.insert(address, sender);
        Ok(())
    }
}
