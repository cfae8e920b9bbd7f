#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::os::unix::fs::symlink;

use super::*;

fn names(root: &Path) -> Vec<String> {
    let listing = list(root).unwrap();
    listing
        .files
        .keys()
        .map(|path| path.strip_prefix(root).unwrap().display().to_string())
        .collect()
}

fn write(root: &Path, name: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "a: 1\n").unwrap();
}

#[test]
fn configuration_is_found_by_name_at_any_depth() {
    let dir = tempfile::tempdir().unwrap();
    for name in [
        "a.yaml",
        "b.yml",
        "c.json",
        "d.txt",
        "yaml",
        "e.yaml.bak",
        "sub/deep/f.yaml",
        ".hidden.yaml",
        ".git/g.yaml",
    ] {
        write(dir.path(), name);
    }
    assert_eq!(
        names(dir.path()),
        ["a.yaml", "b.yml", "c.json", "sub/deep/f.yaml"]
    );
}

#[test]
fn a_mounted_config_map_is_read_by_its_visible_names() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "..2026_01_01/a.yaml");
    write(dir.path(), "..2026_01_01/sub/b.yaml");
    symlink("..2026_01_01", dir.path().join("..data")).unwrap();
    symlink("..data/a.yaml", dir.path().join("a.yaml")).unwrap();
    symlink("..data/sub", dir.path().join("sub")).unwrap();
    assert_eq!(names(dir.path()), ["a.yaml", "sub/b.yaml"]);
}

#[test]
fn loops_of_links_end_and_nothing_is_listed_twice() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml");
    write(dir.path(), "sub/b.yaml");
    symlink(".", dir.path().join("self")).unwrap();
    symlink("..", dir.path().join("sub/up")).unwrap();
    symlink("sub", dir.path().join("zub")).unwrap();
    symlink("a.yaml", dir.path().join("z.yaml")).unwrap();
    assert_eq!(names(dir.path()), ["a.yaml", "sub/b.yaml"]);
}

#[test]
fn links_to_nowhere_are_trouble_only_when_they_would_be_read() {
    let dir = tempfile::tempdir().unwrap();
    symlink("nowhere", dir.path().join("a.yaml")).unwrap();
    symlink("b.yaml", dir.path().join("b.yaml")).unwrap();
    symlink("nowhere", dir.path().join("c.txt")).unwrap();
    let listing = list(dir.path()).unwrap();
    assert!(listing.files.is_empty());
    let trouble: Vec<&Path> = listing
        .trouble
        .keys()
        .map(|path| path.strip_prefix(dir.path()).unwrap())
        .collect();
    assert_eq!(trouble, [Path::new("a.yaml"), Path::new("b.yaml")]);
}

#[test]
fn a_directory_called_like_a_file_is_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml/b.yaml");
    assert_eq!(names(dir.path()), ["a.yaml/b.yaml"]);
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    let file = File::create(&path).unwrap();
    file.set_len(MAX_FILE_BYTES).unwrap();
    assert!(read(&path).is_ok());
    file.set_len(MAX_FILE_BYTES + 1).unwrap();
    assert!(matches!(read(&path), Err(ReadError::TooLarge)));
    assert!(matches!(read(&dir.path().join("b.yaml")), Err(ReadError::Gone)));
    assert!(matches!(read(dir.path()), Err(ReadError::Refused(_))));
}

#[test]
fn a_stamp_proves_nothing_about_a_file_that_was_just_changed() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml");
    let stamp = *list(dir.path()).unwrap().files.values().next().unwrap();
    let now = SystemTime::now();
    assert!(!stamp.proves_unchanged_since(now));
    assert!(stamp.proves_unchanged_since(now + STAMP_SETTLES + Duration::from_secs(1)));
}
