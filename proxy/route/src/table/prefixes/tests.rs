#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;

use super::Prefixes;

fn found(tree: &Prefixes<String>, text: &str) -> Vec<String> {
    let mut values = Vec::new();
    tree.visit(text.as_bytes(), |value| values.push(value.clone()));
    values
}

fn tree(prefixes: &[&str]) -> Prefixes<String> {
    let mut tree = Prefixes::new();
    for prefix in prefixes {
        tree.insert(prefix.as_bytes(), (*prefix).to_owned());
    }
    tree
}

#[test]
fn finds_nested_prefixes_shortest_first() {
    let tree = tree(&["/api/v1", "/", "/api", "/apple", ""]);
    assert_eq!(found(&tree, "/api/v1/users"), ["", "/", "/api", "/api/v1"]);
    assert_eq!(found(&tree, "/app"), ["", "/"]);
    assert_eq!(found(&tree, "/apple"), ["", "/", "/apple"]);
    assert_eq!(found(&tree, "x"), [""]);
}

#[test]
fn the_last_value_under_a_prefix_stays() {
    let mut tree = Prefixes::new();
    tree.insert(b"/a", 1);
    tree.insert(b"/ab", 2);
    tree.insert(b"/a", 3);
    let mut values = Vec::new();
    tree.visit(b"/ab", |value| values.push(*value));
    assert_eq!(values, [3, 2]);
}

#[test]
fn a_long_chain_of_prefixes_does_not_recurse() {
    let mut tree = Prefixes::new();
    let text = vec![b'a'; 100_000];
    for length in 0..text.len() / 10 {
        tree.insert(&text[..length], length);
    }
    let mut visited = 0;
    tree.visit(&text, |_| visited += 1);
    assert_eq!(visited, text.len() / 10);
}

proptest! {
    #[test]
    fn agrees_with_trying_every_prefix(
        prefixes in prop::collection::vec("[ab/]{0,6}", 0..40),
        texts in prop::collection::vec("[ab/]{0,9}", 1..20),
    ) {
        let mut tree = Prefixes::new();
        for prefix in &prefixes {
            tree.insert(prefix.as_bytes(), prefix.clone());
        }
        for text in &texts {
            let mut expected: Vec<String> =
                prefixes.iter().filter(|prefix| text.starts_with(prefix.as_str())).cloned().collect();
            expected.sort();
            expected.dedup();
            prop_assert_eq!(found(&tree, text), expected);
        }
    }
}
