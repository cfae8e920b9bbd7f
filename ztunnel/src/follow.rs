//! Keeping up with the configuration.

use std::collections::{BTreeSet, HashSet};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use cairn_config::{Problem, State};
use cairn_identity::SpiffeId;
use cairn_mesh::Snapshot;
use cairn_net::ListenError;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::capture::Capture;
use crate::inbound::{self, Inbound};
use crate::listeners::Listeners;
use crate::proxy::Proxy;
use crate::vips;

/// When listening is tried again where it has failed.
const RETRY: Duration = Duration::from_secs(5);

/// Puts each version of the configuration in force: the mesh first, then the listeners.
pub(crate) struct Follow {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) capture: Listeners<Capture>,
    pub(crate) inbound: Listeners<Inbound>,
    /// Of the workloads that tunnels are taken for.
    pub(crate) identities: BTreeSet<SpiffeId>,
    pub(crate) problems: watch::Sender<Arc<Vec<Problem>>>,
    pub(crate) version: watch::Sender<u64>,
}

impl Follow {
    /// Listens for the mesh that is in force. What cannot be captured is warned of; what is returned are pods that
    /// cannot be reached.
    pub(crate) fn listen(&mut self) -> Vec<ListenError> {
        let mesh = self.proxy.mesh();
        self.identities = inbound::identities(&mesh);
        for error in self.capture.apply(&vips::addresses(&mesh)) {
            tracing::warn!("{error}; until then nobody reaches the service through it, all else works");
        }
        self.inbound.apply(&inbound::addresses(&mesh))
    }

    /// Follows the configuration until told to stop, which closes the listeners.
    pub(crate) async fn run(mut self, mut config: watch::Receiver<Arc<State>>, stop: CancellationToken) {
        loop {
            let retry = self.capture.has_failed() || self.inbound.has_failed();
            tokio::select! {
                () = stop.cancelled() => return,
                () = next(&mut config) => {
                    let state = Arc::clone(&config.borrow_and_update());
                    self.compile(state).await;
                }
                () = sleep(RETRY), if retry => {
                    self.capture.retry();
                    self.inbound.retry();
                }
            }
        }
    }

    async fn compile(&mut self, state: Arc<State>) {
        let version = state.version;
        let compiled = {
            let state = Arc::clone(&state);
            tokio::task::spawn_blocking(move || Snapshot::compile(&state)).await
        };
        match compiled {
            Ok((mesh, problems)) => self.apply(mesh, problems, version),
            Err(error) => tracing::error!(version, "the configuration could not be compiled: {error}"),
        }
    }

    fn apply(&mut self, mesh: Snapshot, problems: Vec<Problem>, version: u64) {
        self.proxy.mesh.send_replace(Arc::new(mesh));
        let before = self.identities.clone();
        for error in self.listen() {
            tracing::error!("{error}; until then no tunnel reaches the pod, all else works");
        }
        for identity in before.difference(&self.identities) {
            self.proxy.identities.forget(identity);
        }
        tracing::info!(version, "configuration in force");
        tell(&problems, &self.problems.borrow());
        self.problems.send_replace(Arc::new(problems));
        self.version.send_replace(version);
    }
}

/// Says what is newly wrong.
pub(crate) fn tell(problems: &[Problem], before: &[Problem]) {
    let before: HashSet<_> = before.iter().collect();
    for problem in problems.iter().filter(|problem| !before.contains(problem)) {
        tracing::warn!("{problem}");
    }
}

/// The next version; never, when its source has ended.
async fn next(config: &mut watch::Receiver<Arc<State>>) {
    if config.changed().await.is_err() {
        pending().await
    }
}
