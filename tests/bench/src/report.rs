//! What is printed, and what is written for other programs.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::rounds::{Measured, Round};
use crate::scenario::Scenario;
use crate::stats::{median, spread};

/// At most this share of Envoy's CPU time per request, and of its memory.
const CPU_GOAL: f64 = 0.6;
const MEMORY_GOAL: f64 = 0.4;
/// At most so many times the cost of few routes may many cost.
const ROUTES_GOAL: f64 = 1.1;

/// The results of one scenario.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which.
    pub scenario: Scenario,
    /// Of each waypoint.
    pub measured: Vec<Measured>,
}

/// The medians of all rounds of one waypoint.
#[derive(Clone, Copy, Debug)]
struct Medians {
    cpu_micros: f64,
    cpu_spread: f64,
    rate: f64,
    busy: f64,
    p50_micros: f64,
    p99_micros: f64,
    resident_mib: f64,
    anonymous_mib: f64,
}

impl Medians {
    fn of(measured: &Measured) -> Medians {
        let all = |value: fn(&Round) -> f64| measured.rounds.iter().map(value).collect::<Vec<f64>>();
        let cpu = all(|round| round.cpu_micros);
        Medians {
            cpu_micros: median(&cpu),
            cpu_spread: spread(&cpu),
            rate: median(&all(|round| round.rate)),
            busy: median(&all(|round| round.busy)),
            p50_micros: median(&all(|round| round.p50_micros.into())),
            p99_micros: median(&all(|round| round.p99_micros.into())),
            resident_mib: measured.memory.resident as f64 / 1024.0,
            anonymous_mib: measured.memory.anonymous as f64 / 1024.0,
        }
    }
}

/// Prints the head of the table.
///
/// # Errors
///
/// The output cannot be written.
pub fn begin(out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{:<17} {:<9} {:>9} {:>7} {:>9} {:>5} {:>8} {:>8} {:>8} {:>8}",
        "scenario", "", "CPU µs", "± µs", "req/s", "busy", "p50 µs", "p99 µs", "RSS MiB", "heap MiB"
    )
}

/// Prints the rows of one scenario: each waypoint, and ours as a share of Envoy.
///
/// # Errors
///
/// The output cannot be written.
pub fn row(out: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
    for measured in &outcome.measured {
        let medians = Medians::of(measured);
        writeln!(
            out,
            "{:<17} {:<9} {:>9.2} {:>7.2} {:>9.0} {:>5.2} {:>8.0} {:>8.0} {:>8.1} {:>8.1}",
            outcome.scenario,
            measured.name,
            medians.cpu_micros,
            medians.cpu_spread / 2.0,
            medians.rate,
            medians.busy,
            medians.p50_micros,
            medians.p99_micros,
            medians.resident_mib,
            medians.anonymous_mib,
        )?;
    }
    for other in ["envoy", "baseline"] {
        if let Some((cpu, rate, memory)) = ratios(outcome, other) {
            writeln!(
                out,
                "{:<17} {:<9} {cpu:>9.3} {:>7} {rate:>9.3} {:>5} {:>8} {:>8} {memory:>8.3}",
                "",
                format!("/{other}"),
                "",
                "",
                "",
                "",
            )?;
        }
    }
    out.flush()
}

/// Prints what has become of the goals.
///
/// # Errors
///
/// The output cannot be written.
pub fn finish(out: &mut impl Write, outcomes: &[Outcome]) -> io::Result<()> {
    let mut verdict = |what: String, value: f64, goal: f64| {
        let met = if value <= goal { "met" } else { "MISSED" };
        writeln!(out, "{what}: {value:.3}, goal {goal}: {met}")
    };
    for outcome in outcomes {
        if let Some((cpu, _, memory)) = ratios(outcome, "envoy")
            && matches!(outcome.scenario, Scenario::Base | Scenario::Policy)
        {
            verdict(
                format!("{}: CPU time, ours to Envoy's", outcome.scenario),
                cpu,
                CPU_GOAL,
            )?;
            verdict(
                format!("{}: memory, ours to Envoy's", outcome.scenario),
                memory,
                MEMORY_GOAL,
            )?;
        }
    }
    let costs = |name: &'static str| {
        let routed = outcomes.iter().filter_map(move |outcome| match outcome.scenario {
            Scenario::Routes(count) => Some((count, cpu_of(outcome, name)?)),
            _ => None,
        });
        let fewest = routed.clone().min_by_key(|(count, _)| *count)?;
        let most = routed.max_by_key(|(count, _)| *count)?;
        (fewest.0 < most.0).then_some((fewest.0, most.0, most.1 / fewest.1))
    };
    if let Some((few, many, times)) = costs("cairn") {
        verdict(format!("{many} routes at the cost of {few}"), times, ROUTES_GOAL)?;
    }
    if let Some((few, many, times)) = costs("envoy") {
        writeln!(out, "{many} routes at the cost of {few}, Envoy: {times:.3}")?;
    }
    out.flush()
}

/// Everything, round by round.
#[must_use]
pub fn as_json(outcomes: &[Outcome], facts: &Value) -> Value {
    let of = |measured: &Measured| {
        let medians = Medians::of(measured);
        let rounds = measured.rounds.iter().map(|round| {
            json!({
                "cpu_micros": round.cpu_micros,
                "requests_per_second": round.rate,
                "busy": round.busy,
                "p50_micros": round.p50_micros,
                "p99_micros": round.p99_micros,
            })
        });
        json!({
            "name": measured.name,
            "cpu_micros": medians.cpu_micros,
            "requests_per_second": medians.rate,
            "p50_micros": medians.p50_micros,
            "p99_micros": medians.p99_micros,
            "resident_kib": measured.memory.resident,
            "anonymous_kib": measured.memory.anonymous,
            "rounds": rounds.collect::<Vec<_>>(),
        })
    };
    let scenarios = outcomes.iter().map(|outcome| {
        let ratios = ratios(outcome, "envoy")
            .map(|(cpu, rate, memory)| json!({"cpu": cpu, "requests_per_second": rate, "resident": memory}));
        json!({
            "scenario": outcome.scenario.to_string(),
            "waypoints": outcome.measured.iter().map(of).collect::<Vec<_>>(),
            "ratios": ratios,
        })
    });
    json!({"facts": facts, "scenarios": scenarios.collect::<Vec<_>>()})
}

fn cpu_of(outcome: &Outcome, name: &str) -> Option<f64> {
    let measured = outcome.measured.iter().find(|measured| measured.name == name)?;
    Some(Medians::of(measured).cpu_micros)
}

/// Ours to another's: CPU time, requests per second, resident memory.
fn ratios(outcome: &Outcome, other: &str) -> Option<(f64, f64, f64)> {
    let medians = |name: &str| {
        let found = outcome.measured.iter().find(|measured| measured.name == name);
        found.map(Medians::of)
    };
    let (ours, other) = (medians("cairn")?, medians(other)?);
    Some((
        ours.cpu_micros / other.cpu_micros,
        ours.rate / other.rate,
        ours.resident_mib / other.resident_mib,
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Outcome, as_json, finish, row};
    use crate::rounds::{Measured, Round};
    use crate::scenario::Scenario;
    use crate::usage::Memory;

    fn measured(name: &'static str, cpu: f64, resident: u64) -> Measured {
        let round = Round {
            cpu_micros: cpu,
            rate: 1e6 / cpu,
            busy: 1.0,
            p50_micros: 10,
            p99_micros: 20,
        };
        Measured {
            name,
            rounds: vec![round; 3],
            memory: Memory {
                resident,
                anonymous: resident,
            },
        }
    }

    fn outcomes() -> Vec<Outcome> {
        let both = |scenario, ours| Outcome {
            scenario,
            measured: vec![measured("envoy", 60.0, 80_000), measured("cairn", ours, 20_000)],
        };
        vec![
            both(Scenario::Base, 30.0),
            both(Scenario::Policy, 45.0),
            both(Scenario::Routes(10), 30.0),
            both(Scenario::Routes(10_000), 31.5),
        ]
    }

    #[test]
    fn goals_are_judged() {
        let mut out = Vec::new();
        finish(&mut out, &outcomes()).expect("a Vec can be written");
        let text = String::from_utf8(out).expect("text");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "base: CPU time, ours to Envoy's: 0.500, goal 0.6: met",
                "base: memory, ours to Envoy's: 0.250, goal 0.4: met",
                "policy: CPU time, ours to Envoy's: 0.750, goal 0.6: MISSED",
                "policy: memory, ours to Envoy's: 0.250, goal 0.4: met",
                "10000 routes at the cost of 10: 1.050, goal 1.1: met",
                "10000 routes at the cost of 10, Envoy: 1.000",
            ]
        );
    }

    #[test]
    fn a_scenario_has_a_row_for_each_and_one_for_the_ratio() {
        let mut out = Vec::new();
        row(&mut out, &outcomes()[0]).expect("a Vec can be written");
        let text = String::from_utf8(out).expect("text");
        assert_eq!(text.lines().count(), 3);
        assert!(
            text.lines()
                .last()
                .is_some_and(|line| line.contains("0.500") && line.contains("0.250"))
        );
    }

    #[test]
    fn json_has_the_ratios() {
        let document = as_json(&outcomes(), &json!({}));
        assert_eq!(document["scenarios"][0]["ratios"]["cpu"], 0.5);
        assert_eq!(document["scenarios"][3]["scenario"], "routes-10000");
        assert_eq!(
            document["scenarios"][0]["waypoints"][1]["rounds"]
                .as_array()
                .map(Vec::len),
            Some(3)
        );
    }
}
