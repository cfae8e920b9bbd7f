//! What has worked against other implementations.
#![allow(clippy::unwrap_used)]

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::json;

use crate::fixtures::{ED25519, Gate, P256, RSA, Signer, decode, encode, headers, rule, set, token};

/// A gate for each kind of key.
fn gates() -> Vec<(Gate, &'static Signer)> {
    let signers: [&'static Signer; 3] = [&RSA, &P256, &ED25519];
    let gate = |signer: &'static Signer| {
        let jwks = set(&[signer.jwk(&json!({"kid": "k"}))]);
        (Gate::new(&[rule("joe", &json!({"jwks": jwks}))]), signer)
    };
    signers.into_iter().map(gate).collect()
}

const PAYLOAD: &str = r#"{"iss":"joe","sub":"admin"}"#;

fn signed(header: &str, payload: &str, signature: &[u8]) -> String {
    format!("{}.{}.{}", encode(header), encode(payload), encode(signature))
}

#[test]
fn no_signature_is_no_signature() {
    for (gate, _) in gates() {
        for algorithm in ["none", "None", "NONE", "nOnE", ""] {
            let header = format!(r#"{{"alg":"{algorithm}","kid":"k"}}"#);
            assert!(gate.refused(&signed(&header, PAYLOAD, b"x")).is_some());
            let bare = format!("{}.{}.", encode(&header), encode(PAYLOAD));
            assert!(gate.refused(&bare).is_some());
            assert!(gate.refused(&bare[..bare.len() - 1]).is_some());
        }
    }
}

#[test]
fn public_keys_are_no_secrets_to_sign_with() {
    for (gate, signer) in gates() {
        let jwk = signer.jwk(&json!({"kid": "k"}));
        let mut secrets = vec![
            jwk.to_string().into_bytes(),
            set(std::slice::from_ref(&jwk)).into_bytes(),
            vec![],
        ];
        for member in ["n", "x", "y"] {
            if let Some(text) = jwk.get(member).and_then(|value| value.as_str()) {
                secrets.extend([text.as_bytes().to_vec(), decode(text)]);
            }
        }
        for (name, algorithm) in [
            ("HS256", hmac::HMAC_SHA256),
            ("HS384", hmac::HMAC_SHA384),
            ("HS512", hmac::HMAC_SHA512),
        ] {
            let header = format!(r#"{{"alg":"{name}","kid":"k"}}"#);
            let message = format!("{}.{}", encode(&header), encode(PAYLOAD));
            for secret in &secrets {
                let tag = hmac::sign(&hmac::Key::new(algorithm, secret), message.as_bytes());
                let forged = signed(&header, PAYLOAD, tag.as_ref());
                assert_eq!(gate.refused(&forged), Some("Jwt header [alg] is not supported"));
            }
        }
    }
}

/// A key that comes with the token proves nothing.
#[test]
fn keys_in_the_token_are_not_used() {
    let gate = Gate::new(&[rule("joe", &json!({"jwks": set(&[RSA.jwk(&json!({}))])}))]);
    let mallory = &P256;
    for members in [
        json!({"jwk": mallory.jwk(&json!({}))}),
        json!({"jku": "https://mallory/jwks"}),
        json!({"x5c": ["AAAA"]}),
        json!({"kid": "../../../../dev/null"}),
        json!({"kid": "' OR 1=1"}),
    ] {
        let mut header = members;
        header["alg"] = json!("ES256");
        let forged = mallory.token(&header, &json!({"iss": "joe", "sub": "admin"}));
        assert_eq!(gate.refused(&forged), Some("Jwt verification fails"));
    }
}

/// CVE-2022-21449 and its kin: numbers that make any signature true.
#[test]
fn signatures_of_zeros_are_none() {
    for (gate, signer) in gates() {
        let (name, length) = match signer {
            Signer::Rsa(_) => ("RS256", 256),
            Signer::Elliptic(..) => ("ES256", 64),
            Signer::Edwards(_) => ("EdDSA", 64),
        };
        let header = format!(r#"{{"alg":"{name}"}}"#);
        let one = |at: usize| {
            let mut bytes = vec![0; length];
            bytes[at] = 1;
            bytes
        };
        let order =
            decode("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVH_____AAAAAP__________vOb6racXnoTzucrC_GMlUQ");
        for signature in [
            vec![0; length],
            vec![0xff; length],
            one(length - 1),
            one(length / 2 - 1),
            order,
        ] {
            let refused = gate.refused(&signed(&header, PAYLOAD, &signature));
            assert_eq!(refused, Some("Jwt verification fails"));
        }
        for length in [1, length - 1, length + 1] {
            assert!(
                gate.refused(&signed(&header, PAYLOAD, &vec![0; length]))
                    .is_some()
            );
        }
    }
}

/// CVE-2015-9235 and its kin: the key decides what it verifies, not the token.
#[test]
fn tokens_do_not_choose_how_a_key_is_used() {
    for (gate, signer) in gates() {
        for name in ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"] {
            let own = match signer {
                Signer::Rsa(_) => name.starts_with("RS") || name.starts_with("PS"),
                Signer::Elliptic(..) => name == "ES256",
                Signer::Edwards(_) => name == "EdDSA",
            };
            let claims = json!({"iss": "joe"});
            let refused = gate.refused(&signer.token(&json!({"alg": name, "kid": "k"}), &claims));
            assert_eq!(refused.is_none(), own, "{name}: {refused:?}");
        }
    }
}

#[test]
fn a_token_has_one_spelling() {
    let gate = Gate::new(&[rule("joe", &json!({}))]);
    let good = token("joe", &json!({}));
    assert_eq!(gate.refused(&good), None);
    let parts: Vec<&str> = good.split('.').collect();
    let padded = URL_SAFE.encode(decode(parts[2]));
    // The last letter of 64 bytes has four bits that mean nothing.
    let last = parts[2].chars().last().unwrap();
    let others = ('A'..='Z').filter(|letter| *letter != last);
    let mut spellings = vec![
        format!("{}.{}.{padded}", parts[0], parts[1]),
        format!("{good}="),
        format!("{good} "),
        format!("{good}.{}", parts[2]),
        good.replace('.', ". "),
        good.replace('.', "%2E"),
        good.to_uppercase(),
    ];
    spellings.extend(others.map(|letter| format!("{}{letter}", &good[..good.len() - 1])));
    for spelling in spellings {
        assert!(gate.refused(&spelling).is_some(), "{spelling}");
    }
    // A query is decoded, a header is not.
    let query = format!("access_token={}", good.replace('.', "%2e"));
    assert!(
        gate.ask(Some(&query), &headers(&[]))
            .unwrap()
            .authenticated()
            .is_some()
    );
}

/// One reader sees the first member and another the last.
#[test]
fn members_twice_are_refused() {
    let gate = Gate::new(&[rule("joe", &json!({}))]);
    for (header, payload) in [
        (
            r#"{"alg":"ES256"}"#,
            r#"{"iss":"joe","sub":"alice","sub":"admin"}"#,
        ),
        (r#"{"alg":"ES256"}"#, r#"{"iss":"mallory","iss":"joe"}"#),
        (r#"{"alg":"ES256"}"#, r#"{"iss":"joe","exp":1,"exp":9999999999}"#),
        (r#"{"alg":"ES256"}"#, r#"{"iss":"joe","s\u0075b":"a","sub":"b"}"#),
        (
            r#"{"alg":"ES256"}"#,
            r#"{"iss":"joe","realm":{"roles":["a"],"roles":["b"]}}"#,
        ),
        (r#"{"alg":"none","alg":"ES256"}"#, PAYLOAD),
    ] {
        assert!(
            gate.refused(&P256.token_of(header, payload)).is_some(),
            "{header} {payload}"
        );
    }
}

#[test]
fn deep_and_long_tokens_are_refused_quickly() {
    let gate = Gate::new(&[rule("joe", &json!({}))]);
    let deep = format!(
        r#"{{"iss":"joe","x":{}{}}}"#,
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    assert_eq!(
        gate.refused(&P256.token_of(r#"{"alg":"ES256"}"#, &deep)),
        Some("Jwt payload is an invalid JSON")
    );
    assert!(gate.refused(&".".repeat(30_000)).is_some());
    assert_eq!(gate.refused(&"a.".repeat(20_000)), Some("Jwt is too large"));
}

/// A prefix of a signed token, and parts of two.
#[test]
fn parts_of_tokens_are_none() {
    let gate = Gate::new(&[rule("joe", &json!({}))]);
    let (one, two) = (
        token("joe", &json!({"sub": "a"})),
        token("joe", &json!({"sub": "b"})),
    );
    let (one, two): (Vec<&str>, Vec<&str>) = (one.split('.').collect(), two.split('.').collect());
    assert!(
        gate.refused(&format!("{}.{}.{}", one[0], one[1], two[2]))
            .is_some()
    );
    assert!(
        gate.refused(&format!("{}.{}.{}", one[0], two[1], one[2]))
            .is_some()
    );
    assert!(
        gate.refused(&format!("{}.{}.{}", one[1], one[0], one[2]))
            .is_some()
    );
    assert!(gate.refused(&format!("{}.{}", one[0], one[1])).is_some());
}
