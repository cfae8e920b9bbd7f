//! What clients carry to prove who they are, and what issuers publish.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use cairn_jwt::{Cache, KeyRing, KeySet, KeySource, Keys, Now, Request, Requirements};
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue, Method};

use crate::Target;

/// RFC 7515, appendix A.3: a key, and the token that was signed with it.
const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
const TOKEN: &[u8] = b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

/// Accepts that token at each kind of place.
static REQUIREMENTS: LazyLock<Requirements> = LazyLock::new(|| {
    let mut policy = cairn_api::istio::RequestAuthentication::default();
    policy.spec.jwt_rules.push(cairn_api::istio::JwtRule {
        issuer: "joe".to_owned(),
        jwks: KEYS.to_owned(),
        from_headers: vec![cairn_api::istio::JwtHeader {
            name: "authorization".to_owned(),
            prefix: "Bearer ".to_owned(),
        }],
        from_params: vec!["t".to_owned()],
        from_cookies: vec!["t".to_owned()],
        output_payload_to_header: "x-payload".to_owned(),
        ..Default::default()
    });
    let (requirements, problems) = Requirements::compile(&[Arc::new(policy)], &KeyRing::default());
    assert!(problems.is_empty(), "{problems:?}");
    requirements
});

/// A token as header, as parameter and as cookie: only the one that was signed passes, and nothing of it goes further.
pub(crate) const TOKENS: Target = Target {
    name: "token",
    run: |data| {
        let lines = [
            (AUTHORIZATION, [b"Bearer ", data].concat()),
            (COOKIE, [b"a=b; t=", data].concat()),
        ];
        for (name, line) in lines {
            if let Ok(value) = HeaderValue::from_bytes(&line) {
                ask(data, None, HeaderMap::from_iter([(name, value)]));
            }
        }
        if let Ok(text) = std::str::from_utf8(data) {
            ask(data, Some(&format!("a=b&t={text}")), HeaderMap::new());
        }
    },
    seeds: &[
        TOKEN,
        b"eyJhbGciOiJub25lIn0.e30.c2ln",
        b"eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.eyJhdWQiOlsiYSJdLCJleHAiOjEuNWU5fQ.c2ln",
        b"eyJhbGciOiJFZERTQSIsImNyaXQiOlsiYjY0Il0sImI2NCI6ZmFsc2V9.e30.c2ln; t=\"a.b.c\"",
        b"a&t=b%2Ec&%74=",
    ],
};

fn ask(data: &[u8], query: Option<&str>, mut headers: HeaderMap) {
    let request = Request {
        method: &Method::GET,
        scheme: "http",
        authority: "app",
        path: "/",
        query,
        headers: &headers,
    };
    let now = Now {
        unix: 1_300_819_380,
        instant: Instant::now(),
    };
    match REQUIREMENTS.authenticate(&request, &Cache::default(), now) {
        Ok(passed) => {
            if let Some(identity) = passed.authenticated() {
                let part = TOKEN.rsplit(|byte| *byte == b'.').nth(1).expect("three parts");
                assert_eq!(identity.issuer(), "joe");
                passed.edit(&mut headers);
                let payload = headers.remove("x-payload").expect("the payload is written");
                assert_eq!(payload.as_bytes(), part);
            } else {
                // What passes as no token has none of its form.
                assert!(!data.starts_with(b"eyJ"), "{}", data.escape_ascii());
            }
        }
        Err(refusal) => {
            assert!(matches!(refusal.status().as_u16(), 401 | 403));
            let text = format!("{refusal:?} {}", refusal.details());
            // Parameters of other names are repeated.
            assert!(!text.contains("eyJ") || data.contains(&b'&'), "{text}");
        }
    }
}

/// Key sets, and the documents that say where they are.
pub(crate) const JWKS: Target = Target {
    name: "jwks",
    run: |data| {
        if let Ok(set) = KeySet::parse(data) {
            assert!(set.usable() > 0 && set.usable() + set.skipped().len() <= 100);
        }
        let now = Instant::now();
        let (keys, _) = Keys::new(KeySource::Discovery {
            url: "https://a/".into(),
            timeout: std::time::Duration::from_secs(5),
        });
        if keys.due(now).is_some() && keys.accept(data, None, now).is_ok() {
            let fetch = keys.due(now).expect("what was discovered is due");
            assert!(fetch.url.contains("://"), "{}", fetch.url);
        }
    },
    seeds: &[
        KEYS.as_bytes(),
        br#"{"keys":[{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB","alg":"PS256","use":"sig"}]}"#,
        br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","key_ops":["verify"]},{"kty":"oct","k":"AAAA"},1]}"#,
        br#"{"issuer":"https://a","jwks_uri":"https://a/keys"}"#,
    ],
};
