//! `cairn`: a mesh on one machine, to try, to check and to explain Istio's resources.
#![forbid(unsafe_code)]

mod access;
mod apps;
mod client;
mod demo;
mod explain;
mod filter;
mod mesh;
mod names;
mod out;
mod signals;
mod trials;
mod up;
mod validate;

use std::future::Future;
use std::process::ExitCode;

use anyhow::Context as _;
use cairn_telemetry::log::{LogOptions, LogOutput, install};
use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Runs, checks and explains a mesh of Istio's resources on this machine: no cluster, no root.
#[derive(Parser)]
#[command(
    name = "cairn",
    version,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows what the mesh does: starts one with a sample application and sends real requests through it.
    Demo(demo::Arguments),
    /// Runs the mesh of a directory of YAML, and follows every change of the files.
    Up(up::Arguments),
    /// Says what is wrong in a directory of YAML; exit code 1 when there is an error.
    Validate(validate::Arguments),
    /// Explains what becomes of one request, phase by phase, without sending it.
    Explain(explain::Arguments),
    /// Prints what becomes of every field of every resource, as Markdown.
    Compatibility,
    /// Starts, builds, inspects, tests and publishes filters, and explains their contract.
    Filter(filter::Arguments),
}

fn main() -> ExitCode {
    if let Some(ended) = cairn_wasm::compile_if_asked() {
        return ended;
    }
    let outcome = match Arguments::parse().command {
        Command::Demo(arguments) => serving(QUIET, demo::run(arguments)),
        Command::Up(arguments) => serving(FILTERS, up::run(arguments)),
        Command::Validate(arguments) => validate::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Compatibility => {
            out::line(cairn_config::support::page().trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Command::Filter(arguments) => filter::run(arguments),
    };
    outcome.unwrap_or_else(|error| {
        out::complaint(format_args!(
            "cairn: {}",
            cairn_telemetry::sentence(error.as_ref())
        ));
        ExitCode::FAILURE
    })
}

/// What the proxies would say of the configuration and of themselves is printed by the command.
const QUIET: &str = "warn,cairn_waypoint=error,cairn_ztunnel=error,access=off";
/// Whoever writes a filter wants to know when it is in force, what it logs, and why it failed.
const FILTERS: &str = "warn,cairn_waypoint=error,cairn_waypoint::filtering=warn,cairn_waypoint::plugin=info,filter=info,cairn_ztunnel=error,access=off";

/// Runs a command that is a mesh. `levels` are those of its log, unless the environment says otherwise.
fn serving(
    levels: &str,
    command: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    let mut options = LogOptions {
        output: LogOutput::Stderr,
        ..LogOptions::from_env()?
    };
    if std::env::var_os("RUST_LOG").is_none() {
        levels.clone_into(&mut options.levels);
    }
    let (_log, _flush) = install(options)?;
    if let Err(error) = cairn_net::limits::raise_nofile() {
        tracing::warn!("the limit of open files stays as it is: {error}");
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime
        .enable_all()
        .build()
        .context("the runtime does not start")?;
    runtime.block_on(command)
}
