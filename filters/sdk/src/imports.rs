//! What the waypoint gives to filters. In a component these are its imports; in a test, those of the harness.

#[cfg(target_family = "wasm")]
pub(crate) use crate::bindings::cairn::filter::{clock, log, metrics, outbound, random, shared};
#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::testing::imports::{clock, log, metrics, outbound, random, shared};

/// The exchange that a hook is called for.
#[cfg(target_family = "wasm")]
pub type Handle<'a> = &'a crate::bindings::cairn::filter::exchanges::Exchange;
/// The exchange that a hook is called for.
#[cfg(not(target_family = "wasm"))]
pub type Handle<'a> = &'a crate::testing::Current;
