//! Conditions in the status of objects of the Gateway API.

use cairn_api::gateway::ParentReference;
use cairn_api::meta::Condition;

/// What is to be said of a route under one of its parents, an entry of `status.parents`; or of a policy for one of its targets,
/// an entry of `status.ancestors`.
#[derive(Debug, Clone, PartialEq)]
pub struct ParentStatus {
    /// The parent, or the target.
    pub parent: ParentReference,
    /// `Accepted` and `ResolvedRefs`, and `PartiallyInvalid` when some rules are; without generation and time.
    pub conditions: Vec<Condition>,
}

pub(crate) fn condition(kind: &str, status: bool, reason: &str, message: String) -> Condition {
    Condition {
        type_: kind.to_owned(),
        status: if status { "True" } else { "False" }.to_owned(),
        reason: reason.to_owned(),
        message,
        ..Condition::default()
    }
}
