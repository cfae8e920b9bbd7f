//! Starting, running and stopping one waypoint.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use cairn_api::meta::Key;
use cairn_config::{Problem, State};
use cairn_dns::Families;
use cairn_hbone::{Drain, PoolOptions};
use cairn_identity::{Identities, IdentityError, SpiffeId};
use cairn_net::{ListenError, ListenOptions, listen};
use cairn_telemetry::log::LogHandle;
use cairn_telemetry::metrics::{Expose, Registry};
use cairn_telemetry::server::ServeError;
use cairn_telemetry::traffic::{HttpMetrics, Interned, SeriesOptions, TcpMetrics};
use cairn_telemetry::{AccessLog, Readiness, Sink, SinkError};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::accept::{Acceptor, Habits};
use crate::admin::{self, Addresses};
use crate::calls::Calls;
use crate::compile::Compiler;
use crate::follow::Follow;
use crate::mirror;
use crate::names::Names;
use crate::plugin::{Loader, Slots, Storage};
use crate::proxy::Proxy;
use crate::tokens::Tokens;
use crate::upstream::Dialer;

/// How to run a waypoint.
#[derive(Clone, Debug)]
pub struct Options {
    /// Namespace and name of its Gateway.
    pub gateway: Key,
    /// Where to take tunnels; the Gateway's address and port 15008 when it is not given.
    pub listen: Option<SocketAddr>,
    /// Where the admin interface is; 127.0.0.1:15000, on loopback meshes the Gateway's address, when it is not given.
    pub admin: Option<SocketAddr>,
    /// Where metrics are; port 15020 of every address, on loopback meshes the Gateway's, when it is not given.
    pub stats: Option<SocketAddr>,
    /// Where readiness is; port 15021, as for metrics, when it is not given.
    pub ready: Option<SocketAddr>,
    /// How long connections may take to finish when the waypoint stops.
    pub grace: Duration,
    /// How old a tunnel connection may become, give or take a tenth; then its client is asked to open another (GOAWAY), and it
    /// ends with the last tunnel on it. `None`: as old as it likes.
    pub max_connection_age: Option<Duration>,
    /// Lets another process listen on the same addresses (`SO_REUSEPORT`) and take over from this one.
    pub reuse_port: bool,
    /// Where access log lines go; MeshConfig's `accessLogFile` decides when it is not given.
    pub access_log: Option<AccessLog>,
    /// The log whose levels the admin interface changes.
    pub log: Option<LogHandle>,
    /// Whom to ask for the addresses of names; those of /etc/resolv.conf when none are given.
    pub name_servers: Vec<SocketAddr>,
    /// Where the modules of filters are kept, and how their servers are asked.
    pub filters: Storage,
}

impl Options {
    /// The defaults for a Gateway.
    #[must_use]
    pub fn new(gateway: Key) -> Options {
        Options {
            gateway,
            listen: None,
            admin: None,
            stats: None,
            ready: None,
            grace: Duration::from_secs(5),
            max_connection_age: None,
            reuse_port: false,
            access_log: None,
            log: None,
            name_servers: Vec::new(),
            filters: Storage::from_env(),
        }
    }
}

/// Why a waypoint does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration has no such Gateway.
    #[error(
        "there is no Gateway {0} of a waypoint class; write one, or name another with --gateway NAMESPACE/NAME"
    )]
    NoGateway(Key),
    /// The Gateway has no address.
    #[error(
        "Gateway {0} has no address to listen on; write spec.addresses, or name one with --listen ADDRESS:PORT"
    )]
    NoAddress(Key),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The admin interface may not be where it was asked for.
    #[error(transparent)]
    Admin(#[from] ServeError),
    /// The access log cannot be opened.
    #[error(transparent)]
    AccessLog(#[from] SinkError),
    /// The waypoint's own certificate cannot be had.
    #[error("no certificate for {identity}: {source}")]
    Identity {
        /// Whose.
        identity: SpiffeId,
        /// Why.
        source: IdentityError,
    },
}

/// A waypoint that runs until it is drained or dropped.
pub struct Waypoint {
    address: SocketAddr,
    addresses: Addresses,
    identity: SpiffeId,
    readiness: Readiness,
    problems: watch::Receiver<Arc<Vec<Problem>>>,
    version: watch::Receiver<u64>,
    stop: watch::Sender<bool>,
    drain: Drain,
    grace: Duration,
    quit: watch::Receiver<bool>,
    access_log: AccessLog,
    // Everything that runs in the background ends with the waypoint.
    _tasks: JoinSet<()>,
}

impl Waypoint {
    /// Starts a waypoint on a configuration that goes on changing.
    ///
    /// # Errors
    ///
    /// [`StartError`]: no such Gateway, an address in use, no certificate.
    pub async fn start(
        options: Options,
        mut config: watch::Receiver<Arc<State>>,
        identities: Identities,
    ) -> Result<Waypoint, StartError> {
        let state = Arc::clone(&config.borrow_and_update());
        // The Gateway says who the waypoint is and where, which its connections depend on.
        let (mesh, _) = cairn_mesh::Snapshot::compile(&state);
        let gateway = mesh
            .waypoint(&options.gateway)
            .ok_or_else(|| StartError::NoGateway(options.gateway.clone()))?;
        let identity = gateway.identity.clone();
        let address = options
            .listen
            .or_else(|| gateway.socket())
            .ok_or_else(|| StartError::NoAddress(options.gateway.clone()))?;
        let source = Some(address.ip()).filter(|ip| !ip.is_unspecified());
        let credential = identities.credential(&identity).await;
        credential.map_err(|source| StartError::Identity {
            identity: identity.clone(),
            source,
        })?;

        let tunnels = cairn_hbone::Pool::new(
            identities.clone(),
            cairn_hbone::Settings::default(),
            PoolOptions::default(),
        );
        let dialer = Arc::new(Dialer::new(tunnels, identity.clone(), source));
        let slots = Arc::<Slots>::default();
        let names = Arc::new(Names::new(cairn_dns::Options {
            name_servers: options.name_servers,
            families: Families::of(source),
            ..cairn_dns::Options::default()
        }));
        let tokens = Arc::<Tokens>::default();
        let mut compiler = Compiler::new(
            options.gateway.clone(),
            Arc::clone(&dialer),
            Arc::clone(&slots),
            Arc::clone(&names),
            Arc::clone(&tokens),
        );
        let (plans, problems) = compiler.compile(&state);

        let access_log = match &options.access_log {
            Some(log) => log.clone(),
            None => AccessLog::new(Sink::from_path(&plans.mesh.mesh.access_log_file))?,
        };
        let (drain, watch) = cairn_hbone::drain::channel();
        let (quit_sender, quit) = watch::channel(false);
        let registry = Registry::new();
        let readiness = Readiness::default();
        let starting = readiness.task("listening");
        let (problem_sender, problems) = watch::channel(Arc::new(problems));
        let (version, _) = watch::channel(plans.version);
        registry.register_source(Arc::clone(&slots) as Arc<dyn Expose>);
        let proxy = Arc::new(Proxy {
            version,
            plans: ArcSwap::from_pointee(plans),
            dialer,
            slots: Arc::clone(&slots),
            tokens: Arc::clone(&tokens),
            mirrored: Arc::new(Semaphore::new(mirror::UNDER_WAY)),
            access_log: access_log.clone(),
            http: HttpMetrics::register(&registry, SeriesOptions::default()),
            tcp: TcpMetrics::register(&registry, SeriesOptions::default()),
            unknown: Interned::default(),
            no_service: Interned::default(),
        });

        let listener = listen(
            address,
            &ListenOptions {
                setting: Some("--listen"),
                reuse_port: options.reuse_port,
                ..ListenOptions::default()
            },
        )?;
        let address = listener.local_addr().unwrap_or(address);
        let addresses = Addresses::new([options.admin, options.stats, options.ready], address);
        if !addresses.admin.ip().to_canonical().is_loopback() {
            return Err(ServeError::NotLoopback(addresses.admin).into());
        }
        let mut tasks = JoinSet::new();
        let (warming, filters) = (readiness.task("filters"), Arc::clone(&slots));
        tasks.spawn(async move {
            filters.settled().await;
            warming.done();
        });
        let surroundings = admin::Surroundings {
            proxy: Arc::clone(&proxy),
            identities: identities.clone(),
            registry,
            readiness: readiness.clone(),
            problems: problems.clone(),
            log: options.log,
            quit: quit_sender,
            reuse_port: options.reuse_port,
        };
        let addresses = admin::start(surroundings, addresses, &mut tasks)?;
        let follow = Follow {
            compiler,
            proxy: Arc::clone(&proxy),
            problems: problem_sender,
            names,
            resolving: Some(readiness.task("names")),
            loader: Loader::new(
                slots,
                Arc::new(Calls {
                    proxy: Arc::downgrade(&proxy),
                }),
                options.filters,
            ),
        };
        let version = proxy.version.subscribe();
        tasks.spawn(tokens.keep());
        tasks.spawn(follow.run(config, state, options.gateway));
        let (stop, stopped) = watch::channel(false);
        let habits = Habits {
            max_age: options.max_connection_age,
            shares_port: options.reuse_port,
        };
        let acceptor = Acceptor::new(identities, identity.clone(), proxy, watch, habits);
        tasks.spawn(acceptor.run(listener, stopped));
        starting.done();
        tracing::info!(%address, %identity, "waypoint listening");
        Ok(Waypoint {
            address,
            addresses,
            identity,
            readiness,
            problems,
            version,
            stop,
            drain,
            grace: options.grace,
            quit,
            access_log,
            _tasks: tasks,
        })
    }

    /// Where it takes tunnels.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its admin, stats and readiness servers are.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// What its certificate says.
    #[must_use]
    pub fn identity(&self) -> &SpiffeId {
        &self.identity
    }

    /// What is wrong in the configuration; changes with it.
    #[must_use]
    pub fn problems(&self) -> watch::Receiver<Arc<Vec<Problem>>> {
        self.problems.clone()
    }

    /// The version of the configuration that requests see; changes with it.
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
        // An error would mean that the accept loop has ended already.
        let _ = self.stop.send(true);
        let finished = self.drain.finish(self.grace).await;
        self.access_log.flush();
        finished
    }
}

#[cfg(test)]
mod tests;
