//! A filter that is dropped into the running mesh, and one that breaks.

use std::time::Duration;

use anyhow::bail;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tokio::time::{Instant, sleep};

use crate::client::{Answer, Client};

use super::component::component;
use super::files::{STAMP, STAMP_FILTER};
use super::flow::{Flow, Seen};
use super::scene::Scene;
use super::table::Outcome;

const PLUGIN: &str = "filter.yaml";
const MODULE: &str = "stamp.wasm";
const STAMPED: HeaderName = HeaderName::from_static("x-stamp");
const CRASH: HeaderName = HeaderName::from_static("x-crash");
/// How long another module may take to be in force: it is looked for every half second.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long requests flow before and after the module is replaced.
const FLOW: Duration = Duration::from_millis(500);

pub(super) async fn walk(scene: &mut Scene<'_>) {
    dropped_in(scene).await;
    broken(scene).await;
    scene.remove(PLUGIN, "stamp.yaml").await;
}

/// The first request after the file is there has passed the filter.
async fn dropped_in(scene: &mut Scene<'_>) {
    scene
        .table
        .step("A filter is dropped into the mesh: a WebAssembly component and its WasmPlugin");
    let placed = component(STAMP_FILTER).and_then(|component| {
        scene.place(MODULE, &component)?;
        Ok(Outcome::new(format!("{} bytes", component.len()), true))
    });
    let expected = "a component";
    scene
        .table
        .check("stamp.wasm written", expected, async { placed })
        .await;
    scene.put(PLUGIN, "stamp.yaml", STAMP).await;
    let answered = async {
        let answer = scene.sleep.send(Method::GET, "/hello").await?;
        let good = answer.status == StatusCode::OK && stamp(&answer) == "first";
        Ok(Outcome::new(stamped(&answer), good))
    };
    scene
        .table
        .check("sleep GET /hello", "200, x-stamp: first", answered)
        .await;
}

/// One that breaks takes its place while requests flow, and takes one request with it.
async fn broken(scene: &mut Scene<'_>) {
    scene
        .table
        .step("A broken one takes its place under load: it costs the request that it breaks at");
    let text = STAMP_FILTER
        .replace("$broken i32 (i32.const 0)", "$broken i32 (i32.const 1)")
        .replace("\\00first ", "\\00again ");
    let flow = Flow::start(&scene.sleep, "/hello");
    sleep(FLOW).await;
    let begin = Instant::now();
    let placed = component(&text).and_then(|component| scene.place(MODULE, &component));
    let replaced = async {
        placed?;
        let answer = again(&scene.sleep).await?;
        Ok(Outcome::new(stamped(&answer), true).took(begin.elapsed()))
    };
    let expected = format!("200, x-stamp: again within {} s", PATIENCE.as_secs());
    scene
        .table
        .check("stamp.wasm replaced", &expected, replaced)
        .await;
    let crashed = async {
        let headers = HeaderMap::from_iter([(CRASH, HeaderValue::from_static("1"))]);
        let answer = scene.sleep.send_with(Method::GET, "/hello", &headers).await?;
        let good = answer.status == StatusCode::SERVICE_UNAVAILABLE;
        Ok(Outcome::new(answer.status.as_u16().to_string(), good))
    };
    scene
        .table
        .check("sleep GET /hello, x-crash", "503", crashed)
        .await;
    sleep(FLOW).await;
    let samples = flow.stop().await;
    let served = async {
        let failed: Vec<_> = samples
            .iter()
            .filter(|sample| sample.seen != Seen::Allowed)
            .collect();
        if let Some(first) = failed.first() {
            bail!("{} failed, first: {:?}", failed.len(), first.seen);
        }
        Ok(Outcome::new(
            format!("{} x 200", samples.len()),
            !samples.is_empty(),
        ))
    };
    scene
        .table
        .check("sleep GET /hello meanwhile", "200; none lost", served)
        .await;
}

/// The first answer with the stamp of the other module.
async fn again(client: &Client) -> anyhow::Result<Answer> {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        let answer = client.send(Method::GET, "/hello").await?;
        if answer.status != StatusCode::OK {
            bail!("{answer}");
        }
        if stamp(&answer) == "again" {
            return Ok(answer);
        }
        sleep(Duration::from_millis(20)).await;
    }
    bail!("the new filter is not in force")
}

fn stamp(answer: &Answer) -> &str {
    let value = answer.headers.get(STAMPED);
    value.and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn stamped(answer: &Answer) -> String {
    match stamp(answer) {
        "" => format!("{}, no x-stamp", answer.status.as_u16()),
        stamp => format!("{}, x-stamp: {stamp}", answer.status.as_u16()),
    }
}
