//! Filters, built from source.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use cairn_tests::{component, has_target, module};

/// What Envoy's modules are compiled for, and what ours are.
const MODULES: &str = "wasm32-wasip1";
const COMPONENTS: &str = "wasm32-wasip2";

/// The component of a package in `filters/`.
///
/// # Errors
///
/// The compiler has no such target, and gets none.
///
/// # Panics
///
/// It does not build.
pub fn ours(package: &str) -> Result<PathBuf> {
    ensure_target(COMPONENTS)?;
    component(package).context("the compiler has lost its target")
}

/// The module for Envoy.
///
/// # Errors
///
/// The compiler has no such target, and gets none.
///
/// # Panics
///
/// It does not build.
pub fn envoy() -> Result<PathBuf> {
    ensure_target(MODULES)?;
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/guests/proxy-wasm");
    Ok(module(Path::new(directory), "bench-proxy-wasm", MODULES))
}

fn ensure_target(target: &str) -> Result<()> {
    if has_target(target) {
        return Ok(());
    }
    let added = Command::new("rustup").args(["target", "add", target]).status();
    ensure!(
        added.is_ok_and(|status| status.success()) && has_target(target),
        "rustc has no target {target}, and rustup does not get it"
    );
    Ok(())
}
