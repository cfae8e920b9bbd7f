use std::time::Duration;

use cairn_filter::Reply;
use cairn_filter::serde_json::Value;
use cairn_filter::testing::{Harness, Request};

use super::Maintenance;

fn harness(config: &str) -> Harness<Maintenance> {
    Harness::new(config).unwrap()
}

fn status(harness: &Harness<Maintenance>, request: Request) -> Option<u16> {
    harness.request(request).reply().map(Reply::status)
}

#[test]
fn a_window_opens_and_closes() {
    // The harness's clock begins with 2026.
    let harness = harness(r#"{"windows": [{"from": "2026-01-01T01:00:00Z", "to": "2026-01-01T02:00:00Z"}]}"#);
    assert_eq!(status(&harness, Request::get("/")), None);
    harness.world().advance(Duration::from_secs(90 * 60));
    let exchange = harness.request(Request::get("/"));
    let reply = exchange.reply().unwrap();
    assert_eq!((reply.status(), reply.get("retry-after")), (503, Some("1800")));
    assert_eq!(reply.get("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(exchange.metadata("maintenance"), Some(true));
    harness.world().advance(Duration::from_secs(30 * 60));
    assert_eq!(status(&harness, Request::get("/")), None);
    assert_eq!(harness.world().metric("maintenance_requests", &["refused"]), 1.0);
}

#[test]
fn some_are_let_through() {
    let harness = harness(
        r#"{"always": true, "body": "{}", "contentType": "application/json", "retryAfter": 7,
            "allowPaths": ["/healthz"], "allowIdentities": ["cluster.local/ns/ops/sa/tester"]}"#,
    );
    let exchange = harness.request(Request::get("/"));
    let reply = exchange.reply().unwrap();
    assert_eq!(
        (reply.text().as_str(), reply.get("retry-after")),
        ("{}", Some("7"))
    );
    assert_eq!(status(&harness, Request::get("/healthz?full")), None);
    assert_eq!(status(&harness, Request::get("/healthz/x")), Some(503));
    let from = |name: &str| Request::get("/").principal(name);
    assert_eq!(status(&harness, from("cluster.local/ns/ops/sa/tester")), None);
    assert_eq!(status(&harness, from("cluster.local/ns/ops/sa/other")), Some(503));
    assert_eq!(harness.world().metric("maintenance_requests", &["allowed"]), 2.0);
}

#[test]
fn mistakes_are_named() {
    for (config, words) in [
        ("{}", "windows: there is none"),
        (
            r#"{"windows": [{"at": "9:00", "minutes": 5}]}"#,
            "windows[0]: `9:00`",
        ),
    ] {
        let error = Harness::<Maintenance>::new(config).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn the_examples_of_the_schema_are_accepted() {
    let schema: Value = cairn_filter::serde_json::from_str(include_str!("../schema.json")).unwrap();
    let examples = schema["examples"].as_array().unwrap();
    assert!(!examples.is_empty());
    for example in examples {
        harness(&example.to_string());
    }
}
