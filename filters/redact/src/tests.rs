use cairn_filter::Reply;
use cairn_filter::serde_json::Value;
use cairn_filter::testing::{Harness, Request, Response};

use super::Redact;

const CONFIG: &str = r#"{"patterns": [
    {"name": "token", "literal": "tok_live"},
    {"name": "number", "regex": "\\b\\d{3}-\\d{2}-\\d{4}\\b", "replacement": "***"}
]}"#;

fn harness() -> Harness<Redact> {
    Harness::new(CONFIG).unwrap()
}

fn json() -> Response {
    Response::new(200).header("content-type", "application/json; charset=utf-8")
}

#[test]
fn masks_across_parts_and_counts() {
    let harness = harness();
    let mut exchange = harness.request(Request::get("/"));
    exchange.respond(json().header("content-digest", "sha-256=:x:"));
    assert_eq!(exchange.response_field("content-digest"), None);
    let mut body = exchange.response_body(r#"{"a": "tok_l"#, false);
    body.extend(exchange.response_body(r#"ive", "n": "123-45-"#, false));
    body.extend(exchange.response_body(r#"6789", "m": "1123-45-6789"}"#, false));
    body.extend(exchange.response_body("", true));
    assert_eq!(
        String::from_utf8(body).unwrap(),
        r#"{"a": "[redacted]", "n": "***", "m": "1123-45-6789"}"#
    );
    assert_eq!(exchange.metadata("matches"), Some(2_i64));
    assert_eq!(harness.world().metric("redact_matches", &["number"]), 1.0);
}

#[test]
fn the_service_is_not_asked_for_what_cannot_be_searched() {
    let harness = harness();
    let request = Request::get("/")
        .header("accept-encoding", "gzip")
        .header("range", "bytes=5-");
    let exchange = harness.request(request);
    assert_eq!(exchange.request_field("accept-encoding"), None);
    assert_eq!(exchange.request_field("range"), None);
}

#[test]
fn an_encoded_response_is_blocked_or_passed() {
    let harness = harness();
    let mut exchange = harness.request(Request::get("/"));
    exchange.respond(json().header("content-encoding", "identity, gzip"));
    assert_eq!(exchange.reply().map(Reply::status), Some(502));

    let passing = CONFIG.replacen('{', r#"{"encoded": "pass", "#, 1);
    let passing = Harness::<Redact>::new(&passing).unwrap();
    let mut exchange = passing.request(Request::get("/"));
    exchange.respond(json().header("content-encoding", "br"));
    assert_eq!(exchange.response_body("tok_live", true), b"tok_live");
}

#[test]
fn other_types_pass_untouched() {
    let harness = harness();
    let mut exchange = harness.request(Request::get("/"));
    exchange.respond(Response::new(200).header("content-type", "image/png"));
    assert_eq!(exchange.response_body("tok_live", true), b"tok_live");
    assert_eq!(harness.world().metric("redact_responses", &["other"]), 1.0);
}

#[test]
fn mistakes_are_named() {
    for (config, words) in [
        (r#"{"patterns": []}"#, "patterns: there is none"),
        (r#"{"patterns": [{"name": "a"}]}"#, "either `literal` or `regex`"),
        (
            r#"{"patterns": [{"name": "a", "regex": "a+"}]}"#,
            "patterns[0]: `+` has no end",
        ),
        (
            r#"{"patterns": [{"name": "a", "literal": ""}]}"#,
            "patterns[0]: it matches nothing",
        ),
    ] {
        let error = Harness::<Redact>::new(config).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn the_examples_of_the_schema_are_accepted() {
    let schema: Value = cairn_filter::serde_json::from_str(include_str!("../schema.json")).unwrap();
    let examples = schema["examples"].as_array().unwrap();
    assert!(!examples.is_empty());
    for example in examples {
        Harness::<Redact>::new(&example.to_string()).unwrap();
    }
}
