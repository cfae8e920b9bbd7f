//! The action AUDIT.
#![allow(clippy::indexing_slicing, clippy::needless_pass_by_value)]

use cairn_config::Severity;
use serde_json::{Value, json};

use crate::fixtures::{Call, annotated, compile, operation, policy, source, when};

fn audit(name: &str, rules: Value) -> std::sync::Arc<cairn_api::istio::AuthorizationPolicy> {
    policy(name, json!({"action": "AUDIT", "rules": rules}))
}

#[test]
fn the_first_match_is_told_and_decides_nothing() {
    let to = |path: &str| operation(json!({"paths": [path]}));
    let deny = policy("d", json!({"action": "DENY", "rules": [to("/deny")]}));
    let (set, problems) = compile(&[
        audit("b", json!([to("/deny"), to("/b*")])),
        audit("a", json!([to("/b")])),
        deny,
    ]);
    assert_eq!(problems, []);
    assert!(!set.is_empty());
    let asked = |path: &str| {
        let call = Call::path(path);
        let audited = set.audit(&call.request());
        (
            audited.map(|rule| rule.to_string()),
            set.evaluate(&call.request()).is_allow(),
        )
    };
    let rule = |name: &str| Some(name.to_owned());
    assert_eq!(asked("/b"), (rule("ns[default]-policy[a]-rule[0]"), true));
    assert_eq!(asked("/b/c"), (rule("ns[default]-policy[b]-rule[1]"), true));
    assert_eq!(asked("/deny"), (rule("ns[default]-policy[b]-rule[0]"), false));
    assert_eq!(asked("/c"), (None, true));
}

#[test]
fn no_policy_no_audit() {
    let (set, _) = compile(&[policy("p", json!({"rules": [{}]}))]);
    assert_eq!(set.audit(&Call::default().request()), None);
    let rehearsed = annotated("p", "true", json!({"action": "AUDIT", "rules": [{}]}));
    let (set, _) = compile(&[rehearsed]);
    assert_eq!(set.audit(&Call::default().request()), None);
    assert!(set.evaluate(&Call::default().request()).is_allow());
}

#[test]
fn tokens_are_known_to_it() {
    let (set, problems) = compile(&[audit("p", json!([source(json!({"requestPrincipals": ["i/*"]}))]))]);
    assert_eq!(problems, []);
    let call = Call::default().token(json!({"iss": "i", "sub": "s"}));
    assert!(set.audit(&call.request()).is_some());
    assert!(set.audit(&Call::default().request()).is_none());
}

#[test]
fn what_cannot_be_told_is_audited() {
    // As far as a connection can be told apart, and all where the rules cannot be compiled.
    let rule =
        json!({"from": [{"source": {"namespaces": ["default"]}}], "to": [{"operation": {"paths": ["/x"]}}]});
    let (set, _) = compile(&[audit("p", json!([rule]))]);
    assert!(set.audit(&Call::tcp().request()).is_some());
    let other = Call {
        tcp: true,
        ..Call::peer("cluster.local/ns/other/sa/a")
    };
    assert!(set.audit(&other.request()).is_none());

    for (broken, field) in [
        (
            json!({"action": "AUDIT", "rules": [when("?", &["x"])]}),
            "spec.rules[0].when[0].key",
        ),
        (
            json!({"action": "AUDIT", "provider": {"name": "x"}, "rules": [operation(json!({"paths": ["/x"]}))]}),
            "spec.provider",
        ),
    ] {
        let (set, problems) = compile(&[policy("p", broken)]);
        assert_eq!(
            (problems[0].severity, &*problems[0].field),
            (Severity::Error, field)
        );
        assert!(
            problems[0]
                .message
                .ends_with("the policy audits all that it selects")
        );
        for call in [Call::default(), Call::tcp()] {
            assert!(set.audit(&call.request()).is_some());
            assert!(set.evaluate(&call.request()).is_allow());
        }
    }
}

#[test]
fn it_needs_no_server_name() {
    let by_name = |action: &str| {
        policy(
            "p",
            json!({"action": action, "rules": [when("connection.sni", &["a"])]}),
        )
    };
    assert!(!compile(&[by_name("AUDIT")]).0.asks_for_server_name());
    assert!(compile(&[by_name("DENY")]).0.asks_for_server_name());
}
