//! What is asked of requests, and what becomes of those that pass.

use std::sync::Arc;

use cairn_api::istio::RequestAuthentication;
use cairn_config::Problem;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::authenticated::Authenticated;
use crate::cache::Cache;
use crate::compile;
use crate::examination::{Examination, Now};
use crate::fault::Fault;
use crate::key_ring::KeyRing;
use crate::keys::Keys;
use crate::output;
use crate::place::{Place, without_params};
use crate::refusal::Refusal;
use crate::request::Request;
use crate::rule::Rule;
use crate::token::Token;

/// All that the policies which bind to a service ask of its requests. Immutable; share it by `Arc`.
#[derive(Clone, Debug, Default)]
pub struct Requirements {
    /// In the order of issuers.
    rules: Vec<Arc<Rule>>,
    /// Header fields that only a verified token may fill.
    outputs: Arc<[HeaderName]>,
}

/// What is wrong with one policy, for `cairn validate`.
pub fn check(policy: &RequestAuthentication) -> Vec<Problem> {
    compile::rules([policy], &KeyRing::default()).1
}

impl Requirements {
    /// Compiles the policies that bind to one service, in the order of their creation. A rule that is wrong refuses the tokens
    /// of its issuer.
    pub fn compile(policies: &[Arc<RequestAuthentication>], ring: &KeyRing) -> (Self, Vec<Problem>) {
        let (rules, problems) = compile::rules(policies.iter().map(|policy| &**policy), ring);
        let mut outputs: Vec<HeaderName> = rules.iter().flat_map(|rule| rule.outputs().cloned()).collect();
        outputs.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        outputs.dedup();
        let outputs = outputs.into();
        (Self { rules, outputs }, problems)
    }

    /// Whether nothing is asked: every request passes as it is.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The keys that these rules wait for.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<Keys>> {
        self.rules.iter().filter_map(|rule| rule.keys.as_ref())
    }

    /// Whether a request passes, and with which identity.
    ///
    /// As Istio builds it: one rule that accepts its tokens is enough, and else there must be no token at any rule's places.
    /// With a rule whose tokens are required (`presence`), all rules must be satisfied, those without `presence` also by
    /// there being no token. A browser's preflight passes.
    pub fn authenticate(
        &self,
        request: &Request<'_>,
        cache: &Cache,
        now: Now,
    ) -> Result<Passed, Box<Refusal>> {
        if self.rules.is_empty() || request.is_preflight() {
            return Ok(self.passed(Vec::new()));
        }
        let mut examination = Examination::new(*request, cache, now);
        let verdict = if self.rules.iter().any(|rule| rule.required) {
            self.all(&mut examination)
        } else {
            self.any(&mut examination)
        };
        let keys_wanted = examination.keys_wanted();
        match verdict {
            Ok(accepted) => Ok(self.passed(accepted)),
            Err(fault) => Err(Box::new(Refusal::new(
                fault,
                request,
                &self.params(),
                keys_wanted,
            ))),
        }
    }

    fn all(&self, examination: &mut Examination<'_>) -> Result<Vec<Authenticated>, Fault> {
        let mut accepted = Vec::new();
        for rule in &self.rules {
            match examination.accept(rule) {
                Ok(token) => accepted.push(Authenticated::new(rule.clone(), token)),
                Err(Fault::Missing) if !rule.required => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(accepted)
    }

    fn any(&self, examination: &mut Examination<'_>) -> Result<Vec<Authenticated>, Fault> {
        // Of all that is wrong, Envoy reports what the first rule with a token at its places says; and what says more than
        // that another rule is meant goes before what says only this, the last such if not the first.
        let (mut first, mut reported) = (None, Fault::Missing);
        for rule in &self.rules {
            match examination.accept(rule) {
                Ok(token) => return Ok(vec![Authenticated::new(rule.clone(), token)]),
                Err(fault) => {
                    if fault != Fault::Missing {
                        first.get_or_insert(fault);
                    }
                    if !fault.is_of_another_rule() || reported == Fault::Missing {
                        reported = fault;
                    }
                }
            }
        }
        match first {
            None => Ok(Vec::new()),
            Some(fault) if !fault.is_of_another_rule() => Err(fault),
            Some(_) => Err(reported),
        }
    }

    fn passed(&self, accepted: Vec<Authenticated>) -> Passed {
        Passed {
            accepted,
            outputs: self.outputs.clone(),
        }
    }

    /// The query parameters that may hold tokens.
    fn params(&self) -> impl Iterator<Item = &str> + Clone {
        let places = self.rules.iter().flat_map(|rule| rule.places.iter());
        places.filter_map(|place| match place {
            Place::Param(name) => Some(&**name),
            _ => None,
        })
    }
}

/// A request that passes. It must not be sent on before it has been edited.
#[derive(Clone, Debug)]
pub struct Passed {
    accepted: Vec<Authenticated>,
    outputs: Arc<[HeaderName]>,
}

impl Passed {
    /// Who the request is from. `None`: it has no token. Where several tokens are required, the last issuer's by name
    /// counts, as in Istio.
    pub fn authenticated(&self) -> Option<&Authenticated> {
        self.accepted.last()
    }

    /// Removes what only a token may say and what the client has said instead, takes tokens out that are not forwarded, and
    /// writes what the rules want written.
    pub fn edit(&self, headers: &mut HeaderMap) {
        let places = self.not_forwarded().flat_map(|rule| rule.places.iter());
        for place in places {
            place.remove(headers);
        }
        for name in &*self.outputs {
            headers.remove(name);
        }
        for one in &self.accepted {
            write(one.rule(), one.token(), headers);
        }
    }

    /// The query without tokens that are not forwarded. `None`: as it is.
    pub fn query(&self, query: &str) -> Option<String> {
        let params = self
            .not_forwarded()
            .flat_map(|rule| rule.places.iter())
            .filter_map(|place| match place {
                Place::Param(name) => Some(&**name),
                _ => None,
            });
        without_params(query, &params)
    }

    fn not_forwarded(&self) -> impl Iterator<Item = &Rule> + Clone {
        let rules = self.accepted.iter().map(Authenticated::rule);
        rules.filter(|rule| !rule.forward)
    }
}

fn write(rule: &Rule, token: &Token, headers: &mut HeaderMap) {
    if let Some(name) = &rule.payload_to
        && let Ok(mut value) = HeaderValue::from_maybe_shared(token.payload())
    {
        value.set_sensitive(true);
        headers.append(name, value);
    }
    for (name, claim) in &rule.claims_to {
        if let Some(value) = output::find(token.claims(), claim).and_then(output::value) {
            headers.append(name, value);
        }
    }
}

#[cfg(test)]
mod tests;
