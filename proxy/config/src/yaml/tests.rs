#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use serde_json::{Value as Json, json};

use super::*;
use crate::path::Step;

fn chunks(text: &str) -> Vec<(usize, &str)> {
    let text_of = |chunk: &Chunk<'_>| {
        std::str::from_utf8(&text.as_bytes()[offset(text, chunk)..][..chunk.bytes.len()]).unwrap()
    };
    split(text.as_bytes())
        .iter()
        .map(|chunk| (chunk.line, text_of(chunk)))
        .collect()
}

fn offset(text: &str, chunk: &Chunk<'_>) -> usize {
    chunk.bytes.as_ptr() as usize - text.as_ptr() as usize
}

fn tree(text: &str) -> Tree {
    parse(text).unwrap_or_else(|fault| panic!("{fault:?}"))
}

fn json_of(text: &str) -> Json {
    tree(text).root.unwrap().to_json()
}

#[test]
fn documents_are_cut_at_markers_in_column_zero() {
    assert_eq!(chunks("a: 1\n---\nb: 2\n"), [(1, "a: 1\n"), (2, "---\nb: 2\n")]);
    assert_eq!(
        chunks("--- # one\na: 1\n--- {b: 2}\n"),
        [(1, "--- # one\na: 1\n"), (3, "--- {b: 2}\n")]
    );
    assert_eq!(
        chunks("a: |\n  ---\n  text\nb: ---\n----\n"),
        [(1, "a: |\n  ---\n  text\nb: ---\n----\n")]
    );
    assert_eq!(
        chunks("a: 1\r\n---\r\nb: 2\r\n"),
        [(1, "a: 1\r\n"), (2, "---\r\nb: 2\r\n")]
    );
    assert_eq!(chunks("a: 1\n...\nb: 2\n"), [(1, "a: 1\n...\n"), (3, "b: 2\n")]);
}

#[test]
fn what_is_empty_is_no_document() {
    assert_eq!(chunks(""), []);
    assert_eq!(
        chunks("# nothing\n---\n---\n\n# still nothing\n---\na: 1\n"),
        [(6, "---\na: 1\n")]
    );
}

#[test]
fn comments_and_directives_before_a_marker_belong_to_its_document() {
    let text = "%YAML 1.2\n# licence\n---\na: 1\n---\nb: 2\n";
    assert_eq!(
        chunks(text),
        [(1, "%YAML 1.2\n# licence\n---\na: 1\n"), (5, "---\nb: 2\n")]
    );
    assert_eq!(json_of(chunks(text)[0].1), json!({"a": 1}));
}

#[test]
fn a_byte_order_mark_is_no_content() {
    assert_eq!(
        split(b"\xef\xbb\xbfa: 1\n"),
        [Chunk {
            line: 1,
            bytes: b"a: 1\n"
        }]
    );
}

#[test]
fn words_mean_what_they_mean_to_kubernetes() {
    let cases = [
        ("yes", json!("yes")),
        ("on", json!("on")),
        ("True", json!(true)),
        ("~", Json::Null),
        ("1_000", json!(1000)),
        ("0644", json!(420)),
        ("0o17", json!(15)),
        ("0x1F", json!(31)),
        ("0b11", json!(3)),
        ("-5", json!(-5)),
        ("+5", json!(5)),
        ("08", json!(8.0)),
        ("0", json!(0)),
        ("-0", json!(0)),
        ("18446744073709551615", json!(u64::MAX)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("1.20", json!(1.2)),
        (".5", json!(0.5)),
        ("1e3", json!(1000.0)),
        ("1e999", json!("1e999")),
        (".inf", json!(".inf")),
        ("+-5", json!("+-5")),
        ("1-2", json!("1-2")),
        ("127.0.0.1", json!("127.0.0.1")),
        ("5s", json!("5s")),
        ("2024-01-01", json!("2024-01-01")),
        ("'5'", json!("5")),
        ("\"true\"", json!("true")),
        ("!!str 5", json!("5")),
        ("!!int '5'", json!(5)),
    ];
    for (text, expected) in cases {
        let found = tree(&format!("[{text}, last]")).root.unwrap().to_json()[0].clone();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn nulls_are_absent_from_mappings_and_stay_in_lists() {
    assert_eq!(
        json_of("a:\nb: [~, 1]\nc: {d: null}\n"),
        json!({"b": [null, 1], "c": {}})
    );
}

#[test]
fn every_node_knows_its_line() {
    let root = tree("# comment\na:\n  b:\n  - c: 1\n    d: >\n      text\n  - e\n")
        .root
        .unwrap();
    let line = |path: &[Step]| root.at(path).unwrap().line;
    let (key, index) = (|key: &str| Step::Key(key.to_owned()), Step::Index);
    assert_eq!(root.line, 2);
    assert_eq!(root.entry("a").unwrap().line, 2);
    assert_eq!(line(&[key("a"), key("b"), index(0)]), 4);
    assert_eq!(
        root.at(&[key("a"), key("b"), index(0)])
            .unwrap()
            .entry("d")
            .unwrap()
            .line,
        5
    );
    assert_eq!(line(&[key("a"), key("b"), index(1)]), 7);
    assert!(root.at(&[key("a"), index(0)]).is_none());
}

#[test]
fn a_key_that_is_written_twice_is_a_fault_of_its_line_and_path() {
    let Tree { root, faults } = tree("a:\n- b: 1\n- b: 2\n  c: 3\n  b: 4\n");
    assert_eq!(
        root.unwrap().to_json(),
        json!({"a": [{"b": 1}, {"b": 2, "c": 3}]})
    );
    assert_eq!(faults.len(), 1);
    assert_eq!((faults[0].line, faults[0].field.as_str()), (5, "a[1].b"));
    assert!(faults[0].hint.contains("2 lines above"), "{faults:?}");
}

#[test]
fn aliases_and_merge_keys_are_expanded() {
    let text = "base: &base {a: 1, b: 2}\nmore: &more {c: 3}\none: {<<: *base, b: 9}\ntwo: {<<: [*base, *more]}\nall: [*base]\n";
    let json = json_of(text);
    assert_eq!(json["one"], json!({"a": 1, "b": 9}));
    assert_eq!(json["two"], json!({"a": 1, "b": 2, "c": 3}));
    assert_eq!(json["all"], json!([{"a": 1, "b": 2}]));
    assert_eq!(tree("a: {<<: 1}\n").faults[0].field, "a.<<");
}

#[test]
fn bombs_do_not_go_off() {
    let mut billion = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let last = format!("*a{}", level - 1);
        billion.push_str(&format!("a{level}: &a{level} [{}]\n", vec![last; 9].join(", ")));
    }
    assert!(parse(&billion).unwrap_err().message.contains("values"));
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(parse(&deep(100)).is_ok());
    assert!(parse(&deep(101)).unwrap_err().message.contains("deep"));
    let mut chain = "a0: &a0 [x]\n".to_owned();
    for level in 1..120 {
        chain.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert!(parse(&chain).unwrap_err().message.contains("deep"));
    assert!(parse("a: &a [*a]\n").unwrap_err().message.contains("inside"));
}

#[test]
fn text_that_is_multiplied_by_aliases_is_counted() {
    let large = "x".repeat(1024 * 1024);
    let values = format!("a: &a {large}\nb: [{}]\n", vec!["*a"; 500_000].join(","));
    assert!(parse(&values).unwrap_err().message.contains("64 MiB of text"));
    let keys = format!(
        "a: &a {{? {large} : 1}}\nb: [{}]\n",
        vec!["*a"; 300_000].join(",")
    );
    assert!(parse(&keys).unwrap_err().message.contains("64 MiB of text"));
    let few = format!("a: &a {large}\nb: [{}]\n", vec!["*a"; 50].join(","));
    assert!(parse(&few).is_ok());
    // What is said of faults repeats the keys around them.
    let faults = format!("? {large}\n: {{{}}}\n", vec!["a: 1"; 100_000].join(", "));
    assert!(parse(&faults).unwrap_err().message.contains("64 MiB of text"));
}

/// What this thread has computed so far, in nanoseconds: other load on the machine does not count.
fn computed() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn large_mappings_take_no_more_than_their_share_of_time() {
    let cost = |many: usize| {
        let before = computed();
        let same = parse(&"a: 1\n".repeat(many)).unwrap();
        assert_eq!(same.root.unwrap().to_json(), json!({"a": 1}));
        assert_eq!(same.faults.len(), many - 1);
        let keys = |name: &str| {
            (0..many)
                .map(|key| format!("{name}{key}: 1, "))
                .collect::<String>()
        };
        let text = format!(
            "base: &base {{{}}}\none: {{<<: *base, {}}}\n",
            keys("a"),
            keys("b")
        );
        let merged = parse(&text).unwrap();
        let one = merged.root.as_ref().and_then(|root| root.get("one")).unwrap();
        assert_eq!(one.to_json().as_object().unwrap().len(), 2 * many);
        computed() - before
    };
    let (few, many) = (cost(2_000), cost(32_000));
    // Comparing each key with each, it is 256 times as much.
    assert!(many < 80 * few, "{few} ns for 2,000, {many} ns for 32,000");
}

#[test]
fn what_is_no_yaml_says_where_and_what_to_do() {
    let cases = [
        ("a:\n\tb: 1\n", 2, "spaces"),
        ("a: 1\nb: [1, 2\n", 2, "bracket"),
        ("a: 1\nb: c: d\n", 2, "quotes"),
        ("a: *nowhere\n", 1, "anchor"),
        ("a: {{ .Values.a }}\n", 1, "template"),
        ("a: @b\n", 1, "quotes"),
        ("a: 1\nb\n", 2, "colon"),
    ];
    for (text, line, hint) in cases {
        let fault = parse(text).unwrap_err();
        assert_eq!(fault.line, line, "{text}: {fault:?}");
        assert!(fault.hint.contains(hint), "{text}: {fault:?}");
    }
}

#[test]
fn the_end_of_a_document_is_not_blamed_on_the_next() {
    assert_eq!(parse("a: 1\nb: \"open\n\n\n").unwrap_err().line, 2);
}

#[test]
fn json_is_yaml() {
    assert_eq!(
        json_of("{\n\t\"a\": [1, \"\\u00e9\\/\"],\n\t\"b\": null\n}\n"),
        json!({"a": [1, "é/"]})
    );
}
