use std::collections::BTreeSet;
use std::path::Path;

use super::{FILES, files};

/// Files below a directory, as paths within `root`.
fn below(directory: &Path, root: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            below(&path, root, found);
        } else {
            found.insert(path.strip_prefix(root).unwrap().display().to_string());
        }
    }
}

#[test]
fn every_source_of_the_sdk_is_carried() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../filters/sdk"));
    let mut there = BTreeSet::from(["README.md".to_owned()]);
    below(&root.join("src"), root, &mut there);
    let carried: BTreeSet<String> = FILES.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(carried, there);
}

#[test]
fn what_is_written_needs_nothing_around_it() {
    let files = files("sdk").unwrap();
    let text = |name: &str| &files.iter().find(|(file, _)| file == name).unwrap().1;
    let manifest = text("sdk/Cargo.toml");
    assert!(
        !manifest.contains("workspace") && manifest.contains("name = \"cairn-filter\""),
        "{manifest}"
    );
    let bindings = text("sdk/src/bindings.rs");
    assert!(
        bindings.contains("\"../wit\"") && !bindings.contains("../../"),
        "{bindings}"
    );
}
