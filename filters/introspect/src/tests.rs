use std::time::Duration;

use cairn_filter::Reply;
use cairn_filter::outbound::{Answer, CallError};
use cairn_filter::serde_json::{Value, json};
use cairn_filter::testing::{Harness, Request, World};

use super::Introspect;

const CONFIG: &str = r#"{"target": "auth:80", "path": "/introspect", "clientId": "me", "clientSecret": "s:s",
    "audience": "orders", "requiredScopes": ["read"]}"#;

fn server(world: &World, answer: &Value) {
    let body = answer.to_string();
    world.answer(move |_| Ok(Answer::new(200, body.as_str())));
}

fn harness(answer: &Value) -> Harness<Introspect> {
    let harness = Harness::new(CONFIG).unwrap();
    server(harness.world(), answer);
    harness
}

fn good() -> Value {
    // The harness's clock begins at 1767225600.
    json!({"active": true, "sub": "alice", "aud": ["a", "orders"], "scope": "write read", "exp": 1_767_225_630,
           "username": "Alice", "groups": ["x"]})
}

fn bearer(token: &str) -> Request {
    Request::get("/").header("authorization", format!("Bearer {token}"))
}

fn status(harness: &Harness<Introspect>, request: Request) -> Option<u16> {
    harness.request(request).reply().map(Reply::status)
}

#[test]
fn an_active_token_comes_in_and_its_claims_are_noted() {
    let harness = harness(&good());
    let exchange = harness.request(bearer("ab+c="));
    assert_eq!(exchange.reply(), None);
    assert_eq!(exchange.metadata("sub"), Some("alice".to_owned()));
    assert_eq!(exchange.metadata::<Vec<String>>("groups"), None);
    assert!(exchange.request_field("authorization").is_some());

    let calls = harness.world().calls();
    assert_eq!(
        (calls[0].method(), calls[0].target(), calls[0].path()),
        ("POST", "auth:80", "/introspect")
    );
    assert_eq!(calls[0].body(), b"token=ab%2Bc%3D&token_type_hint=access_token");
    assert_eq!(calls[0].field("authorization"), Some("Basic bWU6cyUzQXM="));
}

#[test]
fn answers_are_kept_for_a_while_but_not_beyond_the_token() {
    let harness = harness(&good());
    assert_eq!(status(&harness, bearer("a")), None);
    assert_eq!(status(&harness, bearer("a")), None);
    assert_eq!(harness.world().calls().len(), 1);
    assert_eq!(harness.world().metric("introspect_lookups", &["cache"]), 1.0);
    assert!(harness.world().keys().iter().all(|key| key.len() == 64));

    let other = Harness::<Introspect>::within(harness.world(), CONFIG).unwrap();
    assert_eq!(status(&other, bearer("a")), None);
    assert_eq!(harness.world().calls().len(), 1);

    harness.world().advance(Duration::from_secs(30));
    assert_eq!(status(&harness, bearer("a")), Some(401));
    assert_eq!(harness.world().calls().len(), 2);
}

#[test]
fn an_inactive_token_is_refused_and_asked_for_again_later() {
    let harness = harness(&json!({"active": false}));
    for _ in 0..2 {
        let exchange = harness.request(bearer("a"));
        let challenge = exchange
            .reply()
            .unwrap()
            .get("www-authenticate")
            .unwrap()
            .to_owned();
        assert_eq!(challenge, "Bearer realm=\"api\", error=\"invalid_token\"");
    }
    assert_eq!(harness.world().calls().len(), 1);
    server(harness.world(), &good());
    harness.world().advance(Duration::from_secs(10));
    assert_eq!(status(&harness, bearer("a")), None);
}

#[test]
fn audience_and_scopes_are_asked_for() {
    let mut elsewhere = good();
    elsewhere["aud"] = json!("payments");
    assert_eq!(status(&harness(&elsewhere), bearer("a")), Some(401));

    let mut little = good();
    little["scope"] = json!("reader");
    let harness = harness(&little);
    let exchange = harness.request(bearer("a"));
    let reply = exchange.reply().unwrap();
    assert_eq!(reply.status(), 403);
    assert_eq!(
        reply.get("www-authenticate"),
        Some("Bearer realm=\"api\", error=\"insufficient_scope\", scope=\"read\"")
    );
}

#[test]
fn without_one_token_nobody_is_asked() {
    let harness = harness(&good());
    let requests = [
        Request::get("/"),
        Request::get("/").header("authorization", "Basic YTpi"),
        Request::get("/").header("authorization", "Bearer "),
        bearer("a&token=b"),
        bearer("a").header("authorization", "Bearer b"),
    ];
    for request in requests {
        let exchange = harness.request(request);
        let reply = exchange.reply().unwrap();
        assert_eq!(reply.status(), 401);
        assert_eq!(reply.get("www-authenticate"), Some("Bearer realm=\"api\""));
    }
    assert!(harness.world().calls().is_empty());
}

#[test]
fn a_server_that_fails_lets_nobody_in_and_nothing_is_kept() {
    let harness = Harness::<Introspect>::new(CONFIG).unwrap();
    let answers: [fn() -> Result<Answer, CallError>; 4] = [
        || Err(CallError::Timeout),
        || Ok(Answer::new(401, "")),
        || Ok(Answer::new(200, "<html>")),
        || Ok(Answer::new(200, r#"{"active": "true"}"#)),
    ];
    for answer in answers {
        harness.world().answer(move |_| answer());
        assert_eq!(status(&harness, bearer("a")), Some(503));
    }
    assert!(harness.world().keys().is_empty());
    assert_eq!(harness.world().log().len(), 4);

    harness.world().set_full(true);
    server(harness.world(), &good());
    assert_eq!(status(&harness, bearer("a")), None);
}

#[test]
fn mistakes_are_named() {
    for (config, words) in [
        (r#"{"target": "a:80", "path": "x"}"#, "path: begins"),
        (
            r#"{"target": "a:80", "path": "/", "clientId": "a"}"#,
            "both or none",
        ),
        (
            r#"{"target": "a:80", "path": "/", "clientId": "a", "clientSecretEnv": "NO_SUCH_VARIABLE"}"#,
            "clientSecretEnv: there is no variable",
        ),
        (r#"{"target": "a:80", "path": "/", "realm": "\""}"#, "realm"),
    ] {
        let error = Harness::<Introspect>::new(config).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn the_examples_of_the_schema_are_accepted() {
    let schema: Value = cairn_filter::serde_json::from_str(include_str!("../schema.json")).unwrap();
    let examples = schema["examples"].as_array().unwrap();
    assert!(!examples.is_empty());
    for example in examples {
        Harness::<Introspect>::new(&example.to_string()).unwrap();
    }
}
