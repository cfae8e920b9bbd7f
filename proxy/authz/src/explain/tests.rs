#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::sync::Arc;

use cairn_api::istio::AuthorizationPolicy;
use serde_json::json;

use crate::fixtures::{Call, compile, policy};

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
        json!({"action": "CUSTOM", "rules": [{"to": [{"operation": {"ports": ["1"]}}]}]}),
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
    says(token, &Call::default(), "no validated token");
}

#[test]
fn rehearsals_are_marked() {
    let mut rehearsed = AuthorizationPolicy::clone(&policy("p", json!({"action": "DENY", "rules": [{}]})));
    rehearsed
        .metadata
        .annotations
        .insert("istio.io/dry-run".to_owned(), "true".to_owned());
    let told = told(&[Arc::new(rehearsed)], &Call::default());
    assert_eq!(
        told,
        ["AuthorizationPolicy default/p (DENY, dry run) rule 0: matches"]
    );
}
