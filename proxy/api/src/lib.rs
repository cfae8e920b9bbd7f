#![forbid(unsafe_code)]
//! The resources of the mesh, as users write them.
//!
//! Istio's resources, the Gateway API and the Kubernetes objects that a mesh reads, as plain serde types. A
//! type here has the shape of its document: it keeps what was written and judges nothing. Meaning, defaults
//! and merging belong to the crates that compile these forms. The crate depends on serde and serde_json, and on prost for
//! the messages of [`ext_authz`], which proxies exchange with other programs.
//!
//! Naming follows one pattern everywhere: fields are the snake_case of the resource's own camelCase names; a
//! keyword gets an underscore (`type_`), except `match`, which is `matches`. Lists and maps are empty when
//! absent, text is `""`, messages, numbers and enumerations are `Option`. `null` means absent, as the
//! Kubernetes API server treats it. Unknown fields are skipped; whoever reads a document decides what to say
//! about them.
//!
//! ```
//! use cairn_api::istio::VirtualService;
//!
//! let document = r#"{
//!     "apiVersion": "networking.istio.io/v1",
//!     "kind": "VirtualService",
//!     "metadata": {"name": "reviews", "namespace": "bookinfo"},
//!     "spec": {
//!         "hosts": ["reviews"],
//!         "http": [{"timeout": "1.5s", "route": [{"destination": {"host": "reviews", "subset": "v2"}}]}]
//!     }
//! }"#;
//! let service: VirtualService = serde_json::from_str(document)?;
//! let route = service.spec.http.first().expect("one route");
//! assert_eq!(route.timeout.map(|timeout| timeout.as_millis()), Some(1500));
//! # Ok::<(), serde_json::Error>(())
//! ```

#[macro_use]
mod form;

pub mod ext_authz;
pub mod gateway;
pub mod istio;
pub mod k8s;
pub mod meta;
pub mod shape;
pub mod value;

#[cfg(test)]
mod tests;
