//! `waypoint`: one waypoint as its own process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use cairn_api::meta::Key;
use cairn_identity::{Identities, LocalCa};
use cairn_telemetry::log::{LogOptions, install};
use cairn_waypoint::{Options, Storage, Waypoint};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A waypoint: takes HBONE tunnels and applies routes, faults and policies to what is inside.
#[derive(Parser)]
#[command(name = "waypoint", version)]
struct Arguments {
    /// Directory of YAML that configures the mesh; watched for changes.
    #[arg(long, value_name = "DIR")]
    config: PathBuf,
    /// The Gateway that this waypoint is for.
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = key)]
    gateway: Key,
    /// Directory with the mesh's CA in the layout of Istio's plug-in CA; created when it is missing.
    #[arg(long, value_name = "DIR")]
    ca: PathBuf,
    /// Where to take tunnels [default: the Gateway's address, port 15008].
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Where the admin interface is, a loopback address [default: port 15000].
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin: Option<SocketAddr>,
    /// Where metrics are [default: port 15020].
    #[arg(long, value_name = "ADDRESS:PORT")]
    stats: Option<SocketAddr>,
    /// Where readiness is [default: port 15021].
    #[arg(long, value_name = "ADDRESS:PORT")]
    ready: Option<SocketAddr>,
    /// A name server for endpoints that are known by name; may be repeated [default: those of /etc/resolv.conf].
    #[arg(long, value_name = "ADDRESS:PORT")]
    name_server: Vec<SocketAddr>,
    /// Where the modules of filters are kept, writable by this user only [default: cairn/filters in the user's caches].
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// A registry or server of filters that need not prove who it is; adds to those of WASM_INSECURE_REGISTRIES.
    #[arg(long, value_name = "HOST[:PORT]")]
    insecure_registry: Vec<String>,
    /// Worker threads [default: one a core].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Seconds that connections get to finish when the waypoint stops.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    grace: u64,
    /// How old a connection of a ztunnel may become, give or take a tenth, before it is asked to open another [default: any
    /// age].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    max_connection_age: Option<u64>,
    /// Lets another waypoint process listen on the same addresses and take over when this one ends.
    #[arg(long)]
    reuse_port: bool,
}

fn key(text: &str) -> Result<Key, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => Ok(Key {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }),
        _ => Err("write NAMESPACE/NAME".to_owned()),
    }
}

fn main() -> ExitCode {
    if let Some(ended) = cairn_wasm::compile_if_asked() {
        return ended;
    }
    let arguments = Arguments::parse();
    match serve(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One sentence: the causes are part of it.
            use std::io::Write as _;
            let _ = writeln!(
                std::io::stderr(),
                "waypoint: {}",
                cairn_telemetry::sentence(error.as_ref())
            );
            ExitCode::FAILURE
        }
    }
}

fn serve(arguments: Arguments) -> anyhow::Result<()> {
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
    runtime.block_on(async {
        let (_watcher, config) = cairn_config::watch(&arguments.config)?;
        let config = cairn_config::derive(config, cairn_mesh::controllers::complete);
        let identities = identities(&arguments.ca, &config.borrow())?;
        let mut filters = Storage::from_env();
        filters.cache = arguments.cache.or(filters.cache);
        filters.insecure.extend(arguments.insecure_registry);
        filters.compiler = Some(cairn_wasm::Apart::this_program());
        let options = Options {
            listen: arguments.listen,
            admin: arguments.admin,
            stats: arguments.stats,
            ready: arguments.ready,
            grace: Duration::from_secs(arguments.grace),
            max_connection_age: arguments.max_connection_age.map(Duration::from_secs),
            reuse_port: arguments.reuse_port,
            log: Some(log),
            name_servers: arguments.name_server,
            filters,
            ..Options::new(arguments.gateway)
        };
        let waypoint = Waypoint::start(options, config, identities).await?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = waypoint.quit() => {}
        }
        tracing::info!("draining");
        tokio::select! {
            finished = waypoint.drain() => tracing::info!(finished, "drained"),
            _ = interrupt.recv() => {}
        }
        Ok(())
    })
}

fn identities(ca: &std::path::Path, state: &cairn_config::State) -> anyhow::Result<Identities> {
    let (mesh, _) = cairn_mesh::Snapshot::compile(state);
    let options = cairn_identity::Options {
        trust_domain: mesh.mesh.trust_domain.to_string(),
        aliases: mesh.mesh.trust_domain_aliases,
        ..cairn_identity::Options::default()
    };
    let ca = LocalCa::open_or_create(ca, &options.trust_domain)?;
    Ok(Identities::new(Arc::new(ca), options))
}
