#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use crate::fixtures::{ED25519, Gate, P256, policy, rule, set, token};
use crate::{KeyRing, KeySource, Requirements};

fn problems(rule: &Value) -> Vec<String> {
    Gate::with_problems(std::slice::from_ref(rule)).1
}

const REFUSED: &str = "until this is right, tokens of the rule's issuer are refused";

#[test]
fn errors_name_object_and_field() {
    let table = [
        (rule("", &json!({})), "issuer: the issuer is missing"),
        (
            rule("a", &json!({"audiences": ["x", ""]})),
            "audiences[1]: the audience is empty",
        ),
        (
            rule("a", &json!({"jwks": "{"})),
            "jwks: the key set is not a JSON object with each member once",
        ),
        (
            rule("a", &json!({"jwks": "{\"keys\":[]}"})),
            "jwks: the key set is empty",
        ),
        (
            rule(
                "a",
                &json!({"jwks": "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}"}),
            ),
            "jwks: no key of the key set can be used; of the first, its kty is not RSA, EC or OKP",
        ),
        (
            rule("a", &json!({"jwks": "", "jwksUri": "ftp://a/b"})),
            "jwksUri: this is not a URL with scheme http or https",
        ),
        (
            rule("a", &json!({"jwks": "", "jwksUri": "jwks.json"})),
            "jwksUri: this is not a URL with scheme http or https",
        ),
        (
            rule("testing@secure.istio.io", &json!({"jwks": ""})),
            "jwks: there are neither jwks nor jwksUri, and the issuer is not a URL at which discovery could find them",
        ),
        (
            rule("a", &json!({"timeout": "0s"})),
            "timeout: the timeout is shorter than 1ms",
        ),
        (
            rule("a", &json!({"fromHeaders": [{"name": "a b"}]})),
            "fromHeaders[0].name: \"a b\" is not the name of a header",
        ),
        (
            rule("a", &json!({"fromParams": ["x", ""]})),
            "fromParams[1]: the name is empty",
        ),
        (
            rule("a", &json!({"fromCookies": [""]})),
            "fromCookies[0]: the name is empty",
        ),
        (
            rule("a", &json!({"outputPayloadToHeader": ":path"})),
            "outputPayloadToHeader: \":path\" is not the name of a header",
        ),
        (
            rule(
                "a",
                &json!({"outputClaimToHeaders": [{"header": "Host", "claim": "sub"}]}),
            ),
            "outputClaimToHeaders[0].header: the header host is not for claims",
        ),
        (
            rule(
                "a",
                &json!({"outputClaimToHeaders": [{"header": "x-a", "claim": ""}]}),
            ),
            "outputClaimToHeaders[0].claim: the claim is missing",
        ),
    ];
    for (rule, expected) in table {
        let begin =
            format!("error: RequestAuthentication default/jwt: spec.jwtRules[0].{expected}; {REFUSED}; ");
        let problems = problems(&rule);
        assert!(
            matches!(problems.as_slice(), [one] if one.starts_with(&begin) && one.len() > begin.len()),
            "{problems:?}\n{begin}"
        );
        // And so it is, while other rules go on.
        let issuer = rule["issuer"].as_str().unwrap();
        let (gate, _) = Gate::with_problems(&[rule.clone(), crate::fixtures::rule("other", &json!({}))]);
        assert!(
            gate.refused(&token(issuer, &json!({"aud": "x"}))).is_some(),
            "{expected}"
        );
        assert_eq!(gate.refused(&token("other", &json!({}))), None, "{expected}");
    }
}

#[test]
fn warnings_leave_the_rule_in_force() {
    let odd = json!({"kty": "oct", "k": "AAAA"});
    let keys = set(&[odd, P256.jwk(&json!({}))]);
    let table = [
        (
            rule("a", &json!({"jwks": keys})),
            "jwks: the key at index 0 is not used: its kty is not RSA, EC or OKP",
        ),
        (
            rule("a", &json!({"jwksUri": "https://a/b"})),
            "jwksUri: it is not asked, because jwks is given too",
        ),
        (
            rule(
                "a",
                &json!({"outputPayloadToHeader": "x-a", "outputClaimToHeaders": [{"header": "X-A", "claim": "sub"}]}),
            ),
            "outputClaimToHeaders[0].header: the header x-a is written more than once",
        ),
    ];
    for (rule, expected) in table {
        let begin = format!("warning: RequestAuthentication default/jwt: spec.jwtRules[0].{expected}; ");
        let (gate, problems) = Gate::with_problems(std::slice::from_ref(&rule));
        assert!(
            matches!(problems.as_slice(), [one] if one.starts_with(&begin)),
            "{problems:?}"
        );
        assert_eq!(gate.refused(&token("a", &json!({}))), None);
    }
}

#[test]
fn the_index_is_that_of_the_policy() {
    let rules = [rule("z", &json!({})), rule("a", &json!({"jwks": "x"}))];
    let ring = KeyRing::default();
    let (_, problems) = Requirements::compile(&[policy(&rules), policy(&rules)], &ring);
    let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(fields, ["spec.jwtRules[1].jwks", "spec.jwtRules[1].jwks"]);
    assert_eq!(crate::check(&policy(&rules)).len(), 1);
}

#[test]
fn each_source_has_its_keys_once_for_as_long_as_they_are_used() {
    let remote = |url: &str| rule("https://i", &json!({"jwks": "", "jwksUri": url}));
    let ring = KeyRing::default();
    let rules = [
        remote("https://a/k"),
        remote("https://a/k"),
        remote("https://b/k"),
        rule("https://i/", &json!({"jwks": "", "timeout": "2s"})),
        rule("x", &json!({})),
        rule("y", &json!({})),
        rule("z", &json!({"jwks": set(&[ED25519.jwk(&json!({}))])})),
    ];
    let (requirements, problems) = Requirements::compile(&[policy(&rules)], &ring);
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(requirements.keys().count(), rules.len());
    let mut urls: Vec<_> = ring.remote().iter().map(|keys| keys.source().clone()).collect();
    urls.sort_by_key(|source| format!("{source:?}"));
    let (five, two) = (
        std::time::Duration::from_secs(5),
        std::time::Duration::from_secs(2),
    );
    let url = |url: &str| KeySource::Url {
        url: url.into(),
        timeout: five,
    };
    let discovery = KeySource::Discovery {
        url: "https://i/.well-known/openid-configuration".into(),
        timeout: two,
    };
    assert_eq!(urls, [discovery, url("https://a/k"), url("https://b/k")]);
    // What is compiled anew finds the same keys.
    let (again, _) = Requirements::compile(&[policy(&rules)], &ring);
    for (one, other) in requirements.keys().zip(again.keys()) {
        assert!(std::sync::Arc::ptr_eq(one, other));
    }
    drop((requirements, again));
    assert!(ring.remote().is_empty());
}
