#![forbid(unsafe_code)]
//! Istio's RequestAuthentication: which tokens requests may carry, and what a token says.
//!
//! [`Requirements::compile`] makes the policies that bind to a service one thing to ask, [`Requirements::authenticate`]
//! answers for each request: it passes ([`Passed`]), with an identity or without one, or is refused ([`Refusal`]) in
//! Envoy's words. [`check`] says what is wrong with a policy. A rule that is wrong refuses the tokens of its issuer; a token that
//! is present must be good.
//!
//! Keys that are not written in a rule are fetched by somebody else: [`Keys`] says what is due and takes the answers, and
//! a [`KeyRing`] has each source once. Tokens that were verified are remembered in a [`Cache`].
//!
//! The crate depends on the form types (`cairn-api`) and the words for errors (`cairn-config`). It does no I/O, and nothing
//! of a token is in its errors or its `Debug` forms.
//!
//! ```
//! use std::sync::Arc;
//!
//! use cairn_jwt::{Cache, KeyRing, Now, Request, Requirements};
//! use http::{HeaderMap, HeaderValue, Method};
//!
//! fn request(headers: &HeaderMap) -> Request<'_> {
//!     let method = &Method::GET;
//!     Request { method, scheme: "http", authority: "helloworld:5000", path: "/hello", query: None, headers }
//! }
//!
//! let policy = r#"{
//!     "metadata": {"name": "joe", "namespace": "default"},
//!     "spec": {"jwtRules": [{
//!         "issuer": "joe",
//!         "jwks": "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}"
//!     }]}
//! }"#;
//! let policy = Arc::new(serde_json::from_str(policy)?);
//! let ring = KeyRing::default();
//! let (requirements, problems) = Requirements::compile(&[policy], &ring);
//! assert!(problems.is_empty());
//!
//! let cache = Cache::default();
//! let mut headers = HeaderMap::new();
//! let passed = requirements.authenticate(&request(&headers), &cache, Now::read())?;
//! assert!(passed.authenticated().is_none(), "there is no token");
//!
//! headers.insert("authorization", HeaderValue::from_static("Bearer a.b"));
//! let refusal = requirements.authenticate(&request(&headers), &cache, Now::read()).unwrap_err();
//! assert_eq!(refusal.status(), 401);
//! assert_eq!(
//!     refusal.challenge(),
//!     r#"Bearer realm="http://helloworld:5000/hello", error="invalid_token""#
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod algorithm;
mod audience;
mod authenticated;
mod cache;
mod claim;
mod claim_path;
mod compile;
mod examination;
mod fault;
#[cfg(test)]
mod fixtures;
mod key;
mod key_ring;
mod key_set;
mod keys;
mod output;
mod place;
mod refusal;
mod request;
mod requirements;
mod rule;
mod token;

pub use authenticated::{Authenticated, Values};
pub use cache::Cache;
pub use claim::{Claim, Claims};
pub use claim_path::ClaimPath;
pub use examination::Now;
pub use fault::Fault;
pub use key::Unusable;
pub use key_ring::KeyRing;
pub use key_set::{KeySet, KeySetError};
pub use keys::{Accepted, AnswerError, Fetch, KeySource, Keys};
pub use refusal::Refusal;
pub use request::Request;
pub use requirements::{Passed, Requirements, check};
