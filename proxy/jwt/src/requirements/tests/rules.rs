#![allow(clippy::unwrap_used)]

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::fixtures::{Gate, NOW, OTHER, P256, encode, headers, policy, rule, set, token};
use crate::{Cache, ClaimPath, Fault, KeyRing, Now, Request, Requirements};

fn of_rule(members: &Value) -> Gate {
    Gate::new(&[rule("joe", members)])
}

#[test]
fn each_refusal_has_its_status_body_challenge_and_details() {
    let gate = of_rule(&json!({"audiences": ["app"]}));
    let header = json!({"alg": "ES256"});
    let with = |claims: &Value| {
        let mut all = json!({"aud": "app"});
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        token("joe", &all)
    };
    let of = |header: &str, payload: &str| P256.token_of(header, payload);
    let own = r#"{"alg":"ES256"}"#;
    let short = format!(
        "{}.{}.c2ln",
        encode(r#"{"alg":"EdDSA"}"#),
        encode(r#"{"iss":"joe","aud":"app"}"#)
    );
    let table: Vec<(String, u16, &str)> = vec![
        (with(&json!({"exp": 1})), 401, "Jwt is expired"),
        (with(&json!({"nbf": NOW + 100})), 401, "Jwt not yet valid"),
        (
            OTHER.token(&header, &json!({"iss": "joe", "aud": "app"})),
            401,
            "Jwt verification fails",
        ),
        (
            token("mallory", &json!({"aud": "app"})),
            401,
            "Jwt issuer is not configured",
        ),
        (
            P256.token(&header, &json!({"aud": "app"})),
            401,
            "Jwt issuer is not configured",
        ),
        (
            "a.b".into(),
            401,
            "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
        ),
        ("x".repeat(40_000), 401, "Jwt is too large"),
        (
            P256.token(&json!({"alg": "RS256"}), &json!({"iss": "joe", "aud": "app"})),
            401,
            "Jwt verification fails",
        ),
        (token("joe", &json!({})), 403, "Audiences in Jwt are not allowed"),
        (
            with(&json!({"aud": ["x", "y"]})),
            403,
            "Audiences in Jwt are not allowed",
        ),
        (
            "!.e30.c2ln".into(),
            401,
            "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
        ),
        (
            "a!.e30.c2ln".into(),
            401,
            "Jwt header is an invalid Base64url encoded",
        ),
        (of("{", "{}"), 401, "Jwt header is an invalid JSON"),
        (
            of("{}", "{}"),
            401,
            "Jwt header [alg] field is required and must be a string",
        ),
        (
            of(r#"{"alg":"none"}"#, "{}"),
            401,
            "Jwt header [alg] is not supported",
        ),
        (
            of(r#"{"alg":"ES256","kid":1}"#, "{}"),
            401,
            "Jwt header [kid] field is not a string",
        ),
        (
            of(r#"{"alg":"ES256","crit":["x"]}"#, "{}"),
            401,
            "Jwt header [crit] is not supported",
        ),
        (
            of(r#"{"alg":"ES256","b64":false}"#, "{}"),
            401,
            "Jwt header [b64] is not supported",
        ),
        (
            format!("{}.a.c2ln", encode(own)),
            401,
            "Jwt payload is an invalid Base64url encoded",
        ),
        (of(own, "x"), 401, "Jwt payload is an invalid JSON"),
        (
            of(own, r#"{"iss":1}"#),
            401,
            "Jwt payload [iss] field is not a string",
        ),
        (
            of(own, r#"{"sub":1}"#),
            401,
            "Jwt payload [sub] field is not a string",
        ),
        (
            of(own, r#"{"iat":"x"}"#),
            401,
            "Jwt payload [iat] field is not an integer",
        ),
        (
            of(own, r#"{"iat":-1}"#),
            401,
            "Jwt payload [iat] field is not a positive 64 bit integer",
        ),
        (
            of(own, r#"{"nbf":"x"}"#),
            401,
            "Jwt payload [nbf] field is not an integer",
        ),
        (
            of(own, r#"{"nbf":-1}"#),
            401,
            "Jwt payload [nbf] field is not a positive 64 bit integer",
        ),
        (
            of(own, r#"{"exp":"x"}"#),
            401,
            "Jwt payload [exp] field is not an integer",
        ),
        (
            of(own, r#"{"exp":-1}"#),
            401,
            "Jwt payload [exp] field is not a positive 64 bit integer",
        ),
        (
            of(own, r#"{"jti":1}"#),
            401,
            "Jwt payload [jti] field is not a string",
        ),
        (
            of(own, r#"{"aud":1}"#),
            401,
            "Jwt payload [aud] field is not a string or string list",
        ),
        (
            format!("{}.e30.a", encode(own)),
            401,
            "Jwt signature is an invalid Base64url encoded",
        ),
        (short, 401, "Jwt ED25519 signature is wrong length"),
    ];
    for (token, status, body) in table {
        let refusal = gate.bearer(&token).unwrap_err();
        assert_eq!((refusal.status().as_u16(), refusal.body()), (status, body));
        assert_eq!(refusal.to_string(), body);
        assert_eq!(
            refusal.challenge(),
            r#"Bearer realm="http://app:5000/hello", error="invalid_token""#
        );
        assert_eq!(
            refusal.details(),
            format!("jwt_authn_access_denied{{{}}}", body.replace(' ', "_"))
        );
        assert!(!refusal.keys_wanted());
        assert!(!format!("{refusal:?}").contains(&token), "{refusal:?}");
    }
    assert_eq!(gate.refused(&with(&json!({}))), None);
    assert_eq!(
        gate.bearer("a.b").unwrap_err().details(),
        "jwt_authn_access_denied{Jwt_is_not_in_the_form_of_Header.Payload.Signature_with_two_dots_and_3_sections}"
    );
}

#[test]
fn keys_that_are_not_there_refuse() {
    let by_kid = Gate::new(&[rule(
        "joe",
        &json!({"jwks": set(&[P256.jwk(&json!({"kid": "a", "alg": "ES256"}))])}),
    )]);
    let signed = |kid: &str| P256.token(&json!({"alg": "ES256", "kid": kid}), &json!({"iss": "joe"}));
    assert_eq!(by_kid.refused(&signed("a")), None);
    assert_eq!(by_kid.refused(&signed("")), None);
    let missing = "Jwks doesn't have key to match kid or alg from Jwt";
    assert_eq!(by_kid.refused(&signed("b")), Some(missing));
    let (wrong, _) = Gate::with_problems(&[rule("joe", &json!({"jwks": "{}"}))]);
    assert_eq!(
        wrong.refused(&signed("a")),
        Some("Jwks doesn't have any valid public key")
    );
    // Fetched ones.
    let gate = of_rule(&json!({"jwks": "", "jwksUri": "https://joe/keys"}));
    assert_eq!(gate.refused(&signed("a")), Some("Jwks remote fetch is failed"));
    let keys = &gate.ring.remote()[0];
    let now = gate.now.instant;
    keys.due(now).unwrap();
    let jwks = |kid: &str| set(&[P256.jwk(&json!({"kid": kid}))]);
    keys.accept(jwks("a").as_bytes(), None, now).unwrap();
    assert_eq!(gate.refused(&signed("a")), None);
    // A token with a new key makes it be fetched, once.
    assert!(gate.bearer(&signed("b")).unwrap_err().keys_wanted());
    assert!(!gate.bearer(&signed("b")).unwrap_err().keys_wanted());
    assert!(keys.due(now).is_some());
    keys.accept(jwks("b").as_bytes(), None, now).unwrap();
    assert_eq!(gate.refused(&signed("b")), None);
    // The old key is gone, and with it what it had verified.
    assert_eq!(gate.refused(&signed("a")), Some(missing));
}

#[test]
fn no_token_and_other_credentials_pass() {
    let gate = of_rule(&json!({}));
    for line in ["Basic YTpi", "Bearer", "Digest x"] {
        let passed = gate.ask(None, &headers(&[("authorization", line)])).unwrap();
        assert!(passed.authenticated().is_none(), "{line}");
    }
    assert!(
        gate.ask(Some("x=1"), &headers(&[]))
            .unwrap()
            .authenticated()
            .is_none()
    );
    assert!(
        gate.bearer(&token("joe", &json!({})))
            .unwrap()
            .authenticated()
            .is_some()
    );
    let in_query = format!("a=b&access_token={}", token("joe", &json!({})));
    assert!(
        gate.ask(Some(&in_query), &headers(&[]))
            .unwrap()
            .authenticated()
            .is_some()
    );
    // No expiry is no fault.
    let endless = P256.token(&json!({"alg": "ES256"}), &json!({"iss": "joe"}));
    assert_eq!(gate.refused(&endless), None);
}

#[test]
fn places_of_a_rule_replace_the_default() {
    let gate = of_rule(&json!({
        "fromHeaders": [{"name": "X-JWT", "prefix": "JWT "}, {"name": "x-plain"}],
        "fromParams": ["t"],
        "fromCookies": ["session"],
    }));
    let good = token("joe", &json!({}));
    let named = |query: Option<&str>, given: &[(&str, &str)]| {
        let passed = gate.ask(query, &headers(given)).unwrap();
        passed.authenticated().is_some()
    };
    assert!(named(None, &[("x-jwt", &format!("JWT {good}"))]));
    assert!(named(None, &[("x-plain", &good)]));
    assert!(named(None, &[("cookie", &format!("a=b; session={good}"))]));
    assert!(named(Some(&format!("t={good}")), &[]));
    assert!(!named(None, &[("authorization", &format!("Bearer {good}"))]));
    assert!(!named(Some(&format!("access_token={good}")), &[]));
}

#[test]
fn all_tokens_of_a_rule_must_be_good() {
    let gate = of_rule(&json!({}));
    let (good, bad) = (token("joe", &json!({})), token("joe", &json!({"exp": 1})));
    let both = |in_header: &str, in_query: &str| {
        let line = format!("Bearer {in_header}");
        let passed = gate.ask(
            Some(&format!("access_token={in_query}")),
            &headers(&[("authorization", &line)]),
        );
        passed.map_err(|refusal| refusal.fault()).err()
    };
    assert_eq!(both(&good, &good), None);
    assert_eq!(both(&good, &bad), Some(Fault::Expired));
    assert_eq!(both(&bad, &good), Some(Fault::Expired));
    let twice = headers(&[
        ("authorization", &format!("Bearer {good}")),
        ("authorization", &format!("Bearer {bad}")),
    ]);
    assert!(gate.ask(None, &twice).is_err());
    let twice = format!("access_token={good}&access_token={bad}");
    assert!(gate.ask(Some(&twice), &headers(&[])).is_err());
    // The header's counts.
    let (ann, bob) = (
        token("joe", &json!({"sub": "ann"})),
        token("joe", &json!({"sub": "bob"})),
    );
    let passed = gate
        .ask(
            Some(&format!("access_token={bob}")),
            &headers(&[("authorization", &format!("Bearer {ann}"))]),
        )
        .unwrap();
    assert_eq!(passed.authenticated().unwrap().subject(), Some("ann"));
}

/// Two issuers at the default places, and a third at a header of its own.
fn three() -> Gate {
    Gate::new(&[
        rule("joe", &json!({})),
        rule("ann", &json!({})),
        rule("zoe", &json!({"fromHeaders": [{"name": "x-zoe"}]})),
    ])
}

#[test]
fn one_rule_that_accepts_is_enough() {
    let gate = three();
    for issuer in ["joe", "ann"] {
        let passed = gate.bearer(&token(issuer, &json!({}))).unwrap();
        assert_eq!(passed.authenticated().unwrap().issuer(), issuer);
    }
    let ask = |bearer: &str, own: &str| {
        gate.ask(
            None,
            &headers(&[("authorization", &format!("Bearer {bearer}")), ("x-zoe", own)]),
        )
    };
    let (joe, zoe) = (token("joe", &json!({})), token("zoe", &json!({})));
    let passed = gate.ask(None, &headers(&[("x-zoe", &zoe)])).unwrap();
    assert_eq!(passed.authenticated().unwrap().issuer(), "zoe");
    // As Istio builds it: the first rule by issuer that accepts decides.
    assert_eq!(ask(&joe, &zoe).unwrap().authenticated().unwrap().issuer(), "joe");
    assert_eq!(
        ask(&joe, "a.b.c").unwrap().authenticated().unwrap().issuer(),
        "joe"
    );
    assert_eq!(
        ask("a.b.c", &zoe).unwrap().authenticated().unwrap().issuer(),
        "zoe"
    );
    assert!(ask("a.b.c", "a.b.c").is_err());
    // A token at the place of another rule is not its issuer's.
    let refusal = gate.ask(None, &headers(&[("x-zoe", &joe)])).unwrap_err();
    assert_eq!(refusal.fault(), Fault::UnknownIssuer);
}

#[test]
fn of_several_faults_the_telling_one_is_reported() {
    let gate = three();
    let fault = |lines: &[(&str, &str)]| gate.ask(None, &headers(lines)).unwrap_err().fault();
    let bearer = |token: &str| format!("Bearer {token}");
    let expired = json!({"exp": 1});
    assert_eq!(
        fault(&[("authorization", &bearer(&token("joe", &expired)))]),
        Fault::Expired
    );
    assert_eq!(
        fault(&[("authorization", &bearer(&token("ann", &expired)))]),
        Fault::Expired
    );
    assert_eq!(
        fault(&[("authorization", &bearer(&token("max", &expired)))]),
        Fault::UnknownIssuer
    );
    // The first rule that is concerned, unless it says only that another is meant.
    let early = token("zoe", &json!({"nbf": NOW + 100}));
    assert_eq!(
        fault(&[
            ("authorization", &bearer(&token("ann", &expired))),
            ("x-zoe", &early)
        ]),
        Fault::Expired
    );
    assert_eq!(
        fault(&[
            ("authorization", &bearer(&token("joe", &expired))),
            ("x-zoe", &early)
        ]),
        Fault::NotYetValid
    );
}

#[test]
fn policies_add_up() {
    let ring = KeyRing::default();
    let policies = [
        policy(&[rule("joe", &json!({}))]),
        policy(&[rule("ann", &json!({}))]),
        policy(&[]),
    ];
    let (requirements, problems) = Requirements::compile(&policies, &ring);
    assert!(problems.is_empty() && !requirements.is_empty());
    let gate = Gate {
        requirements,
        ..three()
    };
    assert_eq!(gate.refused(&token("joe", &json!({}))), None);
    assert_eq!(gate.refused(&token("ann", &json!({}))), None);
    assert!(gate.refused(&token("zoe", &json!({}))).is_some());
    let (nothing, _) = Requirements::compile(&policies[2..], &ring);
    assert!(nothing.is_empty());
    let gate = Gate {
        requirements: nothing,
        ..three()
    };
    assert_eq!(gate.refused("a.b"), None);
}

#[test]
fn required_tokens_must_all_be_there() {
    let required = json!({"presence": "REQUIRED"});
    let one = of_rule(&required);
    let refusal = one.ask(None, &headers(&[])).unwrap_err();
    assert_eq!(
        (refusal.status().as_u16(), refusal.body()),
        (401, "Jwt is missing")
    );
    assert_eq!(refusal.challenge(), r#"Bearer realm="http://app:5000/hello""#);
    assert_eq!(one.refused(&token("joe", &json!({}))), None);

    let gate = Gate::new(&[
        rule("joe", &required),
        rule(
            "zoe",
            &json!({"presence": "REQUIRED", "fromHeaders": [{"name": "x-zoe"}]}),
        ),
        rule("max", &json!({"fromHeaders": [{"name": "x-max"}]})),
    ]);
    let (joe, zoe, max) = (
        format!("Bearer {}", token("joe", &json!({}))),
        token("zoe", &json!({})),
        token("max", &json!({})),
    );
    let fault = |lines: &[(&str, &str)]| {
        gate.ask(None, &headers(lines))
            .err()
            .map(|refusal| refusal.fault())
    };
    assert_eq!(fault(&[("authorization", &joe), ("x-zoe", &zoe)]), None);
    assert_eq!(
        fault(&[("authorization", &joe), ("x-zoe", &zoe), ("x-max", &max)]),
        None
    );
    assert_eq!(fault(&[("authorization", &joe)]), Some(Fault::Missing));
    assert_eq!(fault(&[("x-zoe", &zoe)]), Some(Fault::Missing));
    // One that need not be there must be good all the same, and is not enough.
    assert_eq!(fault(&[("x-max", &max)]), Some(Fault::Missing));
    assert_eq!(
        fault(&[("authorization", &joe), ("x-zoe", &zoe), ("x-max", "a")]),
        Some(Fault::Form)
    );
    let passed = gate
        .ask(None, &headers(&[("authorization", &joe), ("x-zoe", &zoe)]))
        .unwrap();
    assert_eq!(passed.authenticated().unwrap().issuer(), "zoe");
}

#[test]
fn preflights_pass() {
    let gate = of_rule(&json!({"presence": "REQUIRED"}));
    let asked = |method: &Method, given: &[(&str, &str)]| {
        let headers = headers(given);
        let request = Request {
            method,
            scheme: "http",
            authority: "app",
            path: "/",
            query: None,
            headers: &headers,
        };
        gate.requirements
            .authenticate(&request, &gate.cache, gate.now)
            .is_ok()
    };
    let both = [("origin", "http://a"), ("access-control-request-method", "PUT")];
    assert!(asked(&Method::OPTIONS, &both));
    assert!(!asked(&Method::GET, &both));
    assert!(!asked(&Method::OPTIONS, &both[..1]));
    assert!(!asked(&Method::OPTIONS, &[("origin", ""), both[1]]));
}

#[test]
fn an_identity_says_what_its_token_says() {
    let gate = of_rule(&json!({"spaceDelimitedClaims": ["roles"]}));
    let claims = json!({
        "aud": ["a", "b"], "azp": "web", "scope": "read  write", "roles": "x y", "name": "Alice B",
        "groups": ["one", 2, "three"], "n": 5, "b": true,
        "realm": {"roles": ["admin", "dev"], "scope": "a b"}, "https://e.com/r": "z",
    });
    let passed = gate.bearer(&token("joe", &claims)).unwrap();
    let identity = passed.authenticated().unwrap().clone();
    let values = |names: &[&str]| -> Vec<String> {
        let path = ClaimPath::of(names.iter().copied()).unwrap();
        identity.values(&path).map(str::to_owned).collect()
    };
    assert_eq!((identity.issuer(), identity.subject()), ("joe", Some("alice")));
    assert_eq!(identity.audiences().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(identity.presenter(), Some("web"));
    assert_eq!(values(&["iss"]), ["joe"]);
    assert_eq!(values(&["scope"]), ["read", "write"]);
    assert_eq!(values(&["roles"]), ["x", "y"]);
    assert_eq!(values(&["name"]), ["Alice B"]);
    assert_eq!(values(&["groups"]), ["one", "three"]);
    assert_eq!(values(&["realm", "roles"]), ["admin", "dev"]);
    assert_eq!(values(&["realm", "scope"]), ["a b"]);
    assert_eq!(values(&["https://e.com/r"]), ["z"]);
    for none in [
        ["n", ""],
        ["b", ""],
        ["realm", ""],
        ["none", ""],
        ["name", "x"],
        ["groups", "one"],
    ] {
        let names: Vec<&str> = none.into_iter().filter(|name| !name.is_empty()).collect();
        assert!(values(&names).is_empty(), "{names:?}");
    }
    assert!(identity.claims().get("n").is_some());
    let text = format!("{passed:?} {identity:?} {:?} {:?}", identity.claims(), gate.cache);
    for word in ["alice", "Alice", "admin", "eyJ"] {
        assert!(!text.contains(word), "{text}");
    }
}

#[test]
fn verified_tokens_are_remembered_for_their_time_and_failures_are_not() {
    let mut gate = of_rule(&json!({"audiences": ["app"]}));
    let good = token("joe", &json!({"aud": "app"}));
    let forged = OTHER.token(&json!({"alg": "ES256"}), &json!({"iss": "joe", "aud": "app"}));
    for _ in 0..3 {
        assert_eq!(gate.refused(&good), None);
        assert_eq!(gate.refused(&forged), Some("Jwt verification fails"));
        assert_eq!(
            gate.refused(&token("joe", &json!({"aud": "x"}))),
            Some("Audiences in Jwt are not allowed")
        );
        assert_eq!(gate.cache.len(), 1);
    }
    // What is remembered is checked all the same.
    let stricter = of_rule(&json!({"audiences": ["other"]}));
    let gate_of_others = Gate {
        cache: std::mem::take(&mut gate.cache),
        ..stricter
    };
    assert_eq!(
        gate_of_others.refused(&good),
        Some("Audiences in Jwt are not allowed")
    );
    gate.cache = gate_of_others.cache;
    gate.now = Now {
        unix: NOW + 661,
        instant: gate.now.instant + Duration::from_secs(661),
    };
    assert_eq!(gate.refused(&good), Some("Jwt is expired"));
    assert!(gate.cache.is_empty());
}

#[test]
fn a_token_that_one_key_set_has_verified_is_verified_by_another_anew() {
    let own = Gate::new(&[rule("joe", &json!({}))]);
    let good = token("joe", &json!({}));
    assert_eq!(own.refused(&good), None);
    let others = Gate {
        cache: own.cache,
        ..Gate::new(&[rule("joe", &json!({"jwks": set(&[OTHER.jwk(&json!({}))])}))])
    };
    assert_eq!(others.refused(&good), Some("Jwt verification fails"));
    // Both rules at once: one of them accepts.
    let both = Gate {
        cache: Cache::default(),
        ..Gate::new(&[
            rule("joe", &json!({"jwks": set(&[OTHER.jwk(&json!({}))])})),
            rule("joe", &json!({})),
        ])
    };
    assert_eq!(both.refused(&good), None);
    assert_eq!(both.refused(&good), None);
}
