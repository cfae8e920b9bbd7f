#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::sync::Arc;

use cairn_api::istio::AuthorizationPolicy;
use serde_json::json;

use crate::fixtures::{Call, annotated, compile, policy};

fn told(policies: &[Arc<AuthorizationPolicy>], call: &Call) -> Vec<String> {
    compile(policies)
        .0
        .explain(&call.request())
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn every_rule_says_why_it_does_not_match() {
    let allow = policy(
        "viewers",
        json!({"rules": [
            {"from": [{"source": {"principals": ["cluster.local/ns/default/sa/other"]}}, {"source": {"notNamespaces": ["def*"]}}]},
            {"to": [{"operation": {"methods": ["GET"], "paths": ["/bye"]}}]},
            {"to": [{"operation": {"methods": ["GET"]}}], "when": [{"key": "request.headers[x-tier]", "values": ["gold"]}]},
            {"when": [{"key": "source.ip", "notValues": ["10.0.0.0/8"]}]},
            {},
        ]}),
    );
    let deny = policy("nobody", json!({"action": "DENY"}));
    let custom = policy(
        "asks",
        json!({"action": "CUSTOM", "provider": {"name": "opa"}, "rules": [{"to": [{"operation": {"ports": ["1"]}}]}]}),
    );
    assert_eq!(
        told(
            &[allow, deny, custom],
            &Call::default().header("x-tier", "tin").header("x-tier", "lead")
        ),
        [
            "AuthorizationPolicy default/asks (CUSTOM) rule 0: does not match: to[0].operation.ports: 5000 is not one of [\"1\"]",
            "AuthorizationPolicy default/nobody (DENY): has no rules, so it matches nothing",
            "AuthorizationPolicy default/viewers (ALLOW) rule 0: does not match: from[0].source.principals: \
             \"cluster.local/ns/default/sa/sleep\" is not one of [\"cluster.local/ns/default/sa/other\"]; and \
             from[1].source.notNamespaces: \"default\" is excluded by [\"def*\"]",
            "AuthorizationPolicy default/viewers (ALLOW) rule 1: does not match: to[0].operation.paths: \"/hello\" is not one of [\"/bye\"]",
            "AuthorizationPolicy default/viewers (ALLOW) rule 2: does not match: when[0].values: \"tin\", \"lead\" is not one of [\"gold\"]",
            "AuthorizationPolicy default/viewers (ALLOW) rule 3: does not match: when[0].notValues: 10.0.0.1 is excluded by [\"10.0.0.0/8\"]",
            "AuthorizationPolicy default/viewers (ALLOW) rule 4: matches",
        ]
    );
}

#[test]
fn what_is_not_there_has_words() {
    let rule = |rule| policy("p", json!({"action": "DENY", "rules": [rule]}));
    let says = |rule, call: &Call, words: &str| {
        let told = told(&[rule], call);
        assert!(told[0].contains(words), "{told:?}");
    };
    says(
        rule(json!({"from": [{"source": {"principals": ["*"]}}]})),
        &Call::nobody(),
        "no identity is not one of",
    );
    says(
        rule(json!({"when": [{"key": "request.headers[a]", "values": ["*"]}]})),
        &Call::default(),
        "no such header",
    );
    says(
        rule(json!({"when": [{"key": "connection.sni", "values": ["*"]}]})),
        &Call::default(),
        "no server name",
    );
    says(
        rule(json!({"to": [{"operation": {"ports": ["0x1"]}}]})),
        &Call::default(),
        "is broken and denies all that it selects",
    );
    let allow = policy(
        "p",
        json!({"rules": [{"to": [{"operation": {"ports": ["5000"], "paths": ["/x"]}}]}]}),
    );
    says(
        allow,
        &Call::tcp(),
        "to[0].operation.paths is about HTTP, and this is a TCP connection",
    );
    let token = policy(
        "p",
        json!({"rules": [{"from": [{"source": {"requestPrincipals": ["*"]}}]}]}),
    );
    says(token.clone(), &Call::default(), "no token is not one of");
    let subjectless = Call::default().token(json!({"iss": "issuer"}));
    says(token, &subjectless, "a token without a subject");
}

#[test]
fn tokens_are_told_by_what_was_asked_for() {
    let rule = |rule| policy("p", json!({"action": "DENY", "rules": [rule]}));
    let claim = |key: &str| rule(json!({"when": [{"key": key, "values": ["none"]}]}));
    let call = Call::default().token(json!({
        "iss": "https://issuer", "sub": "alice", "aud": ["a", "b"], "azp": "app",
        "groups": ["x", "y"], "nested": {"tier": "gold"}, "secret": "whisper",
    }));
    let cases = [
        (
            rule(json!({"from": [{"source": {"requestPrincipals": ["none/such"]}}]})),
            r#"from[0].source.requestPrincipals: "https://issuer/alice" is not one of ["none/such"]"#,
        ),
        (
            claim("request.auth.principal"),
            r#"when[0].values: "https://issuer/alice" is not one of ["none"]"#,
        ),
        (
            claim("request.auth.audiences"),
            r#"when[0].values: "a", "b" is not one of ["none"]"#,
        ),
        (
            claim("request.auth.presenter"),
            r#"when[0].values: "app" is not one of ["none"]"#,
        ),
        (
            claim("request.auth.claims[groups]"),
            r#"when[0].values: "x", "y" is not one of ["none"]"#,
        ),
        (
            claim("request.auth.claims[nested][tier]"),
            r#"when[0].values: "gold" is not one of ["none"]"#,
        ),
        (
            claim("request.auth.claims[nested][size]"),
            r#"when[0].values: no text in the claim nested.size is not one of ["none"]"#,
        ),
    ];
    for (policy, words) in cases {
        let told = told(&[policy], &call);
        assert_eq!(
            told,
            [format!(
                "AuthorizationPolicy default/p (DENY) rule 0: does not match: {words}"
            )]
        );
    }
    assert!(!format!("{:?}", call.request()).contains("whisper"));
}

#[test]
fn rehearsals_are_marked() {
    let rehearsed = annotated("p", "true", json!({"action": "DENY", "rules": [{}]}));
    let told = told(&[rehearsed], &Call::default());
    assert_eq!(
        told,
        ["AuthorizationPolicy default/p (DENY, dry run) rule 0: matches"]
    );
}

#[test]
fn those_who_are_asked_do_not_know_the_token_yet() {
    let rule = json!({"from": [{"source": {"requestPrincipals": ["*"]}}]});
    let custom = json!({"action": "CUSTOM", "provider": {"name": "opa"}, "rules": [rule]});
    let deny = json!({"action": "DENY", "rules": [rule]});
    let call = Call::default().token(json!({"iss": "i", "sub": "s"}));
    assert_eq!(
        told(&[policy("c", custom), policy("d", deny)], &call),
        [
            "AuthorizationPolicy default/c (CUSTOM) rule 0: does not match: from[0].source.requestPrincipals: no token is not one of [\"*\"]",
            "AuthorizationPolicy default/d (DENY) rule 0: matches",
        ]
    );
}

#[test]
fn what_only_watches_denies_nothing_when_it_is_broken() {
    let audit = policy("p", json!({"action": "AUDIT", "rules": [{"to": [{}]}]}));
    let told = told(&[audit], &Call::default());
    assert!(
        told[0].starts_with(
            "AuthorizationPolicy default/p (AUDIT): is broken and audits all that it selects: spec.rules[0].to[0]"
        ),
        "{told:?}"
    );
}
