//! The policies that L4 enforces, resolved for each workload.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use cairn_api::meta::Key;

use super::rule::{Connection, Rule};
use crate::workload::Workload;

/// The policies of a mesh, such that a verdict looks at none but those that select its workload.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// Every policy, those of PeerAuthentications excepted.
    all: Vec<Arc<Policy>>,
    by_workload: HashMap<Arc<str>, Arc<Effective>>,
    /// For workloads that were unknown when the policies were resolved.
    by_namespace: HashMap<String, Arc<Effective>>,
    elsewhere: Arc<Effective>,
}

/// What an L4 policy check says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The connection may go on.
    Allow,
    /// The connection must not go on.
    Deny {
        /// `namespace/name` of the policy that denies; empty when there were policies to allow, and none did.
        policy: String,
        /// The reason, for the log.
        reason: String,
    },
}

impl Policies {
    /// Whether policies let this connection reach `destination`: a policy that denies it decides; else, if any policy
    /// selects the workload to allow something, one has to allow this.
    #[must_use]
    pub fn verdict(&self, destination: &Workload, connection: &Connection<'_>) -> Verdict {
        let connection = connection.canonical();
        let effective = self.effective(destination);
        if let Some(policy) = effective.strict.denies(&connection) {
            return Verdict::denied_by(policy);
        }
        if let Some(policy) = effective.deny.iter().find(|policy| policy.matches(&connection)) {
            return Verdict::denied_by(&policy.key);
        }
        if effective.allow.is_empty() || effective.allow.iter().any(|policy| policy.matches(&connection)) {
            return Verdict::Allow;
        }
        Verdict::Deny {
            policy: String::new(),
            reason: "allow policies exist, but none allowed".to_owned(),
        }
    }

    /// Every policy, by namespace and name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.all.iter()
    }

    /// The policies that select a workload: those that deny, then those that allow.
    pub fn of_workload(&self, workload: &Workload) -> impl Iterator<Item = &Arc<Policy>> {
        let effective = self.effective(workload);
        effective.deny.iter().chain(&effective.allow)
    }

    /// Whether plain TCP to this port of a workload is denied by PeerAuthentications.
    #[must_use]
    pub fn requires_mtls(&self, workload: &Workload, port: u16) -> bool {
        self.effective(workload).strict.at(port)
    }

    fn effective(&self, workload: &Workload) -> &Effective {
        let known = self
            .by_workload
            .get(&workload.uid)
            .or_else(|| self.by_namespace.get(&workload.namespace));
        known.unwrap_or(&self.elsewhere)
    }

    pub(crate) fn new(
        all: Vec<Arc<Policy>>,
        by_workload: HashMap<Arc<str>, Arc<Effective>>,
        by_namespace: HashMap<String, Arc<Effective>>,
        elsewhere: Arc<Effective>,
    ) -> Policies {
        Policies {
            all,
            by_workload,
            by_namespace,
            elsewhere,
        }
    }
}

impl Verdict {
    /// Whether the connection may go on.
    #[must_use]
    pub fn is_allow(&self) -> bool {
        *self == Verdict::Allow
    }

    fn denied_by(policy: &Key) -> Verdict {
        Verdict::Deny {
            policy: policy.to_string(),
            reason: format!("explicitly denied by: {policy}"),
        }
    }
}

/// A compiled AuthorizationPolicy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Namespace and name of the object.
    pub key: Key,
    /// What it selects.
    pub scope: Scope,
    /// What it does to connections that meet one of its rules.
    pub action: Action,
    /// Why it denies whatever it selects, when it could not be compiled.
    pub broken: Option<String>,
    rules: Vec<Rule>,
}

impl Policy {
    pub(crate) fn new(key: Key, scope: Scope, action: Action, rules: Vec<Rule>) -> Policy {
        Policy {
            key,
            scope,
            action,
            broken: None,
            rules,
        }
    }

    /// A policy of which nobody can tell what it would have denied.
    pub(crate) fn broken(key: Key, scope: Scope, reason: String) -> Policy {
        let everything = vec![Rule::default()];
        Policy {
            key,
            scope,
            action: Action::Deny,
            broken: Some(reason),
            rules: everything,
        }
    }

    fn matches(&self, connection: &Connection<'_>) -> bool {
        self.rules.iter().any(|rule| rule.matches(connection))
    }
}

/// What a policy selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every workload of the mesh.
    Global,
    /// Every workload of the policy's namespace.
    Namespace,
    /// Workloads with these labels, in the policy's namespace, or anywhere for a policy of the root namespace.
    Selector(BTreeMap<String, String>),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scope::Global => "Global",
            Scope::Namespace => "Namespace",
            Scope::Selector(_) => "WorkloadSelector",
        })
    }
}

/// What a policy does to connections that meet one of its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It allows them, and through its existence denies others.
    Allow,
    /// It denies them.
    Deny,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Action::Allow => "Allow",
            Action::Deny => "Deny",
        })
    }
}

/// All that applies to a workload.
#[derive(Clone, Debug, Default)]
pub(crate) struct Effective {
    pub(crate) strict: Strict,
    pub(crate) deny: Vec<Arc<Policy>>,
    pub(crate) allow: Vec<Arc<Policy>>,
}

/// On which ports of a workload plain TCP is denied, and in whose name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Strict {
    /// For ports that have no mode of their own: the name to deny in.
    pub(crate) otherwise: Option<Key>,
    /// For ports that have.
    pub(crate) ports: BTreeMap<u16, Option<Key>>,
}

impl Strict {
    fn at(&self, port: u16) -> bool {
        self.mode(port).is_some()
    }

    fn mode(&self, port: u16) -> Option<&Key> {
        self.ports.get(&port).unwrap_or(&self.otherwise).as_ref()
    }

    fn denies(&self, connection: &Connection<'_>) -> Option<&Key> {
        if connection.peer.is_some() {
            None
        } else {
            self.mode(connection.destination.port())
        }
    }
}
