use std::fs;

use super::Language;

#[test]
fn a_project_is_known_by_its_files() {
    for (files, language) in [
        (vec!["Cargo.toml", "build.py"], Language::Rust),
        (vec!["package.json", "filter.js"], Language::JavaScript),
        (vec!["go.mod", "filter.go"], Language::Go),
        (vec!["filter.c", "requirements.txt", "generate.py"], Language::C),
        (vec!["app.py", "requirements.txt"], Language::Python),
    ] {
        let project = tempfile::tempdir().unwrap();
        for file in files {
            fs::write(project.path().join(file), "").unwrap();
        }
        assert_eq!(Language::of(project.path()).unwrap(), language);
    }
}

#[test]
fn what_is_no_project_is_said() {
    let empty = tempfile::tempdir().unwrap();
    let error = Language::of(empty.path()).unwrap_err().to_string();
    assert!(error.contains("cairn filter new"), "{error}");
    let error = Language::of(&empty.path().join("gone")).unwrap_err().to_string();
    assert!(error.ends_with("gone cannot be read"), "{error}");
}
