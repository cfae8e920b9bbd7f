//! Requests beside those of another filter that misbehaves, or is being compiled.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::findings::Finding;
use super::{Equipment, guests, large, plugins};
use crate::load::{Client, Sample};
use crate::mesh::{OTHER_PORT, SERVICE_PORT};
use crate::ours;
use crate::place::Place;
use crate::scenario::Scenario;
use crate::stats::{median, per_mille, percentile};
use crate::waypoint::Waypoint;

const GOAL: f64 = 2.0;
const SCENARIO: Scenario = Scenario::Filters(1);

/// What becomes of the latencies of requests beside others, and while a component of so many MiB is compiled.
///
/// # Errors
///
/// A request that should be served is not.
///
/// # Panics
///
/// A filter does not build, or a process does not start.
pub async fn measure(equipment: &Equipment, large: usize) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for (what, action) in [
        ("traps", json!({"do": "panic"})),
        ("spins", json!({"do": "spin"})),
        ("allocates", json!({"do": "allocate"})),
    ] {
        let (ratio, each) = beside(equipment, &action).await?;
        found.push(
            Finding::new(
                format!("p99 beside a filter that {what}, to that without"),
                ratio,
                "",
            )
            .with_goal(GOAL),
        );
        found.push(Finding::new(
            format!("requests to the filter that {what}, in a round"),
            each,
            "",
        ));
    }
    found.extend(while_compiling(equipment, large).await?);
    Ok(found)
}

/// Rounds in turns without and with one stream of requests to a filter that misbehaves: the ratio of their 99th percentiles, and
/// how many requests that filter had in a round.
async fn beside(equipment: &Equipment, action: &Value) -> Result<(f64, f64)> {
    let (well, bad) = (guests::ours("bench")?, guests::ours("probe")?);
    let place = Place::new(SCENARIO)?;
    let setting = place.setting(0, SCENARIO)?;
    let config = json!({"subscribe": {"request_head": []}, "request_head": action});
    let plugins = [
        of_port("bench", SERVICE_PORT, &well, &json!({"head": "read"})),
        of_port("probe", OTHER_PORT, &bad, &config),
    ];
    let waypoint = ours::start(equipment.build()?, &setting, &plugins)?;
    let mut client = client(equipment, &place, &waypoint).await?;
    let mut other = place
        .connect(&waypoint, OTHER_PORT, 1, SCENARIO.request())
        .await?;
    let (mut before, mut beside, mut disturbed) = (Vec::new(), Vec::new(), Vec::new());
    let requests = equipment.plan.requests;
    client.run(requests).await?;
    for _ in 0..equipment.plan.rounds {
        let mut quiet = client.run(requests).await?;
        before.push(f64::from(percentile(&mut quiet.latencies, 99)));
        let mut count = 0_u32;
        let disturbing = async {
            loop {
                let (status, _) = other.ask(SCENARIO.request()).await?;
                ensure!(status == 503, "a filter that fails is answered {status}");
                count += 1;
            }
        };
        let mut sample: Sample = tokio::select! {
            sample = client.run(requests) => sample?,
            ended = disturbing => return ended,
        };
        // Its last request is still under way.
        other = place
            .connect(&waypoint, OTHER_PORT, 1, SCENARIO.request())
            .await?;
        beside.push(f64::from(percentile(&mut sample.latencies, 99)));
        disturbed.push(f64::from(count));
    }
    Ok((median(&beside) / median(&before), median(&disturbed)))
}

/// Requests before and while a large component is compiled.
async fn while_compiling(equipment: &Equipment, mebibytes: usize) -> Result<Vec<Finding>> {
    let well = guests::ours("bench")?;
    let place = Place::new(SCENARIO)?;
    let setting = place.setting(0, SCENARIO)?;
    let module = setting.directory.join("large.wasm");
    fs::write(&module, large::padded(&fs::read(&well)?, mebibytes << 20))?;
    let first = of_port("bench", SERVICE_PORT, &well, &json!({"head": "read"}));
    let waypoint = ours::start(equipment.build()?, &setting, std::slice::from_ref(&first))?;
    let mut client = client(equipment, &place, &waypoint).await?;
    client.run(equipment.plan.requests).await?;

    let large = of_port("large", OTHER_PORT, &module, &json!({"head": "nothing"}));
    ours::write_plugins(&setting.directory, &[first, large])?;
    let (mut during, mut seconds) = (Vec::new(), 0.0);
    while waypoint.filters_begun() < 2 {
        let sample = client.run(1000).await?;
        seconds += sample.elapsed.as_secs_f64();
        during.extend(sample.latencies);
    }
    // As many without, in rounds of the same size.
    let mut without = Vec::with_capacity(during.len());
    while without.len() < during.len() {
        without.extend(client.run(1000).await?.latencies);
    }
    let ratio = f64::from(per_mille(&mut during, 999)) / f64::from(per_mille(&mut without, 999)).max(1.0);
    let halves = f64::from(percentile(&mut during, 50)) / f64::from(percentile(&mut without, 50)).max(1.0);
    Ok(vec![
        Finding::new(
            format!("compiling a component of {mebibytes} MiB took"),
            seconds,
            "s",
        ),
        Finding::new("requests meanwhile", during.len() as f64, ""),
        Finding::new("p50 meanwhile, to that without", halves, ""),
        Finding::new("p99.9 meanwhile, to that without", ratio, "").with_goal(GOAL),
    ])
}

async fn client(equipment: &Equipment, place: &Place, waypoint: &Waypoint) -> Result<Client> {
    let request = SCENARIO.request();
    place
        .connect(waypoint, SERVICE_PORT, equipment.streams, request)
        .await
}

fn of_port(name: &str, port: u16, module: &Path, config: &Value) -> Value {
    plugins::plugin_of_port(name, port, module, config)
}
