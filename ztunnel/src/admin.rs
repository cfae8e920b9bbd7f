//! The servers beside the data path: admin, metrics, readiness.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use cairn_config::Problem;
use cairn_net::{ListenOptions, listen};
use cairn_telemetry::Readiness;
use cairn_telemetry::log::LogHandle;
use cairn_telemetry::metrics::{ProcessSample, Registry};
use cairn_telemetry::server::{self, Routes, ServeError};
use http::StatusCode;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::dump;
use crate::options::{Options, StartError};
use crate::proxy::Proxy;

/// Where the servers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// `/config_dump`, `/logging`, `/quitquitquit`; on loopback only.
    pub admin: SocketAddr,
    /// `/metrics`, `/stats/prometheus`.
    pub stats: SocketAddr,
    /// `/healthz/ready`.
    pub ready: SocketAddr,
    /// SOCKS5, if it is spoken.
    pub socks5: Option<SocketAddr>,
}

impl Addresses {
    /// Those that were asked for; Istio's ports of 127.0.0.1 for those that were not.
    pub(crate) fn new(options: &Options) -> Addresses {
        let or = |address: Option<SocketAddr>, port| address.unwrap_or((Ipv4Addr::LOCALHOST, port).into());
        Addresses {
            admin: or(options.admin, 15000),
            stats: or(options.stats, 15020),
            ready: or(options.ready, 15021),
            socks5: options.socks5,
        }
    }
}

/// What the servers tell of.
pub(crate) struct Surroundings {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) registry: Registry,
    pub(crate) readiness: Readiness,
    pub(crate) problems: watch::Receiver<Arc<Vec<Problem>>>,
    pub(crate) version: watch::Receiver<u64>,
    pub(crate) log: Option<LogHandle>,
    pub(crate) quit: watch::Sender<bool>,
}

/// Listens on the three addresses and serves them in `tasks`; puts those that were bound in their place.
pub(crate) fn start(
    surroundings: Surroundings,
    addresses: &mut Addresses,
    tasks: &mut JoinSet<()>,
) -> Result<(), StartError> {
    let Surroundings {
        proxy,
        registry,
        readiness,
        problems,
        version,
        log,
        quit,
    } = surroundings;
    if !addresses.admin.ip().to_canonical().is_loopback() {
        return Err(ServeError::NotLoopback(addresses.admin).into());
    }
    registry.build_info("ztunnel", env!("CARGO_PKG_VERSION"));
    registry.process(usage);
    let mut admin = Routes::admin()
        .get("/config_dump", "the configuration in force, as JSON", move |_| {
            let dump = dump::of(
                *version.borrow(),
                &proxy.mesh(),
                &proxy.identities,
                &problems.borrow(),
            );
            async move { server::json(StatusCode::OK, format!("{dump:#}\n")) }
        })
        .quit(move || {
            quit.send_replace(true);
        });
    if let Some(log) = log {
        admin = admin.logging(log);
    }
    let stats = Routes::new().metrics(registry);
    let ready = Routes::new().ready(readiness);
    let servers = [
        (&mut addresses.admin, "--admin", admin),
        (&mut addresses.stats, "--stats", stats),
        (&mut addresses.ready, "--ready", ready),
    ];
    for (address, setting, routes) in servers {
        let options = ListenOptions {
            setting: Some(setting),
            ..ListenOptions::default()
        };
        let listener = listen(*address, &options)?;
        *address = listener.local_addr().unwrap_or(*address);
        tasks.spawn(async move {
            if let Err(error) = server::serve(listener, Arc::new(routes), std::future::pending()).await {
                tracing::error!("{error}");
            }
        });
    }
    Ok(())
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
