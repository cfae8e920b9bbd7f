//! The files of new filters: those of the examples, with another name.

use anyhow::ensure;

use super::super::language::Language;
use super::sdk;

/// A file's place in the project, and its text.
type File = (&'static str, &'static str);

/// Files of an example.
macro_rules! example {
    ($language:literal: $($file:literal),+ $(,)?) => {
        &[$(($file, include_str!(concat!("../../../../../examples/filters/", $language, "/", $file)))),+]
    };
}

const RUST: &[File] = example!("rust":
    ".cargo/config.toml", ".gitignore", "Cargo.lock", "Cargo.toml", "README.md", "plugin.yaml", "src/lib.rs", "src/tests.rs",
);
const JAVASCRIPT: &[File] = example!("javascript":
    ".gitignore", "README.md", "filter.js", "package-lock.json", "package.json", "plugin.yaml", "wit/world.wit",
);
const PYTHON: &[File] = example!("python":
    ".gitignore", "README.md", "app.py", "plugin.yaml", "requirements.txt", "wit/world.wit",
);
const C: &[File] = example!("c":
    ".gitignore", "README.md", "filter.c", "json.c", "json.h", "plugin.yaml", "requirements.txt", "wit/world.wit",
);
const GO: &[File] = example!("go":
    ".gitignore", "README.md", "filter.go", "go.mod", "plugin.yaml", "requirements.txt", "wit/world.wit",
);

const CONTRACT: &str = include_str!("../../../../../wit/filter.wit");

/// The name of an example, and what a new filter has in its place: file, what is written, how its own name is written.
const NAMES: &[(Language, &str, &str, &str)] = &[
    (Language::Rust, "Cargo.toml", "name = \"rust\"", "name = \"NAME\""),
    (Language::Rust, "Cargo.lock", "name = \"rust\"", "name = \"NAME\""),
    // The SDK is not to be had from crates.io.
    (
        Language::Rust,
        "Cargo.toml",
        "path = \"../../../filters/sdk\"",
        "path = \"sdk\"",
    ),
    (
        Language::JavaScript,
        "package.json",
        "\"name\": \"javascript\"",
        "\"name\": \"NAME\"",
    ),
    (
        Language::JavaScript,
        "package-lock.json",
        "\"name\": \"javascript\"",
        "\"name\": \"NAME\"",
    ),
];

/// The files of a new filter with this name.
pub(super) fn files(language: Language, name: &str) -> anyhow::Result<Vec<(String, String)>> {
    let (example, files) = match language {
        Language::Rust => ("rust", RUST),
        Language::JavaScript => ("javascript", JAVASCRIPT),
        Language::Python => ("python", PYTHON),
        Language::C => ("c", C),
        Language::Go => ("go", GO),
    };
    let mut written = Vec::new();
    for (file, text) in files {
        let mut text = (*text).to_owned();
        if *file == "plugin.yaml" {
            text = replaced(
                &text,
                &format!("  name: {example}\n"),
                &format!("  name: {name}\n"),
            )?;
            text = replaced(
                &text,
                &format!("file://./{example}.wasm"),
                &format!("file://./{name}.wasm"),
            )?;
        }
        for (_, _, from, to) in NAMES
            .iter()
            .filter(|(of, place, ..)| *of == language && place == file)
        {
            text = replaced(&text, from, &to.replace("NAME", name))?;
        }
        written.push(((*file).to_owned(), text));
    }
    if language == Language::Rust {
        written.push(("wit/filter.wit".to_owned(), CONTRACT.to_owned()));
        written.extend(sdk::files("sdk")?);
    } else {
        written.push(("wit/deps/cairn-filter/filter.wit".to_owned(), CONTRACT.to_owned()));
    }
    Ok(written)
}

fn replaced(text: &str, from: &str, to: &str) -> anyhow::Result<String> {
    ensure!(text.contains(from), "the example of this version has no {from:?}");
    Ok(text.replace(from, to))
}

#[cfg(test)]
mod tests;
