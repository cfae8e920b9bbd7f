use cairn_filter::serde_json::Value;
use cairn_filter::testing::{Harness, Request, Response};

use super::Canary;

const CONFIG: &str = r#"{
    "variants": [{"name": "stable", "weight": 3}, {"name": "canary", "weight": 1}, {"name": "old", "weight": 0}],
    "cookie": {"name": "v", "maxAge": 60}
}"#;

fn harness() -> Harness<Canary> {
    Harness::new(CONFIG).unwrap()
}

#[test]
fn a_client_is_given_a_variant_and_keeps_it() {
    let harness = harness();
    let mut exchange = harness.request(Request::get("/"));
    let variant = exchange.request_field("x-variant").unwrap();
    assert_eq!(exchange.metadata("variant"), Some(variant.clone()));
    exchange.respond(Response::new(200).header("set-cookie", "session=1"));
    let cookies = exchange.response_fields("set-cookie");
    assert_eq!(
        cookies,
        [
            "session=1".to_owned(),
            format!("v={variant}; Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Secure")
        ]
    );

    for name in ["stable", "canary"] {
        let request = Request::get("/").header("cookie", format!("a=1; v={name}"));
        let mut exchange = harness.request(request);
        assert_eq!(exchange.request_fields("x-variant"), [name]);
        exchange.respond(Response::new(200));
        assert_eq!(exchange.response_field("set-cookie"), None);
        assert_eq!(harness.world().metric("canary_requests", &[name, "before"]), 1.0);
    }
}

#[test]
fn variants_are_drawn_by_weight() {
    let harness = harness();
    for _ in 0..4000 {
        harness.request(Request::get("/"));
    }
    let drawn = |name: &str| harness.world().metric("canary_requests", &[name, "now"]);
    assert_eq!(drawn("stable") + drawn("canary"), 4000.0);
    assert!((800.0..1200.0).contains(&drawn("canary")), "{}", drawn("canary"));

    let of = |chance| harness.filter().draw(chance).unwrap().name.as_str();
    assert_eq!([0, 2, 3, 4].map(of), ["stable", "stable", "canary", "stable"]);
}

#[test]
fn what_is_withdrawn_unknown_or_claimed_is_not_kept() {
    let harness = harness();
    for cookie in ["v=old", "v=other", "v=", "w=canary"] {
        let request = Request::get("/")
            .header("cookie", cookie)
            .header("x-variant", "old");
        let mut exchange = harness.request(request);
        let variants = exchange.request_fields("x-variant");
        assert!(
            variants == ["stable"] || variants == ["canary"],
            "{cookie}: {variants:?}"
        );
        exchange.respond(Response::new(200));
        assert!(exchange.response_field("set-cookie").is_some(), "{cookie}");
    }
}

#[test]
fn mistakes_are_named() {
    for (config, words) in [
        (r#"{"variants": []}"#, "the weights come to 0"),
        (
            r#"{"variants": [{"name": "a;b", "weight": 1}]}"#,
            "variants[0].name",
        ),
        (
            r#"{"variants": [{"name": "a", "weight": 1}, {"name": "a", "weight": 1}]}"#,
            "twice",
        ),
        (
            r#"{"variants": [{"name": "a", "weight": 1}], "cookie": {"path": "/;"}}"#,
            "cookie.path",
        ),
    ] {
        let error = Harness::<Canary>::new(config).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn the_examples_of_the_schema_are_accepted() {
    let schema: Value = cairn_filter::serde_json::from_str(include_str!("../schema.json")).unwrap();
    let examples = schema["examples"].as_array().unwrap();
    assert!(!examples.is_empty());
    for example in examples {
        Harness::<Canary>::new(&example.to_string()).unwrap();
    }
}
