use cairn_filter::Reply;
use cairn_filter::testing::{Harness, Request, Response};

use super::Probe;

fn probe(config: &str) -> Harness<Probe> {
    Harness::new(config).unwrap()
}

#[test]
fn edits_are_made_as_written() {
    let harness = probe(
        r#"{"request_head": {"do": "all", "actions": [
            {"do": "set", "name": "x-a", "value": "1"},
            {"do": "append", "name": "x-a", "value": "2"},
            {"do": "remove", "name": "x-b"}
        ]}}"#,
    );
    let exchange = harness.request(Request::get("/").header("x-b", "1"));
    assert_eq!(exchange.request_fields("x-a"), ["1", "2"]);
    assert_eq!(exchange.request_field("x-b"), None);
}

#[test]
fn only_marked_requests_are_touched() {
    let harness =
        probe(r#"{"only_marked": true, "request_head": {"do": "reply", "status": 418, "details": "tea"}}"#);
    assert_eq!(harness.request(Request::get("/")).reply(), None);
    let other = Request::get("/").header("x-probe", "response_head");
    assert_eq!(harness.request(other).reply(), None);
    let marked = Request::get("/").header("x-probe", "done, request_head");
    assert_eq!(
        harness.request(marked).reply(),
        Some(&Reply::new(418).details("tea"))
    );
}

#[test]
fn illegal_headers_are_illegal() {
    for (name, value) in [
        ("x-a", "a\\r\\nb: c"),
        (":path", "no-slash"),
        ("content-length", "3"),
    ] {
        let harness = probe(&format!(
            r#"{{"request_head": {{"do": "set", "name": "{name}", "value": "{value}"}}}}"#
        ));
        assert!(harness.request(Request::get("/")).failure().is_some(), "{name}");
    }
}

#[test]
#[should_panic(expected = "configured to panic")]
fn panics_on_command() {
    probe(r#"{"request_head": {"do": "panic"}}"#).request(Request::get("/"));
}

#[test]
fn bodies_are_replaced_held_and_released() {
    let harness = probe(r#"{"response_body": {"do": "replace"}}"#);
    let mut exchange = harness.request(Request::get("/"));
    exchange.respond(Response::new(200));
    assert_eq!(exchange.response_body("abc", true), b"ABC");

    let harness = probe(r#"{"request_head": {"do": "hold"}, "request_body": {"do": "release"}}"#);
    let mut exchange = harness.request(Request::post("/"));
    assert_eq!(exchange.request_body("ab", false), b"");
    assert_eq!(exchange.request_body("c", true), b"abc");
    assert_eq!(exchange.request_field("x-length").as_deref(), Some("3"));
}

#[test]
fn what_is_kept_is_found_again() {
    let harness = probe(
        r#"{"request_head": {"do": "all", "actions": [
                {"do": "state_append", "text": "a"},
                {"do": "metadata_set", "key": "k", "value": "v"},
                {"do": "attribute", "path": "destination.port", "into": "x-port"}
            ]},
            "response_head": {"do": "all", "actions": [
                {"do": "state_append", "text": "b"},
                {"do": "state_get", "into": "x-state"},
                {"do": "metadata_get", "key": "k", "into": "x-metadata"}
            ]}}"#,
    );
    let mut exchange = harness.request(Request::get("/").attribute("destination.port", 80));
    assert_eq!(exchange.request_field("x-port").as_deref(), Some("80"));
    exchange.respond(Response::new(200));
    assert_eq!(exchange.response_field("x-state").as_deref(), Some("ab"));
    assert_eq!(exchange.response_field("x-metadata").as_deref(), Some("v"));
}

#[test]
fn metrics_and_lines_are_counted() {
    let harness =
        probe(r#"{"request_head": {"do": "metrics", "sets": 300}, "done": {"do": "log", "count": 3}}"#);
    harness.request(Request::get("/")).finish();
    assert_eq!(harness.world().metric("probe_calls", &["set-300"]), 1.0);
    assert_eq!(harness.world().observations("probe_values", &[]), 300);
    assert_eq!(harness.world().log(), ["probe 1", "probe 2", "probe 3"]);
}

#[cfg(feature = "shared")]
#[test]
fn numbers_are_shared() {
    let config = r#"{"request_head": {"do": "shared_add", "key": "k", "by": 2, "into": "x-sum"}}"#;
    let one = probe(config);
    let two = Harness::<Probe>::within(one.world(), config).unwrap();
    one.request(Request::get("/"));
    let exchange = two.request(Request::get("/"));
    assert_eq!(exchange.request_field("x-sum").as_deref(), Some("4"));
}

#[cfg(feature = "outbound")]
#[test]
fn answers_and_errors_come_back() {
    let harness = probe(
        r#"{"request_head": {"do": "call", "target": "a:80", "path": "/x", "times": 2, "into": "x-answer"}}"#,
    );
    let exchange = harness.request(Request::get("/"));
    let answer = exchange.request_field("x-answer").unwrap();
    assert!(answer.starts_with("CallError::Denied"), "{answer}");

    harness.world().answer(|call| {
        Ok(cairn_filter::outbound::Answer::new(
            200,
            format!("{}\n", call.path()),
        ))
    });
    let exchange = harness.request(Request::get("/"));
    assert_eq!(
        exchange.request_field("x-answer").as_deref(),
        Some("200 /x, 200 /x")
    );
}

#[test]
fn subscriptions_can_be_written_out() {
    let harness = probe(
        r#"{"subscribe": {"request_head": ["x-a"], "request_body": 4, "tick": 100},
            "request_body": {"do": "replace", "body": "z"}}"#,
    );
    let mut exchange = harness.request(Request::post("/"));
    assert_eq!(exchange.request_body("abcd", true), b"z");
    let mut exchange = harness.request(Request::post("/"));
    exchange.request_body("abcde", true);
    assert_eq!(exchange.reply().map(Reply::status), Some(413));
}

#[cfg(feature = "ticker")]
#[test]
fn ticks_when_subscribed() {
    let harness = probe(r#"{"subscribe": {"tick": 100}, "tick": {"do": "log", "text": "tick"}}"#);
    assert!(harness.tick());
    assert_eq!(harness.world().log(), ["tick 1"]);
    assert!(!probe(r#"{"tick": {"do": "log"}}"#).tick());
}

#[test]
fn refuses_a_configuration_on_command() {
    assert!(Harness::<Probe>::new(r#"{"configure": "error"}"#).is_err());
    let error = Harness::<Probe>::new(r#"{"request_head": {"do": "dance"}}"#).unwrap_err();
    assert!(error.contains("request_head"), "{error}");
}

#[test]
fn a_mark_may_name_the_plugin() {
    let harness =
        probe(r#"{"only_marked": true, "request_head": {"do": "reply", "status": 418, "details": "tea"}}"#);
    let replies = |mark: &str| {
        let exchange = harness.request(Request::get("/").header("x-probe", mark));
        exchange.reply().is_some()
    };
    assert!(replies("request_head"));
    assert!(!replies("another.request_head"));
}

#[test]
fn what_comes_later_comes_later() {
    let harness =
        probe(r#"{"response_body": {"do": "later", "times": 2, "action": {"do": "replace", "body": "!"}}}"#);
    let mut exchange = harness.request(Request::get("/"));
    exchange.respond(Response::new(200));
    let parts = ["a", "b", "c"].map(|part| exchange.response_body(part, false));
    assert_eq!(parts, [b"a", b"b", b"!"].map(|part| part.to_vec()));
}
