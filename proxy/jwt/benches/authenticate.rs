//! The cost of a request by what becomes of its token: none, one that was verified before, one that is new.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cairn_api::istio::RequestAuthentication;
use cairn_jwt::{Cache, ClaimPath, KeyRing, Now, Request, Requirements};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};

const NOW: u64 = 1_790_000_000;

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key set and the token of one key in it: about 1,100 bytes with RS256, as identity providers issue them.
fn signed(algorithm: &str) -> (Value, String) {
    let header = encode(json!({"alg": algorithm, "kid": "2026-11", "typ": "JWT"}).to_string());
    let payload = json!({
        "iss": "https://login.example.com/realms/shop", "sub": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "aud": ["shop", "account"], "azp": "web", "exp": NOW + 300, "iat": NOW, "nbf": NOW,
        "jti": "0d5b1c1e-6a1f-4a65-9fd3-6f7a0d0a7c55", "typ": "Bearer", "scope": "openid profile email",
        "realm_access": {"roles": ["offline_access", "uma_authorization", "customer", "reviewer"]},
        "email": "alice@example.com", "email_verified": true, "name": "Alice Example", "locale": "en",
        "session_state": "b6f0b3fe-22a2-4f29-8f4b-1a2f8b7a8a3e",
    });
    let message = format!("{header}.{}", encode(payload.to_string()));
    let random = SystemRandom::new();
    let (key, signature) = if algorithm == "RS256" {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature)
            .unwrap();
        // PKCS #1: the modulus of 2048 bits is after nine bytes.
        let modulus = encode(pair.public_key().as_ref().get(9..265).unwrap());
        (
            json!({"kty": "RSA", "kid": "2026-11", "n": modulus, "e": "AQAB"}),
            signature,
        )
    } else {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let signature = pair.sign(&random, message.as_bytes()).unwrap();
        let (x, y) = pair.public_key().as_ref().split_at(1).1.split_at(32);
        let key = json!({"kty": "EC", "kid": "2026-11", "crv": "P-256", "x": encode(x), "y": encode(y)});
        (key, signature.as_ref().to_vec())
    };
    (json!({"keys": [key]}), format!("{message}.{}", encode(signature)))
}

fn requirements(jwks: &Value, issuers: usize) -> Requirements {
    let own = json!({
        "issuer": "https://login.example.com/realms/shop",
        "jwks": jwks.to_string(),
        "audiences": ["shop"],
        "outputClaimToHeaders": [{"header": "x-user", "claim": "sub"}],
    });
    // Others that read the same place, all before.
    let others = (1..issuers).map(|number| json!({"issuer": format!("a{number}"), "jwks": jwks.to_string()}));
    let rules: Vec<Value> = others.chain([own]).collect();
    let document = json!({"metadata": {"name": "jwt", "namespace": "shop"}, "spec": {"jwtRules": rules}});
    let policy: RequestAuthentication = serde_json::from_value(document).unwrap();
    let (requirements, problems) = Requirements::compile(&[Arc::new(policy)], &KeyRing::default());
    assert!(problems.is_empty());
    requirements
}

fn now() -> Now {
    Now {
        unix: NOW,
        instant: Instant::now(),
    }
}

fn request(headers: &HeaderMap) -> Request<'_> {
    Request {
        method: &Method::GET,
        scheme: "http",
        authority: "shop",
        path: "/cart",
        query: Some("page=2"),
        headers,
    }
}

fn authenticate(criterion: &mut Criterion) {
    let now = now();
    let none = HeaderMap::new();
    for algorithm in ["ES256", "RS256"] {
        let (jwks, token) = signed(algorithm);
        let mut headers = HeaderMap::new();
        headers.insert(
            "authorization",
            HeaderValue::try_from(format!("Bearer {token}")).unwrap(),
        );
        let mut group = criterion.benchmark_group(format!("{algorithm}, {} bytes", token.len()));
        let cache = Cache::default();
        for issuers in [1, 10] {
            let requirements = requirements(&jwks, issuers);
            let ask = |cache: &Cache, headers| {
                let passed = requirements.authenticate(&request(headers), cache, now);
                passed.unwrap()
            };
            group.bench_function(format!("without a token, {issuers} issuers"), |bencher| {
                bencher.iter(|| black_box(ask(&cache, &none)));
            });
            group.bench_function(format!("verified before, {issuers} issuers"), |bencher| {
                bencher.iter(|| black_box(ask(&cache, &headers)));
            });
            group.bench_function(format!("new, {issuers} issuers"), |bencher| {
                let empty = || Cache::new(1, 1 << 20);
                bencher.iter_batched(
                    empty,
                    |cache| (ask(&cache, &headers), cache),
                    BatchSize::SmallInput,
                );
            });
        }
        let passed = requirements(&jwks, 1)
            .authenticate(&request(&headers), &cache, now)
            .unwrap();
        group.bench_function("editing the head", |bencher| {
            bencher.iter_batched(
                || headers.clone(),
                |mut headers| {
                    passed.edit(&mut headers);
                    headers
                },
                BatchSize::SmallInput,
            );
        });
        let identity = passed.authenticated().unwrap();
        let path = ClaimPath::of_condition("request.auth.claims[realm_access][roles]").unwrap();
        group.bench_function("asking for a claim", |bencher| {
            bencher.iter(|| black_box(identity.values(&path).any(|role| role == "reviewer")));
        });
        group.finish();
    }
}

criterion_group!(benches, authenticate);
criterion_main!(benches);
