//! Python: componentize-py puts the sources and what they import into an interpreter.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use super::super::language::files;
use super::{encode, tools};

/// The module that is built where there are several.
const MAIN: &str = "app";

pub(super) fn build(project: &Path) -> anyhow::Result<Vec<u8>> {
    let Some(program) = tools::find(project, &["componentize-py"]) else {
        bail!(
            "there is no componentize-py: run `python3 -m venv .venv` and `.venv/bin/pip install {}` in {}",
            if project.join("requirements.txt").is_file() {
                "-r requirements.txt"
            } else {
                "componentize-py"
            },
            project.display()
        );
    };
    let module = module(project)?;
    let world = encode::world(project)?;
    let built = tempfile::tempdir().context("there is no place for what is built")?;
    let component = built.path().join("component.wasm");
    let mut command = Command::new(program);
    command
        .args([
            "--wit-path",
            "wit",
            "--world",
            &world,
            "componentize",
            &module,
            "--output",
        ])
        .arg(&component)
        .current_dir(project);
    // Where componentize-py looks for what the filter imports.
    let own = project.join(".venv");
    if own.is_dir() {
        command.env("VIRTUAL_ENV", own);
    }
    tools::run(&mut command)?;
    fs::read(component).context("componentize-py has written nothing")
}

fn module(project: &Path) -> anyhow::Result<String> {
    let mut modules: Vec<String> = files(project, "py")?
        .iter()
        .filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()))
        .collect();
    match modules.as_slice() {
        [_] => Ok(modules.remove(0)),
        _ if modules.iter().any(|module| module == MAIN) => Ok(MAIN.to_owned()),
        _ => bail!(
            "which module of {} is the filter? Name it {MAIN}.py",
            project.display()
        ),
    }
}
