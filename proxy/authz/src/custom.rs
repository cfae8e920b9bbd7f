//! Requests on which somebody else decides: the action CUSTOM.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::compile::{Body, Policy};
use crate::index::Stage;
use crate::request::Request;
use crate::rule::{Effect, Rule};

/// Somebody is to be asked about a request. Made of shared text: creating and cloning it allocates nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custom {
    /// Name of the provider, by which the mesh configuration has it.
    pub provider: Arc<str>,
    /// The rule that matched, `ns[NS]-policy[NAME]-rule[I]`: of several of this provider the first by name.
    pub policy: Arc<str>,
    /// What a refusal is reported as when the provider cannot be asked at all: `rbac_access_denied_matched_policy[…]`.
    pub details: Arc<str>,
}

impl fmt::Display for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} asks {}", self.policy, self.provider)
    }
}

/// The rules for HTTP requests of all CUSTOM policies that are sound, by the names of their providers.
#[derive(Default)]
pub(crate) struct Customs(Box<[(Arc<str>, Stage)]>);

impl Customs {
    pub(crate) fn new(policies: &[&Policy]) -> Customs {
        let mut rules: BTreeMap<Arc<str>, Vec<Arc<Rule>>> = BTreeMap::new();
        for policy in policies.iter().filter(|policy| policy.effect == Effect::Custom) {
            if let (Some(provider), Body::Rules(forms)) = (&policy.provider, &policy.body) {
                let all = rules.entry(Arc::clone(provider)).or_default();
                all.extend(forms.iter().map(|forms| Arc::clone(&forms.http)));
            }
        }
        Customs(
            rules
                .into_iter()
                .map(|(provider, rules)| (provider, Stage::new(rules)))
                .collect(),
        )
    }

    pub(crate) fn providers(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter().map(|(provider, _)| provider)
    }

    /// One for each provider with a rule that matches. None for a connection: nobody can be asked about it.
    pub(crate) fn of<'a>(&'a self, request: &Request<'a>) -> impl Iterator<Item = Custom> + use<'a> {
        let request = request.without_token();
        let providers = request.http.is_some().then_some(&self.0);
        providers
            .into_iter()
            .flatten()
            .filter_map(move |(provider, stage)| {
                let rule = stage.first(&request)?;
                Some(Custom {
                    provider: Arc::clone(provider),
                    policy: Arc::clone(&rule.name),
                    details: Arc::clone(&rule.details),
                })
            })
    }
}
