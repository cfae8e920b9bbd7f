//! Getting plugins ready, in the background: read, compile, configure, put in force.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cairn_api::meta::Key;
use cairn_wasm::{Engine, Filter, Grants, Outbound, Spec};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;

use super::slot::{Slot, Slots};
use super::spec::{PluginSpec, Url};

/// How often a file is looked at for a new module.
const LOOK: Duration = Duration::from_millis(500);
/// The largest module.
const MAX_MODULE: u64 = 64 << 20;

/// Keeps the filters of all plugins as their resources want them.
pub(crate) struct Loader {
    slots: Arc<Slots>,
    outbound: Arc<dyn Outbound>,
    /// Made with the first plugin: who has none pays for none.
    engine: Option<Engine>,
    tasks: HashMap<Key, (Arc<PluginSpec>, Task)>,
}

/// A background task that ends with its owner.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Loader {
    pub(crate) fn new(slots: Arc<Slots>, outbound: Arc<dyn Outbound>) -> Loader {
        Loader {
            slots,
            outbound,
            engine: None,
            tasks: HashMap::new(),
        }
    }

    /// Begins to load what is new or has changed, and lets go of what is not wanted any more.
    pub(crate) fn follow(&mut self, wanted: &[Arc<PluginSpec>]) {
        self.tasks
            .retain(|key, _| wanted.iter().any(|spec| spec.key == *key));
        self.slots
            .retain(|key| wanted.iter().any(|spec| spec.key == *key));
        for spec in wanted {
            if self.tasks.get(&spec.key).is_some_and(|(known, _)| known == spec) {
                continue;
            }
            let slot = self.slots.of(&spec.key);
            let engine = match self.engine() {
                Ok(engine) => engine,
                Err(reason) => {
                    tracing::error!(plugin = %spec.key, "{reason}");
                    slot.failed(reason);
                    continue;
                }
            };
            slot.loading();
            let task = Task(tokio::spawn(keep(
                Arc::clone(spec),
                slot,
                engine,
                Arc::clone(&self.outbound),
            )));
            self.tasks.insert(spec.key.clone(), (Arc::clone(spec), task));
        }
    }

    fn engine(&mut self) -> Result<Engine, String> {
        if let Some(engine) = &self.engine {
            return Ok(engine.clone());
        }
        let engine = Engine::new(&cairn_wasm::EngineOptions::default()).map_err(|error| error.to_string())?;
        Ok(self.engine.insert(engine).clone())
    }
}

/// Loads a plugin, again whenever its file changes, and calls its ticker.
async fn keep(spec: Arc<PluginSpec>, slot: Arc<Slot>, engine: Engine, outbound: Arc<dyn Outbound>) {
    let path = match &spec.url {
        Url::File(path) => path,
        Url::Unusable(reason) => return slot.failed(reason.clone()),
    };
    let mut ticking = None;
    loop {
        let seen = stamp(path).await;
        let loaded = match read(path).await {
            Ok(bytes) => load(&spec, &slot, &engine, &outbound, &bytes).await,
            Err(reason) => Err(reason),
        };
        match loaded {
            Ok(filter) => {
                let filter = Arc::new(filter);
                tracing::info!(plugin = %spec.key, "filter in force");
                ticking = tick(&filter);
                slot.ready(filter);
            }
            Err(reason) => {
                tracing::error!(plugin = %spec.key, "the filter cannot be put in force: {reason}");
                slot.failed(reason);
            }
        }
        while stamp(path).await == seen {
            tokio::time::sleep(LOOK).await;
        }
        drop(ticking.take());
    }
}

async fn load(
    spec: &PluginSpec,
    slot: &Slot,
    engine: &Engine,
    outbound: &Arc<dyn Outbound>,
    bytes: &[u8],
) -> Result<Filter, String> {
    let grants = Grants {
        shared: spec.granted.shared,
        ticker: spec.granted.ticker,
        targets: spec.granted.targets.iter().cloned().collect(),
        outbound: Some(Arc::clone(outbound)),
    };
    let wanted = Spec {
        plugin: spec.key.to_string().into(),
        name: if spec.name.is_empty() {
            spec.key.name.as_str().into()
        } else {
            spec.name.as_str().into()
        },
        config: spec.config.as_slice().into(),
        environment: spec.environment.clone(),
        limits: spec.limits.clone(),
        grants,
        isolation: spec.isolation,
        meter: Arc::clone(&slot.meter),
        metrics: Arc::clone(&slot.metrics),
        shared: Arc::clone(&slot.shared),
    };
    let checked = checksum(spec, bytes);
    checked?;
    let loaded = Filter::load(engine, bytes, wanted).await;
    loaded.map_err(|error| format!("the module {error}"))
}

fn checksum(spec: &PluginSpec, bytes: &[u8]) -> Result<(), String> {
    if spec.sha256.is_empty() {
        return Ok(());
    }
    let digest = Sha256::digest(bytes);
    let found: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    if found == spec.sha256 {
        return Ok(());
    }
    Err(format!("the module's SHA-256 is {found}, not {}", spec.sha256))
}

async fn read(path: &Path) -> Result<Vec<u8>, String> {
    let wrong = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let size = tokio::fs::metadata(path).await.map_err(wrong)?.len();
    if size > MAX_MODULE {
        return Err(format!(
            "{} has {size} bytes, more than {MAX_MODULE}",
            path.display()
        ));
    }
    tokio::fs::read(path).await.map_err(wrong)
}

/// What tells one state of a file from another.
async fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = tokio::fs::metadata(path).await.ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Calls the ticker of a generation for as long as that is in force.
fn tick(filter: &Arc<Filter>) -> Option<Task> {
    let every = filter.subscriptions().tick?;
    let filter = Arc::downgrade(filter);
    Some(Task(tokio::spawn(async move {
        let mut interval = tokio::time::interval(every);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            interval.tick().await;
            let Some(filter) = filter.upgrade() else { return };
            if let Err(failure) = filter.tick().await {
                tracing::warn!(plugin = &*filter.spec().plugin, "tick: {failure}");
            }
        }
    })))
}
