//! What an instance of a filter occupies: a process of its own that has many of them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use cairn_tests::run;
use cairn_wasm::{Engine, EngineOptions, Exchange, Filter, Limits, RequestHead, Spec, Unknown};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::task::JoinSet;

use crate::scenario::Scenario;
use crate::usage;

/// The hidden subcommand that `measure` runs.
pub const COMMAND: &str = "instances";

/// More work than fits between two ticks of the engine's clock: nearly all instances have begun when the first one ends.
const CONFIG: &str = r#"{"head": "read", "turns": 3000000}"#;

/// What the process is told.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The component of `bench`.
    #[arg(long)]
    component: PathBuf,
    /// How many instances.
    #[arg(long)]
    count: usize,
}

/// KiB of memory that one more instance takes, once it has served a hook.
///
/// # Errors
///
/// The process fails.
pub(super) fn measure(component: &Path, count: usize) -> Result<f64> {
    let component = component.to_str().context("a path that is not text")?;
    let count = count.to_string();
    let arguments = [COMMAND, "--component", component, "--count", &count];
    let output = run(&std::env::current_exe()?, &arguments);
    let number = output.text.trim().parse();
    number.with_context(|| format!("instances cannot be counted: {}", output.text))
}

/// The process's work: prints the number.
///
/// # Errors
///
/// The filter fails.
pub async fn report(arguments: Arguments) -> Result<()> {
    let component = std::fs::read(&arguments.component)?;
    let engine = Engine::new(&EngineOptions::default())?;
    let spec = Spec {
        config: CONFIG.as_bytes().into(),
        limits: Limits {
            cpu: Duration::from_secs(60),
            wall: Duration::from_secs(600),
            instances: arguments.count,
            ..Limits::default()
        },
        ..Spec::new("default/bench")
    };
    let meter = Arc::clone(&spec.meter);
    let filter = Arc::new(Filter::load(&engine, &component, spec).await?);
    // What the requests themselves take is there before and after.
    let exchanges: Vec<Exchange> = (0..arguments.count)
        .map(|_| Exchange::new(request(), Arc::new(Unknown)))
        .collect();
    let mut one = Exchange::new(request(), Arc::new(Unknown));
    filter.on_request_head(&mut one, true).await?;
    ensure!(meter.instances() == 1, "one request at a time has one instance");
    let before = usage::proportional(std::process::id())?;

    let mut hooks = JoinSet::new();
    for mut exchange in exchanges {
        let filter = Arc::clone(&filter);
        hooks.spawn(async move {
            filter.on_request_head(&mut exchange, true).await?;
            anyhow::Ok(exchange)
        });
    }
    let mut kept = Vec::with_capacity(arguments.count);
    while let Some(ended) = hooks.join_next().await {
        kept.push(ended??);
    }
    let count = usize::try_from(meter.instances())?;
    ensure!(
        count > arguments.count / 2,
        "{count} instances are there where {} should be",
        arguments.count
    );
    let after = usage::proportional(std::process::id())?;
    drop(kept);
    let each = (after as f64 - before as f64) / (count as f64 - 1.0);
    writeln!(std::io::stdout(), "{each}")?;
    Ok(())
}

/// The request that filters are measured with.
fn request() -> RequestHead {
    let lines = Scenario::Filters(1).request().lines().skip(2);
    let fields = lines.filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        Some((
            name.parse::<HeaderName>().ok()?,
            HeaderValue::from_str(value).ok()?,
        ))
    });
    RequestHead {
        method: Method::GET,
        target: PathAndQuery::from_static("/shop/items?id=7&sort=price"),
        authority: Authority::from_static("app.default.svc.cluster.local"),
        scheme: "http",
        headers: HeaderMap::from_iter(fields),
    }
}
