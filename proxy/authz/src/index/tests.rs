#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use serde_json::{Value, json};

use super::*;
use crate::compile::{self, Body};
use crate::fixtures::{Call, operation, policy, source, when};
use crate::trust::TrustDomains;

/// The rules of a DENY policy, filed.
fn stage(rules: &[Value]) -> Stage {
    let policy = policy("p", json!({"action": "DENY", "rules": rules}));
    let compiled = compile::compile(&policy, &TrustDomains::new("cluster.local", &[]), &mut vec![]);
    let Body::Rules(forms) = compiled.body else {
        panic!("{rules:?} do not compile")
    };
    Stage::new(forms.into_iter().map(|forms| forms.http).collect())
}

/// How many rules a request is compared with.
fn tried(stage: &Stage, call: &Call) -> usize {
    let mut count = 0;
    let _ = stage.candidates(&call.request(), |numbers| {
        count += numbers.len();
        ControlFlow::Continue(())
    });
    count
}

#[test]
fn a_request_meets_few_rules_of_many() {
    const COUNT: usize = 1000;
    let forms: [(&str, &dyn Fn(usize) -> Value); 9] = [
        ("exact paths", &|n| {
            operation(json!({"paths": [format!("/{n}")], "methods": ["GET"]}))
        }),
        ("prefixes", &|n| {
            operation(json!({"paths": [format!("/{n}-*")], "methods": ["GET"]}))
        }),
        ("templates", &|n| {
            operation(json!({"paths": [format!("/{n}/{{*}}")], "methods": ["GET"]}))
        }),
        ("principals", &|n| {
            source(json!({"principals": [format!("cluster.local/ns/default/sa/a{n}")]}))
        }),
        ("accounts", &|n| {
            source(json!({"serviceAccounts": [format!("a{n}")]}))
        }),
        ("namespaces", &|n| {
            source(json!({"namespaces": [format!("n{n}")]}))
        }),
        ("hosts", &|n| {
            operation(json!({"hosts": [format!("h{n}")], "methods": ["GET"]}))
        }),
        ("ports", &|n| {
            operation(json!({"ports": [n.to_string()], "methods": ["GET"]}))
        }),
        ("headers", &|n| when("request.headers[x]", &[&format!("{n}")])),
    ];
    let call = Call {
        path: "/7-/7/7".to_owned(),
        authority: "H7".to_owned(),
        destination: ([10, 1, 0, 1], 7).into(),
        ..Call::peer("cluster.local/ns/n7/sa/a7").header("x", "7")
    };
    for (name, form) in forms {
        let rules: Vec<Value> = (0..COUNT).map(form).collect();
        let few = tried(&stage(&rules), &call);
        assert!(few <= 2, "{name}: {few}");
    }
}

#[test]
fn a_rule_is_filed_where_it_has_the_least_company() {
    // All name one principal, each another path, and the other way round.
    let rule = |peer: usize, path: usize| {
        json!({
            "from": [{"source": {"principals": [format!("cluster.local/ns/default/sa/a{peer}")]}}],
            "to": [{"operation": {"paths": [format!("/{path}")]}}],
        })
    };
    let rules: Vec<Value> = (0..200)
        .map(|n| if n % 2 == 0 { rule(0, n) } else { rule(n, 0) })
        .collect();
    let call = Call {
        path: "/0".to_owned(),
        ..Call::peer("cluster.local/ns/default/sa/a0")
    };
    assert_eq!(tried(&stage(&rules), &call), 1);
}

#[test]
fn what_cannot_be_filed_is_always_tried() {
    let rules = [
        json!({}),
        operation(json!({"notPaths": ["/x"]})),
        operation(json!({"paths": ["/x", "*/y"]})),
        source(json!({"principals": ["cluster.local/ns/x/sa/x", "*"]})),
        json!({"from": [{"source": {"namespaces": ["x"]}}, {"source": {"ipBlocks": ["10.0.0.1"]}}]}),
        source(json!({"ipBlocks": ["10.0.0.0/8"]})),
    ];
    assert_eq!(tried(&stage(&rules), &Call::nobody()), rules.len());
}
