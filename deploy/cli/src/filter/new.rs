//! `cairn filter new`: a filter that builds and runs, to go on from.

mod name;
mod sdk;
mod template;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;

use super::language::Language;
use crate::out;

/// What to write, and where.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The language to write the filter in.
    #[arg(long)]
    lang: Language,
    /// The filter's directory, new or empty; its last part becomes the filter's name.
    #[arg(default_value = ".")]
    path: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let path = &arguments.path;
    let name = name::of(path, arguments.lang)?;
    must_be_empty(path)?;
    for (file, text) in template::files(arguments.lang, &name)? {
        let file = path.join(file);
        let written = file
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&file, text));
        written.with_context(|| format!("{} cannot be written", file.display()))?;
    }
    out::line(format_args!(
        "{}: a filter in {} that greets, blocks and signs; README.md says how to build it, plugin.yaml puts it before a service",
        path.display(),
        arguments.lang
    ));
    Ok(ExitCode::SUCCESS)
}

fn must_be_empty(path: &Path) -> anyhow::Result<()> {
    match fs::read_dir(path) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => bail!(
                "{} is not empty: name a new directory, or one without files",
                path.display()
            ),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            bail!("{} is a file: name a new directory", path.display())
        }
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}
