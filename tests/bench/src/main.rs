//! `bench`: what a request costs in the waypoint, side by side with Envoy.

use std::convert::Infallible;
use std::fs;
use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use cairn_bench::certificates::Certificates;
use cairn_bench::load::Client;
use cairn_bench::mesh::Mesh;
use cairn_bench::ours::Build;
use cairn_bench::report::{self, Outcome};
use cairn_bench::rounds::{self, Contender, Plan};
use cairn_bench::scenario::{self, Scenario};
use cairn_bench::{backend, envoy, ours};
use cairn_tests::binary;
use clap::{Parser, Subcommand};
use serde_json::{Value, json};

/// Measures the waypoint.
#[derive(Parser)]
#[command(name = "bench", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Drives our waypoint and Envoy in turns and prints what each request costs.
    Waypoint(Options),
    /// The application behind the waypoints.
    #[command(name = backend::COMMAND, hide = true)]
    Backend(backend::Arguments),
}

#[derive(clap::Args)]
struct Options {
    /// Rounds of each waypoint; one more comes first to warm up.
    #[arg(long, value_name = "N", default_value_t = 7)]
    rounds: usize,
    /// Requests of a round.
    #[arg(long, value_name = "N", default_value_t = 30_000)]
    requests: usize,
    /// Streams on the one connection; Envoy takes 100.
    #[arg(long, value_name = "N", default_value_t = 64)]
    streams: usize,
    /// What to measure: base, policy, re-encapsulation, routes-NUMBER [default: all, with 10 and 10,000 routes].
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    scenario: Vec<Scenario>,
    /// An Envoy to use in place of the one from PyPI.
    #[arg(long, value_name = "PATH", conflicts_with = "alone")]
    envoy: Option<PathBuf>,
    /// A build of ours to measure in place of this tree's.
    #[arg(long, value_name = "PATH")]
    waypoint: Option<PathBuf>,
    /// Another build of ours that takes turns with the first: what a change costs or saves.
    #[arg(long, value_name = "PATH")]
    baseline: Option<PathBuf>,
    /// Measure without Envoy.
    #[arg(long)]
    alone: bool,
    /// Write everything that was measured to a file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    let run = || -> Result<()> {
        // One thread: what the client uses is not available to the waypoint.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        match Arguments::parse().command {
            Command::Waypoint(options) => runtime.block_on(waypoint(options)),
            Command::Backend(arguments) => runtime
                .block_on(backend::serve(arguments))
                .map(|never: Infallible| match never {}),
        }
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn waypoint(options: Options) -> Result<()> {
    ensure!(
        options.rounds > 0 && options.requests > 0,
        "nothing to measure: rounds and requests must be at least 1"
    );
    ensure!(
        (1..=100).contains(&options.streams),
        "streams must be from 1 to 100"
    );
    let envoy = match (&options.envoy, options.alone) {
        (_, true) => None,
        (Some(path), false) => Some(path.clone()),
        (None, false) => Some(envoy::install().await.context("Envoy cannot be installed")?),
    };
    let waypoint = options.waypoint.clone().unwrap_or_else(|| binary("waypoint"));
    let baseline = options.baseline.clone();
    let builds: Vec<Build> = [("cairn", Some(waypoint)), ("baseline", baseline)]
        .into_iter()
        .filter_map(|(name, program)| {
            Some(Build {
                name,
                program: program?,
            })
        })
        .collect();
    let facts = facts(&options, envoy.as_deref());
    writeln!(stdout(), "{}\n", serde_json::to_string_pretty(&facts)?)?;
    report::begin(&mut stdout())?;
    let chosen = match options.scenario.as_slice() {
        [] => &scenario::ALL,
        chosen => chosen,
    };
    let mut outcomes = Vec::new();
    for scenario in chosen {
        let measured = measure(*scenario, &options, envoy.as_deref(), &builds);
        let outcome = measured.await.with_context(|| format!("scenario {scenario}"))?;
        report::row(&mut stdout(), &outcome)?;
        outcomes.push(outcome);
    }
    writeln!(stdout())?;
    report::finish(&mut stdout(), &outcomes)?;
    if let Some(path) = &options.json {
        let document = report::as_json(&outcomes, &facts);
        fs::write(path, format!("{document:#}\n"))
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}

/// One scenario, in a mesh of its own that ends with it.
async fn measure(
    scenario: Scenario,
    options: &Options,
    envoy: Option<&Path>,
    builds: &[Build],
) -> Result<Outcome> {
    let directory = tempfile::tempdir()?;
    let place = |name: &str| -> Result<PathBuf> {
        let path = directory.path().join(name);
        fs::create_dir(&path)?;
        Ok(path)
    };
    let mesh = Mesh::new();
    let certificates = Certificates::open(&directory.path().join("ca"))?;
    let ca = scenario.is_hbone().then(|| certificates.directory());
    let _backend = backend::start(&std::env::current_exe()?, mesh.backend(), ca);
    let mut waypoints = Vec::new();
    if let Some(program) = envoy {
        waypoints.push(envoy::start(program, &mesh, &certificates, scenario, &place("envoy")?).await?);
    }
    for (build, address) in builds.iter().zip([mesh.ours(), mesh.baseline()]) {
        waypoints.push(ours::start(
            build,
            address,
            &mesh,
            &certificates,
            scenario,
            &place(build.name)?,
        )?);
    }
    let mut contenders = Vec::new();
    for waypoint in waypoints {
        let address = waypoint.address;
        let connect = Client::connect(&mesh, &certificates, address, options.streams, scenario.request());
        let mut client = connect
            .await
            .with_context(|| format!("{} at {address}", waypoint.name))?;
        // Only what does the same is worth comparing.
        for (request, expected) in scenario.probes() {
            let status = client.probe(request).await?;
            ensure!(
                status == *expected,
                "{} answers {status} where {expected} is due: {request}",
                waypoint.name
            );
        }
        contenders.push(Contender { waypoint, client });
    }
    let plan = Plan {
        rounds: options.rounds,
        requests: options.requests,
    };
    Ok(Outcome {
        scenario,
        measured: rounds::run(&mut contenders, plan).await?,
    })
}

/// What one has to know to make sense of the numbers.
fn facts(options: &Options, envoy: Option<&Path>) -> Value {
    let line = |path: &str, name: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let found = text
            .lines()
            .find_map(|line| line.strip_prefix(name).map(str::to_owned));
        found.map(|value| value.trim_matches([' ', '\t', ':']).to_owned())
    };
    json!({
        "cpu": line("/proc/cpuinfo", "model name"),
        "cpus": std::thread::available_parallelism().map(usize::from).unwrap_or_default(),
        "kernel": line("/proc/sys/kernel/osrelease", ""),
        "envoy": envoy.map(|path| if options.envoy.is_some() { path.display().to_string() } else { envoy::VERSION.to_owned() }),
        "rounds": options.rounds,
        "requests": options.requests,
        "streams": options.streams,
        "profile": if cfg!(debug_assertions) { "debug" } else { "release" },
    })
}
