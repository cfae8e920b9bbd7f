//! What filters are made with: the fetcher of their modules, and the engine that runs them.

use std::path::PathBuf;
use std::sync::Arc;

use cairn_fetch::Fetcher;
use cairn_wasm::{Apart, Engine, EngineOptions, Filter, Grants, Outbound, Spec};

use super::slot::Slot;
use super::spec::PluginSpec;

/// Where modules are kept, how their servers are asked, and who compiles them.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    /// For what was downloaded and compiled, a directory that only this user may write; nothing is kept without.
    pub cache: Option<PathBuf>,
    /// Registries and servers that need not prove who they are: `host`, `host:port`, or `*` for all.
    pub insecure: Vec<String>,
    /// What compiles them, in processes of its own; this process does without.
    pub compiler: Option<Apart>,
}

impl Storage {
    /// `cairn/filters` in the directory where this user's programs keep what they can make again, and the insecure
    /// registries that `WASM_INSECURE_REGISTRIES` names, as for Istio's proxies.
    #[must_use]
    pub fn from_env() -> Storage {
        let set = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let caches = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
        let written = std::env::var("WASM_INSECURE_REGISTRIES").unwrap_or_default();
        let names = written.split(',').map(str::trim).filter(|name| !name.is_empty());
        Storage {
            cache: caches.map(|caches| caches.join("cairn/filters")),
            insecure: names.map(str::to_owned).collect(),
            compiler: None,
        }
    }
}

/// What all plugins are made with.
#[derive(Clone)]
pub(super) struct Tools {
    engine: Engine,
    pub(super) fetcher: Fetcher,
    outbound: Arc<dyn Outbound>,
}

impl Tools {
    pub(super) fn new(storage: &Storage, outbound: Arc<dyn Outbound>) -> Result<Tools, String> {
        let within = |name| storage.cache.as_ref().map(|cache| cache.join(name));
        // A proxy whose disk cannot be written runs filters all the same.
        let engine = engine(within("compiled"), storage.compiler.clone()).or_else(|error| {
            tracing::warn!("{error}; filters are compiled anew at each start");
            engine(None, storage.compiler.clone())
        });
        let insecure = &storage.insecure;
        let fetcher = fetcher(within("modules"), insecure).or_else(|error| {
            tracing::warn!("{error}; modules are downloaded anew at each start");
            fetcher(None, insecure)
        });
        Ok(Tools {
            engine: engine.map_err(|error| error.to_string())?,
            fetcher: fetcher.map_err(|error| error.to_string())?,
            outbound,
        })
    }

    /// A filter, compiled and configured.
    pub(super) async fn make(&self, spec: &PluginSpec, slot: &Slot, bytes: &[u8]) -> Result<Filter, String> {
        let grants = Grants {
            shared: spec.granted.shared,
            ticker: spec.granted.ticker,
            targets: spec.granted.targets.iter().cloned().collect(),
            outbound: Some(Arc::clone(&self.outbound)),
        };
        slot.shared.resize(spec.limits.shared);
        let wanted = Spec {
            plugin: Arc::clone(&spec.label),
            name: spec.name.as_str().into(),
            config: spec.config.as_slice().into(),
            environment: spec.environment.clone(),
            limits: spec.limits.clone(),
            grants,
            isolation: spec.isolation,
            meter: Arc::clone(&slot.meter),
            metrics: Arc::clone(&slot.metrics),
            shared: Arc::clone(&slot.shared),
        };
        let made = Filter::load(&self.engine, bytes, wanted).await;
        made.map_err(|error| format!("the module {error}"))
    }
}

fn engine(cache: Option<PathBuf>, compiler: Option<Apart>) -> Result<Engine, cairn_wasm::EngineError> {
    Engine::new(&EngineOptions {
        cache,
        compiler,
        ..EngineOptions::default()
    })
}

fn fetcher(cache: Option<PathBuf>, insecure: &[String]) -> Result<Fetcher, cairn_fetch::FetchError> {
    Fetcher::new(&cairn_fetch::Options {
        cache,
        insecure_registries: insecure.to_vec(),
        ..cairn_fetch::Options::default()
    })
}
