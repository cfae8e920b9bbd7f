//! C: zig's compiler, on bindings that are made here.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use wit_bindgen_core::Files;

use super::super::language::files;
use super::{encode, tools};

/// Bytes of an instance's stack.
const STACK: &str = "-Wl,-z,stack-size=65536";
/// Where what is made of the contract is put.
const BINDINGS: &str = "bindings";

pub(super) fn build(project: &Path) -> anyhow::Result<Vec<u8>> {
    let Some(zig) = tools::find(project, &["zig", "python-zig"]) else {
        bail!(
            "there is no zig, whose C compiler is used: run `python3 -m venv .venv` and `.venv/bin/pip install {}` in {}",
            if project.join("requirements.txt").is_file() {
                "-r requirements.txt"
            } else {
                "ziglang"
            },
            project.display()
        );
    };
    let (mut resolve, world) = encode::contract(project)?;
    let mut bindings = Files::default();
    wit_bindgen_c::Opts::default()
        .build()
        .generate(&mut resolve, world, &mut bindings)?;
    encode::write(&bindings, &project.join(BINDINGS))?;
    let built = tempfile::tempdir().context("there is no place for what is built")?;
    let module = built.path().join("module.wasm");
    let mut command = Command::new(zig);
    command
        .args([
            "cc",
            "--target=wasm32-wasi-musl",
            "-mexec-model=reactor",
            "-Os",
            "-Wall",
            STACK,
        ])
        // Not all: the world is in a section of its own.
        .arg("-Wl,--strip-debug")
        .args(["-I", BINDINGS])
        .args(files(project, "c")?)
        .args(files(&project.join(BINDINGS), "c")?)
        .args(files(&project.join(BINDINGS), "o")?)
        .arg("-o")
        .arg(&module)
        .current_dir(project);
    tools::run(&mut command)?;
    let module = fs::read(module).context("zig has written nothing")?;
    encode::component(&module)
}
