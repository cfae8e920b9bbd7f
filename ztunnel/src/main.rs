//! `ztunnel`: the L4 proxy of a node as its own process.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use cairn_config::State;
use cairn_identity::{Identities, LocalCa};
use cairn_telemetry::log::{LogOptions, install};
use cairn_ztunnel::{Options, Ztunnel};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A ztunnel: gives the connections of pods an identity and a tunnel, and lets in what policies allow.
#[derive(Parser)]
#[command(name = "ztunnel", version)]
struct Arguments {
    /// Directory of YAML that configures the mesh; watched for changes.
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Directory with the mesh's CA in the layout of Istio's plug-in CA; created when it is missing.
    #[arg(long, value_name = "DIR")]
    ca: Option<PathBuf>,
    /// Where the admin interface is, a loopback address [default: 127.0.0.1:15000].
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin: Option<SocketAddr>,
    /// Where metrics are [default: 127.0.0.1:15020].
    #[arg(long, value_name = "ADDRESS:PORT")]
    stats: Option<SocketAddr>,
    /// Where readiness is [default: 127.0.0.1:15021].
    #[arg(long, value_name = "ADDRESS:PORT")]
    ready: Option<SocketAddr>,
    /// Speak SOCKS5 too, there or at 127.0.0.1:15080; clients connect from the address of their pod.
    #[arg(long, value_name = "ADDRESS:PORT", num_args = 0..=1, default_missing_value = "127.0.0.1:15080")]
    socks5: Option<SocketAddr>,
    /// Worker threads [default: one a core].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Seconds that connections get to finish when the ztunnel stops.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    grace: u64,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One sentence: the causes are part of it. Nobody is left to tell when this fails.
            let _ = writeln!(
                std::io::stderr(),
                "ztunnel: {}",
                cairn_telemetry::sentence(error.as_ref())
            );
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = arguments.config.as_deref().context(
        "configuration from a control plane is not there yet in this version; name a directory of YAML with --config DIR",
    )?;
    let ca = arguments
        .ca
        .as_deref()
        .context("workloads need certificates; name the directory of the mesh's CA with --ca DIR")?;
    let (log, _flush) = install(LogOptions::from_env()?)?;
    if let Err(error) = cairn_net::limits::raise_nofile() {
        tracing::warn!("the limit of open files stays as it is: {error}");
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = arguments.threads {
        runtime.worker_threads(threads.max(1));
    }
    let runtime = runtime
        .enable_all()
        .build()
        .context("the runtime does not start")?;
    let options = Options {
        admin: arguments.admin,
        stats: arguments.stats,
        ready: arguments.ready,
        socks5: arguments.socks5,
        grace: Duration::from_secs(arguments.grace),
        log: Some(log),
        ..Options::default()
    };
    runtime.block_on(serve(options, config, ca))
}

async fn serve(options: Options, config: &Path, ca: &Path) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (_watcher, written) = cairn_config::watch(config)?;
    let config = cairn_config::derive(written, cairn_mesh::controllers::complete);
    let identities = identities(ca, &config.borrow())?;
    let ztunnel = Ztunnel::start(options, config, identities).await?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = ztunnel.quit() => {}
    }
    tracing::info!("draining");
    tokio::select! {
        finished = ztunnel.drain() => tracing::info!(finished, "drained"),
        _ = interrupt.recv() => tracing::info!("interrupted"),
    }
    Ok(())
}

fn identities(ca: &Path, state: &State) -> anyhow::Result<Identities> {
    let (mesh, _) = cairn_mesh::Snapshot::compile(state);
    let options = cairn_identity::Options {
        trust_domain: mesh.mesh.trust_domain.to_string(),
        aliases: mesh.mesh.trust_domain_aliases,
        ..cairn_identity::Options::default()
    };
    let ca = LocalCa::open_or_create(ca, &options.trust_domain)?;
    Ok(Identities::new(Arc::new(ca), options))
}
