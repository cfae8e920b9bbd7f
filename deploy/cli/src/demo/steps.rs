//! The walk, step by step.

use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tokio::time::{Instant, sleep, timeout};

use crate::access::Line;
use crate::client::{Answer, Client};
use crate::out;

use super::files::{ABORT, ALLOW_SLEEP, DELAY, SPLIT};
use super::filter;
use super::flow::{Flow, Judgement, judge};
use super::scene::Scene;
use super::table::Outcome;

const ROUTES: &str = "routes.yaml";
const POLICY: &str = "policy.yaml";

const DELAYED: Duration = Duration::from_secs(5);
/// What is not delayed takes milliseconds; this leaves room for a machine that is busy.
const PROMPT: Duration = Duration::from_secs(2);

const SPLIT_REQUESTS: u32 = 200;
/// How many of 200 requests may go to v1, of which each does with probability 0.9. Outside of this is a binomial variable
/// with probability 2.1e-7 (the tests compute it), so a correct split fails once in four million runs.
const SPLIT_TO_V1: RangeInclusive<u32> = 154..=197;

const LIVE: Duration = Duration::from_secs(1);
/// How long requests flow before a policy is edited, and after it is in force.
const FLOW: Duration = Duration::from_secs(1);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// How long lines of access logs may take to arrive, and how long none comes when all have.
const LINES: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_millis(300);

/// All steps; the table tells what came of them. The mesh is afterwards as it was before.
pub(super) async fn walk(scene: &mut Scene<'_>) {
    scene.table.head();
    hello(scene).await;
    delay(scene).await;
    abort(scene).await;
    split(scene).await;
    authorize(scene).await;
    edit_under_load(scene).await;
    access_lines(scene).await;
    filter::walk(scene).await;
}

async fn hello(scene: &mut Scene<'_>) {
    scene
        .table
        .step("A call goes through the caller's ztunnel, the waypoint and the server's ztunnel");
    let answered = async {
        let answer = get(&scene.sleep, "/hello").await?;
        let way = if answer.is_from_waypoint() {
            "waypoint"
        } else {
            "no waypoint"
        };
        let good = answer.version().is_some() && answer.is_from_waypoint();
        Ok(Outcome::new(format!("{answer}, by {way}"), good))
    };
    scene
        .table
        .check("sleep GET /hello", "200 from v1 or v2, by waypoint", answered)
        .await;
}

async fn delay(scene: &mut Scene<'_>) {
    scene.table.step("A VirtualService delays one path");
    scene.put(ROUTES, "delay.yaml", DELAY).await;
    for (path, expected, span) in [
        ("/hello", "200 after 5 s", DELAYED..Duration::MAX),
        ("/health", "200 at once", Duration::ZERO..PROMPT),
    ] {
        let answered = async {
            let answer = get(&scene.sleep, path).await?;
            let good = answer.status == StatusCode::OK && span.contains(&answer.took);
            Ok(Outcome::new(answer.status.as_u16().to_string(), good).took(answer.took))
        };
        scene
            .table
            .check(&format!("sleep GET {path}"), expected, answered)
            .await;
    }
}

async fn abort(scene: &mut Scene<'_>) {
    scene.table.step("A VirtualService aborts every call");
    scene.put(ROUTES, "abort.yaml", ABORT).await;
    let answered = async {
        let answer = get(&scene.sleep, "/hello").await?;
        let good = answer.status == StatusCode::SERVICE_UNAVAILABLE && answer.body == "fault filter abort";
        Ok(Outcome::new(answer.to_string(), good))
    };
    scene
        .table
        .check("sleep GET /hello", "503 fault filter abort", answered)
        .await;
}

async fn split(scene: &mut Scene<'_>) {
    scene.table.step("A VirtualService splits calls 90 to 10");
    scene.put(ROUTES, "split.yaml", SPLIT).await;
    let counted = async {
        let (mut v1, mut v2) = (0, 0);
        for _ in 0..SPLIT_REQUESTS {
            let answer = get(&scene.sleep, "/hello").await?;
            match answer.version() {
                Some("v1") => v1 += 1,
                Some("v2") => v2 += 1,
                _ => bail!("{answer}"),
            }
        }
        Ok(Outcome::new(
            format!("{v1} from v1, {v2} from v2"),
            SPLIT_TO_V1.contains(&v1),
        ))
    };
    let what = format!("sleep GET /hello, {SPLIT_REQUESTS} x");
    let expected = format!(
        "{} to {} from v1, else v2",
        SPLIT_TO_V1.start(),
        SPLIT_TO_V1.end()
    );
    scene.table.check(&what, &expected, counted).await;
    scene.remove(ROUTES, "split.yaml").await;
}

async fn authorize(scene: &mut Scene<'_>) {
    scene
        .table
        .step("An AuthorizationPolicy lets service account sleep GET, and nobody else do anything");
    scene.put(POLICY, "allow-sleep.yaml", ALLOW_SLEEP).await;
    let (sleep, notsleep) = (scene.sleep.clone(), scene.notsleep.clone());
    for (name, client, method, allowed) in [
        ("sleep", &sleep, Method::GET, true),
        ("notsleep", &notsleep, Method::GET, false),
        ("sleep", &sleep, Method::POST, false),
    ] {
        let what = format!("{name} {method} /hello");
        let expected = if allowed { "200" } else { "403 RBAC: access denied" };
        let answered = async {
            let answer = client.send(method, "/hello").await?;
            let good = if allowed {
                answer.version().is_some()
            } else {
                answer.is_denied()
            };
            Ok(Outcome::new(answer.to_string(), good))
        };
        scene.table.check(&what, expected, answered).await;
    }
}

/// Takes the right away from sleep while it uses it.
async fn edit_under_load(scene: &mut Scene<'_>) {
    scene
        .table
        .step("The policy is edited under load: the right of sleep goes to notsleep");
    let begin = Instant::now();
    let flow = Flow::start(&scene.sleep, "/hello");
    // Each policy gets its time; nothing is waited for.
    sleep(FLOW).await;
    let edited = scene
        .edit(POLICY, &ALLOW_SLEEP.replace("sa/sleep", "sa/notsleep"))
        .await;
    sleep(FLOW).await;
    let samples = flow.stop().await;
    let took = begin.elapsed();

    let judgement = edited
        .map(|edited| judge(&samples, edited))
        .map_err(|error| format!("{error:#}"));
    let live = async {
        let live = judgement.as_ref().map_err(|error| anyhow!("{error}"))?.live;
        let live = live.context("sleep is never denied")?;
        Ok(Outcome::new("live", live <= LIVE).took(live))
    };
    scene
        .table
        .check("allow-sleep.yaml edited", "live within 1 s", live)
        .await;
    let rate = samples.len() as f64 / took.as_secs_f64();
    let complete =
        async { Ok(complete(judgement.as_ref().map_err(|error| anyhow!("{error}"))?)?.took(took)) };
    scene
        .table
        .check(
            &format!("sleep GET /hello, {rate:.0}/s"),
            "200, then 403; none lost",
            complete,
        )
        .await;
}

/// Whether every request saw one of the policies, and the right one.
fn complete(judgement: &Judgement) -> anyhow::Result<Outcome> {
    if let Some(first) = judgement.wrong.first() {
        bail!("{} lost or strange, first: {first}", judgement.wrong.len());
    }
    if judgement.late + judgement.early > 0 {
        bail!(
            "{} denied too early, {} allowed too late",
            judgement.early,
            judgement.late
        );
    }
    Ok(Outcome::new(
        format!("{} x 200, then {} x 403", judgement.allowed, judgement.denied),
        true,
    ))
}

/// One request as the proxies' access logs tell of it.
async fn access_lines(scene: &mut Scene<'_>) {
    scene.table.step("Access logs tell of one request three times");
    scene.put(POLICY, "allow-sleep.yaml", ALLOW_SLEEP).await;
    let written = &mut scene.session.written;
    // What is still to come of earlier requests is not what we look for.
    while let Ok(Some(_)) = timeout(SILENCE, written.recv()).await {}
    let id = format!("demo-{}", std::process::id());
    let mut found: [Option<Line>; 3] = [const { None }; 3];
    let told = async {
        let headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_str(&id)?)]);
        scene.sleep.send_with(Method::GET, "/hello", &headers).await?;
        let collected = async {
            while let Some(line) = written.recv().await {
                if let Some(place) = hop(&line, &id).and_then(|hop| found.get_mut(hop)) {
                    place.get_or_insert(line);
                }
                if found.iter().all(Option::is_some) {
                    return;
                }
            }
        };
        let in_time = timeout(LINES, collected).await.is_ok();
        let from = found
            .iter()
            .flatten()
            .filter_map(|line| line.from.split(' ').next());
        Ok(Outcome::new(from.collect::<Vec<_>>().join(", "), in_time))
    };
    scene
        .table
        .check("sleep GET /hello", "ztunnel, waypoint, ztunnel", told)
        .await;
    for line in found.iter().flatten() {
        out::line(format_args!("        {line}"));
    }
    scene.remove(POLICY, "allow-sleep.yaml").await;
}

/// Which line of the three it is: the caller's ztunnel, the waypoint, the server's ztunnel.
fn hop(line: &Line, id: &str) -> Option<usize> {
    match &*line.from {
        "ztunnel" if line.text.contains("direction=\"outbound\"") => Some(0),
        "ztunnel" if line.text.contains("direction=\"inbound\"") => Some(2),
        "ztunnel" => None,
        _ => line.text.contains(id).then_some(1),
    }
}

async fn get(client: &Client, path: &str) -> anyhow::Result<Answer> {
    client.send(Method::GET, path).await
}

#[cfg(test)]
mod tests;
