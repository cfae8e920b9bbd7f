#![forbid(unsafe_code)]
//! Istio's AuthorizationPolicy: which policies bind where, and what they decide.
//!
//! [`attach::select`] picks the policies that bind to a service behind a waypoint, [`PolicySet::compile`] makes them one thing to ask,
//! [`PolicySet::customs`] says who else is to be asked about a request, and [`PolicySet::evaluate`] decides. [`check`] says what is wrong with a
//! policy. The rule above all others: nothing passes that a policy forbids. A policy with an error denies all that it selects, and the error
//! is reported.
//!
//! Where a RequestAuthentication binds is found here too ([`attach::select_authentications`]); what it asks for is `cairn-jwt`'s.
//!
//! The crate depends on the form types (`cairn-api`), the words for errors (`cairn-config`), SPIFFE ids (`cairn-identity`) and what tokens
//! say (`cairn-jwt`). It does no I/O.
//!
//! ```
//! use std::sync::Arc;
//!
//! use cairn_authz::{CompileOptions, Http, PolicySet, Request, Verdict};
//! use cairn_identity::SpiffeId;
//! use http::HeaderMap;
//!
//! let policy = r#"{
//!     "metadata": {"name": "viewers", "namespace": "default"},
//!     "spec": {"rules": [{
//!         "from": [{"source": {"principals": ["cluster.local/ns/default/sa/sleep"]}}],
//!         "to": [{"operation": {"methods": ["GET"], "paths": ["/hello*"]}}]
//!     }]}
//! }"#;
//! let policy = Arc::new(serde_json::from_str(policy)?);
//! let (policies, problems) = PolicySet::compile(&[policy], [], &CompileOptions::default());
//! assert!(problems.is_empty());
//!
//! let (sleep, headers) = (SpiffeId::new("cluster.local", "default", "sleep"), HeaderMap::new());
//! let mut request = Request {
//!     peer: Some(&sleep),
//!     source_ip: [10, 0, 0, 1].into(),
//!     remote_ip: [10, 0, 0, 1].into(),
//!     destination: ([10, 1, 0, 1], 5000).into(),
//!     http: Some(Http { method: "GET", path: "/hello", authority: "helloworld:5000", headers: &headers, noted: &[], token: None }),
//!     sni: None,
//! };
//! assert!(policies.evaluate(&request).is_allow());
//!
//! request.peer = None;
//! let Verdict::Deny(denial) = policies.evaluate(&request) else { unreachable!("nobody is not sleep") };
//! assert_eq!(&*denial.details, "rbac_access_denied_matched_policy[none]");
//! # Ok::<(), serde_json::Error>(())
//! ```

pub mod attach;
mod attribute;
mod blocks;
mod compile;
mod custom;
mod explain;
mod fault;
mod findings;
#[cfg(test)]
mod fixtures;
mod index;
mod policy_set;
mod request;
mod request_principal;
mod rule;
mod template;
mod text;
mod trust;
mod verdict;

pub use custom::Custom;
pub use explain::{Mismatch, Outcome, Step};
pub use policy_set::{CompileOptions, PolicySet, check, check_authentication};
pub use request::{Http, Note, Request};
pub use verdict::{Denial, Reason, Verdict};
