#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::{KeySet, KeySetError};
use crate::Fault;
use crate::algorithm::Algorithm;
use crate::fixtures::{ED25519, P256, P384, P521, RSA, Signer, encode, set};
use crate::key::Unusable;

fn parse(keys: &[Value]) -> Result<KeySet, KeySetError> {
    KeySet::parse(set(keys).as_bytes())
}

const ALL: [&str; 10] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
];

fn signer_of(name: &str) -> &'static Signer {
    match name {
        "ES256" => &P256,
        "ES384" => &P384,
        "ES512" => &P521,
        "EdDSA" => &ED25519,
        _ => &RSA,
    }
}

#[test]
fn a_key_verifies_with_the_algorithms_that_are_for_it_and_no_others() {
    for signed_with in ALL {
        let signer = signer_of(signed_with);
        let keys = parse(&[signer.jwk(&json!({}))]).unwrap();
        let signature = signer.sign(signed_with, b"message");
        for named in ALL {
            let result = keys.verify(None, Algorithm::named(named).unwrap(), b"message", &signature);
            assert_eq!(
                result.is_ok(),
                named == signed_with,
                "{signed_with} verified as {named}"
            );
        }
    }
}

#[test]
fn what_a_key_says_of_itself_binds_it() {
    for own in ALL {
        let signer = signer_of(own);
        let keys = parse(&[signer.jwk(&json!({"alg": own, "use": "sig", "key_ops": ["verify"]}))]).unwrap();
        for named in ALL {
            let algorithm = Algorithm::named(named).unwrap();
            let result = keys.verify(None, algorithm, b"message", &signer.sign(named, b"message"));
            let expected = if named == own {
                Ok(())
            } else {
                Err(Fault::NoFittingKey)
            };
            assert_eq!(result, expected, "{own} {named}");
        }
    }
}

#[test]
fn a_kid_asks_the_keys_of_that_name_and_those_of_none() {
    let verify = |keys: &[Value], id: Option<&str>| {
        parse(keys)
            .unwrap()
            .verify(id, Algorithm::Es256, b"m", &P256.sign("ES256", b"m"))
    };
    let (own, nameless) = (P256.jwk(&json!({"kid": "a"})), P256.jwk(&json!({})));
    let other = crate::fixtures::OTHER.jwk(&json!({"kid": "b"}));
    assert_eq!(verify(&[own.clone(), other.clone()], Some("a")), Ok(()));
    assert_eq!(verify(&[other.clone(), own.clone()], None), Ok(()));
    assert_eq!(verify(&[other.clone(), nameless], Some("a")), Ok(()));
    assert_eq!(
        verify(&[own.clone(), other.clone()], Some("b")),
        Err(Fault::VerificationFails)
    );
    assert_eq!(
        verify(&[own.clone(), other.clone()], Some("c")),
        Err(Fault::NoFittingKey)
    );
    assert_eq!(
        verify(std::slice::from_ref(&other), None),
        Err(Fault::VerificationFails)
    );
    let twice = crate::fixtures::OTHER.jwk(&json!({"kid": "a"}));
    assert_eq!(verify(&[twice, own], Some("a")), Ok(()));
    // A key of that name and of another type has not signed it.
    let confused = RSA.jwk(&json!({"kid": "a"}));
    assert_eq!(verify(&[confused], Some("a")), Err(Fault::VerificationFails));
}

#[test]
fn keys_that_cannot_be_used_are_named() {
    let rsa = |n: Vec<u8>, e: &str| json!({"kty": "RSA", "n": encode(n), "e": e});
    let odd = |bytes: usize| vec![0xff; bytes];
    let mut even = odd(256);
    even[255] = 0xfe;
    let with = |signer: &Signer, name: &str, value: Value| signer.jwk(&json!({name: value}));
    let table = [
        (json!("x"), Unusable::NotAnObject),
        (json!({}), Unusable::NoType),
        (json!({"kty": 1}), Unusable::NotText),
        (json!({"kty": "oct", "k": "AAAA"}), Unusable::OtherType),
        (
            json!({"kty": "oct", "k": "AAAA", "alg": "HS256"}),
            Unusable::Algorithm,
        ),
        (json!({"kty": "rsa"}), Unusable::OtherType),
        (with(&P256, "use", json!("enc")), Unusable::OtherUse),
        (with(&P256, "use", json!(1)), Unusable::OtherUse),
        (with(&P256, "key_ops", json!(["sign"])), Unusable::OtherUse),
        (with(&P256, "key_ops", json!("verify")), Unusable::OtherUse),
        (with(&P256, "alg", json!("ES384")), Unusable::Algorithm),
        (with(&P256, "alg", json!("RS256")), Unusable::Algorithm),
        (with(&P256, "alg", json!("none")), Unusable::Algorithm),
        (with(&P256, "alg", json!("HS256")), Unusable::Algorithm),
        (with(&RSA, "alg", json!("ES256")), Unusable::Algorithm),
        (with(&RSA, "alg", json!("RSA-OAEP")), Unusable::Algorithm),
        (with(&ED25519, "alg", json!("ES256")), Unusable::Algorithm),
        (with(&P256, "kid", json!(1)), Unusable::NotText),
        (with(&P256, "crv", json!("secp256k1")), Unusable::Curve),
        (with(&ED25519, "crv", json!("X25519")), Unusable::Curve),
        (with(&P256, "crv", json!("P-384")), Unusable::Invalid),
        (with(&P384, "crv", json!("P-256")), Unusable::Number),
        (with(&P256, "x", json!("AAAA")), Unusable::Invalid),
        (with(&P256, "x", json!("!")), Unusable::Number),
        (with(&P256, "y", json!(null)), Unusable::Number),
        (with(&ED25519, "x", json!("AAAA")), Unusable::Invalid),
        (rsa(odd(128), "AQAB"), Unusable::Size),
        (rsa(odd(255), "AQAB"), Unusable::Size),
        (rsa(odd(1025), "AQAB"), Unusable::Size),
        (rsa(vec![], "AQAB"), Unusable::Size),
        (rsa(odd(256), "AQ"), Unusable::Exponent),
        (rsa(odd(256), "AAAB"), Unusable::Exponent),
        (rsa(odd(256), "AAAA"), Unusable::Exponent),
        (rsa(even, "AQAB"), Unusable::Invalid),
    ];
    for (key, unusable) in table {
        assert_eq!(
            parse(std::slice::from_ref(&key)).err(),
            Some(KeySetError::NoneUsable(unusable)),
            "{key}"
        );
        // Among others it is skipped.
        let keys = parse(&[key, P256.jwk(&json!({}))]).unwrap();
        assert_eq!((keys.usable(), keys.skipped()), (1, [(0, unusable)].as_slice()));
    }
    // Padding, zeros in front and an exponent of 3 do no harm; certificates beside the key are not looked at.
    let zeros = rsa([vec![0, 0], odd(256)].concat(), "Aw==");
    assert!(parse(&[zeros]).is_ok());
    assert!(parse(&[RSA.jwk(&json!({"x5c": ["AAAA"], "x5t": 1}))]).is_ok());
}

#[test]
fn sets_that_are_none_are_refused() {
    let table: [(&str, KeySetError); 7] = [
        ("", KeySetError::NotJson),
        ("[]", KeySetError::NotJson),
        (r#"{"keys":[],"keys":[]}"#, KeySetError::NotJson),
        ("{}", KeySetError::NoKeys),
        (r#"{"keys":{}}"#, KeySetError::NotAList),
        (r#"{"keys":[]}"#, KeySetError::Empty),
        (
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
            KeySetError::NotJson,
        ),
    ];
    for (text, error) in table {
        assert_eq!(KeySet::parse(text.as_bytes()).err(), Some(error), "{text}");
    }
    let many = vec![json!({}); 101];
    assert_eq!(parse(&many).err(), Some(KeySetError::TooMany));
    assert_eq!(
        KeySet::parse(&vec![b' '; super::MAX_BYTES + 1]).err(),
        Some(KeySetError::TooLarge)
    );
}

#[test]
fn each_set_is_itself() {
    let (one, two) = (
        parse(&[P256.jwk(&json!({}))]).unwrap(),
        parse(&[P256.jwk(&json!({}))]).unwrap(),
    );
    assert_ne!(one.version(), two.version());
    assert!(one.is_same(&two));
    assert!(!one.is_same(&parse(&[P256.jwk(&json!({"kid": "a"}))]).unwrap()));
}
