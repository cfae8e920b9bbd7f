//! Getting plugins ready, in the background: read, compile, configure, put in force.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cairn_api::meta::ObjectRef;
use cairn_fetch::{Request, Retry, Source};
use cairn_wasm::{Filter, Outbound};

use super::slot::{Slot, Slots};
use super::spec::PluginSpec;
use super::ticker::Task;
use super::tools::{Storage, Tools};

/// How often a file is looked at for a new module.
const LOOK: Duration = Duration::from_millis(50);
/// How long a module that came and is no good is left alone: it may be published anew under its name.
const AGAIN: Duration = Duration::from_secs(60);

/// Keeps the filters of all plugins as their resources want them.
pub(crate) struct Loader {
    slots: Arc<Slots>,
    outbound: Arc<dyn Outbound>,
    storage: Storage,
    /// Made with the first plugin: who has none pays for none.
    tools: Option<Tools>,
    tasks: HashMap<ObjectRef, (Arc<PluginSpec>, Task)>,
}

impl Loader {
    pub(crate) fn new(slots: Arc<Slots>, outbound: Arc<dyn Outbound>, storage: Storage) -> Loader {
        Loader {
            slots,
            outbound,
            storage,
            tools: None,
            tasks: HashMap::new(),
        }
    }

    /// Begins to load what is new or has changed, and lets go of what is not wanted any more.
    pub(crate) fn follow(&mut self, wanted: &[Arc<PluginSpec>]) {
        self.tasks
            .retain(|object, _| wanted.iter().any(|spec| spec.object == *object));
        self.slots
            .retain(|object| wanted.iter().any(|spec| spec.object == *object));
        for spec in wanted {
            if self
                .tasks
                .get(&spec.object)
                .is_some_and(|(known, _)| known == spec)
            {
                continue;
            }
            let slot = self.slots.of(spec);
            let tools = match self.tools() {
                Ok(tools) => tools,
                Err(reason) => {
                    tracing::error!(plugin = &*spec.label, "{reason}");
                    slot.failed(reason);
                    continue;
                }
            };
            slot.loading();
            let task = Task(tokio::spawn(keep(Arc::clone(spec), slot, tools)));
            self.tasks.insert(spec.object.clone(), (Arc::clone(spec), task));
        }
    }

    fn tools(&mut self) -> Result<Tools, String> {
        if let Some(tools) = &self.tools {
            return Ok(tools.clone());
        }
        let tools = Tools::new(&self.storage, Arc::clone(&self.outbound))?;
        Ok(self.tools.insert(tools).clone())
    }
}

/// Loads a plugin, again whenever its module is another, and calls its ticker.
async fn keep(spec: Arc<PluginSpec>, slot: Arc<Slot>, tools: Tools) {
    match &spec.module {
        Err(reason) => {
            tracing::error!(plugin = &*spec.label, "there is no filter: {reason}");
            slot.failed(reason.clone());
        }
        Ok(request) => match &request.source {
            Source::File(path) => follow_file(&spec, &slot, &tools, request, path).await,
            _ => download(&spec, &slot, &tools, request).await,
        },
    }
}

/// A file is read again whenever it is another.
async fn follow_file(spec: &PluginSpec, slot: &Slot, tools: &Tools, request: &Request, path: &Path) {
    loop {
        let seen = stamp(path).await;
        let loaded = match tools.fetcher.fetch(request).await {
            Ok(module) => tools.make(spec, slot, &module.bytes).await,
            Err(error) => Err(error.to_string()),
        };
        let good = judge(spec, slot, loaded);
        let began = Instant::now();
        // What did not start may have lacked room only.
        while stamp(path).await == seen && (good || began.elapsed() < AGAIN) {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// What is published is asked for until it is there and good; another version is another `url` or `sha256`.
async fn download(spec: &PluginSpec, slot: &Slot, tools: &Tools, request: &Request) {
    loop {
        let failed = |error: &cairn_fetch::FetchError, wait: Duration| {
            tracing::error!(
                plugin = &*spec.label,
                "the filter cannot be fetched: {error}; tried again in {} s",
                wait.as_secs()
            );
            slot.failed(error.to_string());
        };
        let module = Retry::default().fetch(&tools.fetcher, request, failed).await;
        let loaded = tools.make(spec, slot, &module.bytes).await;
        if judge(spec, slot, loaded) {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Puts in force what has been loaded, or says why not.
fn judge(spec: &PluginSpec, slot: &Slot, loaded: Result<Filter, String>) -> bool {
    match loaded {
        Ok(filter) => {
            tracing::info!(plugin = &*spec.label, "filter in force");
            slot.ready(filter);
            true
        }
        Err(reason) => {
            tracing::error!(
                plugin = &*spec.label,
                "the filter cannot be put in force: {reason}"
            );
            slot.failed(reason);
            false
        }
    }
}

/// What tells one state of a file from another.
async fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = tokio::fs::metadata(path).await.ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
