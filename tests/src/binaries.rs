//! The real binaries, built once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use cargo_metadata::{Message, TargetKind};

/// The packages of the binaries, and this one. They are built together: each alone could need its dependencies with other
/// features, and this one has those that tests bring.
const PACKAGES: [&str; 4] = ["cairn-cli", "cairn-waypoint", "cairn-ztunnel", "cairn-tests"];

/// The path of `cairn`, `waypoint` or `ztunnel`, built from this tree in the profile of the tests.
///
/// # Panics
///
/// They do not build, or there is none of that name.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    static BUILT: LazyLock<BTreeMap<String, PathBuf>> = LazyLock::new(build);
    let path = BUILT.get(name);
    path.unwrap_or_else(|| panic!("cargo builds no binary {name}"))
        .clone()
}

fn build() -> BTreeMap<String, PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args([
            "build",
            "--locked",
            "--message-format=json-render-diagnostics",
            "--bins",
        ])
        .args(PACKAGES.iter().flat_map(|package| ["-p", package]))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stdout(Stdio::piped());
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command.output().expect("cargo runs");
    assert!(
        output.status.success(),
        "the binaries do not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Message::parse_stream(output.stdout.as_slice())
        .filter_map(|message| match message.expect("cargo's messages parse") {
            Message::CompilerArtifact(artifact) if artifact.target.kind.contains(&TargetKind::Bin) => {
                Some((artifact.target.name, artifact.executable?.into()))
            }
            _ => None,
        })
        .collect()
}
