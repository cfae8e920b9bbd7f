//! Phase 5, authorize: whether the peer may do this.
//!
//! Policies see the normalised path that is also matched and forwarded. Every set that binds must agree.

use cairn_authz::{PolicySet, Request, Verdict};

use crate::failure::Failure;

/// Refuses what a policy forbids; each set is asked about the request as it is to see it.
pub(crate) fn check<'a>(policies: impl Iterator<Item = (&'a PolicySet, Request<'a>)>) -> Result<(), Failure> {
    for (set, request) in policies {
        if let Some(Verdict::Deny(denial)) = set.rehearse(&request) {
            tracing::info!(target: "authz", rule = denial.policy.as_deref(), "dry run: would be denied: {denial}");
        }
        if let Verdict::Deny(denial) = set.evaluate(&request) {
            tracing::debug!(target: "authz", "{denial}");
            return Err(Failure::Denied(denial.details));
        }
    }
    Ok(())
}
