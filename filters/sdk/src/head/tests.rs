use super::Fields;
use crate::bindings::cairn::filter::types::Block;

fn fields(lines: &[(&str, &str)]) -> Fields {
    let mut block = Block {
        ends: Vec::new(),
        bytes: Vec::new(),
    };
    for (name, value) in lines {
        for piece in [name, value] {
            block.bytes.extend_from_slice(piece.as_bytes());
            block.ends.push(u32::try_from(block.bytes.len()).unwrap());
        }
    }
    Fields(block)
}

#[test]
fn lines_are_found_in_any_case_and_in_order() {
    let fields = fields(&[(":path", "/a"), ("via", "1"), ("x", ""), ("via", "2")]);
    assert_eq!(fields.get("Via"), Some("1"));
    assert_eq!(fields.get_all("VIA").collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(fields.get("x"), Some(""));
    assert_eq!(fields.get("y"), None);
    assert_eq!(fields.len(), 4);
}

#[test]
fn a_target_is_a_path_and_a_query() {
    let with = fields(&[(":path", "/a/b?x=1&y=a%20b+c&z&&%zz=%2")]);
    assert_eq!(with.path(), Some("/a/b"));
    let pairs: Vec<_> = with
        .query_pairs()
        .map(|(name, value)| format!("{name}:{value}"))
        .collect();
    assert_eq!(pairs, ["x:1", "y:a b c", "z:", "%zz:%2"]);

    let without = fields(&[(":path", "/a")]);
    assert_eq!(without.path(), Some("/a"));
    assert_eq!(without.query(), None);
    assert_eq!(without.query_pairs().count(), 0);
}

#[test]
fn cookies_are_found_on_every_line() {
    let fields = fields(&[("cookie", "a=1; b=\"two\""), ("cookie", "ab=3;c=x=y")]);
    assert_eq!(fields.cookie("a"), Some("1"));
    assert_eq!(fields.cookie("b"), Some("two"));
    assert_eq!(fields.cookie("ab"), Some("3"));
    assert_eq!(fields.cookie("c"), Some("x=y"));
    assert_eq!(fields.cookie("d"), None);
}

#[test]
fn a_block_that_lies_about_its_ends_has_no_lines() {
    let fields = Fields(Block {
        ends: vec![9, 12],
        bytes: b"abc".to_vec(),
    });
    assert_eq!(fields.iter().count(), 0);
}
