use std::collections::BTreeSet;
use std::path::Path;

use clap::ValueEnum as _;

use super::{Language, files};

/// What building leaves behind, and the link to the contract.
const LEFT_OUT: [&str; 6] = [
    ".venv",
    "__pycache__",
    "bindings",
    "deps",
    "node_modules",
    "target",
];

/// Files below a directory, as paths within `root`.
fn below(directory: &Path, root: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !LEFT_OUT.contains(&name) {
            below(&path, root, found);
        } else if path.is_file() && !name.ends_with(".wasm") {
            found.insert(path.strip_prefix(root).unwrap().display().to_string());
        }
    }
}

#[test]
fn every_file_of_an_example_is_carried_and_the_name_is_nowhere_left() {
    for language in Language::value_variants() {
        let example = language.to_string().to_lowercase();
        let carried = files(*language, "mine").unwrap();
        let own: BTreeSet<&str> = carried
            .iter()
            .map(|(file, _)| file.as_str())
            .filter(|file| !file.ends_with("filter.wit") && !file.starts_with("sdk/"))
            .collect();
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/filters")).join(&example);
        let mut there = BTreeSet::new();
        below(&root, &root, &mut there);
        let there: BTreeSet<&str> = there.iter().map(String::as_str).collect();
        assert_eq!(own, there, "{example}");
        let plugin = &carried.iter().find(|(file, _)| file == "plugin.yaml").unwrap().1;
        assert!(
            plugin.contains("url: file://./mine.wasm") && !plugin.contains(&format!("{example}.wasm")),
            "{plugin}"
        );
    }
}
