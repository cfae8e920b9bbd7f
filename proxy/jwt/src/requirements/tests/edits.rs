#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use crate::fixtures::{Gate, headers, lines, rule, token};

/// The head that is sent on: its lines, and the query if it changed.
fn sent(gate: &Gate, query: &str, given: &[(&str, &str)]) -> (Vec<String>, Option<String>) {
    let mut headers = headers(given);
    let passed = gate.ask(Some(query), &headers).unwrap();
    passed.edit(&mut headers);
    (lines(&headers), passed.query(query))
}

fn of_rule(members: &Value) -> Gate {
    Gate::new(&[rule("joe", members)])
}

#[test]
fn tokens_are_not_forwarded_unless_they_are_to_be() {
    let good = token("joe", &json!({}));
    let (bearer, query) = (format!("Bearer {good}"), format!("a=1&access_token={good}&b=2"));
    let given = [("authorization", bearer.as_str()), ("accept", "*/*")];
    let (after, changed) = sent(&of_rule(&json!({})), &query, &given);
    assert_eq!(after, ["accept: */*"]);
    assert_eq!(changed.as_deref(), Some("a=1&b=2"));
    let (after, changed) = sent(&of_rule(&json!({"forwardOriginalToken": true})), &query, &given);
    assert_eq!(
        after,
        ["accept: */*".to_owned(), format!("authorization: {bearer}")]
    );
    assert_eq!(changed, None);
    // What is no token stays.
    let (after, changed) = sent(&of_rule(&json!({})), &query, &[("authorization", "Basic YTpi")]);
    assert_eq!(after, ["authorization: Basic YTpi"]);
    assert_eq!(changed.as_deref(), Some("a=1&b=2"));
    let gate = of_rule(&json!({"fromCookies": ["t"]}));
    let cookie = format!("a=b; t={good}; c=d");
    let (after, changed) = sent(&gate, "access_token=x", &[("cookie", &cookie)]);
    assert_eq!((after, changed), (vec!["cookie: a=b; c=d".to_owned()], None));
}

#[test]
fn claims_are_written_and_only_by_tokens() {
    let gate = of_rule(&json!({
        "outputPayloadToHeader": "x-payload",
        "outputClaimToHeaders": [
            {"header": "x-sub", "claim": "sub"},
            {"header": "X-Roles", "claim": "realm.roles"},
            {"header": "x-level", "claim": "level"},
            {"header": "x-none", "claim": "none"},
        ],
    }));
    let forged = [
        ("x-payload", "forged"),
        ("x-sub", "forged"),
        ("x-sub", "forged too"),
        ("x-roles", "forged"),
        ("x-level", "9"),
        ("x-none", "forged"),
        ("x-kept", "kept"),
    ];
    // Without a token too.
    assert_eq!(sent(&gate, "", &forged), (vec!["x-kept: kept".to_owned()], None));
    let good = token(
        "joe",
        &json!({"realm": {"roles": ["a"]}, "level": 7, "none": null}),
    );
    let bearer = format!("Bearer {good}");
    let mut given = forged.to_vec();
    given.push(("authorization", &bearer));
    let payload = good.split('.').nth(1).unwrap();
    assert_eq!(
        sent(&gate, "", &given).0,
        [
            "x-kept: kept".to_owned(),
            "x-level: 7".to_owned(),
            format!("x-payload: {payload}"),
            "x-roles: WyJhIl0=".to_owned(),
            "x-sub: alice".to_owned(),
        ]
    );
    let mut after = headers(&given);
    gate.ask(None, &after.clone()).unwrap().edit(&mut after);
    assert!(after["x-payload"].is_sensitive());
}

#[test]
fn what_another_rule_writes_is_not_believed_either() {
    let gate = Gate::new(&[
        rule(
            "ann",
            &json!({"outputClaimToHeaders": [{"header": "x-ann", "claim": "sub"}]}),
        ),
        rule(
            "joe",
            &json!({"fromHeaders": [{"name": "x-joe"}], "outputPayloadToHeader": "x-joe-payload"}),
        ),
    ]);
    let good = token("ann", &json!({}));
    let bearer = format!("Bearer {good}");
    let given = [
        ("authorization", bearer.as_str()),
        ("x-ann", "forged"),
        ("x-joe-payload", "forged"),
    ];
    assert_eq!(sent(&gate, "", &given).0, ["x-ann: alice"]);
    let joe = token("joe", &json!({}));
    let (after, _) = sent(&gate, "", &[("x-joe", &joe), ("x-ann", "forged")]);
    assert_eq!(
        after,
        [format!("x-joe-payload: {}", joe.split('.').nth(1).unwrap())]
    );
}

#[test]
fn several_required_tokens_each_do_their_part() {
    let own = |header: &str, output: &str| {
        json!({
            "presence": "REQUIRED",
            "fromHeaders": [{"name": header}],
            "outputClaimToHeaders": [{"header": output, "claim": "sub"}],
        })
    };
    let gate = Gate::new(&[
        rule("ann", &own("x-ann", "x-ann-sub")),
        rule("joe", &own("x-joe", "x-joe-sub")),
    ]);
    let (ann, joe) = (
        token("ann", &json!({"sub": "1"})),
        token("joe", &json!({"sub": "2"})),
    );
    let (after, _) = sent(&gate, "", &[("x-ann", &ann), ("x-joe", &joe)]);
    assert_eq!(after, ["x-ann-sub: 1", "x-joe-sub: 2"]);
}

#[test]
fn a_claim_cannot_begin_another_line() {
    let gate = of_rule(&json!({"outputClaimToHeaders": [{"header": "x-sub", "claim": "sub"}]}));
    let evil = format!("Bearer {}", token("joe", &json!({"sub": "a\r\nx-admin: true"})));
    assert!(
        sent(&gate, "", &[("authorization", &evil), ("x-sub", "b")])
            .0
            .is_empty()
    );
}
