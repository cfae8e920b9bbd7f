use std::path::Path;

use super::{Language, TAKEN, check, of};

#[test]
fn the_name_is_the_directory_s() {
    assert_eq!(
        of(Path::new("a/b/add-header"), Language::C).unwrap(),
        "add-header"
    );
    assert_eq!(
        of(Path::new("a/b/add-header/."), Language::C).unwrap(),
        "add-header"
    );
    assert!(of(Path::new("/"), Language::C).is_err());
}

#[test]
fn names_that_something_would_refuse_are_refused() {
    let longest = "a".repeat(63);
    for name in ["a", "add-header", "v2", "x-1-y", "c", &longest] {
        check(name, Language::Rust).unwrap();
    }
    let too_long = "a".repeat(64);
    for name in [
        "",
        "-a",
        "a-",
        "2a",
        "Add",
        "add_header",
        "add.header",
        "ü",
        "a b",
        &too_long,
    ] {
        for language in [Language::Rust, Language::Go] {
            let error = check(name, language).unwrap_err().to_string();
            assert!(error.contains("no name for a filter"), "{error}");
        }
    }
    for name in TAKEN {
        assert!(check(name, Language::Rust).is_err(), "{name}");
        check(name, Language::Python).unwrap();
    }
}
