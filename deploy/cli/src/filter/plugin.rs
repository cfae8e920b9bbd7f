//! A component as a plugin: read from its file, and loaded as a waypoint would load it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use cairn_fetch::{Fetcher, Options, Request, Source};
use cairn_wasm::{Engine, EngineOptions, Filter, Grant, Grants, Inspection, LoadError, Need, Outbound, Spec};
use clap::{Args, ValueEnum};

/// A host that nobody can call: what is granted where a test names no services, so that the filter can be loaded.
const NOBODY: &str = "nobody.invalid:0";

/// A filter, with what its WasmPlugin would say.
#[derive(Args)]
pub(super) struct Plugin {
    /// The component, as a file.
    file: PathBuf,
    /// The plugin's configuration (`pluginConfig`), as JSON or as a file of it; `{}` without.
    #[arg(long, value_name = "JSON|@FILE")]
    config: Option<String>,
    /// The plugin's name, as the filter is told it; the file's name without.
    #[arg(long)]
    name: Option<String>,
    /// What it is granted; without, what it asks for.
    #[arg(long, value_delimiter = ',')]
    grants: Option<Vec<Granted>>,
    /// The most memory that an instance may have, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    memory: u16,
    /// The most CPU time that a hook may have, in milliseconds.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    cpu: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Granted {
    /// Nothing.
    None,
    /// The store that instances share.
    Shared,
    /// Being called without a request.
    Ticker,
}

/// What a file holds.
pub(super) struct Component {
    pub(super) bytes: Bytes,
    pub(super) inspection: Inspection,
}

/// A filter that is ready for requests.
pub(super) struct Loaded {
    pub(super) filter: Filter,
    /// How long it took to compile, start and configure it.
    pub(super) took: Duration,
}

impl Plugin {
    /// The file, as it was named.
    pub(super) fn file(&self) -> String {
        self.file.display().to_string()
    }

    /// Whether a configuration was given.
    pub(super) fn is_configured(&self) -> bool {
        self.config.is_some()
    }

    /// Reads the component.
    pub(super) async fn read(&self) -> anyhow::Result<Component> {
        read(&self.file).await
    }

    /// What the component asks for and is granted because nothing else was said.
    pub(super) fn assumed(&self, inspection: &Inspection) -> Vec<Grant> {
        if self.grants.is_some() {
            return Vec::new();
        }
        let mut grants: Vec<Grant> = inspection
            .imports
            .iter()
            .filter_map(|import| match import.need {
                Need::Grant { grant } => Some(grant),
                _ => None,
            })
            .collect();
        if inspection.ticks() {
            grants.push(Grant::Ticker);
        }
        grants
    }

    /// Loads the component; `targets` are the services that it may call by `outbound`.
    pub(super) async fn load(
        &self,
        component: &Component,
        targets: impl IntoIterator<Item = String>,
        outbound: Option<Arc<dyn Outbound>>,
    ) -> anyhow::Result<Result<Loaded, LoadError>> {
        let engine = Engine::new(&EngineOptions {
            slots: 16,
            ..EngineOptions::default()
        })?;
        let mut spec = Spec::new(&self.name());
        spec.config = self.config()?.into();
        spec.limits.memory = usize::from(self.memory) << 20;
        spec.limits.cpu = Duration::from_millis(self.cpu.into());
        spec.grants = self.grants(&component.inspection, targets, outbound);
        let began = Instant::now();
        let loaded = Filter::load(&engine, &component.bytes, spec).await;
        Ok(loaded.map(|filter| Loaded {
            filter,
            took: began.elapsed(),
        }))
    }

    fn name(&self) -> String {
        let stem = || {
            self.file
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned())
        };
        self.name
            .clone()
            .or_else(stem)
            .unwrap_or_else(|| "filter".to_owned())
    }

    fn config(&self) -> anyhow::Result<Vec<u8>> {
        let Some(given) = &self.config else {
            return Ok(b"{}".to_vec());
        };
        let config = content(given)?;
        let json: serde_json::Value =
            serde_json::from_slice(&config).with_context(|| format!("--config {given} is not JSON"))?;
        // As a waypoint passes it on.
        Ok(json.to_string().into_bytes())
    }

    fn grants(
        &self,
        inspection: &Inspection,
        targets: impl IntoIterator<Item = String>,
        outbound: Option<Arc<dyn Outbound>>,
    ) -> Grants {
        let assumed = self.assumed(inspection);
        let given = |granted| self.grants.iter().flatten().any(|one| *one == granted);
        let mut grants = Grants {
            shared: given(Granted::Shared) || assumed.contains(&Grant::Shared),
            ticker: given(Granted::Ticker) || assumed.contains(&Grant::Ticker),
            targets: targets.into_iter().collect(),
            outbound,
        };
        if grants.targets.is_empty() && assumed.contains(&Grant::Outbound) {
            grants.targets.insert(NOBODY.to_owned());
        }
        grants
    }
}

/// Reads a component from a file.
pub(super) async fn read(file: &std::path::Path) -> anyhow::Result<Component> {
    let fetcher = Fetcher::new(&Options::default())?;
    let module = fetcher
        .fetch(&Request::new(Source::File(file.to_owned())))
        .await?;
    let inspection = Inspection::of(&module.bytes).map_err(|error| anyhow!("{} {error}", file.display()))?;
    Ok(Component {
        bytes: module.bytes,
        inspection,
    })
}

/// What is written, or what the file that `@` names holds.
pub(super) fn content(given: &str) -> anyhow::Result<Vec<u8>> {
    match given.strip_prefix('@') {
        Some(file) => std::fs::read(file).with_context(|| format!("cannot read {file}")),
        None => Ok(given.as_bytes().to_vec()),
    }
}
