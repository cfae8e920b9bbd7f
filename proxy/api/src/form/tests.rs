#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use serde_json::json;

use crate::istio::{
    Action, AuthorizationPolicy, AuthorizationPolicySpec, HttpRoute, PathNormalization, Rule,
    WorkloadSelector,
};
use crate::k8s::Service;

#[test]
fn null_is_absent() {
    let spec: AuthorizationPolicySpec =
        serde_json::from_value(json!({"selector": null, "rules": null, "action": null})).unwrap();
    assert_eq!(spec, AuthorizationPolicySpec::default());

    let policy: AuthorizationPolicy =
        serde_json::from_value(json!({"metadata": null, "spec": null, "status": null})).unwrap();
    assert_eq!(policy, AuthorizationPolicy::default());
}

#[test]
fn an_empty_rule_is_kept_apart_from_no_rule() {
    let none: AuthorizationPolicySpec = serde_json::from_value(json!({"rules": []})).unwrap();
    let all: AuthorizationPolicySpec = serde_json::from_value(json!({"rules": [{}]})).unwrap();
    assert_eq!(none.rules, []);
    assert_eq!(all.rules, [Rule::default()]);
    assert_eq!(serde_json::to_value(&all).unwrap(), json!({"rules": [{}]}));
}

#[test]
fn only_a_mapping_is_a_form() {
    for document in [
        json!({"rules": [null]}),
        json!({"rules": [[]]}),
        json!({"rules": ["all"]}),
        json!({"rules": {}}),
        json!({"rules": [{"from": [null]}]}),
        json!({"rules": [{"from": [{"source": []}]}]}),
        json!({"rules": [{"to": [{"operation": "GET"}]}]}),
        json!({"selector": []}),
    ] {
        let read = serde_json::from_value::<AuthorizationPolicySpec>(document.clone());
        assert!(read.is_err(), "{document} was read as {read:?}");
    }
    assert!(serde_json::from_value::<AuthorizationPolicy>(json!({"spec": []})).is_err());
    assert!(serde_json::from_value::<AuthorizationPolicy>(json!([])).is_err());
}

#[test]
fn a_wrong_shape_is_named() {
    let error = serde_json::from_value::<AuthorizationPolicySpec>(json!({"selector": []})).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid type: sequence, expected struct WorkloadSelector"
    );
    let error = serde_json::from_value::<WorkloadSelector>(json!({"matchLabels": {"app": 1}})).unwrap_err();
    assert_eq!(error.to_string(), "invalid type: integer `1`, expected a string");
    let error = serde_json::from_value::<Service>(json!({"spec": {"ports": [{"port": 70000}]}})).unwrap_err();
    assert_eq!(error.to_string(), "invalid value: integer `70000`, expected u16");
    let error = serde_json::from_value::<HttpRoute>(json!({"timeout": "5x"})).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid duration `5x`: a unit is none of h, m, s, ms, us, ns (write it like 1.5s, 250ms or 1h30m)"
    );
}

#[test]
fn an_unknown_choice_names_the_known_ones() {
    let error = serde_json::from_value::<AuthorizationPolicySpec>(json!({"action": "allow"})).unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown variant `allow`, expected one of `ALLOW`, `DENY`, `AUDIT`, `CUSTOM`"
    );
}

#[test]
fn choices_are_written_as_they_are_read() {
    assert_eq!(Action::Custom.to_string(), "CUSTOM");
    assert_eq!(serde_json::to_value(Action::Custom).unwrap(), json!("CUSTOM"));
    assert_eq!(PathNormalization::default().as_str(), "DEFAULT");
}
