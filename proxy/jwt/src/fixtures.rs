//! Keys, tokens and requests for tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaEncoding, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use crate::{Cache, KeyRing, Now, Passed, Refusal, Request, Requirements};

/// A moment in 2026.
pub(crate) const NOW: u64 = 1_790_000_000;

pub(crate) static RSA: LazyLock<Signer> =
    LazyLock::new(|| Signer::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()));
pub(crate) static P256: LazyLock<Signer> = LazyLock::new(|| Signer::elliptic("P-256"));
pub(crate) static P384: LazyLock<Signer> = LazyLock::new(|| Signer::elliptic("P-384"));
pub(crate) static P521: LazyLock<Signer> = LazyLock::new(|| Signer::elliptic("P-521"));
pub(crate) static ED25519: LazyLock<Signer> =
    LazyLock::new(|| Signer::Edwards(Ed25519KeyPair::generate().unwrap()));
/// A second one of a kind.
pub(crate) static OTHER: LazyLock<Signer> = LazyLock::new(|| Signer::elliptic("P-256"));

pub(crate) enum Signer {
    Rsa(RsaKeyPair),
    Elliptic(&'static str, EcdsaKeyPair),
    Edwards(Ed25519KeyPair),
}

impl Signer {
    fn elliptic(curve: &'static str) -> Self {
        let algorithm = match curve {
            "P-256" => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            "P-384" => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
            _ => &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
        };
        Self::Elliptic(curve, EcdsaKeyPair::generate(algorithm).unwrap())
    }

    /// The public key with further members.
    pub(crate) fn jwk(&self, members: &Value) -> Value {
        let mut jwk = match self {
            Self::Rsa(pair) => {
                json!({"kty": "RSA", "n": encode(modulus(pair)), "e": "AQAB"})
            }
            Self::Elliptic(curve, pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
            }
            Self::Edwards(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())})
            }
        };
        for (name, value) in members.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk
    }

    pub(crate) fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let padding: &'static dyn RsaEncoding = match algorithm {
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut signed = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signed).unwrap();
                signed
            }
            Self::Elliptic(_, pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Edwards(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// A token of this key, whatever its header says.
    pub(crate) fn token(&self, header: &Value, payload: &Value) -> String {
        self.token_of(&header.to_string(), &payload.to_string())
    }

    pub(crate) fn token_of(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", encode(header), encode(payload));
        let algorithm = serde_json::from_str(header).ok().and_then(|header: Value| {
            let name = header.get("alg")?.as_str()?;
            Some(name.to_owned())
        });
        let signature = self.sign(algorithm.as_deref().unwrap_or_default(), signed.as_bytes());
        format!("{signed}.{}", encode(signature))
    }
}

/// The `n` of a PKCS #1 public key of 2048 bits.
fn modulus(pair: &RsaKeyPair) -> &[u8] {
    &pair.public_key().as_ref()[9..265]
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

pub(crate) fn set(keys: &[Value]) -> String {
    json!({"keys": keys}).to_string()
}

/// A rule for `issuer` with the key of [`P256`].
pub(crate) fn rule(issuer: &str, members: &Value) -> Value {
    let mut rule = json!({"issuer": issuer, "jwks": set(&[P256.jwk(&json!({}))])});
    for (name, value) in members.as_object().unwrap() {
        rule[name] = value.clone();
    }
    rule
}

/// A token that [`rule`] accepts, with further claims.
pub(crate) fn token(issuer: &str, claims: &Value) -> String {
    let mut payload = json!({"iss": issuer, "sub": "alice", "exp": NOW + 600});
    for (name, value) in claims.as_object().unwrap() {
        payload[name] = value.clone();
    }
    P256.token(&json!({"alg": "ES256"}), &payload)
}

pub(crate) fn policy(rules: &[Value]) -> Arc<cairn_api::istio::RequestAuthentication> {
    let metadata = json!({"name": "jwt", "namespace": "default"});
    let document = json!({"metadata": metadata, "spec": {"jwtRules": rules}});
    Arc::new(serde_json::from_value(document).unwrap())
}

/// Requirements without problems, and what they are asked with.
pub(crate) struct Gate {
    pub(crate) requirements: Requirements,
    pub(crate) ring: KeyRing,
    pub(crate) cache: Cache,
    pub(crate) now: Now,
}

impl Gate {
    pub(crate) fn new(rules: &[Value]) -> Self {
        let (gate, problems) = Self::with_problems(rules);
        assert!(problems.is_empty(), "{problems:?}");
        gate
    }

    pub(crate) fn with_problems(rules: &[Value]) -> (Self, Vec<String>) {
        let ring = KeyRing::default();
        let (requirements, problems) = Requirements::compile(&[policy(rules)], &ring);
        let gate = Self {
            requirements,
            ring,
            cache: Cache::default(),
            now: Now {
                unix: NOW,
                instant: Instant::now(),
            },
        };
        (gate, problems.iter().map(ToString::to_string).collect())
    }

    pub(crate) fn ask(&self, query: Option<&str>, headers: &HeaderMap) -> Result<Passed, Box<Refusal>> {
        let request = Request {
            method: &Method::GET,
            scheme: "http",
            authority: "app:5000",
            path: "/hello",
            query,
            headers,
        };
        self.requirements.authenticate(&request, &self.cache, self.now)
    }

    /// With a token as `Authorization: Bearer`.
    pub(crate) fn bearer(&self, token: &str) -> Result<Passed, Box<Refusal>> {
        self.ask(None, &headers(&[("authorization", &format!("Bearer {token}"))]))
    }

    /// What is said to such a token, if it is refused.
    pub(crate) fn refused(&self, token: &str) -> Option<&'static str> {
        self.bearer(token).err().map(|refusal| refusal.body())
    }
}

pub(crate) fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    lines
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::try_from(*value).unwrap(),
            )
        })
        .collect()
}

/// All lines, in the order of names.
pub(crate) fn lines(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    lines.sort();
    lines
}
