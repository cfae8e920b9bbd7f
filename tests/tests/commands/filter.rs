//! `cairn filter`: each command with what it is for, and with each kind of what it is not for.

mod inspecting;
mod publishing;
mod reference;
mod testing;

use std::path::{Path, PathBuf};

use cairn_tests::{Output, component};

use crate::{cairn, text};

/// The filter that does what its configuration says.
fn probe() -> Option<PathBuf> {
    component("probe")
}

/// `cairn filter COMMAND FILE …`.
fn on(command: &str, file: &Path, more: &[&str]) -> Output {
    let mut arguments = vec!["filter", command, text(file)];
    arguments.extend(more);
    cairn(&arguments)
}

/// What is printed for programs.
fn json(output: &Output) -> serde_json::Value {
    serde_json::from_str(&output.text).unwrap_or_else(|error| panic!("{error}: {}", output.text))
}

/// Files that are no filters, and what is said of them.
fn no_filters(folder: &Path, good: &[u8]) -> Vec<(PathBuf, &'static str)> {
    let files: [(&str, &[u8], &str); 9] = [
        ("empty", b"", "is empty"),
        (
            "picture",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            "is no WebAssembly module",
        ),
        ("page", b"<html>404</html>", "is an HTML page"),
        ("archive", b"\x1f\x8b\x08\0\0\0\0\0", "is compressed with gzip"),
        ("core", b"\0asm\x01\0\0\0", "is a core module, not a component"),
        ("other", b"\0asm\x0d\0\x01\0", "is a component of another world"),
        ("begin", &good[..6], "ends within its first eight bytes"),
        ("half", &good[..good.len() / 2], "is damaged or cut off"),
        ("almost", &good[..good.len() - 1], "is damaged or cut off"),
    ];
    let mut files: Vec<(PathBuf, &'static str)> = files
        .into_iter()
        .map(|(name, bytes, says)| {
            let path = folder.join(name);
            std::fs::write(&path, bytes).unwrap();
            (path, says)
        })
        .collect();
    files.push((folder.to_owned(), "it is no regular file"));
    files.push((folder.join("nowhere"), "No such file"));
    files
}
