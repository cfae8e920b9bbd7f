//! Filters that are replaced while requests go on.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tokio::task::JoinHandle;

use super::chain::asking;
use super::findings::Finding;
use super::{Equipment, guests, large, plugins};
use crate::load::Client;
use crate::mesh::SERVICE_PORT;
use crate::place::Place;
use crate::scenario::Scenario;
use crate::stats::median;
use crate::waypoint::{Setting, Waypoint};
use crate::{ours, usage};

const GOAL: f64 = 150.0;
/// How often a waypoint looks at the file of a module.
const LOOK: Duration = Duration::from_millis(50);
/// Replacements of each kind.
const REPLACED: u32 = 7;
/// Reloads before memory is looked at for the first time.
const WARM: usize = 20;
/// For so long it is reloaded without a number.
const LONG: Duration = Duration::from_secs(55);
/// Longer than any replacement takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// Streams that want answers meanwhile.
const STREAMS: usize = 8;
/// Between so many requests of each of them: what is compiled needs some of the machine too, which clients and service are on.
const BURST: usize = 10;
const PAUSE: Duration = Duration::from_millis(20);
/// Between two questions about what the filter does now.
const ASKED: Duration = Duration::from_millis(1);
const SCENARIO: Scenario = Scenario::Filters(1);

/// Replaces a filter by another component, and reloads one `reloads` times with another configuration, or as often as goes
/// in a minute, both while requests go on, none of which may fail.
///
/// # Errors
///
/// A request or a process fails, or a filter is not replaced.
///
/// # Panics
///
/// A filter does not build, or a process does not start.
pub async fn measure(equipment: &Equipment, reloads: Option<usize>) -> Result<Vec<Finding>> {
    let mut found = replace(equipment).await?;
    found.extend(reload(equipment, reloads).await?);
    Ok(found)
}

async fn replace(equipment: &Equipment) -> Result<Vec<Finding>> {
    let component = fs::read(guests::ours("bench")?)?;
    let place = Place::new(SCENARIO)?;
    let setting = place.setting(0, SCENARIO)?;
    let live = setting.directory.join("live.wasm");
    fs::write(&live, &component)?;
    let waypoint = start(equipment, &setting, &live)?;
    let load = Load::start(&place, &waypoint).await?;
    let mut asker = Asker::new(&place, &waypoint).await?;
    let (mut by_file, mut by_yaml) = (Vec::new(), Vec::new());
    for number in 0..REPLACED {
        // A file is there as a whole or not at all. The waypoint has just looked at the last one: this one comes early, late
        // or in the middle of its wait, as often the one as the other.
        tokio::time::sleep(LOOK * number / REPLACED).await;
        let (module, name) = large::generation(&component, 2 * number)?;
        let written = setting.directory.join("written.wasm");
        fs::write(&written, &module)?;
        let began = Instant::now();
        fs::rename(&written, &live)?;
        asker.until(&name).await?;
        by_file.push(milliseconds(began.elapsed()));

        let (module, name) = large::generation(&component, 2 * number + 1)?;
        let other = setting.directory.join(format!("module-{number}.wasm"));
        fs::write(&other, &module)?;
        let began = Instant::now();
        ours::write_plugins(&setting.directory, &[marking(&other, "0")])?;
        asker.until(&name).await?;
        by_yaml.push(milliseconds(began.elapsed()));

        // Back to the file that is looked at, whose module is another by now.
        let (module, name) = large::generation(&component, 2 * number)?;
        fs::write(&live, &module)?;
        ours::write_plugins(&setting.directory, &[marking(&live, "0")])?;
        asker.until(&name).await?;
    }
    let served = load.end().await?;
    let by_file = by_file.iter().sum::<f64>() / f64::from(REPLACED);
    Ok(vec![
        Finding::new(
            "replaced by YAML that names another module",
            median(&by_yaml),
            "ms",
        )
        .with_goal(GOAL),
        Finding::new("replaced by another file", by_file, "ms").with_goal(GOAL),
        Finding::new("requests meanwhile, none of which failed", served as f64, ""),
    ])
}

async fn reload(equipment: &Equipment, reloads: Option<usize>) -> Result<Vec<Finding>> {
    let module = guests::ours("bench")?;
    let place = Place::new(SCENARIO)?;
    let setting = place.setting(0, SCENARIO)?;
    let waypoint = start(equipment, &setting, &module)?;
    let load = Load::start(&place, &waypoint).await?;
    let mut asker = Asker::new(&place, &waypoint).await?;
    let mut memory = Vec::new();
    let began = Instant::now();
    let mut done = 0;
    while reloads.map_or(began.elapsed() < LONG, |reloads| done < reloads) {
        let note = done.to_string();
        ours::write_plugins(&setting.directory, &[marking(&module, &note)])?;
        asker.until(&format!("generation-a-{note}")).await?;
        done += 1;
        if done >= WARM {
            memory.push(usage::proportional(waypoint.process.id())? as f64 / 1024.0);
        }
    }
    let served = load.end().await?;
    ensure!(
        !memory.is_empty(),
        "{done} reloads are too few to say anything about memory"
    );
    let at = |place: usize| memory.get(place).copied().unwrap_or_default();
    let (first, last) = (at(0), at(memory.len() - 1));
    Ok(vec![
        Finding::new("reloads with another configuration", done as f64, ""),
        Finding::new("memory at the beginning", first, "MiB"),
        Finding::new("memory in the middle", at(memory.len() / 2), "MiB"),
        Finding::new("memory at the end", last, "MiB"),
        Finding::new("memory at the end to that at the beginning", last / first, "").with_goal(1.1),
        Finding::new("requests meanwhile, none of which failed", served as f64, ""),
    ])
}

fn start(equipment: &Equipment, setting: &Setting<'_>, module: &Path) -> Result<Waypoint> {
    ours::start(equipment.build()?, setting, &[marking(module, "0")])
}

fn marking(module: &Path, note: &str) -> serde_json::Value {
    plugins::plugin("bench", module, &json!({"head": "mark", "note": note}))
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Asks what the filter does now.
struct Asker {
    client: Client,
    question: String,
}

impl Asker {
    async fn new(place: &Place, waypoint: &Waypoint) -> Result<Asker> {
        let request = SCENARIO.request();
        Ok(Asker {
            client: place.connect(waypoint, SERVICE_PORT, 1, request).await?,
            question: asking(request),
        })
    }

    /// Asks until the mark begins as told.
    async fn until(&mut self, mark: &str) -> Result<()> {
        let began = Instant::now();
        loop {
            let (status, body) = self.client.ask(&self.question).await?;
            ensure!(
                status == 200,
                "a request is answered {status} while a filter is replaced"
            );
            if body == mark || body.strip_prefix(mark).is_some_and(|rest| rest.starts_with('-')) {
                return Ok(());
            }
            ensure!(
                began.elapsed() < PATIENCE,
                "the filter that marks {mark} is not in force: the mark is {body}"
            );
            tokio::time::sleep(ASKED).await;
        }
    }
}

/// Requests that go on in the background.
struct Load {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Result<usize>>,
}

impl Load {
    async fn start(place: &Place, waypoint: &Waypoint) -> Result<Load> {
        let mut client = place
            .connect(waypoint, SERVICE_PORT, STREAMS, SCENARIO.request())
            .await?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut served = 0;
            while !stopped.load(Ordering::Relaxed) {
                served += client.run(STREAMS * BURST).await?.latencies.len();
                tokio::time::sleep(PAUSE).await;
            }
            Ok(served)
        });
        Ok(Load { stop, task })
    }

    /// How many there were.
    async fn end(self) -> Result<usize> {
        self.stop.store(true, Ordering::Relaxed);
        self.task
            .await?
            .context("a request failed while a filter was replaced")
    }
}
