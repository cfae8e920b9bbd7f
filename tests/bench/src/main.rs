//! `bench`: what a request costs in the waypoint, side by side with Envoy.

use std::convert::Infallible;
use std::fs;
use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use cairn_bench::filters::findings::{self, Finding};
use cairn_bench::filters::{Equipment, chain, instances, memory, neighbours, reloading};
use cairn_bench::mesh::SERVICE_PORT;
use cairn_bench::ours::Build;
use cairn_bench::place::Place;
use cairn_bench::report::{self, Outcome};
use cairn_bench::rounds::{self, Contender, Plan};
use cairn_bench::scenario::{self, Scenario};
use cairn_bench::traffic::{changes, resilience};
use cairn_bench::{backend, envoy, ours};
use cairn_tests::binary;
use clap::{Parser, Subcommand, ValueEnum};
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
    Waypoint(WaypointOptions),
    /// Measures what filters cost, side by side with Envoy, and what they cannot do to other requests.
    Filters(FilterOptions),
    /// Measures what retries and outlier detection cost while nothing fails, and what becomes of many rules that change.
    Traffic(TrafficOptions),
    /// The application behind the waypoints.
    #[command(name = backend::COMMAND, hide = true)]
    Backend(backend::Arguments),
    /// Many instances of a filter, to be weighed.
    #[command(name = instances::COMMAND, hide = true)]
    Instances(instances::Arguments),
}

#[derive(clap::Args)]
struct WaypointOptions {
    /// What to measure: base, policy, re-encapsulation, routes-NUMBER [default: all, with 10 and 10,000 routes].
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    scenario: Vec<Scenario>,
    #[command(flatten)]
    options: Options,
}

#[derive(clap::Args)]
struct FilterOptions {
    /// What to measure [default: all].
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    part: Vec<Part>,
    /// How often to reload a filter's configuration [default: as often as goes in a minute].
    #[arg(long, value_name = "N")]
    reloads: Option<usize>,
    /// MiB of the component that is compiled while requests go on.
    #[arg(long, value_name = "MIB", default_value_t = 12)]
    large: usize,
    #[command(flatten)]
    options: Options,
}

#[derive(clap::Args)]
struct TrafficOptions {
    /// What to measure [default: all].
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    part: Vec<TrafficPart>,
    /// Services with ten rules each.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    services: u16,
    #[command(flatten)]
    options: Options,
}

/// A part of what is measured about traffic management.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TrafficPart {
    /// Retries, outlier detection and limits while nothing fails.
    Resilience,
    /// Ten thousand rules of a thousand services, and changes of them while requests go on.
    Changes,
}

/// A part of what is measured about filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// None, one and ten filters, side by side with Envoy.
    Chain,
    /// Memory of an instance, and of the engine.
    Memory,
    /// Filters that are replaced while requests go on.
    Reloading,
    /// Requests beside those of a filter that misbehaves, or is being compiled.
    Neighbours,
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
            Command::Filters(options) => runtime.block_on(filters(options)),
            Command::Traffic(options) => runtime.block_on(traffic(options)),
            Command::Instances(arguments) => runtime.block_on(instances::report(arguments)),
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

async fn waypoint(arguments: WaypointOptions) -> Result<()> {
    let options = arguments.options;
    let equipment = equip(&options).await?;
    let facts = facts(&options, equipment.envoy.as_deref());
    writeln!(stdout(), "{}\n", serde_json::to_string_pretty(&facts)?)?;
    report::begin(&mut stdout())?;
    let chosen = match arguments.scenario.as_slice() {
        [] => &scenario::ALL,
        chosen => chosen,
    };
    let mut outcomes = Vec::new();
    for scenario in chosen {
        let measured = measure(*scenario, &equipment);
        let outcome = measured.await.with_context(|| format!("scenario {scenario}"))?;
        report::row(&mut stdout(), &outcome)?;
        outcomes.push(outcome);
    }
    writeln!(stdout())?;
    report::finish(&mut stdout(), &outcomes)?;
    write_json(&options, &report::as_json(&outcomes, &facts))
}

async fn filters(arguments: FilterOptions) -> Result<()> {
    let options = arguments.options;
    let equipment = equip(&options).await?;
    let facts = facts(&options, equipment.envoy.as_deref());
    writeln!(stdout(), "{}\n", serde_json::to_string_pretty(&facts)?)?;
    let parts = match arguments.part.as_slice() {
        [] => Part::value_variants(),
        chosen => chosen,
    };
    let (mut outcomes, mut found) = (Vec::new(), Vec::<Finding>::new());
    for part in parts {
        let findings = match part {
            Part::Chain => {
                outcomes = chain::compare(&equipment).await?;
                report::begin(&mut stdout())?;
                for outcome in &outcomes {
                    report::row(&mut stdout(), outcome)?;
                }
                writeln!(stdout())?;
                chain::findings(&outcomes)
            }
            Part::Memory => memory::measure(&equipment).await?,
            Part::Reloading => reloading::measure(&equipment, arguments.reloads).await?,
            Part::Neighbours => neighbours::measure(&equipment, arguments.large).await?,
        };
        findings::print(&mut stdout(), &findings)?;
        found.extend(findings);
    }
    let mut document = report::as_json(&outcomes, &facts);
    if let Value::Object(fields) = &mut document {
        fields.insert("findings".to_owned(), findings::as_json(&found));
    }
    write_json(&options, &document)
}

async fn traffic(arguments: TrafficOptions) -> Result<()> {
    let mut options = arguments.options;
    // It is about our own builds.
    options.alone = true;
    let equipment = equip(&options).await?;
    let facts = facts(&options, None);
    writeln!(stdout(), "{}\n", serde_json::to_string_pretty(&facts)?)?;
    let parts = match arguments.part.as_slice() {
        [] => TrafficPart::value_variants(),
        chosen => chosen,
    };
    let mut found = Vec::<Finding>::new();
    for part in parts {
        let findings = match part {
            TrafficPart::Resilience => resilience::measure(&equipment).await?,
            TrafficPart::Changes => changes::measure(&equipment, arguments.services.into()).await?,
        };
        findings::print(&mut stdout(), &findings)?;
        found.extend(findings);
    }
    let mut document = report::as_json(&[], &facts);
    if let Value::Object(fields) = &mut document {
        fields.insert("findings".to_owned(), findings::as_json(&found));
    }
    write_json(&options, &document)
}

/// The programs to measure, and how much to do.
async fn equip(options: &Options) -> Result<Equipment> {
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
    let builds = [("cairn", Some(waypoint)), ("baseline", baseline)]
        .into_iter()
        .filter_map(|(name, program)| {
            Some(Build {
                name,
                program: program?,
            })
        });
    Ok(Equipment {
        builds: builds.collect(),
        envoy,
        plan: Plan {
            rounds: options.rounds,
            requests: options.requests,
        },
        streams: options.streams,
    })
}

fn write_json(options: &Options, document: &Value) -> Result<()> {
    let Some(path) = &options.json else {
        return Ok(());
    };
    fs::write(path, format!("{document:#}\n"))
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// One scenario, in a mesh of its own that ends with it.
async fn measure(scenario: Scenario, equipment: &Equipment) -> Result<Outcome> {
    let place = Place::new(scenario)?;
    let mut waypoints = Vec::new();
    if let Some(program) = &equipment.envoy {
        waypoints.push(envoy::start(program, &place.setting(0, scenario)?, &[]).await?);
    }
    for (number, build) in (1..).zip(&equipment.builds) {
        waypoints.push(ours::start(build, &place.setting(number, scenario)?, &[])?);
    }
    let mut contenders = Vec::new();
    for waypoint in waypoints {
        let connecting = place.connect(&waypoint, SERVICE_PORT, equipment.streams, scenario.request());
        let mut client = connecting
            .await
            .with_context(|| format!("{} at {}", waypoint.name, waypoint.address))?;
        // Only what does the same is worth comparing.
        for (request, expected) in scenario.probes() {
            let (status, _) = client.ask(request).await?;
            ensure!(
                status == *expected,
                "{} answers {status} where {expected} is due: {request}",
                waypoint.name
            );
        }
        contenders.push(Contender { waypoint, client });
    }
    Ok(Outcome {
        scenario,
        measured: rounds::run(&mut contenders, equipment.plan).await?,
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
