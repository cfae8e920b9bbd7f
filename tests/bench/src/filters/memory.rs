//! What filters occupy.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::findings::Finding;
use super::{Equipment, guests, instances, plugins};
use crate::mesh::SERVICE_PORT;
use crate::place::Place;
use crate::scenario::Scenario;
use crate::{ours, usage};

/// Instances whose memory is measured.
const INSTANCES: usize = 512;
const INSTANCE_GOAL: f64 = 64.0;
const ENGINE_GOAL: f64 = 5.0;
/// Requests after which a waypoint is warm.
const WARM: usize = 2000;
/// Until what was only needed to begin has been given back.
const SETTLED: Duration = Duration::from_secs(12);

/// The memory of an instance, and of all that comes with the first filter.
///
/// # Errors
///
/// A request or a process fails.
///
/// # Panics
///
/// A filter does not build, or a process does not start.
pub async fn measure(equipment: &Equipment) -> Result<Vec<Finding>> {
    let module = guests::ours("bench")?;
    let mut found = vec![
        Finding::new(
            format!("memory of each of {INSTANCES} instances"),
            instances::measure(&module, INSTANCES)?,
            "KiB",
        )
        .with_goal(INSTANCE_GOAL),
    ];
    let place = Place::new(Scenario::Filters(0))?;
    let one = plugins::reading(&module, 1);
    let without = resident(equipment, &place, 0, &[]).await?;
    let compiled = resident(equipment, &place, 1, &one).await?;
    // In the same place, where what was compiled is kept.
    let cached = resident(equipment, &place, 1, &one).await?;
    found.push(Finding::new("memory without filters", without.all, "MiB"));
    for (what, with) in [("compiled", compiled), ("from the cache", cached)] {
        found.push(
            Finding::new(
                format!("memory of engine and first filter, {what}"),
                with.own - without.own,
                "MiB",
            )
            .with_goal(ENGINE_GOAL),
        );
        found.push(Finding::new(
            "with the pages of the program that are used for that",
            with.all - without.all,
            "MiB",
        ));
    }
    Ok(found)
}

/// What a process occupies, in MiB.
struct Occupied {
    /// What is its own: heap, stacks, and what was compiled.
    own: f64,
    /// With its share of the pages of its program, which the kernel drops when it has better use for them.
    all: f64,
}

/// The memory of a waypoint with these plugins that has served requests.
async fn resident(equipment: &Equipment, place: &Place, number: u8, plugins: &[Value]) -> Result<Occupied> {
    let scenario = Scenario::Filters(plugins.len());
    let setting = place.setting(number, scenario)?;
    let waypoint = ours::start(equipment.build()?, &setting, plugins)?;
    let request = scenario.request();
    let mut client = place
        .connect(&waypoint, SERVICE_PORT, equipment.streams, request)
        .await?;
    client.run(WARM).await?;
    tokio::time::sleep(SETTLED).await;
    let process = waypoint.process.id();
    Ok(Occupied {
        own: usage::memory(process)?.anonymous as f64 / 1024.0,
        all: usage::proportional(process)? as f64 / 1024.0,
    })
}
