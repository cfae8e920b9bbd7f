//! Retries, outlier detection and limits while nothing fails, beside the same build without them.

use anyhow::Result;

use crate::filters::Equipment;
use crate::filters::findings::Finding;
use crate::mesh::{HOST, SERVICE_PORT};
use crate::ours::{self, Build};
use crate::place::Place;
use crate::rounds::{self, Contender};
use crate::scenario::Scenario;
use crate::stats::median;

/// With all of it a request may cost so much more.
const GOAL: f64 = 1.05;
const SCENARIO: Scenario = Scenario::Base;

/// Drives a waypoint without and one with the machinery in turns.
///
/// # Errors
///
/// A request or a process fails.
///
/// # Panics
///
/// A process does not start.
pub async fn measure(equipment: &Equipment) -> Result<Vec<Finding>> {
    let place = Place::new(SCENARIO)?;
    let mut contenders = Vec::new();
    for (number, name) in [(0, "plain"), (1, "resilient")] {
        let build = Build {
            name,
            ..equipment.build()?.clone()
        };
        let setting = place.setting(number, SCENARIO)?;
        ours::write(&setting.directory, "extra.yaml", &rules(name == "resilient"))?;
        let waypoint = ours::start(&build, &setting, &[])?;
        let request = SCENARIO.request();
        let client = place.connect(&waypoint, SERVICE_PORT, equipment.streams, request);
        contenders.push(Contender {
            client: client.await?,
            waypoint,
        });
    }
    let measured = rounds::run(&mut contenders, equipment.plan).await?;
    let cost = |place: usize| {
        let rounds = measured.get(place).map(|one| one.rounds.as_slice());
        let micros = rounds.unwrap_or_default().iter().map(|round| round.cpu_micros);
        median(&micros.collect::<Vec<_>>())
    };
    let (plain, resilient) = (cost(0), cost(1));
    Ok(vec![
        Finding::new("a request by a route without retries", plain, "µs of CPU"),
        Finding::new(
            "with retries, outlier detection, limits and a retry budget",
            resilient,
            "µs of CPU",
        ),
        Finding::new(
            "cost with retries, outlier detection and limits, to that without",
            resilient / plain,
            "",
        )
        .with_goal(GOAL),
    ])
}

/// A route of the same form for both; what is compared is what it says about failures.
fn rules(resilient: bool) -> String {
    let retries = if resilient {
        "{attempts: 3, perTryTimeout: 2s, retryOn: '5xx,reset,connect-failure'}"
    } else {
        "{attempts: 0}"
    };
    let route = format!(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: app}}
spec:
  hosts: [{HOST}]
  http: [{{route: [{{destination: {{host: {HOST}, port: {{number: {SERVICE_PORT}}}}}}}], retries: {retries}}}]
"
    );
    if !resilient {
        return route;
    }
    format!(
        "{route}---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: app}}
spec:
  host: {HOST}
  trafficPolicy:
    outlierDetection: {{consecutive5xxErrors: 5, consecutiveGatewayErrors: 5, interval: 1s, baseEjectionTime: 30s}}
    connectionPool: {{tcp: {{maxConnections: 10000}}, http: {{http1MaxPendingRequests: 10000, http2MaxRequests: 10000}}}}
    retryBudget: {{percent: 20, minRetryConcurrency: 3}}
"
    )
}
