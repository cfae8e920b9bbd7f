//! The programs that builds are made of.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, bail};

use crate::out;

/// Where a project's own tools are: what npm and pip install in it.
const OWN: [&str; 2] = ["node_modules/.bin", ".venv/bin"];

/// A program of one of these names, in the project or on the PATH.
pub(super) fn find(project: &Path, names: &[&str]) -> Option<PathBuf> {
    let own = OWN.iter().map(|directory| project.join(directory));
    let path = env::var_os("PATH").unwrap_or_default();
    let places: Vec<PathBuf> = own.chain(env::split_paths(&path)).collect();
    let candidates = places
        .iter()
        .flat_map(|place| names.iter().map(move |name| place.join(name)));
    candidates.into_iter().find(|candidate| is_program(candidate))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Runs a program to its end. What it says is shown only if it fails.
pub(super) fn run(command: &mut Command) -> anyhow::Result<Output> {
    let program = Path::new(command.get_program());
    let name = program
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let output = command
        .output()
        .with_context(|| format!("{name} cannot be run"))?;
    if output.status.success() {
        return Ok(output);
    }
    // What is said to people is there; only some say it elsewhere.
    let said = if output.stderr.trim_ascii().is_empty() {
        &output.stdout
    } else {
        &output.stderr
    };
    out::complaint(String::from_utf8_lossy(said).trim_end());
    bail!("{name} failed: {}", output.status);
}
