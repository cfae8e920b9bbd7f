use cairn_filter::Reply;
use cairn_filter::serde_json::Value;
use cairn_filter::testing::{Harness, Request};

use super::ApiKey;

/// SHA-256 of "secret-of-blue" and "secret-of-green".
const KEYS: &str = r#"[
    {"name": "blue", "sha256": "BLUE"},
    {"name": "green", "sha256": "GREEN"}
]"#;

fn config(more: &str) -> String {
    let digest = |key: &str| -> String {
        use sha2::{Digest, Sha256};
        Sha256::digest(key)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    };
    let keys = KEYS
        .replace("BLUE", &digest("secret-of-blue"))
        .replace("GREEN", &digest("secret-of-green"));
    format!(r#"{{"keys": {keys}{more}}}"#)
}

fn harness(more: &str) -> Harness<ApiKey> {
    Harness::new(&config(more)).unwrap()
}

#[test]
fn a_known_key_comes_in_and_is_named() {
    let harness = harness(r#", "nameHeader": "x-consumer""#);
    let exchange = harness.request(
        Request::get("/")
            .header("X-Api-Key", "secret-of-green")
            .header("x-consumer", "blue"),
    );
    assert_eq!(exchange.reply(), None);
    assert_eq!(exchange.metadata("key"), Some("green".to_owned()));
    assert_eq!(exchange.request_fields("x-consumer"), ["green"]);
    assert_eq!(exchange.request_field("x-api-key"), None);
    assert_eq!(
        harness.world().metric("api_key_requests", &["green", "allowed"]),
        1.0
    );
}

#[test]
fn all_others_are_refused() {
    let harness = harness("");
    let requests = [
        Request::get("/"),
        Request::get("/").header("x-api-key", ""),
        Request::get("/").header("x-api-key", "secret-of-red"),
        Request::get("/").header("x-api-key", "secret-of-blue "),
        Request::get("/")
            .header("x-api-key", "secret-of-blue")
            .header("x-api-key", "secret-of-green"),
    ];
    for request in requests {
        let exchange = harness.request(request);
        let reply = exchange.reply().unwrap();
        assert_eq!(reply.status(), 401);
        assert_eq!(reply.get("www-authenticate"), Some("ApiKey realm=\"api\""));
    }
    assert_eq!(harness.world().metric("api_key_requests", &["", "missing"]), 2.0);
    assert_eq!(harness.world().metric("api_key_requests", &["", "unknown"]), 3.0);
}

#[test]
fn a_scheme_stands_before_the_key() {
    let harness = harness(r#", "header": "authorization", "scheme": "Bearer", "remove": false"#);
    let with = |value: &str| Request::get("/").header("authorization", value);
    let exchange = harness.request(with("bearer secret-of-blue"));
    assert_eq!(exchange.reply(), None);
    assert!(exchange.request_field("authorization").is_some());
    for value in [
        "secret-of-blue",
        "Bearersecret-of-blue",
        "Basic secret-of-blue",
        "Bea",
    ] {
        let exchange = harness.request(with(value));
        assert_eq!(exchange.reply().map(Reply::status), Some(401), "{value}");
    }
}

#[test]
fn exempt_paths_are_those_and_no_others_and_carry_no_name() {
    let harness = harness(r#", "exemptPaths": ["/healthz"], "nameHeader": "x-consumer""#);
    let exchange = harness.request(Request::get("/healthz?full").header("x-consumer", "blue"));
    assert_eq!(exchange.reply(), None);
    assert_eq!(exchange.request_field("x-consumer"), None);
    for path in ["/healthz/", "/healthz/../admin", "/Healthz", "/"] {
        assert!(harness.request(Request::get(path)).reply().is_some(), "{path}");
    }
}

#[test]
fn mistakes_are_named() {
    for (config, words) in [
        (r#"{"keys": []}"#.to_owned(), "keys: there is none"),
        (
            r#"{"keys": [{"name": "a", "sha256": "secret"}]}"#.to_owned(),
            "keys[0].sha256",
        ),
        (
            format!(
                r#"{{"keys": [{{"name": "a", "sha256": "{}"}}]}}"#,
                "+f".repeat(32)
            ),
            "keys[0].sha256",
        ),
        (config(r#", "realm": "a\"b""#), "realm"),
    ] {
        let error = Harness::<ApiKey>::new(&config).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn the_examples_of_the_schema_are_accepted() {
    let schema: Value = cairn_filter::serde_json::from_str(include_str!("../schema.json")).unwrap();
    let examples = schema["examples"].as_array().unwrap();
    assert!(!examples.is_empty());
    for example in examples {
        Harness::<ApiKey>::new(&example.to_string()).unwrap();
    }
}
