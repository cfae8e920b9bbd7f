//! JavaScript: componentize-qjs puts the sources into an interpreter.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::{borrows, encode, tools};

/// The module that is built where package.json has no `main`.
const MAIN: &str = "filter.js";

pub(super) fn build(project: &Path) -> anyhow::Result<Vec<u8>> {
    let Some(program) = tools::find(project, &["componentize-qjs"]) else {
        let install = if project.join("package-lock.json").is_file() {
            "npm ci"
        } else {
            "npm install --save-dev componentize-qjs"
        };
        bail!(
            "there is no componentize-qjs: run `{install}` in {} (npm comes with Node.js 18 or newer)",
            project.display()
        );
    };
    let main = main(project)?;
    let world = encode::world(project)?;
    let built = tempfile::tempdir().context("there is no place for what is built")?;
    let component = built.path().join("component.wasm");
    // Without --sync there are asynchronous functions, which hooks are not.
    tools::run(
        Command::new(program)
            .args([
                "--sync",
                "--wit",
                "wit",
                "--world",
                &world,
                "--module-root",
                ".",
                "--js",
                &main,
            ])
            .arg("--output")
            .arg(&component)
            .current_dir(project),
    )?;
    let component = fs::read(component).context("componentize-qjs has written nothing")?;
    borrows::returned(&component)
}

fn main(project: &Path) -> anyhow::Result<String> {
    let path = project.join("package.json");
    let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let package: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))?;
    let main = package.get("main").and_then(Value::as_str).unwrap_or(MAIN);
    if !project.join(main).is_file() {
        bail!(
            "there is no {main} in {}: `main` in package.json names the filter",
            project.display()
        );
    }
    Ok(main.to_owned())
}
