//! The SDK for Rust, to be carried in a project: it is not to be had from crates.io.

use anyhow::Context as _;
use toml::{Table, Value};

macro_rules! sdk {
    ($($file:literal),+ $(,)?) => {
        &[$(($file, include_str!(concat!("../../../../../filters/sdk/", $file)))),+]
    };
}

/// What it is built of. Its own tests and examples stay here.
const FILES: &[(&str, &str)] = sdk!(
    "README.md",
    "src/bindings.rs",
    "src/clock.rs",
    "src/component.rs",
    "src/edits.rs",
    "src/exchange.rs",
    "src/export.rs",
    "src/filter.rs",
    "src/head.rs",
    "src/head/query.rs",
    "src/head/tests.rs",
    "src/imports.rs",
    "src/lib.rs",
    "src/log.rs",
    "src/metrics.rs",
    "src/outbound.rs",
    "src/plugin.rs",
    "src/random.rs",
    "src/reply.rs",
    "src/shared.rs",
    "src/subscriptions.rs",
    "src/testing.rs",
    "src/testing/exchange.rs",
    "src/testing/imports.rs",
    "src/testing/legal.rs",
    "src/testing/message.rs",
    "src/testing/metrics.rs",
    "src/testing/store.rs",
    "src/testing/tests.rs",
    "src/testing/world.rs",
    "src/value.rs",
    "src/verdict.rs",
);
const MANIFEST: &str = include_str!("../../../../../filters/sdk/Cargo.toml");
/// Has what the manifest inherits.
const WORKSPACE: &str = include_str!("../../../../../filters/Cargo.toml");

/// The SDK's files in `directory`, beside the contract in `wit`.
pub(super) fn files(directory: &str) -> anyhow::Result<Vec<(String, String)>> {
    let manifest = ("Cargo.toml".to_owned(), manifest()?);
    let sources = FILES.iter().map(|(file, text)| {
        // In the repository it is one directory deeper.
        ((*file).to_owned(), text.replace("\"../../wit\"", "\"../wit\""))
    });
    let files = sources.chain([manifest]);
    Ok(files
        .map(|(file, text)| (format!("{directory}/{file}"), text))
        .collect())
}

/// The manifest without what it has from its workspace, or for the repository alone.
fn manifest() -> anyhow::Result<String> {
    let mut manifest: Table = MANIFEST.parse().context("the SDK's manifest")?;
    let workspace: Table = WORKSPACE.parse().context("the manifest of filters")?;
    let workspace = workspace.get("workspace").context("filters are no workspace")?;
    for section in ["package", "dependencies"] {
        let shared = workspace.get(section).context("the workspace shares nothing")?;
        let section = manifest.get_mut(section).and_then(Value::as_table_mut);
        for (name, value) in section.context("the SDK's manifest is short")?.iter_mut() {
            if value.get("workspace") == Some(&Value::Boolean(true)) {
                let inherited = shared
                    .get(name)
                    .with_context(|| format!("{name} is not shared"))?;
                *value = inherited.clone();
            }
        }
    }
    manifest.remove("lints");
    manifest.remove("example");
    Ok(manifest.to_string())
}

#[cfg(test)]
mod tests;
