//! Conditions on what a request's token says.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use cairn_config::Severity;
use serde_json::{Value, json};

use super::fields::check;
use crate::fixtures::{Call, allows, compile, operation, policy, source, unless, when};

fn with(claims: &Value) -> Call {
    let mut said = json!({"iss": "https://issuer", "sub": "alice"});
    for (name, value) in claims.as_object().unwrap() {
        said[name] = value.clone();
    }
    Call::default().token(said)
}

#[test]
fn request_principals() {
    let alice = &with(&json!({}));
    let bob = &with(&json!({"sub": "bob"}));
    let other = &Call::default().token(json!({"iss": "other", "sub": "alice"}));
    let subjectless = &Call::default().token(json!({"iss": "https://issuer"}));
    let blank = &with(&json!({"sub": ""}));
    let none = &Call::default();
    let cases: [(&str, &[&Call], &[&Call]); 6] = [
        ("*", &[alice, bob, other], &[subjectless, blank, none]),
        (
            "https://issuer/*",
            &[alice, bob],
            &[other, subjectless, blank, none],
        ),
        ("https://issuer/a*", &[alice], &[bob, other, subjectless, none]),
        ("*/alice", &[alice, other], &[bob, subjectless, none]),
        ("*ice", &[alice, other], &[bob, subjectless, none]),
        (
            "https://issuer/alice",
            &[alice],
            &[bob, other, subjectless, blank, none],
        ),
    ];
    for (value, matching, others) in cases {
        check(source(json!({"requestPrincipals": [value]})), matching, others);
        check(when("request.auth.principal", &[value]), matching, others);
        // What has no such principal is not excluded.
        check(source(json!({"notRequestPrincipals": [value]})), others, matching);
        check(unless("request.auth.principal", &[value]), others, matching);
    }
    check(
        source(
            json!({"requestPrincipals": ["other/*", "https://issuer/bob"], "notRequestPrincipals": ["*/x"]}),
        ),
        &[bob, other],
        &[alice, none],
    );
}

#[test]
fn audiences_presenter_and_claims() {
    let keys = [
        ("request.auth.audiences", "aud"),
        ("request.auth.presenter", "azp"),
        ("request.auth.claims[aud]", "aud"),
        ("request.auth.claims[groups]", "groups"),
    ];
    for (key, claim) in keys {
        let one = &with(&json!({claim: "admin"}));
        let another = &with(&json!({claim: "user"}));
        let words = &with(&json!({claim: "admin user"}));
        let (without, none) = (&with(&json!({})), &Call::default());
        check(when(key, &["admin"]), &[one], &[another, words, without, none]);
        check(when(key, &["x", "ad*"]), &[one, words], &[another, without, none]);
        check(when(key, &["*in"]), &[one], &[another, words, without, none]);
        check(when(key, &["*"]), &[one, another, words], &[without, none]);
        check(
            unless(key, &["ad*", "x"]),
            &[another, without, none],
            &[one, words],
        );
    }
    for (key, claim) in [keys[0], keys[3]] {
        let several = &with(&json!({claim: ["user", "admin"]}));
        let (others, empty) = (&with(&json!({claim: ["user"]})), &with(&json!({claim: []})));
        check(when(key, &["admin"]), &[several], &[others, empty]);
        check(unless(key, &["admin"]), &[others, empty], &[several]);
        check(when(key, &["*"]), &[several, others], &[empty]);
    }
    let blank = &with(&json!({"groups": ""}));
    check(when("request.auth.claims[groups]", &["*"]), &[], &[blank]);
    let scope = &with(&json!({"scope": "read write"}));
    check(when("request.auth.claims[scope]", &["write"]), &[scope], &[]);
    check(when("request.auth.claims[scope]", &["read write"]), &[], &[scope]);
    // Only texts are compared, as in Istio.
    for value in [
        json!(1),
        json!(true),
        json!(null),
        json!({"b": "c"}),
        json!([1, true]),
    ] {
        let call = &with(&json!({"a": value}));
        check(when("request.auth.claims[a]", &["*", "1", "true"]), &[], &[call]);
    }
}

#[test]
fn nested_claims() {
    let gold = &with(&json!({"account": {"tier": "gold", "roles": ["a", "b"]}}));
    let tin = &with(&json!({"account": {"tier": "tin"}, "tier": "gold"}));
    let flat = &with(&json!({"account": "gold", "account.tier": "gold"}));
    let none = &Call::default();
    check(
        when("request.auth.claims[account][tier]", &["gold"]),
        &[gold],
        &[tin, flat, none],
    );
    check(
        unless("request.auth.claims[account][tier]", &["gold"]),
        &[tin, flat, none],
        &[gold],
    );
    check(
        when("request.auth.claims[account][roles]", &["b"]),
        &[gold],
        &[tin, flat],
    );
    check(
        when("request.auth.claims[account]", &["gold"]),
        &[flat],
        &[gold, tin],
    );
}

#[test]
fn connections_have_no_token() {
    for (positive, negative) in [
        (
            source(json!({"requestPrincipals": ["*"]})),
            source(json!({"notRequestPrincipals": ["*"]})),
        ),
        (
            when("request.auth.claims[a]", &["x"]),
            unless("request.auth.claims[a]", &["x"]),
        ),
    ] {
        for rule in [positive, negative] {
            assert!(!allows(json!({"rules": [rule]}), &Call::tcp()), "{rule}");
            assert!(
                !allows(json!({"action": "DENY", "rules": [rule]}), &Call::tcp()),
                "{rule}"
            );
        }
    }
}

#[test]
fn tokens_are_read_after_the_authority_was_asked() {
    let rules = [
        (source(json!({"requestPrincipals": ["*"]})), "never holds"),
        (source(json!({"notRequestPrincipals": ["*"]})), "always holds"),
        (when("request.auth.claims[a]", &["x"]), "never holds"),
        (unless("request.auth.audiences", &["x"]), "always holds"),
    ];
    for (rule, words) in rules {
        let rule = json!([rule, operation(json!({"paths": ["/x"]}))]);
        let spec = json!({"action": "CUSTOM", "provider": {"name": "opa"}, "rules": rule});
        let (_, problems) = compile(&[policy("p", spec)]);
        let told: Vec<_> = problems
            .iter()
            .filter(|problem| problem.field.starts_with("spec.rules"))
            .collect();
        assert_eq!(told.len(), 1, "{problems:?}");
        assert_eq!(told[0].severity, Severity::Warning);
        assert!(told[0].message.starts_with(words), "{told:?}");
    }
}
