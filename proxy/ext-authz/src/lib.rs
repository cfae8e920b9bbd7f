#![forbid(unsafe_code)]
//! External authorization: what an authorization server is asked, and what its answer means.
//!
//! AuthorizationPolicies with the action `CUSTOM` leave the decision to a server, which `extensionProviders` of the mesh
//! configuration describe. [`Providers::compile`] makes a [`Provider`] of each. [`Provider::check`] says what to send to its
//! service about a request, [`Provider::verdict`] what the answer means, [`Provider::settle`] what becomes of the request when
//! there is none. Both of Envoy's protocols are spoken, HTTP and gRPC, with Envoy's defaults.
//!
//! The crate does no I/O. It depends on the forms and messages (`cairn-api`) and on the words for errors (`cairn-config`).
//!
//! ```
//! use std::time::SystemTime;
//!
//! use bytes::Bytes;
//! use cairn_api::istio::MeshConfig;
//! use cairn_api::meta::{Kind, ObjectRef};
//! use cairn_ext_authz::{Asked, Peer, Providers, Verdict};
//! use http::{Request, Response, Version};
//!
//! let mesh: MeshConfig = serde_json::from_str(r#"{"extensionProviders": [{"name": "authz", "envoyExtAuthzHttp": {
//!     "service": "authz.foo.svc.cluster.local", "port": 8000, "pathPrefix": "/check",
//!     "includeRequestHeadersInCheck": ["cookie"], "headersToUpstreamOnAllow": ["x-user"]
//! }}]}"#)?;
//! let (providers, problems) =
//!     Providers::compile(&mesh.extension_providers, &ObjectRef::new(Kind::ConfigMap, "istio-system", "istio"));
//! assert!(problems.is_empty());
//! let authz = providers.named("authz")?;
//!
//! let (mut request, _) = Request::get("/hello").header("cookie", "session=1").body(())?.into_parts();
//! let asked = Asked {
//!     method: &request.method,
//!     target: request.uri.path_and_query().expect("a path"),
//!     authority: "helloworld:5000",
//!     scheme: "http",
//!     version: Version::HTTP_11,
//!     headers: &request.headers,
//!     body: None,
//!     received: Some(0),
//!     id: "7d37a2f1",
//!     time: SystemTime::now(),
//!     source: Peer { principal: Some("spiffe://cluster.local/ns/default/sa/sleep"), ..Peer::default() },
//!     destination: Peer::default(),
//!     sni: None,
//! };
//! let check = authz.check(&asked)?;
//! assert_eq!(check.uri(), "/check/hello");
//! assert_eq!(check.headers()["cookie"], "session=1");
//!
//! let answer = Response::builder().header("x-user", "alice").body(Bytes::new())?;
//! let Verdict::Allowed(allowed) = authz.verdict(answer, None) else { unreachable!("200 allows") };
//! allowed.apply(&mut request).expect("a header");
//! assert_eq!(request.headers["x-user"], "alice");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod asked;
mod change;
mod compile;
mod decision;
mod error;
mod field;
#[cfg(test)]
mod fixtures;
mod over_grpc;
mod over_http;
mod pattern;
mod provider;
mod providers;
mod query;
mod refusal;
mod rewrite;
mod service;
mod verdict;

pub use asked::{Asked, HeldBody, Peer};
pub use error::CheckError;
pub use provider::{ANSWER_LIMIT, BodyLimit, Provider};
pub use providers::{ProviderError, Providers};
pub use refusal::{BAD_PROVIDER_POLICY, DENIED, ERROR, FLAG, INVALID, Metadata, Refusal};
pub use service::ServiceName;
pub use verdict::{Allowed, Verdict};
