//! Many rules of many services, and rules that change while requests go on.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use cairn_api::meta::Key;

use crate::filters::Equipment;
use crate::filters::findings::Finding;
use crate::load::{Client, Sample};
use crate::mesh::{HOST, SERVICE_PORT};
use crate::place::Place;
use crate::scenario::Scenario;
use crate::stats::{median, per_mille};
use crate::waypoint::Waypoint;
use crate::{ours, usage};

/// Rules of each service.
const RULES: usize = 10;
/// Goals of the whole, and of one rule that changes.
const WHOLE: f64 = 2_000.0;
const ONE: f64 = 100.0;
/// Changes that are waited for, one after the other.
const CHANGED: usize = 15;
/// Between two changes of a steady stream of them: a hundred a second.
const PACE: Duration = Duration::from_millis(10);
/// Longer than any change takes.
const PATIENCE: Duration = Duration::from_secs(30);
const SCENARIO: Scenario = Scenario::Base;

/// How long it takes to compile many rules, until one of them that has changed is in force, and what a steady stream of changes
/// does to requests.
///
/// # Errors
///
/// A request or a process fails, or a change has no effect.
///
/// # Panics
///
/// A process does not start.
pub async fn measure(equipment: &Equipment, services: usize) -> Result<Vec<Finding>> {
    let place = Place::new(SCENARIO)?;
    let setting = place.setting(0, SCENARIO)?;
    for service in 0..services {
        ours::write(&setting.directory, &file(service), &rules(service, 0))?;
    }
    ours::write(&setting.directory, "probe.yaml", &probe(0))?;
    let waypoint = ours::start(equipment.build()?, &setting, &[])?;
    let mut found = vec![
        Finding::new(
            format!("{} rules of {services} services compiled", services * RULES),
            compiled(&setting.directory.join("config"))?,
            "ms",
        )
        .with_goal(WHOLE),
    ];
    let mut asker = place
        .connect(&waypoint, SERVICE_PORT, 1, SCENARIO.request())
        .await?;
    let mut live = Vec::new();
    for generation in 1..=CHANGED {
        let began = Instant::now();
        ours::write(&setting.directory, "probe.yaml", &probe(generation))?;
        until(&mut asker, generation).await?;
        live.push(began.elapsed().as_secs_f64() * 1e3);
    }
    found.push(Finding::new("one of them changed, until it is in force", median(&live), "ms").with_goal(ONE));
    found.extend(steady(equipment, &place, &waypoint, &setting.directory, services).await?);
    Ok(found)
}

/// Milliseconds of CPU for one compilation of a directory's objects, the median of a few.
fn compiled(config: &Path) -> Result<f64> {
    let state = cairn_config::load(config)?;
    let gateway = Key::new("default", "waypoint");
    let mut took = Vec::new();
    for _ in 0..5 {
        let before = usage::cpu_time(std::process::id())?;
        let (_plans, problems) = cairn_waypoint::compile(&state, &gateway);
        took.push((usage::cpu_time(std::process::id())? - before).as_secs_f64() * 1e3);
        ensure!(problems.is_empty(), "{:?}", problems.first());
    }
    Ok(median(&took))
}

/// Rounds in turns without and with a hundred changes a second.
async fn steady(
    equipment: &Equipment,
    place: &Place,
    waypoint: &Waypoint,
    directory: &Path,
    services: usize,
) -> Result<Vec<Finding>> {
    let mut client: Client = place
        .connect(waypoint, SERVICE_PORT, equipment.streams, SCENARIO.request())
        .await?;
    let requests = equipment.plan.requests;
    client.run(requests).await?;
    let (mut without, mut with, mut changes) = (Vec::new(), Vec::new(), 0_usize);
    for _ in 0..equipment.plan.rounds {
        let mut quiet = client.run(requests).await?;
        without.push(f64::from(per_mille(&mut quiet.latencies, 999)));
        let changing = async {
            let mut pace = tokio::time::interval(PACE);
            loop {
                pace.tick().await;
                changes += 1;
                let service = changes % services;
                ours::write(directory, &file(service), &rules(service, changes))?;
            }
        };
        let mut sample: Sample = tokio::select! {
            sample = client.run(requests) => sample?,
            ended = changing => return ended,
        };
        with.push(f64::from(per_mille(&mut sample.latencies, 999)));
    }
    Ok(vec![
        Finding::new("changes in all rounds", changes as f64, ""),
        Finding::new("p99.9 without changes", median(&without) / 1e3, "ms"),
        Finding::new("p99.9 at a hundred changes a second", median(&with) / 1e3, "ms"),
        Finding::new(
            "p99.9 at a hundred changes a second, to that without",
            median(&with) / median(&without),
            "",
        ),
    ])
}

fn file(service: usize) -> String {
    format!("service-{service}.yaml")
}

/// A service with its rules, of a generation.
fn rules(service: usize, generation: usize) -> String {
    let mut text = format!(
        "
apiVersion: v1
kind: Service
metadata: {{name: s{service}, labels: {{istio.io/use-waypoint: waypoint}}}}
spec:
  clusterIP: 10.{}.{}.1
  selector: {{app: app}}
  ports: [{{name: http, port: 80, targetPort: 8080}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: s{service}}}
spec:
  hosts: [s{service}]
  http:
",
        service / 250,
        service % 250
    );
    for rule in 1..RULES {
        let _ = writeln!(
            text,
            "  - {{match: [{{uri: {{prefix: /rule-{rule}/}}, headers: {{x-tenant: {{exact: t{generation}}}}}}}], \
             route: [{{destination: {{host: s{service}}}}}], timeout: {rule}s}}"
        );
    }
    let _ = writeln!(text, "  - {{route: [{{destination: {{host: s{service}}}}}]}}");
    text
}

/// A rule of the service that is asked, which tells its generation.
fn probe(generation: usize) -> String {
    format!(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: probe}}
spec:
  hosts: [{HOST}]
  http:
  - {{match: [{{uri: {{exact: /generation}}}}], directResponse: {{status: 200, body: {{string: generation-{generation}}}}}}}
  - {{route: [{{destination: {{host: {HOST}}}}}]}}
"
    )
}

async fn until(client: &mut Client, generation: usize) -> Result<()> {
    let wanted = format!("generation-{generation}");
    let began = Instant::now();
    loop {
        let asked = client.ask("GET /generation HTTP/1.1\r\nhost: app\r\n\r\n").await;
        let (status, body) = asked.context("while a rule changes")?;
        ensure!(
            status == 200,
            "a request is answered {status} while a rule changes"
        );
        if body == wanted {
            return Ok(());
        }
        ensure!(
            began.elapsed() < PATIENCE,
            "the rule of {wanted} is not in force: the answer is {body}"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
