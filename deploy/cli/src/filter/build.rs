//! `cairn filter build`: from the sources of a filter to its component.

mod borrows;
mod c;
mod encode;
mod go;
mod javascript;
mod python;
mod rust;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;

use super::language::Language;
use crate::out;

/// Which filter to build.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The filter's directory.
    #[arg(default_value = ".")]
    project: PathBuf,
    /// Where to write the component; without, it is in the filter's directory and has the directory's name.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let written = &arguments.project;
    let project = fs::canonicalize(written).with_context(|| format!("there is no {}", written.display()))?;
    let output = match &arguments.output {
        Some(output) => output.clone(),
        None => {
            let Some(name) = project.file_name() else {
                bail!(
                    "{} has no name to give to the component; name it with --output",
                    written.display()
                );
            };
            let mut name = name.to_owned();
            name.push(".wasm");
            written.join(name)
        }
    };
    let language = Language::of(&project)?;
    let component = match language {
        Language::Rust => rust::build(&project),
        Language::JavaScript => javascript::build(&project),
        Language::Python => python::build(&project),
        Language::C => c::build(&project),
        Language::Go => go::build(&project),
    }?;
    put(&component, &output).with_context(|| format!("{} cannot be written", output.display()))?;
    out::line(format_args!("{}  {}", output.display(), size(component.len())));
    Ok(ExitCode::SUCCESS)
}

/// Writes a file whole at once: a waypoint may be looking at it.
fn put(bytes: &[u8], path: &Path) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    fs::write(&new, bytes)?;
    fs::rename(&new, path)
}

fn size(bytes: usize) -> String {
    const KIB: usize = 1 << 10;
    const MIB: usize = 1 << 20;
    let tenths = |unit: usize| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    if bytes < MIB {
        format!("{} KiB", tenths(KIB))
    } else {
        format!("{} MiB", tenths(MIB))
    }
}

#[cfg(test)]
mod tests;
