//! Policies that are enforced per connection, by the proxy of the destination's node.
//!
//! AuthorizationPolicies with a selector, of a namespace and of the root namespace, and PeerAuthentications, with Istio's
//! meaning. Where Istio lets traffic through because a policy cannot be understood, here that policy denies what it selects.

mod authentication;
mod authorization;
mod compile;
mod pattern;
mod policies;
mod rule;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use compile::compile;
pub use policies::{Action, Policies, Policy, Scope, Verdict};
pub use rule::Connection;
