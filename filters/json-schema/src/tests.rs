use cairn_filter::Reply;
use cairn_filter::serde_json::Value;
use cairn_filter::testing::{Harness, Request};

use super::JsonSchema;

const CONFIG: &str = r#"{
    "maxBytes": 64,
    "rules": [{
        "pathPrefix": "/orders",
        "schema": {
            "type": "object",
            "required": ["item"],
            "properties": {"item": {"type": "string"}, "count": {"type": "integer", "minimum": 1}},
            "additionalProperties": false
        }
    }]
}"#;

fn harness() -> Harness<JsonSchema> {
    Harness::new(CONFIG).unwrap()
}

fn order() -> Request {
    Request::post("/orders?x").header("content-type", "application/json; charset=utf-8")
}

#[test]
fn a_body_that_fits_goes_on_as_it_was() {
    let harness = harness();
    let mut exchange = harness.request(order());
    assert!(exchange.is_held());
    assert_eq!(exchange.request_body(r#"{"item": "#, false), b"");
    assert_eq!(exchange.request_body(r#""a"}"#, true), br#"{"item": "a"}"#);
    assert_eq!(exchange.reply(), None);
    assert_eq!(harness.world().metric("json_schema_requests", &["valid"]), 1.0);
}

#[test]
fn a_body_that_does_not_fit_is_refused_with_its_place() {
    let harness = harness();
    for (body, words) in [
        (r#"{"item": "a", "count": 0}"#, "/count must be 1 or more"),
        (r#"{"count": 1}"#, "The body must have the field `item`"),
        (r#"{"item": "a", "b": 1}"#, "/b must not be there"),
        ("{", "The body is not JSON"),
        ("", "The body is not JSON"),
    ] {
        let mut exchange = harness.request(order());
        assert_eq!(exchange.request_body(body, true), b"");
        let reply = exchange.reply().unwrap();
        assert_eq!(reply.status(), 400);
        assert!(reply.text().contains(words), "{}", reply.text());
    }
    let mut exchange = harness.request(order());
    exchange.request_body("a".repeat(65), true);
    assert_eq!(exchange.reply().map(Reply::status), Some(413));
}

#[test]
fn what_is_not_json_is_refused() {
    let harness = harness();
    let requests = [
        Request::post("/orders"),
        Request::post("/orders").header("content-type", "text/plain"),
        order().header("content-encoding", "gzip"),
    ];
    for request in requests {
        assert_eq!(harness.request(request).reply().map(Reply::status), Some(415));
    }
    let without = harness.request(order().without_body());
    assert_eq!(without.reply().map(Reply::status), Some(400));
}

#[test]
fn other_requests_are_left_alone() {
    let harness = harness();
    for mut exchange in [
        harness.request(Request::new("DELETE", "/orders")),
        harness.request(Request::post("/other")),
    ] {
        let large = "a".repeat(100);
        assert_eq!(exchange.request_body(&large, true), large.as_bytes());
        assert_eq!(exchange.reply(), None);
    }
}

#[test]
fn a_value_may_be_as_deep_as_parsers_allow() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let harness = Harness::<JsonSchema>::new(
        r##"{"maxBytes": 100000, "rules": [{"schema": {"items": {"$ref": "#"}}}]}"##,
    )
    .unwrap();
    for (levels, status) in [(40, None), (120, Some(400)), (10_000, Some(400))] {
        let mut exchange = harness.request(order());
        exchange.request_body(deep(levels), true);
        assert_eq!(exchange.reply().map(Reply::status), status, "{levels}");
    }
}

#[test]
fn mistakes_are_named() {
    for (config, words) in [
        (r#"{"rules": []}"#, "rules: there is none"),
        (
            r#"{"rules": [{"schema": {"properties": {"a": {"format": "date"}}}}]}"#,
            "rules[0].schema: properties (properties.a.format: this keyword is not supported)",
        ),
    ] {
        let error = Harness::<JsonSchema>::new(config).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn the_examples_of_the_schema_are_accepted() {
    let schema: Value = cairn_filter::serde_json::from_str(include_str!("../schema.json")).unwrap();
    let examples = schema["examples"].as_array().unwrap();
    assert!(!examples.is_empty());
    for example in examples {
        Harness::<JsonSchema>::new(&example.to_string()).unwrap();
    }
}
