//! `cairn compatibility`.

use std::path::Path;

use crate::cairn;

#[test]
fn it_prints_the_page_in_the_repository() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/compatibility.md");
    let output = cairn(&["compatibility"]);
    assert_eq!(output.code, Some(0), "{}", output.text);
    assert!(
        std::fs::read_to_string(path).is_ok_and(|page| page == output.text),
        "docs/compatibility.md is not what the tables say; renew it with\n\n    cargo run -- compatibility > docs/compatibility.md\n"
    );
}
