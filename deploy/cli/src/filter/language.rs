//! The languages that filters are written in.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::ValueEnum;

/// A language with a recipe from its sources to a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    Rust,
    #[value(name = "javascript", alias = "js")]
    JavaScript,
    Python,
    C,
    Go,
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Language::Rust => "Rust",
            Language::JavaScript => "JavaScript",
            Language::Python => "Python",
            Language::C => "C",
            Language::Go => "Go",
        })
    }
}

impl Language {
    /// The language of the project in a directory, by its files.
    pub(super) fn of(project: &Path) -> anyhow::Result<Language> {
        let is_there = |file: &str| project.join(file).is_file();
        for (file, language) in [
            ("Cargo.toml", Language::Rust),
            ("package.json", Language::JavaScript),
            ("go.mod", Language::Go),
        ] {
            if is_there(file) {
                return Ok(language);
            }
        }
        // Projects in C may have Python's requirements.txt for their compiler, and scripts in Python beside them.
        for (extension, language) in [("c", Language::C), ("py", Language::Python)] {
            if !files(project, extension)?.is_empty() {
                return Ok(language);
            }
        }
        bail!(
            "{} is no filter: there is no Cargo.toml, package.json, go.mod, *.c or *.py; `cairn filter new` writes one",
            project.display()
        );
    }
}

/// The files of a directory with an extension, in order.
pub(super) fn files(directory: &Path, extension: &str) -> anyhow::Result<Vec<PathBuf>> {
    let unreadable = || format!("{} cannot be read", directory.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        if path.is_file() && path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests;
