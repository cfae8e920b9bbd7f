#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::Prefixes;

fn found(tree: &Prefixes<String>, text: &str) -> Vec<String> {
    let mut values = Vec::new();
    tree.visit(text.as_bytes(), |value| values.push(value.clone()));
    values
}

fn tree<'a>(prefixes: impl IntoIterator<Item = &'a str>) -> Prefixes<String> {
    let entry = |prefix: &str| (prefix.as_bytes().into(), prefix.to_owned());
    Prefixes::new(prefixes.into_iter().map(entry).collect())
}

#[test]
fn finds_nested_prefixes_shortest_first() {
    let tree = tree(["/api/v1", "/", "/api", "/apple", ""]);
    assert_eq!(found(&tree, "/api/v1/users"), ["", "/", "/api", "/api/v1"]);
    assert_eq!(found(&tree, "/app"), ["", "/"]);
    assert_eq!(found(&tree, "/apple"), ["", "/", "/apple"]);
    assert_eq!(found(&tree, "x"), [""]);
}

#[test]
fn an_empty_tree_has_nothing() {
    assert_eq!(found(&tree([]), ""), Vec::<String>::new());
    assert_eq!(found(&tree([]), "/a"), Vec::<String>::new());
}

#[test]
fn a_long_chain_of_prefixes_does_not_recurse() {
    let text = "a".repeat(3000);
    let chain = (0..text.len()).map(|length| &text[..length]);
    let mut visited = 0;
    tree(chain).visit(text.as_bytes(), |_| visited += 1);
    assert_eq!(visited, text.len());
}

proptest! {
    #[test]
    fn agrees_with_trying_every_prefix(
        prefixes in prop::collection::btree_set("[ab/]{0,6}", 0..40),
        texts in prop::collection::vec("[ab/]{0,9}", 1..20),
    ) {
        let prefixes: BTreeSet<String> = prefixes;
        let tree = tree(prefixes.iter().map(String::as_str));
        for text in &texts {
            let expected: Vec<String> =
                prefixes.iter().filter(|prefix| text.starts_with(prefix.as_str())).cloned().collect();
            prop_assert_eq!(found(&tree, text), expected);
        }
    }
}
