use cairn_filter::testing::{Harness, Request};

use super::Bench;

fn request() -> Request {
    Request::get("/items")
        .header("accept", "*/*")
        .header("x-other", "1")
}

#[test]
fn ten_lines_are_read_and_one_is_added() {
    let harness = Harness::<Bench>::new(r#"{"head": "read", "turns": 10}"#).unwrap();
    let exchange = harness.request(request());
    let known: usize = [":method", ":path", ":authority", "accept"]
        .iter()
        .filter_map(|name| exchange.request_field(name))
        .map(|value| value.len())
        .sum();
    assert_eq!(exchange.request_field("x-bench"), Some(known.to_string()));
}

#[test]
fn a_mark_has_generation_and_note() {
    let harness = Harness::<Bench>::new(r#"{"head": "mark", "note": "7"}"#).unwrap();
    let exchange = harness.request(request());
    assert_eq!(
        exchange.request_field("x-bench").as_deref(),
        Some("generation-a-7")
    );
}

#[test]
fn nothing_changes_unless_told() {
    for config in [
        "{}",
        r#"{"head": "nothing"}"#,
        r#"{"head": "see", "body": "pass"}"#,
    ] {
        let harness = Harness::<Bench>::new(config).unwrap();
        assert_eq!(
            harness.request(request()).request_field("x-bench"),
            None,
            "{config}"
        );
    }
    assert!(Harness::<Bench>::new(r#"{"head": "other"}"#).is_err());
}

#[test]
fn a_body_goes_on_as_it_is() {
    for config in [r#"{"body": "pass"}"#, r#"{"body": "replace"}"#] {
        let harness = Harness::<Bench>::new(config).unwrap();
        let mut exchange = harness.request(Request::post("/items"));
        assert_eq!(exchange.request_body("one", false), b"one", "{config}");
        assert_eq!(exchange.request_body("two", true), b"two", "{config}");
    }
}
