//! What was decided, and why.

use std::fmt;
use std::sync::Arc;

use cairn_api::meta::{Kind, ObjectRef};

/// The decision on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass.
    Allow,
    /// It may not.
    Deny(Denial),
}

impl Verdict {
    /// Whether the request may pass.
    #[must_use]
    pub fn is_allow(&self) -> bool {
        matches!(self, Verdict::Allow)
    }
}

/// Why a request may not pass. Made of shared text: creating and cloning it allocates nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The rule that refused, `ns[NS]-policy[NAME]-rule[I]`, the name that Envoy gives it; `ns[NS]-KIND[NAME]` for a broken policy of
    /// another kind. `None`: no ALLOW policy allowed.
    pub policy: Option<Arc<str>>,
    /// Envoy's response code details: `rbac_access_denied_matched_policy[…]` around the rule's name or `none`.
    pub details: Arc<str>,
    /// What made the rule refuse.
    pub reason: Reason,
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = self.policy.as_deref().unwrap_or("no policy");
        match &self.reason {
            Reason::Denied => write!(f, "{policy} denies it"),
            Reason::Custom => write!(
                f,
                "{policy} asks an external authority, which can only be asked about HTTP requests"
            ),
            Reason::NotAllowed => f.write_str("no ALLOW policy allows it"),
            Reason::Broken(why) => write!(f, "{policy} is broken and denies what it selects: {why}"),
        }
    }
}

/// What kind of refusal it was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// A rule of a DENY policy matched.
    Denied,
    /// A rule of a CUSTOM policy matched a connection, and authorities can only be asked about HTTP requests.
    Custom,
    /// There are ALLOW policies, and no rule of theirs matched.
    NotAllowed,
    /// A policy cannot be read or compiled, and so refuses all that it selects. Says what is wrong with it.
    Broken(Arc<str>),
}

/// The name that Envoy gives to a rule of a policy, which is also its place in the order of evaluation. What is no AuthorizationPolicy and
/// denies because it is broken is named by its kind, lest it be looked for among them.
pub(crate) fn rule_name(policy: &ObjectRef, rule: usize) -> String {
    let (namespace, name) = (&policy.namespace, &policy.name);
    match policy.kind {
        Kind::AuthorizationPolicy => format!("ns[{namespace}]-policy[{name}]-rule[{rule}]"),
        kind => format!("ns[{namespace}]-{kind}[{name}]"),
    }
}

/// The response code details of a refusal by `rule`, or by default.
pub(crate) fn details(rule: Option<&str>) -> Arc<str> {
    format!("rbac_access_denied_matched_policy[{}]", rule.unwrap_or("none")).into()
}
