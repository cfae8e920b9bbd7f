//! Filters, built from source.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use cargo_metadata::Message;

const TARGET: &str = "wasm32-wasip2";

/// The component of a package in `filters/`. `None`, with a line that says so, where the compiler has no such target; where
/// `CI` is set, that is a failure.
///
/// # Panics
///
/// It does not build.
#[must_use]
pub fn component(package: &str) -> Option<PathBuf> {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    if !has_target(TARGET) {
        let missing = format!("rustc has no target {TARGET}: `rustup target add {TARGET}`");
        assert!(std::env::var_os("CI").is_none(), "{missing}");
        eprintln!("skipped: {missing}");
        return None;
    }
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = built.get(package) {
        return Some(path.clone());
    }
    let filters = concat!(env!("CARGO_MANIFEST_DIR"), "/../filters");
    let path = module(Path::new(filters), package, TARGET);
    built.insert(package.to_owned(), path.clone());
    Some(path)
}

/// Whether the compiler has the libraries of a target.
#[must_use]
pub fn has_target(target: &str) -> bool {
    let libraries = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", target])
        .output();
    libraries.is_ok_and(|output| {
        let directory = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success() && Path::new(&directory).is_dir()
    })
}

/// The WebAssembly of a package in the workspace of `directory`, built for a target that the compiler has.
///
/// # Panics
///
/// It does not build.
#[must_use]
pub fn module(directory: &Path, package: &str, target: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "build",
            "--release",
            "--locked",
            "--message-format=json-render-diagnostics",
        ])
        .args(["--target", target, "-p", package])
        .current_dir(directory)
        .stdout(Stdio::piped())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{package} does not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Message::parse_stream(output.stdout.as_slice())
        .filter_map(|message| match message.expect("cargo's messages parse") {
            Message::CompilerArtifact(artifact) => artifact
                .filenames
                .into_iter()
                .find(|file| file.extension() == Some("wasm")),
            _ => None,
        })
        .last()
        .expect("a module comes of it")
        .into()
}
