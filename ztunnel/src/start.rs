//! Starting, running and stopping a ztunnel.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cairn_config::{Problem, State};
use cairn_hbone::{Drain, DrainWatch, Pool, PoolOptions, Settings};
use cairn_identity::Identities;
use cairn_mesh::Snapshot;
use cairn_net::{ConnectionLimit, ListenError, ListenOptions, accept_loop, listen};
use cairn_telemetry::Readiness;
use cairn_telemetry::metrics::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::admin::{self, Addresses};
use crate::capture::Capture;
use crate::follow::{Follow, tell};
use crate::inbound::Inbound;
use crate::ledger::Ledger;
use crate::listeners::{Listeners, Serve as _};
use crate::options::{Options, StartError};
use crate::outbound::Outbound;
use crate::proxy::Proxy;
use crate::socks5::Socks5;

/// Connections that may be open at a time, in each direction.
const MAX_CONNECTIONS: u32 = 65_536;

/// A ztunnel that runs until it is drained. When it is dropped it takes no new connections, and those that are open go
/// on.
#[derive(Debug)]
pub struct Ztunnel {
    addresses: Addresses,
    readiness: Readiness,
    problems: watch::Receiver<Arc<Vec<Problem>>>,
    version: watch::Receiver<u64>,
    /// Stops accepting when it is dropped.
    stop: DropGuard,
    drain: Drain,
    grace: Duration,
    quit: watch::Receiver<bool>,
    ledger: Ledger,
    // Everything that runs in the background ends with the ztunnel.
    _tasks: JoinSet<()>,
}

impl Ztunnel {
    /// Starts a ztunnel on a configuration that goes on changing, for all captured pods on loopback.
    ///
    /// # Errors
    ///
    /// [`StartError`]: an address that cannot be listened on. Virtual addresses of services are none of those: what
    /// cannot be captured is warned of, and tried again.
    pub async fn start(
        options: Options,
        mut config: watch::Receiver<Arc<State>>,
        identities: Identities,
    ) -> Result<Ztunnel, StartError> {
        let state = Arc::clone(&config.borrow_and_update());
        let (mesh, problems) = Snapshot::compile(&state);
        tell(&problems, &[]);
        let (problem_sender, problems) = watch::channel(Arc::new(problems));
        let (version_sender, version) = watch::channel(state.version);
        let (quit_sender, quit) = watch::channel(false);
        let stop = CancellationToken::new();
        let (drain, watch) = cairn_hbone::drain::channel();
        let registry = Registry::new();
        let readiness = Readiness::default();
        let starting = readiness.task("listening");
        let mut addresses = Addresses::new(&options);
        let mut tasks = JoinSet::new();

        let socks5 = options.socks5.map(listen_socks5).transpose()?;
        addresses.socks5 = socks5.as_ref().and_then(|listener| listener.local_addr().ok());
        let ledger = Ledger::new(&registry, options.access_lines.unwrap_or_default());
        let proxy = Arc::new(Proxy {
            mesh: watch::Sender::new(Arc::new(mesh)),
            pool: Pool::new(identities.clone(), Settings::default(), PoolOptions::default()),
            identities,
            ledger: ledger.clone(),
            socks5: addresses.socks5,
        });
        let surroundings = admin::Surroundings {
            proxy: Arc::clone(&proxy),
            registry,
            readiness: readiness.clone(),
            problems: problems.clone(),
            version: version.clone(),
            log: options.log,
            quit: quit_sender,
        };
        admin::start(surroundings, &mut addresses, &mut tasks)?;
        let mut follow = follow(&proxy, &watch, problem_sender, version_sender);
        if let Some(error) = follow.listen().into_iter().next() {
            return Err(error.into());
        }
        if let Some(listener) = socks5 {
            let outbound = Outbound {
                proxy: Arc::clone(&proxy),
                drain: watch,
            };
            tasks.spawn(serve_socks5(listener, Socks5 { outbound }, stop.clone()));
        }
        tasks.spawn(follow.run(config, stop.clone()));
        starting.done();
        tracing::info!(admin = %addresses.admin, stats = %addresses.stats, ready = %addresses.ready, "ztunnel listening");
        Ok(Ztunnel {
            addresses,
            readiness,
            problems,
            version,
            stop: stop.drop_guard(),
            drain,
            grace: options.grace,
            quit,
            ledger,
            _tasks: tasks,
        })
    }

    /// Where its servers are.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// What is wrong in the configuration; changes with it.
    #[must_use]
    pub fn problems(&self) -> watch::Receiver<Arc<Vec<Problem>>> {
        self.problems.clone()
    }

    /// The version of the configuration that connections see; changes with it.
    #[must_use]
    pub fn version(&self) -> watch::Receiver<u64> {
        self.version.clone()
    }

    /// Resolves when the admin interface has been asked to end the process.
    pub async fn quit(&self) {
        let mut quit = self.quit.clone();
        if quit.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Stops: not ready any more, no new connections, and those that are open get the grace period to finish. Returns
    /// whether all did.
    pub async fn drain(self) -> bool {
        let _draining = self.readiness.task("draining");
        drop(self.stop);
        let finished = self.drain.finish(self.grace).await;
        self.ledger.flush();
        finished
    }
}

fn listen_socks5(address: SocketAddr) -> Result<TcpListener, ListenError> {
    listen(
        address,
        &ListenOptions {
            setting: Some("--socks5"),
            ..ListenOptions::default()
        },
    )
}

async fn serve_socks5(listener: TcpListener, socks5: Socks5, stop: CancellationToken) {
    let limit = ConnectionLimit::new(MAX_CONNECTIONS);
    accept_loop(listener, &limit, stop.cancelled(), |stream, peer| {
        socks5.clone().serve(stream, peer)
    })
    .await;
}

fn follow(
    proxy: &Arc<Proxy>,
    drain: &DrainWatch,
    problems: watch::Sender<Arc<Vec<Problem>>>,
    version: watch::Sender<u64>,
) -> Follow {
    let outbound = Outbound {
        proxy: Arc::clone(proxy),
        drain: drain.clone(),
    };
    let inbound = Inbound {
        proxy: Arc::clone(proxy),
        settings: Arc::new(Settings::default()),
        drain: drain.clone(),
    };
    Follow {
        proxy: Arc::clone(proxy),
        capture: Listeners::new(Capture { outbound }, ConnectionLimit::new(MAX_CONNECTIONS)),
        inbound: Listeners::new(inbound, ConnectionLimit::new(MAX_CONNECTIONS)),
        identities: BTreeSet::new(),
        problems,
        version,
    }
}
