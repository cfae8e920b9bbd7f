use std::time::Duration;

use cairn_filter::Reply;
use cairn_filter::serde_json::Value;
use cairn_filter::testing::{Harness, Request, Response};

use super::LocalRateLimit;

fn harness(config: &str) -> Harness<LocalRateLimit> {
    Harness::new(config).unwrap()
}

fn status(harness: &Harness<LocalRateLimit>, request: Request) -> Option<u16> {
    harness.request(request).reply().map(Reply::status)
}

const BY_IDENTITY: &str =
    r#"{"limits": [{"name": "caller", "by": "identity", "requests": 2, "per": "minute"}]}"#;

#[test]
fn each_identity_has_its_own_bucket() {
    let harness = harness(BY_IDENTITY);
    let from = |name: &str| Request::get("/").principal(name);
    assert_eq!(status(&harness, from("a")), None);
    assert_eq!(status(&harness, from("a")), None);
    assert_eq!(status(&harness, from("a")), Some(429));
    assert_eq!(status(&harness, from("b")), None);
    assert_eq!(status(&harness, Request::get("/")), None);

    harness.world().advance(Duration::from_secs(30));
    assert_eq!(status(&harness, from("a")), None);
    assert_eq!(status(&harness, from("a")), Some(429));
    assert_eq!(
        harness
            .world()
            .metric("rate_limit_requests", &["caller", "limited"]),
        2.0
    );
    assert_eq!(
        harness
            .world()
            .metric("rate_limit_requests", &["caller", "allowed"]),
        5.0
    );
}

#[test]
fn instances_share_their_buckets() {
    let one = harness(BY_IDENTITY);
    let two = Harness::<LocalRateLimit>::within(one.world(), BY_IDENTITY).unwrap();
    assert_eq!(status(&one, Request::get("/")), None);
    assert_eq!(status(&two, Request::get("/")), None);
    assert_eq!(status(&one, Request::get("/")), Some(429));
    assert_eq!(status(&two, Request::get("/")), Some(429));
}

#[test]
fn a_refusal_says_when_to_come_back() {
    let harness = harness(BY_IDENTITY);
    harness.request(Request::get("/"));
    harness.request(Request::get("/"));
    harness.world().advance(Duration::from_millis(500));
    let exchange = harness.request(Request::get("/"));
    let reply = exchange.reply().unwrap();
    assert_eq!(reply.get("retry-after"), Some("30"));
    assert_eq!(reply.get("ratelimit-policy"), Some("\"caller\";q=2;w=60"));
    assert_eq!(reply.get("ratelimit"), Some("\"caller\";r=0;t=30"));
    assert_eq!(reply.reason(), "rate_limited");
    assert_eq!(exchange.metadata("limited_by"), Some("caller".to_owned()));
}

#[test]
fn responses_say_what_is_left_of_the_tightest_limit() {
    let harness = harness(
        r#"{"limits": [{"name": "all", "requests": 100}, {"name": "api", "pathPrefix": "/api", "requests": 5}]}"#,
    );
    let mut exchange = harness.request(Request::get("/api/x"));
    exchange.respond(Response::new(200));
    assert_eq!(exchange.response_fields("ratelimit"), ["\"api\";r=4;t=1"]);
    let mut exchange = harness.request(Request::get("/"));
    exchange.respond(Response::new(200));
    assert_eq!(
        exchange.response_field("ratelimit-policy").as_deref(),
        Some("\"all\";q=100;w=1")
    );

    let silent = self::harness(r#"{"headers": false, "limits": [{"name": "all", "requests": 1}]}"#);
    let mut exchange = silent.request(Request::get("/"));
    exchange.respond(Response::new(200));
    assert_eq!(exchange.response_field("ratelimit"), None);
    assert_eq!(
        silent
            .request(Request::get("/"))
            .reply()
            .unwrap()
            .get("ratelimit"),
        None
    );
}

#[test]
fn values_of_a_header_are_told_apart_however_long() {
    let harness = harness(r#"{"limits": [{"name": "key", "by": {"header": "X-Key"}, "requests": 1}]}"#);
    let long = "k".repeat(200);
    for value in ["a", "", &long, &format!("{long}!")] {
        let request = || Request::get("/").header("x-key", value);
        assert_eq!(status(&harness, request()), None, "{value}");
        assert_eq!(status(&harness, request()), Some(429), "{value}");
    }
    assert_eq!(status(&harness, Request::get("/")), None);
    assert!(harness.world().keys().iter().all(|key| key.len() < 200));
}

#[test]
fn a_full_store_allows_or_denies_as_configured() {
    for (config, expected) in [("allow", None), ("deny", Some(429))] {
        let harness = harness(&format!(
            r#"{{"whenFull": "{config}", "limits": [{{"name": "all", "requests": 9}}]}}"#
        ));
        harness.world().set_full(true);
        assert_eq!(status(&harness, Request::get("/")), expected);
        assert_eq!(
            harness.world().metric("rate_limit_requests", &["all", "error"]),
            1.0
        );
    }
}

#[test]
fn mistakes_are_named() {
    for (config, words) in [
        (r#"{"limits": []}"#, "limits: there is none"),
        (
            r#"{"limits": [{"name": "a", "requests": 0}]}"#,
            "limits[0].requests",
        ),
        (
            r#"{"limits": [{"name": "a b", "requests": 1}]}"#,
            "limits[0].name",
        ),
        (
            r#"{"limits": [{"name": "a", "requests": 1, "per": "year"}]}"#,
            "limits[0].per",
        ),
        (
            r#"{"limits": [{"name": "a", "requests": 1}, {"name": "a", "requests": 1}]}"#,
            "twice",
        ),
    ] {
        let error = Harness::<LocalRateLimit>::new(config).unwrap_err();
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
