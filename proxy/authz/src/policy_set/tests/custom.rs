//! The action CUSTOM.
#![allow(clippy::panic, clippy::indexing_slicing, clippy::needless_pass_by_value)]

use std::sync::Arc;

use cairn_api::istio::AuthorizationPolicy;
use cairn_config::Severity;
use serde_json::{Value, json};

use crate::fixtures::{Call, annotated, compile, decide, operation, policy, source, unless};
use crate::policy_set::PolicySet;
use crate::verdict::{Reason, Verdict};

fn spec(provider: &str, rules: Value) -> Value {
    json!({"action": "CUSTOM", "provider": {"name": provider}, "rules": rules})
}

fn custom(name: &str, provider: &str, rules: Value) -> Arc<AuthorizationPolicy> {
    policy(name, spec(provider, rules))
}

fn to(path: &str) -> Value {
    operation(json!({"paths": [path]}))
}

fn asked(set: &PolicySet, call: &Call) -> Vec<String> {
    set.customs(&call.request()).map(|one| one.to_string()).collect()
}

#[test]
fn the_first_rule_of_each_provider_asks() {
    let (set, problems) = compile(&[
        custom("c", "opa", json!([to("/x"), to("/y*")])),
        custom("a", "opa", json!([to("/y")])),
        custom("b", "acl", json!([to("/x"), to("/z")])),
        custom("d", "never", json!([])),
    ]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    let names = |set: &PolicySet| -> Vec<String> { set.providers().map(ToString::to_string).collect() };
    assert_eq!(names(&set), ["acl", "never", "opa"]);
    let asking: Vec<&str> = set.asking("opa").map(|object| &*object.name).collect();
    assert_eq!(asking, ["a", "c"]);
    assert_eq!(set.asking("other").count(), 0);

    let cases: [(&str, &[&str]); 4] = [
        (
            "/x",
            &[
                "ns[default]-policy[b]-rule[0] asks acl",
                "ns[default]-policy[c]-rule[0] asks opa",
            ],
        ),
        ("/y", &["ns[default]-policy[a]-rule[0] asks opa"]),
        ("/y/y", &["ns[default]-policy[c]-rule[1] asks opa"]),
        ("/", &[]),
    ];
    for (path, expected) in cases {
        let call = Call::path(path);
        assert_eq!(asked(&set, &call), expected, "{path}");
        assert_eq!(set.evaluate(&call.request()), Verdict::Allow);
    }
    let one = set.customs(&Call::path("/y").request()).next();
    assert!(one.is_some_and(|one| {
        &*one.provider == "opa"
            && &*one.policy == "ns[default]-policy[a]-rule[0]"
            && &*one.details == "rbac_access_denied_matched_policy[ns[default]-policy[a]-rule[0]]"
    }));
}

#[test]
fn other_policies_decide_as_they_do_without() {
    let open = custom("c", "opa", json!([{}]));
    let deny = policy("d", json!({"action": "DENY", "rules": [to("/x")]}));
    let allow = policy("e", json!({"rules": [to("/y")]}));
    let all = [open, deny, allow];
    assert!(decide(&all[..1], &Call::default()).is_allow());
    assert!(decide(&all, &Call::path("/y")).is_allow());
    for (path, reason) in [("/x", Reason::Denied), ("/z", Reason::NotAllowed)] {
        let Verdict::Deny(denial) = decide(&all, &Call::path(path)) else {
            panic!("{path} passes")
        };
        assert_eq!(denial.reason, reason);
    }
}

#[test]
fn without_a_provider_everything_is_denied() {
    for (provider, field) in [
        (json!(null), "spec.provider"),
        (json!({}), "spec.provider.name"),
        (json!({"name": ""}), "spec.provider.name"),
    ] {
        let spec = json!({"action": "CUSTOM", "provider": provider, "rules": [to("/x")]});
        let all = [policy("c", spec), custom("d", "opa", json!([{}]))];
        let (set, problems) = compile(&all);
        assert_eq!(
            (problems[0].severity, &*problems[0].field),
            (Severity::Error, field)
        );
        assert_eq!(set.providers().count(), 1);
        for call in [Call::path("/x"), Call::path("/y"), Call::tcp()] {
            let Verdict::Deny(denial) = set.evaluate(&call.request()) else {
                panic!("{call:?} passes")
            };
            assert!(denial.to_string().contains("needs a provider"), "{denial}");
        }
    }
}

#[test]
fn nobody_is_told_of_tokens() {
    let (set, _) = compile(&[
        custom("a", "a", json!([source(json!({"requestPrincipals": ["*"]}))])),
        custom("b", "b", json!([unless("request.auth.claims[a]", &["x"])])),
    ]);
    for call in [
        Call::default(),
        Call::default().token(json!({"iss": "i", "sub": "s", "a": "x"})),
    ] {
        assert_eq!(asked(&set, &call), ["ns[default]-policy[b]-rule[0] asks b"]);
    }
}

#[test]
fn connections_that_match_as_far_as_can_be_told_are_denied() {
    let rules = json!([
        {"to": [{"operation": {"ports": ["5000"], "paths": ["/x"]}}]},
        {"to": [{"operation": {"ports": ["1"]}}]},
    ]);
    let (set, problems) = compile(&[custom("c", "opa", rules), custom("never", "opa", json!([]))]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    let Verdict::Deny(denial) = set.evaluate(&Call::tcp().request()) else {
        panic!("passed")
    };
    assert_eq!(denial.reason, Reason::Custom);
    assert_eq!(
        &*denial.details,
        "rbac_access_denied_matched_policy[ns[default]-policy[c]-rule[0]]"
    );
    assert!(
        denial.to_string().contains("only be asked about HTTP"),
        "{denial}"
    );
    assert_eq!(asked(&set, &Call::tcp()).len(), 0);
    let elsewhere = Call {
        destination: ([10, 1, 0, 1], 80).into(),
        ..Call::tcp()
    };
    assert!(set.evaluate(&elsewhere.request()).is_allow());
    let told = set.problems_of_connections();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (told[0].severity, &*told[0].field),
        (Severity::Unsupported, "spec.action")
    );
}

#[test]
fn rehearsals_ask_nobody() {
    let (set, problems) = compile(&[annotated("c", "true", spec("opa", json!([to("/x")])))]);
    assert_eq!(problems, []);
    assert_eq!((set.providers().count(), set.asking("opa").count()), (0, 0));
    assert_eq!(set.problems_of_connections(), []);
    let call = Call::path("/x");
    assert_eq!(asked(&set, &call).len(), 0);
    assert!(set.evaluate(&call.request()).is_allow());
    let rehearsed = |call: &Call| -> Vec<String> {
        let request = call.request();
        set.rehearse_customs(&request)
            .map(|one| one.to_string())
            .collect()
    };
    assert_eq!(rehearsed(&call), ["ns[default]-policy[c]-rule[0] asks opa"]);
    assert_eq!(rehearsed(&Call::path("/y")).len(), 0);
    assert_eq!(set.rehearse(&call.request()), Some(Verdict::Allow));
    // A connection would be denied, and is not.
    assert!(set.evaluate(&Call::tcp().request()).is_allow());
    assert!(
        set.rehearse(&Call::tcp().request())
            .is_some_and(|verdict| !verdict.is_allow())
    );

    let (set, _) = compile(&[custom("c", "opa", json!([{}]))]);
    assert_eq!(set.rehearse_customs(&call.request()).count(), 0);
}
