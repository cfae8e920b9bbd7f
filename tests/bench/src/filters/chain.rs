//! None, one and ten filters, side by side with Envoy.

use anyhow::{Context as _, Result, ensure};

use super::Equipment;
use super::findings::Finding;
use super::{guests, plugins};
use crate::mesh::SERVICE_PORT;
use crate::place::Place;
use crate::report::Outcome;
use crate::rounds::{self, Contender, Measured};
use crate::scenario::Scenario;
use crate::stats::median;
use crate::{envoy, ours};

/// Filters in the chain.
const COUNTS: [usize; 3] = [0, 1, 10];
/// At most this share of what a filter costs in Envoy may one cost in ours; and what we would like.
const GOAL: f64 = 0.25;
const HOPE: f64 = 1.0 / 7.0;

/// Drives waypoints with so many filters in turns, all of them in the same rounds, for what counts are their differences.
///
/// # Errors
///
/// A waypoint does not start, or its filters do not do what they should.
///
/// # Panics
///
/// A filter does not build, or a process does not start.
pub async fn compare(equipment: &Equipment) -> Result<Vec<Outcome>> {
    let place = Place::new(Scenario::Filters(0))?;
    let module = guests::ours("bench")?;
    let mut waypoints = Vec::new();
    let mut number = 0;
    for count in COUNTS {
        let scenario = Scenario::Filters(count);
        if let Some(program) = &equipment.envoy {
            let filters = plugins::envoy(&guests::envoy()?, count);
            let setting = place.setting(number, scenario)?;
            waypoints.push((count, envoy::start(program, &setting, &filters).await?));
            number += 1;
        }
        for build in &equipment.builds {
            let plugins = plugins::reading(&module, count);
            let setting = place.setting(number, scenario)?;
            waypoints.push((count, ours::start(build, &setting, &plugins)?));
            number += 1;
        }
    }
    let mut contenders = Vec::new();
    let mut seen = None;
    for (count, waypoint) in waypoints {
        let request = Scenario::Filters(count).request();
        let connecting = place.connect(&waypoint, SERVICE_PORT, equipment.streams, request);
        let mut client = connecting
            .await
            .with_context(|| format!("{} at {}", waypoint.name, waypoint.address))?;
        let (status, body) = client.ask(&asking(request)).await?;
        let values: Vec<&str> = body.split(',').filter(|value| !value.is_empty()).collect();
        // Only what does the same is worth comparing.
        ensure!(
            status == 200 && values.len() == count,
            "{} with {count} filters answers {status}, and the application saw {body:?}",
            waypoint.name
        );
        for value in values {
            let known = seen.get_or_insert_with(|| value.to_owned());
            ensure!(
                known == value,
                "filters of {} found {value} where another found {known}",
                waypoint.name
            );
        }
        contenders.push(Contender { waypoint, client });
    }
    let measured = rounds::run(&mut contenders, equipment.plan).await?;
    let each = measured.len() / COUNTS.len();
    let outcomes = COUNTS.iter().zip(measured.chunks(each));
    Ok(outcomes
        .map(|(count, measured)| Outcome {
            scenario: Scenario::Filters(*count),
            measured: measured.to_vec(),
        })
        .collect())
}

/// The request, for the path that tells what has come of it.
pub(super) fn asking(request: &str) -> String {
    let rest = request.split_once("\r\n").map_or("", |(_, rest)| rest);
    format!("GET /seen HTTP/1.1\r\n{rest}")
}

/// What one filter more costs.
#[must_use]
pub fn findings(outcomes: &[Outcome]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut costs = |name| {
        let first = increment(outcomes, name, 1)?;
        let each = increment(outcomes, name, 10)?;
        found.push(Finding::new(format!("{name}: the first filter"), first, "µs"));
        found.push(Finding::new(format!("{name}: each of ten filters"), each, "µs"));
        Some(each)
    };
    let (envoy, ours) = (costs("envoy"), costs("cairn"));
    costs("baseline");
    if let (Some(envoy), Some(ours)) = (envoy, ours) {
        let what = "a filter, ours to Envoy's";
        found.push(Finding::new(what, ours / envoy, "").with_goal(GOAL));
        found.push(Finding::new(format!("{what}, hoped for"), ours / envoy, "").with_goal(HOPE));
    }
    found
}

/// What each of so many filters adds to the CPU time of a request, in microseconds: the median of the differences within
/// rounds.
fn increment(outcomes: &[Outcome], name: &str, count: usize) -> Option<f64> {
    let rounds = |count| {
        let outcome = outcomes
            .iter()
            .find(|outcome| outcome.scenario == Scenario::Filters(count))?;
        let named = |measured: &&Measured| measured.name == name;
        Some(&outcome.measured.iter().find(named)?.rounds)
    };
    let differences: Vec<f64> = rounds(0)?
        .iter()
        .zip(rounds(count)?)
        .map(|(without, with)| (with.cpu_micros - without.cpu_micros) / count as f64)
        .collect();
    Some(median(&differences))
}

#[cfg(test)]
mod tests {
    use super::{asking, findings};
    use crate::report::Outcome;
    use crate::rounds::{Measured, Round};
    use crate::scenario::Scenario;
    use crate::usage::Memory;

    fn outcome(count: usize, envoy: f64, ours: f64) -> Outcome {
        let measured = |name, cpu_micros| Measured {
            name,
            rounds: vec![
                Round {
                    cpu_micros,
                    rate: 1.0,
                    busy: 1.0,
                    p50_micros: 1,
                    p99_micros: 1,
                };
                3
            ],
            memory: Memory {
                resident: 1,
                anonymous: 1,
            },
        };
        Outcome {
            scenario: Scenario::Filters(count),
            measured: vec![measured("envoy", envoy), measured("cairn", ours)],
        }
    }

    #[test]
    fn increments_are_compared() {
        let outcomes = [
            outcome(0, 80.0, 40.0),
            outcome(1, 100.0, 43.0),
            outcome(10, 280.0, 60.0),
        ];
        let found = findings(&outcomes);
        let values: Vec<f64> = found.iter().map(|finding| finding.value).collect();
        assert_eq!(values, [20.0, 20.0, 3.0, 2.0, 0.1, 0.1]);
        assert!(findings(&outcomes[..1]).is_empty());
    }

    #[test]
    fn the_question_has_the_fields_of_the_request() {
        assert_eq!(
            asking("GET /a HTTP/1.1\r\nhost: b\r\n\r\n"),
            "GET /seen HTTP/1.1\r\nhost: b\r\n\r\n"
        );
    }
}
