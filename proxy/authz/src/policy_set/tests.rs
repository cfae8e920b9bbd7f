#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use cairn_api::meta::{Kind, ObjectRef};
use cairn_config::Severity;
use serde_json::{Value, json};

use super::*;
use crate::fixtures::{Call, allows, annotated, compile, decide, operation, policy, source, unless, when};

mod audit;
mod custom;
mod fields;
mod tokens;

#[test]
fn without_policies_everything_passes() {
    let (set, problems) = compile(&[]);
    assert!(set.is_empty() && problems.is_empty());
    assert_eq!(set.evaluate(&Call::nobody().request()), Verdict::Allow);
    assert_eq!(set.rehearse(&Call::default().request()), None);
    assert_eq!(
        PolicySet::default().evaluate(&Call::tcp().request()),
        Verdict::Allow
    );
}

#[test]
fn policies_without_rules() {
    for spec in [json!({}), json!({"action": "ALLOW"}), json!({"rules": []})] {
        let verdict = decide(&[policy("p", spec)], &Call::default());
        let Verdict::Deny(denial) = verdict else {
            panic!("an empty ALLOW policy allows nothing")
        };
        assert_eq!(denial.policy, None);
        assert_eq!(&*denial.details, "rbac_access_denied_matched_policy[none]");
        assert_eq!(denial.reason, Reason::NotAllowed);
    }
    for spec in [
        json!({"action": "DENY"}),
        json!({"action": "AUDIT"}),
        json!({"action": "CUSTOM", "provider": {"name": "opa"}}),
    ] {
        let (set, problems) = compile(&[policy("p", spec)]);
        assert_eq!(set.customs(&Call::default().request()).count(), 0);
        assert_eq!(set.audit(&Call::default().request()), None);
        assert!(set.evaluate(&Call::default().request()).is_allow());
        assert!(
            problems
                .iter()
                .any(|problem| problem.severity == Severity::Warning && problem.field == "spec.rules")
        );
    }
}

#[test]
fn deny_goes_before_allow_and_the_first_by_name_is_told() {
    let deny = |name: &str, paths: Value| policy(name, json!({"action": "DENY", "rules": paths}));
    let to = |path: &str| operation(json!({"paths": [path]}));
    let rules: Vec<Value> = (0..12).map(|number| to(&format!("/{number}*"))).collect();
    let all = [
        deny("b", json!([to("/x"), to("/x")])),
        deny("a", json!(rules)),
        deny("c", json!([to("*")])),
        policy("allow", json!({"rules": [{}]})),
    ];
    let told = |path: &str| match decide(&all, &Call::path(path)) {
        Verdict::Allow => "allowed".to_owned(),
        Verdict::Deny(denial) => denial.details.to_string(),
    };
    assert_eq!(
        told("/x"),
        "rbac_access_denied_matched_policy[ns[default]-policy[b]-rule[0]]"
    );
    assert_eq!(
        told("/y"),
        "rbac_access_denied_matched_policy[ns[default]-policy[c]-rule[0]]"
    );
    assert_eq!(
        told("/2"),
        "rbac_access_denied_matched_policy[ns[default]-policy[a]-rule[2]]"
    );
    // Both rule 1 and rule 11 match; names are compared as text, and "1]" is after "11".
    assert_eq!(
        told("/11"),
        "rbac_access_denied_matched_policy[ns[default]-policy[a]-rule[11]]"
    );
}

#[test]
fn one_match_in_any_allow_policy_suffices() {
    let allow =
        |name: &str, path: &str| policy(name, json!({"rules": [operation(json!({"paths": [path]}))]}));
    let policies = [allow("a", "/a"), allow("b", "/b"), policy("none", json!({}))];
    assert!(decide(&policies, &Call::path("/b")).is_allow());
    assert!(!decide(&policies, &Call::path("/c")).is_allow());
}

#[test]
fn dry_run_is_evaluated_and_not_enforced() {
    let annotated = |value: &str, spec: Value| annotated("p", value, spec);
    let deny = json!({"action": "DENY", "rules": [operation(json!({"paths": ["/x"]}))]});
    for value in ["true", "1", "T"] {
        let (set, problems) = compile(&[annotated(value, deny.clone())]);
        assert!(problems.is_empty() && !set.is_empty());
        assert!(set.evaluate(&Call::path("/x").request()).is_allow());
        assert_eq!(set.rehearse(&Call::path("/y").request()), Some(Verdict::Allow));
        let Some(Verdict::Deny(denial)) = set.rehearse(&Call::path("/x").request()) else {
            panic!("no refusal")
        };
        assert_eq!(denial.reason, Reason::Denied);
    }
    for value in ["false", "yes"] {
        let (set, problems) = compile(&[annotated(value, deny.clone())]);
        assert!(!set.evaluate(&Call::path("/x").request()).is_allow());
        assert_eq!(set.rehearse(&Call::path("/x").request()), None);
        assert_eq!(problems.len(), usize::from(value == "yes"));
    }
    // A rehearsed ALLOW policy refuses nothing, and neither does a broken rehearsal.
    for spec in [json!({}), json!({"rules": [when("nonsense", &["x"])]})] {
        let (set, _) = compile(&[annotated("true", spec)]);
        assert!(set.evaluate(&Call::default().request()).is_allow());
        assert!(!set.rehearse(&Call::default().request()).unwrap().is_allow());
    }
}

#[test]
fn faults_deny_everything_whatever_the_action() {
    let faulty = [
        (source(json!({})), "from[0].source"),
        (json!({"from": [{}]}), "from[0].source"),
        (json!({"to": [{}]}), "to[0].operation"),
        (operation(json!({})), "to[0].operation"),
        (
            json!({"to": [{"operation": {"paths": ["/ok"]}}, {"operation": {}}]}),
            "to[1].operation",
        ),
        (json!({"when": [{"key": "source.ip"}]}), "when[0]"),
        (
            source(json!({"principals": [""]})),
            "from[0].source.principals[0]",
        ),
        (
            source(json!({"namespaces": ["a", ""]})),
            "from[0].source.namespaces[1]",
        ),
        (
            operation(json!({"ports": ["80", ""]})),
            "to[0].operation.ports[1]",
        ),
        (operation(json!({"ports": ["80-90"]})), "to[0].operation.ports[0]"),
        (operation(json!({"ports": ["65536"]})), "to[0].operation.ports[0]"),
        (
            operation(json!({"notPorts": ["+80"]})),
            "to[0].operation.notPorts[0]",
        ),
        (operation(json!({"ports": ["8*"]})), "to[0].operation.ports[0]"),
        (when("destination.port", &["http"]), "when[0].values[0]"),
        (
            source(json!({"ipBlocks": ["10.0.0.0/33"]})),
            "from[0].source.ipBlocks[0]",
        ),
        (
            source(json!({"notRemoteIpBlocks": ["*"]})),
            "from[0].source.notRemoteIpBlocks[0]",
        ),
        (unless("source.ip", &["10.0.0.*"]), "when[0].notValues[0]"),
        (
            operation(json!({"paths": ["/{x}/{*}"]})),
            "to[0].operation.paths[0]",
        ),
        (
            operation(json!({"notPaths": ["/ok", "{**}"]})),
            "to[0].operation.notPaths[1]",
        ),
        (
            source(json!({"serviceAccounts": ["a/b/c"]})),
            "from[0].source.serviceAccounts[0]",
        ),
        (
            source(json!({"serviceAccounts": ["*"]})),
            "from[0].source.serviceAccounts[0]",
        ),
        (
            source(json!({"notServiceAccounts": ["/x"]})),
            "from[0].source.notServiceAccounts[0]",
        ),
        (
            source(json!({"serviceAccounts": ["x"], "namespaces": ["default"]})),
            "from[0].source",
        ),
        (
            source(json!({"serviceAccounts": ["x"], "notPrincipals": ["*"]})),
            "from[0].source",
        ),
        (when("", &["x"]), "when[0].key"),
        (when("source.labels[x]", &["x"]), "when[0].key"),
        (when("destination.labels[x]", &["x"]), "when[0].key"),
        (when("experimental.envoy.filters.a.b", &["x"]), "when[0].key"),
        (when("experimental.envoy.filters.[c]", &["x"]), "when[0].key"),
        (when("experimental.envoy.filters.a[]", &["x"]), "when[0].key"),
        (when("experimental.other[c]", &["x"]), "when[0].key"),
        (when("request.headers", &["x"]), "when[0].key"),
        (when("request.headers[]", &["x"]), "when[0].key"),
        (when("request.headers[a b]", &["x"]), "when[0].key"),
        (when("request.headers[a]]", &["x"]), "when[0].key"),
        (when("request.headers[:path]", &["x"]), "when[0].key"),
        (when("request.headers[:scheme]", &["x"]), "when[0].key"),
        (when("request.auth.claims", &["x"]), "when[0].key"),
        (when("request.auth.claims[]", &["x"]), "when[0].key"),
        (when("request.auth.claims[a][]", &["x"]), "when[0].key"),
        (when("request.auth.claims.a", &["x"]), "when[0].key"),
        (when("request.auth.other", &["x"]), "when[0].key"),
        (
            source(json!({"requestPrincipals": ["*", ""]})),
            "from[0].source.requestPrincipals[1]",
        ),
        (when("request.regex.headers[x]", &["x"]), "when[0].key"),
    ];
    for (rule, field) in faulty {
        for action in ["ALLOW", "DENY", "CUSTOM"] {
            let ok = operation(json!({"paths": ["/fine"]}));
            let mut spec = json!({"action": action, "rules": [ok, rule]});
            if action == "CUSTOM" {
                spec["provider"] = json!({"name": "opa"});
            }
            let (set, problems) =
                compile(&[policy("p", spec.clone()), policy("open", json!({"rules": [{}]}))]);
            let field = format!("spec.rules[1].{field}");
            let told = problems
                .iter()
                .any(|problem| problem.severity == Severity::Error && problem.field == field);
            assert!(told, "{field}: {problems:?}");
            for call in [Call::default(), Call::path("/fine"), Call::nobody(), Call::tcp()] {
                let Verdict::Deny(denial) = set.evaluate(&call.request()) else {
                    panic!("{spec} lets {call:?} pass")
                };
                assert_eq!(
                    &*denial.details,
                    "rbac_access_denied_matched_policy[ns[default]-policy[p]-rule[1]]"
                );
                assert!(matches!(denial.reason, Reason::Broken(_)));
                assert_eq!(set.customs(&call.request()).count(), 0);
            }
        }
    }
    for action in ["ALLOW", "DENY"] {
        assert!(!allows(
            json!({"action": action, "provider": {"name": "x"}, "rules": [{}]}),
            &Call::default()
        ));
    }
}

#[test]
fn values_that_cannot_match_are_told() {
    let told = |action: &str, rule: Value| {
        let (_, problems) = compile(&[policy("p", json!({"action": action, "rules": [rule]}))]);
        problems
            .iter()
            .map(|problem| (problem.severity, problem.field.clone()))
            .collect::<Vec<_>>()
    };
    let doubtful = [
        (
            source(json!({"principals": ["default/sleep"]})),
            "from[0].source.principals[0]",
        ),
        (
            source(json!({"principals": [fields::SLEEP, "other/ns/default/sa/sleep"]})),
            "from[0].source.principals[1]",
        ),
        (
            source(json!({"namespaces": ["a|b"]})),
            "from[0].source.namespaces[0]",
        ),
        (
            operation(json!({"paths": ["/a/*/b"]})),
            "to[0].operation.paths[0]",
        ),
        (operation(json!({"hosts": ["*.a*"]})), "to[0].operation.hosts[0]"),
        (when("request.headers[x]", &["a*b"]), "when[0].values[0]"),
        (when("request.auth.claims[x]", &["a*b"]), "when[0].values[0]"),
        (
            source(json!({"requestPrincipals": ["alice"]})),
            "from[0].source.requestPrincipals[0]",
        ),
        (when("request.auth.principal", &["*/*"]), "when[0].values[0]"),
    ];
    for (rule, field) in doubtful {
        let field = format!("spec.rules[0].{field}");
        assert_eq!(told("ALLOW", rule.clone()), [(Severity::Warning, field.clone())]);
        assert_eq!(told("DENY", rule), [(Severity::Error, field)]);
    }
    let excluded = source(json!({"notPrincipals": ["default/sleep"]}));
    assert_eq!(told("ALLOW", excluded.clone())[0].0, Severity::Error);
    assert_eq!(told("DENY", excluded)[0].0, Severity::Warning);
}

#[test]
fn policies_that_cannot_be_read_deny() {
    let broken = BrokenPolicy {
        object: ObjectRef::new(Kind::AuthorizationPolicy, "default", "b"),
        spec: None,
        reason: "a list was expected".to_owned(),
    };
    let open = policy("a", json!({"rules": [{}]}));
    let (set, problems) = PolicySet::compile(&[open], [&broken], &CompileOptions::default());
    assert_eq!(problems, []);
    for call in [Call::default(), Call::tcp()] {
        let Verdict::Deny(denial) = set.evaluate(&call.request()) else {
            panic!("passed")
        };
        assert_eq!(
            &*denial.details,
            "rbac_access_denied_matched_policy[ns[default]-policy[b]-rule[0]]"
        );
        assert!(denial.to_string().contains("a list was expected"));
    }
}

#[test]
fn a_check_covers_targets_and_rules() {
    let spec = json!({"targetRef": {"kind": "Service", "name": "nowhere"}, "rules": [{"to": [{}]}]});
    let found = check_policy(&policy("p", spec));
    let fields: Vec<&str> = found.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(fields, ["spec.targetRef.name", "spec.rules[0].to[0].operation"]);
}

fn check_policy(policy: &AuthorizationPolicy) -> Vec<Problem> {
    super::check(policy, &Targets::default(), &CompileOptions::default())
}
