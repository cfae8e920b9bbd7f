//! The servers beside the data path: admin, metrics, readiness.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use cairn_config::Problem;
use cairn_identity::Identities;
use cairn_net::{ListenError, ListenOptions, listen};
use cairn_telemetry::Readiness;
use cairn_telemetry::log::LogHandle;
use cairn_telemetry::metrics::{ProcessSample, Registry};
use cairn_telemetry::server::{self, Routes};
use http::StatusCode;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::dump;
use crate::proxy::Proxy;
use crate::saturation::{self, Saturation};

/// Where the servers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// `/config_dump`, `/logging`, `/quitquitquit`; on loopback only.
    pub admin: SocketAddr,
    /// `/stats/prometheus`.
    pub stats: SocketAddr,
    /// `/healthz/ready`.
    pub ready: SocketAddr,
}

impl Addresses {
    /// The addresses wanted for admin, stats and readiness; else Istio's ports. On a loopback mesh every proxy has them on an address of its own.
    pub(crate) fn new(wanted: [Option<SocketAddr>; 3], tunnels: SocketAddr) -> Addresses {
        let [admin, stats, ready] = wanted;
        let own = Some(tunnels.ip()).filter(IpAddr::is_loopback);
        let everywhere = own.unwrap_or(if tunnels.is_ipv6() {
            Ipv6Addr::UNSPECIFIED.into()
        } else {
            Ipv4Addr::UNSPECIFIED.into()
        });
        Addresses {
            admin: admin.unwrap_or(SocketAddr::new(own.unwrap_or(Ipv4Addr::LOCALHOST.into()), 15000)),
            stats: stats.unwrap_or(SocketAddr::new(everywhere, 15020)),
            ready: ready.unwrap_or(SocketAddr::new(everywhere, 15021)),
        }
    }
}

/// What the servers tell of.
pub(crate) struct Surroundings {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) identities: Identities,
    pub(crate) registry: Registry,
    pub(crate) readiness: Readiness,
    pub(crate) problems: watch::Receiver<Arc<Vec<Problem>>>,
    pub(crate) log: Option<LogHandle>,
    pub(crate) quit: watch::Sender<bool>,
    /// Whether another process may listen on the same addresses.
    pub(crate) reuse_port: bool,
}

/// Listens on the three addresses and serves them in `tasks`; gives the addresses that were bound.
pub(crate) fn start(
    surroundings: Surroundings,
    addresses: Addresses,
    tasks: &mut JoinSet<()>,
) -> Result<Addresses, ListenError> {
    let Surroundings {
        proxy,
        identities,
        registry,
        readiness,
        problems,
        log,
        quit,
        reuse_port,
    } = surroundings;
    registry.build_info("waypoint", env!("CARGO_PKG_VERSION"));
    registry.process(usage);
    let saturation = Saturation::default();
    registry.observe_gauge("cairn_saturation", saturation::HELP, saturation.reader());
    tasks.spawn(saturation.watch());
    let mut admin = Routes::admin()
        .get("/config_dump", "the configuration in force, as JSON", move |_| {
            let dump = dump::of(&proxy.plans.load(), &proxy.slots, &identities, &problems.borrow());
            async move { server::json(StatusCode::OK, format!("{dump:#}\n")) }
        })
        // Nobody listens when the waypoint is ending already.
        .quit(move || {
            let _ = quit.send(true);
        });
    if let Some(log) = log {
        admin = admin.logging(log);
    }
    let stats = Routes::new().metrics(registry);
    let ready = Routes::new().ready(readiness);
    let mut serve = |address, setting, routes: Routes| {
        let options = ListenOptions {
            setting: Some(setting),
            reuse_port,
            ..ListenOptions::default()
        };
        let listener = listen(address, &options)?;
        let bound = listener.local_addr().unwrap_or(address);
        tasks.spawn(async move {
            if let Err(error) = server::serve(listener, Arc::new(routes), std::future::pending()).await {
                tracing::error!("{error}");
            }
        });
        Ok::<_, ListenError>(bound)
    };
    Ok(Addresses {
        admin: serve(addresses.admin, "--admin", admin)?,
        stats: serve(addresses.stats, "--stats", stats)?,
        ready: serve(addresses.ready, "--ready", ready)?,
    })
}

fn usage() -> ProcessSample {
    let usage = cairn_net::proc::usage();
    ProcessSample {
        cpu: usage.cpu.total(),
        resident_memory: usage.resident_memory,
        virtual_memory: usage.virtual_memory,
        open_files: usage.open_files,
        max_open_files: usage.max_open_files,
        started: usage.started,
    }
}
