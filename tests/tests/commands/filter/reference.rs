//! `cairn filter reference`, and the page that is made with it.

use std::path::Path;

use crate::{cairn, text};

#[test]
fn the_page_in_the_repository_is_the_one_of_this_contract() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/README.md");
    let output = cairn(&["filter", "reference"]);
    assert_eq!(output.code, Some(0), "{}", output.text);
    assert!(
        std::fs::read_to_string(path).is_ok_and(|page| page == output.text),
        "wit/README.md is not what the contract says; renew it with\n\n    cargo run -- filter reference > wit/README.md\n"
    );
}

#[test]
fn another_package_can_be_rendered() {
    let folder = tempfile::tempdir().unwrap();
    let render = || cairn(&["filter", "reference", "--wit", text(folder.path())]);
    let output = render();
    assert_eq!(output.code, Some(1), "{}", output.text);
    assert!(
        output.errors.contains("is no directory of WIT"),
        "{}",
        output.text
    );
    let write = |wit: &str| std::fs::write(folder.path().join("a.wit"), wit).unwrap();
    write("interface {");
    let output = render();
    assert_eq!(output.code, Some(1), "{}", output.text);
    write(
        "/// All of it.\npackage acme:thing@1.2.0;\n/// Talks.\ninterface talk {\n/// A word | two.\nenum word { hello }\n\
         /// Says it.\nsay: func(words: list<word>) -> result<string, word>;\n}\nworld speaker { export talk; }",
    );
    let output = render();
    assert_eq!(output.code, Some(0), "{}", output.text);
    for part in [
        "# The contract `acme:thing@1.2.0`\n\nAll of it.",
        "* [talk](#talk): [say](#talk.say), [word](#talk.word)",
        "say: func(words: list<word>) -> result<string, word>;",
        "See [word](#talk.word).",
    ] {
        assert!(output.text.contains(part), "{part}\n{}", output.text);
    }
}
