//! Every directory under `examples/` is in order.

use std::path::{Path, PathBuf};

use cairn_tests::{Directory, Example, Network};

use crate::{cairn, text};

/// Directories whose files are for one that is a mesh, each on its own: an example of one change after the other.
const CHANGES: [(&str, &str); 2] = [("walkthrough", "helloworld"), ("traffic", "bookinfo")];

#[test]
fn every_example_validates_without_a_word() {
    let mut examples: Vec<String> = std::fs::read_dir(Example::path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    examples.sort();
    for known in [
        "bookinfo",
        "filters",
        "helloworld",
        "httpbin",
        "traffic",
        "walkthrough",
    ] {
        assert!(
            examples.iter().any(|example| example == known),
            "{known} is gone: {examples:?}"
        );
    }
    for example in examples {
        // Its plugins are for another example, one language after the other.
        if example == "filters" {
            for language in files("filters") {
                validates_on("helloworld", &language.join("plugin.yaml"));
            }
            continue;
        }
        match CHANGES.iter().find(|(name, _)| *name == example) {
            None => validates(&example, text(&Example::path(&example))),
            Some((_, base)) => {
                // Beside them is what filters are made of.
                let changes = files(&example).into_iter();
                for change in changes.filter(|file| file.extension().is_some_and(|kind| kind == "yaml")) {
                    validates_on(base, &change);
                }
            }
        }
    }
}

/// A file together with those of an example.
fn validates_on(base: &str, change: &Path) {
    let directory = Directory::new(Network::new());
    for file in files(base) {
        std::fs::copy(&file, directory.path().join(file.file_name().unwrap())).unwrap();
    }
    std::fs::copy(change, directory.path().join("change.yaml")).unwrap();
    validates(&change.display().to_string(), text(directory.path()));
}

fn validates(what: &str, directory: &str) {
    // The components of filters are built by whoever uses them.
    let output = cairn(&["validate", "--offline", directory]);
    assert_eq!(output.code, Some(0), "{what}: {}", output.text);
    assert_eq!(output.text.lines().count(), 1, "{what}: {}", output.text);
    assert!(
        output.text.ends_with(" objects, nothing wrong\n"),
        "{what}: {}",
        output.text
    );
}

fn files(example: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(Example::path(example)).unwrap();
    let files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty(), "{example} has no files");
    files
}
