#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::Token;
use crate::Fault;
use crate::algorithm::Algorithm;
use crate::fixtures::{NOW, P256, decode, encode};
use crate::key_set::KeySet;

fn parse(header: &str, payload: &str) -> Result<Token, Fault> {
    Token::parse(format!("{}.{}.c2ln", encode(header), encode(payload)).as_bytes())
}

const HEADER: &str = r#"{"alg":"ES256"}"#;

#[test]
fn the_form_is_three_sections() {
    for text in [
        "", ".", "..", "...", "a", "a.b", "a.b.", ".b.c", "a..c", "a.b.c.", "a.b.c.d", ".a.b.c",
    ] {
        assert_eq!(Token::parse(text.as_bytes()).err(), Some(Fault::Form), "{text:?}");
    }
    let long = vec![b'a'; super::MAX_BYTES + 1];
    assert_eq!(Token::parse(&long).err(), Some(Fault::TooLarge));
}

#[test]
fn base64url_has_one_spelling() {
    let (header, payload) = (encode(HEADER), encode("{}"));
    let sound = |header: &str, payload: &str, signature: &str| {
        Token::parse(format!("{header}.{payload}.{signature}").as_bytes()).err()
    };
    assert_eq!(sound(&header, &payload, "c2ln"), None);
    // Padding, whitespace, the other alphabet, bits left over, no letter at all.
    for wrong in ["e30=", "e30\n", " e30", "e3 0", "e31", "+/+/", "e", "\u{e9}"] {
        assert_eq!(
            sound(wrong, &payload, "c2ln"),
            Some(Fault::HeaderBase64),
            "{wrong:?}"
        );
        assert_eq!(
            sound(&header, wrong, "c2ln"),
            Some(Fault::PayloadBase64),
            "{wrong:?}"
        );
        assert_eq!(
            sound(&header, &payload, wrong),
            Some(Fault::SignatureBase64),
            "{wrong:?}"
        );
    }
}

#[test]
fn headers_are_refused_for_what_they_say() {
    let table = [
        ("x", Fault::HeaderJson),
        ("[]", Fault::HeaderJson),
        (r#"{"alg":"ES256"} x"#, Fault::HeaderJson),
        (r#"{"alg":"none","alg":"ES256"}"#, Fault::HeaderJson),
        (r#"{"alg":"ES256","kid":"a","kid":"b"}"#, Fault::HeaderJson),
        ("{}", Fault::AlgorithmNotText),
        (r#"{"alg":1}"#, Fault::AlgorithmNotText),
        (r#"{"alg":["ES256"]}"#, Fault::AlgorithmNotText),
        (r#"{"alg":"none"}"#, Fault::AlgorithmUnsupported),
        (r#"{"alg":"None"}"#, Fault::AlgorithmUnsupported),
        (r#"{"alg":""}"#, Fault::AlgorithmUnsupported),
        (r#"{"alg":"es256"}"#, Fault::AlgorithmUnsupported),
        (r#"{"alg":"HS256"}"#, Fault::AlgorithmUnsupported),
        (r#"{"alg":"HS384"}"#, Fault::AlgorithmUnsupported),
        (r#"{"alg":"HS512"}"#, Fault::AlgorithmUnsupported),
        (r#"{"alg":"ES256K"}"#, Fault::AlgorithmUnsupported),
        (r#"{"alg":"RSA-OAEP"}"#, Fault::AlgorithmUnsupported),
        (r#"{"alg":"ES256","kid":1}"#, Fault::KeyIdNotText),
        (r#"{"alg":"ES256","kid":null}"#, Fault::KeyIdNotText),
        (r#"{"alg":"ES256","crit":["exp"]}"#, Fault::Critical),
        (r#"{"alg":"ES256","crit":[]}"#, Fault::Critical),
        (r#"{"alg":"ES256","crit":["b64"],"b64":false}"#, Fault::Critical),
        (r#"{"alg":"ES256","b64":false}"#, Fault::PayloadEncoding),
        (r#"{"alg":"ES256","b64":true}"#, Fault::PayloadEncoding),
    ];
    for (header, fault) in table {
        assert_eq!(parse(header, "{}").err(), Some(fault), "{header}");
    }
    // What could name other keys is not looked at.
    let hints =
        r#"{"alg":"ES256","jku":"http://evil/","jwk":{"kty":"oct"},"x5u":"http://evil/","typ":"at+jwt"}"#;
    assert!(parse(hints, "{}").is_ok());
}

#[test]
fn payloads_are_refused_for_what_they_say() {
    let table = [
        ("x", Fault::PayloadJson),
        ("\"x\"", Fault::PayloadJson),
        (r#"{"iss":"a","iss":"b"}"#, Fault::PayloadJson),
        (r#"{"iss":1}"#, Fault::IssuerNotText),
        (r#"{"iss":["a"]}"#, Fault::IssuerNotText),
        (r#"{"sub":1}"#, Fault::SubjectNotText),
        (r#"{"iat":"1"}"#, Fault::IssuedAtNotNumber),
        (r#"{"iat":-1}"#, Fault::IssuedAtOutOfRange),
        (r#"{"nbf":true}"#, Fault::NotBeforeNotNumber),
        (r#"{"nbf":1e20}"#, Fault::NotBeforeOutOfRange),
        (r#"{"exp":"1790000000"}"#, Fault::ExpiryNotNumber),
        (r#"{"exp":null}"#, Fault::ExpiryNotNumber),
        (r#"{"exp":-1}"#, Fault::ExpiryOutOfRange),
        (r#"{"exp":18446744073709551616}"#, Fault::ExpiryOutOfRange),
        (r#"{"jti":1}"#, Fault::TokenIdNotText),
        (r#"{"aud":1}"#, Fault::AudienceNotText),
        (r#"{"aud":["a",1]}"#, Fault::AudienceNotText),
        (r#"{"aud":{"a":1}}"#, Fault::AudienceNotText),
        (r#"{"aud":null}"#, Fault::AudienceNotText),
    ];
    for (payload, fault) in table {
        assert_eq!(parse(HEADER, payload).err(), Some(fault), "{payload}");
    }
    assert!(
        parse(
            HEADER,
            r#"{"aud":[],"exp":1.5e9,"nbf":0,"iat":18446744073709551615}"#
        )
        .is_ok()
    );
}

#[test]
fn clocks_may_differ_by_a_minute() {
    let check = |payload: &Value| parse(HEADER, &payload.to_string()).unwrap().check_time(NOW);
    assert_eq!(check(&json!({})), Ok(()));
    assert_eq!(check(&json!({"exp": NOW - 60})), Ok(()));
    assert_eq!(check(&json!({"exp": NOW - 61})), Err(Fault::Expired));
    assert_eq!(check(&json!({"exp": 0})), Err(Fault::Expired));
    assert_eq!(check(&json!({"exp": u64::MAX})), Ok(()));
    assert_eq!(check(&json!({"nbf": NOW + 60})), Ok(()));
    assert_eq!(check(&json!({"nbf": NOW + 61})), Err(Fault::NotYetValid));
    assert_eq!(check(&json!({"nbf": u64::MAX})), Err(Fault::NotYetValid));
    assert_eq!(
        check(&json!({"nbf": NOW + 61, "exp": 1})),
        Err(Fault::NotYetValid)
    );
    assert_eq!(check(&json!({"exp": NOW as f64 - 60.5})), Err(Fault::Expired));
}

#[test]
fn tokens_of_rfc_7515_are_verified() {
    const PAYLOAD: &str =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let table = [
        // A.2
        (
            r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#,
            "eyJhbGciOiJSUzI1NiJ9",
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ),
        // A.3
        (
            r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
            "eyJhbGciOiJFUzI1NiJ9",
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
    ];
    for (key, header, signature) in table {
        let keys = KeySet::parse(format!(r#"{{"keys":[{key}]}}"#).as_bytes()).unwrap();
        let text = format!("{header}.{PAYLOAD}.{signature}");
        let token = Token::parse(text.as_bytes()).unwrap();
        assert_eq!(token.verify(&keys), Ok(()));
        assert_eq!(token.text_of("iss"), Some("joe"));
        assert!(token.claims().get("http://example.com/is_root").is_some());
        assert_eq!(token.check_time(1_300_819_380 + 60), Ok(()));
        assert_eq!(token.check_time(1_300_819_380 + 61), Err(Fault::Expired));
        // Each bit counts.
        let mut other = text.into_bytes();
        let at = header.len() + 60;
        other[at] ^= 1;
        if let Ok(token) = Token::parse(&other) {
            assert_eq!(token.verify(&keys), Err(Fault::VerificationFails));
        }
    }
}

/// Their payloads are prose, so only signatures can be compared.
#[test]
fn signatures_of_rfc_7520_and_rfc_8037_are_verified() {
    const RSA: &str = r#"{"kty":"RSA","kid":"bilbo.baggins@hobbiton.example","use":"sig","n":"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw","e":"AQAB"}"#;
    const P521: &str = r#"{"kty":"EC","kid":"bilbo.baggins@hobbiton.example","use":"sig","crv":"P-521","x":"AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt","y":"AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"}"#;
    const ED25519: &str =
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    const PROSE: &str = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4";
    let bilbo = Some("bilbo.baggins@hobbiton.example");
    let table = [
        // RFC 7520, 4.2
        (
            RSA,
            Algorithm::Ps384,
            bilbo,
            format!("eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.{PROSE}"),
            "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw",
        ),
        // RFC 7520, 4.3
        (
            P521,
            Algorithm::Es512,
            bilbo,
            format!("eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.{PROSE}"),
            "AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2",
        ),
        // RFC 8037, A.4
        (
            ED25519,
            Algorithm::EdDsa,
            None,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".to_owned(),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ),
    ];
    for (key, algorithm, id, message, signature) in table {
        let keys = KeySet::parse(format!(r#"{{"keys":[{key}]}}"#).as_bytes()).unwrap();
        let verify = |message: &str| keys.verify(id, algorithm, message.as_bytes(), &decode(signature));
        assert_eq!(verify(&message), Ok(()), "{algorithm:?}");
        assert_eq!(
            verify(&message.replace("IH", "IG")).is_ok(),
            !message.contains("IH")
        );
        assert_eq!(verify(&message[1..]), Err(Fault::VerificationFails));
    }
}

#[test]
fn nothing_of_a_token_is_in_its_debug_form() {
    let token = Token::parse(
        P256.token(&json!({"alg": "ES256"}), &json!({"sub": "alice"}))
            .as_bytes(),
    )
    .unwrap();
    assert_eq!(format!("{token:?}"), "Token { .. }");
}
