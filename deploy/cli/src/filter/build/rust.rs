//! Rust: cargo makes the component by itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::tools;

const TARGET: &str = "wasm32-wasip2";

pub(super) fn build(project: &Path) -> anyhow::Result<Vec<u8>> {
    let Some(cargo) = tools::find(project, &["cargo"]) else {
        bail!("there is no cargo: install Rust as https://rustup.rs says");
    };
    if !has_target(project) {
        bail!("rustc cannot compile for {TARGET}: run `rustup target add {TARGET}`");
    }
    let output = tools::run(
        Command::new(cargo)
            .args(["build", "--release", "--quiet", "--target", TARGET])
            .arg("--message-format=json-render-diagnostics")
            .current_dir(project),
    )?;
    let manifest = project.join("Cargo.toml");
    let Some(component) = artifact(&String::from_utf8_lossy(&output.stdout), &manifest) else {
        bail!(
            "{} makes no component: write `crate-type = [\"cdylib\"]` below `[lib]`",
            manifest.display()
        );
    };
    fs::read(&component).with_context(|| format!("{} cannot be read", component.display()))
}

fn has_target(project: &Path) -> bool {
    let asked = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(project)
        .output();
    asked.is_ok_and(|output| {
        let directory = String::from_utf8_lossy(&output.stdout);
        output.status.success() && Path::new(directory.trim()).is_dir()
    })
}

/// The component that cargo's messages tell of for this package.
fn artifact(messages: &str, manifest: &Path) -> Option<PathBuf> {
    let messages = messages.lines().rev();
    let messages = messages.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let text = |message: &Value, field: &str| message.get(field).and_then(Value::as_str).map(str::to_owned);
    let mut components = messages.filter_map(|message| {
        let is_own = text(&message, "reason").is_some_and(|reason| reason == "compiler-artifact")
            && text(&message, "manifest_path").is_some_and(|path| Path::new(&path) == manifest);
        let files = message.get("filenames")?.as_array()?;
        let mut files = files.iter().filter_map(Value::as_str).map(PathBuf::from);
        files.find(|file| is_own && file.extension().is_some_and(|extension| extension == "wasm"))
    });
    components.next()
}

#[cfg(test)]
mod tests;
