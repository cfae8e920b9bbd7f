//! Names of filters.

use std::path::Path;

use anyhow::{Context as _, bail};

use super::super::language::Language;

/// The longest name of an object in Kubernetes that is also a label.
const LONGEST: usize = 63;

/// What cargo does not take for a name, or the SDK has already.
const TAKEN: [&str; 46] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "cairn-filter",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
];

/// The name of the filter in a directory: its last part.
pub(super) fn of(path: &Path, language: Language) -> anyhow::Result<String> {
    let absolute = std::path::absolute(path).with_context(|| format!("{} is no path", path.display()))?;
    let name = absolute.file_name().unwrap_or_default().to_string_lossy();
    check(&name, language)?;
    Ok(name.into_owned())
}

fn check(name: &str, language: Language) -> anyhow::Result<()> {
    let legal = |character: char| matches!(character, 'a'..='z' | '0'..='9' | '-');
    let begins = name.starts_with(|first: char| first.is_ascii_lowercase());
    if !begins || name.ends_with('-') || name.len() > LONGEST || !name.chars().all(legal) {
        bail!(
            "{name:?} is no name for a filter, which has that of its directory: it may have small letters, digits and -, \
             begins with a letter, does not end with -, and has at most {LONGEST} characters"
        );
    }
    if language == Language::Rust && TAKEN.contains(&name) {
        bail!("a package in Rust cannot have the name {name:?}: choose another directory");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
