//! The real binaries, built once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use cargo_metadata::{Message, TargetKind};

/// The path of `cairn`, `waypoint` or `ztunnel`, built from this tree in the profile of the tests.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    built
        .entry(name.to_owned())
        .or_insert_with(|| build(name))
        .clone()
}

fn build(name: &str) -> PathBuf {
    let package = if name == "cairn" {
        "cairn-cli".to_owned()
    } else {
        format!("cairn-{name}")
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args([
            "build",
            "--locked",
            "--message-format=json-render-diagnostics",
            "-p",
            &package,
            "--bin",
            name,
        ])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stdout(Stdio::piped());
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command.output().expect("cargo runs");
    assert!(
        output.status.success(),
        "{name} does not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Message::parse_stream(output.stdout.as_slice())
        .find_map(|message| match message.expect("cargo's messages parse") {
            Message::CompilerArtifact(artifact) if artifact.target.kind.contains(&TargetKind::Bin) => {
                artifact.executable.map(Into::into)
            }
            _ => None,
        })
        .unwrap_or_else(|| panic!("cargo builds no binary {name}"))
}
