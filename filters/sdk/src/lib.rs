#![doc = include_str!("../README.md")]

// Generated code names this crate as authors' crates do.
extern crate self as cairn_filter;

#[doc(hidden)]
pub mod bindings;
pub mod clock;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod component;
mod edits;
mod exchange;
mod export;
mod filter;
mod head;
#[doc(hidden)]
pub mod imports;
pub mod log;
pub mod metrics;
pub mod outbound;
pub mod plugin;
pub mod random;
mod reply;
pub mod shared;
mod subscriptions;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod value;
mod verdict;

pub use edits::Edits;
pub use exchange::{Exchange, StateError};
pub use filter::{Filter, NoConfig, Ticker};
pub use head::{Fields, Head, Iter};
pub use reply::Reply;
/// What configurations are read with.
pub use serde;
/// JSON, for bodies and replies.
pub use serde_json;
pub use subscriptions::Subscriptions;
pub use value::{FromValue, Value};
pub use verdict::{BodyVerdict, HeadVerdict};
#[doc(hidden)]
pub use wit_bindgen;

/// The example of the project's page is one that works.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct ProjectReadme;
