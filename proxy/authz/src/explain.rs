//! A decision, rule by rule, in words.

use std::fmt;

use cairn_api::istio::Action;
use cairn_api::meta::ObjectRef;

use crate::compile::{Body, Forms, Policy};
use crate::request::Request;
use crate::rule::{Alternative, Condition, Effect, Rule};
use crate::verdict::Reason;

/// What one rule makes of a request. Displays as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The policy.
    pub policy: ObjectRef,
    /// Its action.
    pub action: Action,
    /// Whether the policy is only rehearsed.
    pub dry_run: bool,
    /// Index of the rule. `None`: the step is about the policy as a whole.
    pub rule: Option<usize>,
    /// What came out.
    pub outcome: Outcome,
}

/// What a rule made of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It matches.
    Matches,
    /// It does not match: one condition that fails for each of its alternatives.
    Fails(Vec<Mismatch>),
    /// It allows by what a TCP connection does not have: the field.
    NeedsHttp(String),
    /// The policy has no rules, so nothing matches.
    NoRules,
    /// The policy is broken and denies everything, or audits it: what is wrong.
    Broken(String),
}

/// A condition that a request does not meet. Displays as `from[0].source.principals: "a" is not one of ["b"]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Where the condition is written, from the rule on.
    pub field: String,
    /// What the request has.
    pub seen: String,
    /// The values of the condition, as written.
    pub values: Vec<String>,
    /// Whether the values are excluded ones.
    pub excluded: bool,
}

pub(crate) fn explain(policies: &[Policy], request: &Request<'_>) -> Vec<Step> {
    let mut steps = vec![];
    for policy in policies {
        let untold = request.without_token();
        let request = match policy.effect {
            Effect::Custom => &untold,
            Effect::Audit | Effect::Deny | Effect::Allow => request,
        };
        let mut push = |rule, outcome| {
            steps.push(Step {
                policy: policy.object.clone(),
                action: action(policy.effect),
                dry_run: policy.dry_run,
                rule,
                outcome,
            });
        };
        match &policy.body {
            Body::Broken(rule) => {
                let why = if let Reason::Broken(why) = &rule.reason {
                    why.to_string()
                } else {
                    String::new()
                };
                push(None, Outcome::Broken(why));
            }
            Body::Rules(rules) if rules.is_empty() => push(None, Outcome::NoRules),
            Body::Rules(rules) => {
                for (index, forms) in rules.iter().enumerate() {
                    push(Some(index), outcome(forms, request));
                }
            }
        }
    }
    steps
}

fn action(effect: Effect) -> Action {
    match effect {
        Effect::Custom => Action::Custom,
        Effect::Audit => Action::Audit,
        Effect::Deny => Action::Deny,
        Effect::Allow => Action::Allow,
    }
}

fn outcome(forms: &Forms, request: &Request<'_>) -> Outcome {
    let rule = if request.http.is_some() {
        Some(&forms.http)
    } else {
        forms.tcp.as_ref()
    };
    let Some(rule) = rule else {
        let field = forms
            .http
            .conditions()
            .find(|condition| condition.test.is_http_only());
        return Outcome::NeedsHttp(
            field
                .map(|condition| condition.field.to_string())
                .unwrap_or_default(),
        );
    };
    match mismatches(rule, request) {
        mismatches if mismatches.is_empty() => Outcome::Matches,
        mismatches => Outcome::Fails(mismatches),
    }
}

/// What keeps the rule from matching, in the order in which people read it.
fn mismatches(rule: &Rule, request: &Request<'_>) -> Vec<Mismatch> {
    for alternatives in [&rule.from, &rule.to] {
        let failing: Option<Vec<Mismatch>> = alternatives
            .iter()
            .map(|conditions| first_mismatch(conditions, request))
            .collect();
        // One alternative without a mismatch makes the whole hold; so does there being none.
        if let Some(failing) = failing
            && !failing.is_empty()
        {
            return failing;
        }
    }
    first_mismatch(&rule.when, request).into_iter().collect()
}

fn first_mismatch(conditions: &Alternative, request: &Request<'_>) -> Option<Mismatch> {
    let condition: &Condition = conditions.iter().find(|condition| !condition.holds(request))?;
    Some(Mismatch {
        field: condition.field.to_string(),
        seen: condition.test.seen(request),
        values: condition.written.to_vec(),
        excluded: condition.negated,
    })
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let relation = if self.excluded {
            "is excluded by"
        } else {
            "is not one of"
        };
        write!(f, "{}: {} {relation} {:?}", self.field, self.seen, self.values)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rehearsed = if self.dry_run { ", dry run" } else { "" };
        write!(f, "{} ({}{rehearsed})", self.policy, self.action)?;
        if let Some(rule) = self.rule {
            write!(f, " rule {rule}")?;
        }
        f.write_str(": ")?;
        match &self.outcome {
            Outcome::Matches => f.write_str("matches"),
            Outcome::NoRules => f.write_str("has no rules, so it matches nothing"),
            Outcome::Broken(why) => {
                let does = if self.action == Action::Audit {
                    "audits"
                } else {
                    "denies"
                };
                write!(f, "is broken and {does} all that it selects: {why}")
            }
            Outcome::NeedsHttp(field) => write!(
                f,
                "does not match: {field} is about HTTP, and this is a TCP connection"
            ),
            Outcome::Fails(mismatches) => {
                f.write_str("does not match: ")?;
                for (index, mismatch) in mismatches.iter().enumerate() {
                    let separator = if index == 0 { "" } else { "; and " };
                    write!(f, "{separator}{mismatch}")?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;
