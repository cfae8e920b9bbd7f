//! Rounds in turns: what disturbs the machine for a while disturbs both waypoints.

use anyhow::{Context as _, Result};

use crate::load::{Client, Sample};
use crate::stats::percentile;
use crate::usage::{self, Memory};
use crate::waypoint::Waypoint;

/// How much to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Rounds that count.
    pub rounds: usize,
    /// Requests of a round.
    pub requests: usize,
}

/// A waypoint and the tunnels to it.
#[derive(Debug)]
pub struct Contender {
    /// The waypoint.
    pub waypoint: Waypoint,
    /// The tunnels.
    pub client: Client,
}

/// What one round has shown.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// CPU time of the waypoint's process per request, in microseconds.
    pub cpu_micros: f64,
    /// Requests per second.
    pub rate: f64,
    /// Share of the time in which the waypoint was on a CPU; more than 1 with more than one thread.
    pub busy: f64,
    /// Median latency, in microseconds.
    pub p50_micros: u32,
    /// 99th percentile of latency, in microseconds.
    pub p99_micros: u32,
}

/// All rounds of one waypoint.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The waypoint's name.
    pub name: &'static str,
    /// Its rounds, in their order.
    pub rounds: Vec<Round>,
    /// Its memory after the last one.
    pub memory: Memory,
}

/// Warms every contender up with one round, then lets them take turns. Each round begins with another one.
///
/// # Errors
///
/// A request failed, or a process has ended.
pub async fn run(contenders: &mut [Contender], plan: Plan) -> Result<Vec<Measured>> {
    let mut rounds: Vec<Vec<Round>> = Vec::new();
    for contender in &mut *contenders {
        round(contender, plan.requests).await?;
        rounds.push(Vec::with_capacity(plan.rounds));
    }
    for number in 0..plan.rounds {
        let mut order: Vec<_> = contenders.iter_mut().zip(&mut rounds).collect();
        let first = number % order.len().max(1);
        order.rotate_left(first);
        for (contender, rounds) in order {
            rounds.push(round(contender, plan.requests).await?);
        }
    }
    let measured = contenders.iter().zip(rounds).map(|(contender, rounds)| {
        Ok(Measured {
            name: contender.waypoint.name,
            rounds,
            memory: usage::memory(contender.waypoint.process.id())?,
        })
    });
    measured.collect()
}

async fn round(contender: &mut Contender, requests: usize) -> Result<Round> {
    let name = contender.waypoint.name;
    let process = contender.waypoint.process.id();
    let before = usage::cpu_time(process)?;
    let sample = contender.client.run(requests).await;
    let Sample {
        elapsed,
        mut latencies,
    } = sample.with_context(|| format!("a round of {name}"))?;
    let cpu = usage::cpu_time(process)?.saturating_sub(before);
    Ok(Round {
        cpu_micros: cpu.as_secs_f64() * 1e6 / requests as f64,
        rate: requests as f64 / elapsed.as_secs_f64(),
        busy: cpu.as_secs_f64() / elapsed.as_secs_f64(),
        p50_micros: percentile(&mut latencies, 50),
        p99_micros: percentile(&mut latencies, 99),
    })
}
