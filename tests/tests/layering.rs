//! The house rules that a compiler does not check: floors, module cycles, file sizes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// The floor of each crate; a crate depends on lower floors only. README's architecture section shows the same table.
const FLOORS: [(&str, u8); 20] = [
    ("cairn-api", 0),
    ("cairn-net", 1),
    ("cairn-telemetry", 1),
    ("cairn-config", 1),
    ("cairn-dns", 1),
    ("cairn-fetch", 2),
    ("cairn-dial", 2),
    ("cairn-ext-authz", 2),
    ("cairn-identity", 2),
    ("cairn-jwt", 2),
    ("cairn-mesh", 3),
    ("cairn-hbone", 3),
    ("cairn-http", 3),
    ("cairn-balance", 3),
    ("cairn-route", 3),
    ("cairn-authz", 3),
    ("cairn-wasm", 3),
    ("cairn-waypoint", 4),
    ("cairn-ztunnel", 4),
    ("cairn-cli", 5),
];

/// Lines of a source file without its tests.
const MAX_LINES: usize = 600;

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata runs")
}

/// The crates of the house, by name, with their folders.
fn crates(metadata: &Metadata) -> Vec<(String, PathBuf)> {
    metadata
        .packages
        .iter()
        .filter(|package| {
            !package
                .manifest_path
                .components()
                .any(|part| part.as_str() == "tests")
        })
        .map(|package| {
            (
                package.name.to_string(),
                package.manifest_path.parent().unwrap().into(),
            )
        })
        .collect()
}

#[test]
fn dependencies_run_downwards() {
    let metadata = metadata();
    let floors = BTreeMap::from(FLOORS);
    let mut wrong = Vec::new();
    for (name, _) in crates(&metadata) {
        let Some(floor) = floors.get(name.as_str()) else {
            wrong.push(format!(
                "{name} has no floor: add it to FLOORS and to README's table"
            ));
            continue;
        };
        let package = metadata
            .packages
            .iter()
            .find(|package| package.name.as_str() == name)
            .unwrap();
        for dependency in package
            .dependencies
            .iter()
            .filter(|one| one.kind != DependencyKind::Development)
        {
            if let Some(below) = floors.get(dependency.name.as_str())
                && below >= floor
            {
                wrong.push(format!(
                    "{name} (floor {floor}) depends on {} (floor {below})",
                    dependency.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (name, _) in FLOORS {
        assert!(
            metadata
                .packages
                .iter()
                .any(|package| package.name.as_str() == name),
            "{name} is gone"
        );
    }
}

#[test]
fn modules_of_a_crate_form_no_cycle() {
    let mut wrong = Vec::new();
    for (name, folder) in crates(&metadata()) {
        let modules = Modules::of(&folder.join("src"));
        if let Some(cycle) = modules.cycle() {
            wrong.push(format!("{name}: {}", cycle.join(" → ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_search_for_cycles_finds_one() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("lib.rs", "mod a;\nmod b;\nmod c;\npub use c::Thing;\n");
    write("a.rs", "use crate::b::{self, Other};\n");
    write("b.rs", "use crate::Thing;\n");
    write("c.rs", "");
    assert_eq!(Modules::of(folder.path()).cycle(), None);
    write("c.rs", "use crate::{a::Third};\n");
    assert_eq!(
        Modules::of(folder.path()).cycle().map(|cycle| cycle.len()),
        Some(4)
    );
}

#[test]
fn files_are_short() {
    let metadata = metadata();
    let mut long = Vec::new();
    for package in &metadata.packages {
        for file in sources(package.manifest_path.parent().unwrap().as_std_path()) {
            let text = std::fs::read_to_string(&file).unwrap();
            let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
            if !is_test(&file) && lines > MAX_LINES {
                long.push(format!("{}: {lines} lines", file.display()));
            }
        }
    }
    assert!(
        long.is_empty(),
        "more than {MAX_LINES} lines:\n{}",
        long.join("\n")
    );
}

/// The top-level modules of a crate, and which of them name which.
struct Modules {
    uses: BTreeMap<String, BTreeSet<String>>,
}

impl Modules {
    fn of(src: &Path) -> Modules {
        let root =
            ["lib.rs", "main.rs"].map(|name| std::fs::read_to_string(src.join(name)).unwrap_or_default());
        let root = root.join("\n");
        let exported = exported(&root);
        let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for file in sources(src).into_iter().filter(|file| !is_test(file)) {
            let inside = file.strip_prefix(src).unwrap();
            let first = inside
                .components()
                .next()
                .unwrap()
                .as_os_str()
                .to_string_lossy()
                .into_owned();
            let module = first.trim_end_matches(".rs").to_owned();
            if module == "lib" || module == "main" || root.contains(&format!("#[cfg(test)]\nmod {module};")) {
                continue;
            }
            let text = std::fs::read_to_string(&file).unwrap();
            let code: Vec<&str> = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect();
            let named = named(&code.join("\n"));
            let entry = uses.entry(module.clone()).or_default();
            for name in named {
                let target = exported.get(&name).cloned().unwrap_or(name);
                if target != module {
                    entry.insert(target);
                }
            }
        }
        Modules { uses }
    }

    /// A path that comes back to where it began.
    fn cycle(&self) -> Option<Vec<String>> {
        let mut done = BTreeSet::new();
        self.uses
            .keys()
            .find_map(|start| self.search(start, &mut Vec::new(), &mut done))
    }

    fn search(&self, at: &str, path: &mut Vec<String>, done: &mut BTreeSet<String>) -> Option<Vec<String>> {
        if let Some(begin) = path.iter().position(|module| module == at) {
            let mut cycle = path[begin..].to_vec();
            cycle.push(at.to_owned());
            return Some(cycle);
        }
        if done.contains(at) {
            return None;
        }
        path.push(at.to_owned());
        let found = self
            .uses
            .get(at)
            .and_then(|uses| uses.iter().find_map(|next| self.search(next, path, done)));
        path.pop();
        done.insert(at.to_owned());
        found
    }
}

/// What follows `crate::` in a text, groups taken apart.
fn named(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (place, _) in text.match_indices("crate::") {
        // `pub(in crate::…)` and names that end in `crate` are not paths of ours.
        if text[..place].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == '$')
        {
            continue;
        }
        let rest = &text[place + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            names.extend(members(group));
        } else {
            names.insert(identifier(rest));
        }
    }
    names.remove("");
    names
}

/// The first identifier of each member of a group, up to its closing brace.
fn members(group: &str) -> Vec<String> {
    let (mut depth, mut begins, mut names) = (0, true, Vec::new());
    for (place, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => begins = true,
            _ if begins && !character.is_whitespace() => {
                names.push(identifier(&group[place..]));
                begins = false;
            }
            _ => {}
        }
    }
    names
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|character| character.is_alphanumeric() || *character == '_')
        .collect()
}

/// What the root re-exports, by name, with the module that it comes from.
fn exported(root: &str) -> BTreeMap<String, String> {
    let mut from = BTreeMap::new();
    for statement in root.split(';') {
        let statement: String = statement
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        let Some((_, path)) = statement.split_once("use ") else {
            continue;
        };
        let Some((module, names)) = path.trim().split_once("::") else {
            continue;
        };
        let names = names.trim_start_matches('{').trim_end_matches('}');
        for name in names.split(',') {
            let name = name
                .rsplit(" as ")
                .next()
                .unwrap_or(name)
                .rsplit("::")
                .next()
                .unwrap_or(name)
                .trim();
            from.insert(name.to_owned(), module.to_owned());
        }
    }
    from
}

fn is_test(file: &Path) -> bool {
    file.components()
        .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "benches")
        || file.file_name().is_some_and(|name| name == "tests.rs")
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}
