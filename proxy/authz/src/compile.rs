//! From policies as users write them to rules as requests meet them.

use std::sync::Arc;

use cairn_api::istio::{Action, AuthorizationPolicy, Rule as RuleForm};
use cairn_api::meta::{Kind, ObjectRef};
use cairn_config::Problem;

use crate::attribute::Attribute;
use crate::fault::Fault;
use crate::findings::Findings;
use crate::rule::{Alternative, Condition, Effect, Rule, Test};
use crate::trust::TrustDomains;
use crate::verdict::{Reason, details, rule_name};

mod lists;
mod values;

use lists::{List, condition_lists, operation_lists, source_lists};
use values::Scope;

/// A policy that has compiled, to rules or to the denial of everything.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) object: ObjectRef,
    pub(crate) effect: Effect,
    /// Who decides on what matches, when the effect is custom.
    pub(crate) provider: Option<Arc<str>>,
    /// Evaluated, but not enforced.
    pub(crate) dry_run: bool,
    pub(crate) body: Body,
}

impl Policy {
    /// Whether a rule that decides looks at the server name of a connection's TLS.
    pub(crate) fn asks_for_server_name(&self) -> bool {
        let Body::Rules(rules) = &self.body else {
            return false;
        };
        // What only watches must not have connections refused whose name cannot be read.
        if self.effect == Effect::Audit {
            return false;
        }
        let mut conditions = rules.iter().flat_map(|forms| forms.http.conditions());
        conditions.any(|condition| matches!(condition.test, Test::Sni(_)))
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    Rules(Vec<Forms>),
    /// The policy denies all that it selects (or audits it), by this rule, which matches everything.
    Broken(Arc<Rule>),
}

/// A rule for HTTP requests, and what is left of it for TCP connections.
#[derive(Debug, Clone)]
pub(crate) struct Forms {
    pub(crate) http: Arc<Rule>,
    /// `None`: it allows by what only HTTP requests have, so it allows no connection.
    pub(crate) tcp: Option<Arc<Rule>>,
}

/// A policy whose rules are not known: it denies all that it selects, or audits it.
pub(crate) fn broken(object: ObjectRef, effect: Effect, dry_run: bool, rule: usize, why: &str) -> Policy {
    let name = rule_name(&object, rule);
    let body = Body::Broken(Arc::new(Rule {
        details: details(Some(&name)),
        name: name.into(),
        reason: Reason::Broken(why.into()),
        from: Box::default(),
        to: Box::default(),
        when: Box::default(),
    }));
    Policy {
        object,
        effect,
        provider: None,
        dry_run,
        body,
    }
}

/// Compiles a policy.
pub(crate) fn compile(
    policy: &AuthorizationPolicy,
    trust: &TrustDomains,
    problems: &mut Vec<Problem>,
) -> Policy {
    let object = reference(policy);
    let action = policy.spec.action.unwrap_or_default();
    let effect = effect(action);
    let mut findings = Findings::new(&object, effect, problems);
    let dry_run = dry_run(policy, &mut findings);
    let provider = provider(policy, action, &mut findings);
    if policy.spec.rules.is_empty() && effect != Effect::Allow {
        findings.warning(
            "spec.rules",
            format!("a {action} policy without rules never matches"),
            "add the rule {} to match every request, or remove the policy",
        );
    }
    let rules: Vec<Forms> = policy
        .spec
        .rules
        .iter()
        .enumerate()
        .map(|(index, form)| {
            let mut compiler = RuleCompiler {
                scope: Scope {
                    effect,
                    namespace: &object.namespace,
                    trust,
                },
                index,
                findings: &mut findings,
            };
            compiler.forms(form)
        })
        .collect();
    let first = findings.first_fault();
    match first {
        Some((rule, why)) => broken(object, effect, dry_run, rule, &why),
        None => Policy {
            object,
            effect,
            provider,
            dry_run,
            body: Body::Rules(rules),
        },
    }
}

pub(crate) fn reference(policy: &AuthorizationPolicy) -> ObjectRef {
    let metadata = &policy.metadata;
    ObjectRef::new(
        Kind::AuthorizationPolicy,
        metadata.namespace.as_str(),
        metadata.name.as_str(),
    )
}

/// The annotation that makes a policy a rehearsal.
const DRY_RUN: &str = "istio.io/dry-run";

/// Whether the policy is annotated as a rehearsal. What is not a boolean is taken for no: the policy is enforced.
pub(crate) fn is_dry_run(policy: &AuthorizationPolicy) -> Option<bool> {
    match policy.metadata.annotations.get(DRY_RUN).map(String::as_str) {
        Some("1" | "t" | "T" | "TRUE" | "true" | "True") => Some(true),
        None | Some("0" | "f" | "F" | "FALSE" | "false" | "False") => Some(false),
        Some(_) => None,
    }
}

fn dry_run(policy: &AuthorizationPolicy, findings: &mut Findings<'_>) -> bool {
    is_dry_run(policy).unwrap_or_else(|| {
        findings.warning(
            "metadata.annotations",
            format!("{DRY_RUN} is neither \"true\" nor \"false\"; the policy is enforced"),
            "write \"true\" to evaluate the policy without enforcing it",
        );
        false
    })
}

fn effect(action: Action) -> Effect {
    match action {
        Action::Allow => Effect::Allow,
        Action::Deny => Effect::Deny,
        Action::Custom => Effect::Custom,
        Action::Audit => Effect::Audit,
    }
}

/// Who is to be asked. Whether the mesh has such a provider is not known here.
fn provider(policy: &AuthorizationPolicy, action: Action, findings: &mut Findings<'_>) -> Option<Arc<str>> {
    let provider = policy.spec.provider.as_ref();
    if action != Action::Custom {
        if provider.is_some() {
            findings.fault(0, "spec.provider", &Fault::Provider(action.as_str()));
        }
        return None;
    }
    match provider.map(|provider| &*provider.name) {
        Some("") => findings.fault(0, "spec.provider.name", &Fault::NoProvider),
        None => findings.fault(0, "spec.provider", &Fault::NoProvider),
        Some(name) => return Some(name.into()),
    }
    None
}

/// Compiles one rule of a policy.
struct RuleCompiler<'a, 'b> {
    scope: Scope<'a>,
    index: usize,
    findings: &'b mut Findings<'a>,
}

impl RuleCompiler<'_, '_> {
    fn forms(&mut self, form: &RuleForm) -> Forms {
        let from = form.from.iter().enumerate().map(|(index, from)| {
            let field = format!("from[{index}].source");
            match &from.source {
                Some(source) => self.alternative(&source_lists(source), &field, &Fault::EmptySource),
                None => self.empty(&field, &Fault::EmptySource),
            }
        });
        let from: Box<[Alternative]> = from.collect();
        let to = form.to.iter().enumerate().map(|(index, to)| {
            let field = format!("to[{index}].operation");
            match &to.operation {
                Some(operation) => {
                    self.alternative(&operation_lists(operation), &field, &Fault::EmptyOperation)
                }
                None => self.empty(&field, &Fault::EmptyOperation),
            }
        });
        let to: Box<[Alternative]> = to.collect();
        let when = form.when.iter().enumerate().flat_map(|(index, condition)| {
            let field = format!("when[{index}]");
            match Attribute::of_key(&condition.key) {
                Ok(attribute) => self.alternative(
                    &condition_lists(condition, attribute),
                    &field,
                    &Fault::EmptyCondition,
                ),
                Err(fault) => self.empty(&format!("{field}.key"), &fault),
            }
        });
        let when: Alternative = when.collect();
        let name = rule_name(self.findings.object(), self.index);
        let http = Arc::new(Rule {
            details: details(Some(&name)),
            name: name.into(),
            reason: match self.scope.effect {
                Effect::Custom => Reason::Custom,
                Effect::Deny => Reason::Denied,
                // These refuse nothing by a match, so that it is never told.
                Effect::Audit | Effect::Allow => Reason::NotAllowed,
            },
            from,
            to,
            when,
        });
        let tcp = for_tcp(&http, self.scope.effect);
        Forms { http, tcp }
    }

    fn alternative(&mut self, lists: &[List<'_>], field: &str, if_empty: &Fault) -> Alternative {
        if lists.is_empty() {
            return self.empty(field, if_empty);
        }
        let is_set = |attribute| lists.iter().any(|list| list.attribute == attribute);
        if is_set(Attribute::ServiceAccount) && (is_set(Attribute::Principal) || is_set(Attribute::Namespace))
        {
            self.fault(field, &Fault::AccountsBesideOthers);
        }
        lists
            .iter()
            .filter_map(|list| self.condition(list, field))
            .collect()
    }

    fn condition(&mut self, list: &List<'_>, parent: &str) -> Option<Arc<Condition>> {
        let field = format!("{parent}.{}", list.name);
        let mut faults = vec![];
        let test = self.scope.test(list, &mut faults);
        for (value, fault) in &faults {
            match value {
                Some(value) => self.fault(&format!("{field}[{value}]"), fault),
                None => self.fault(&field, fault),
            }
        }
        let test = test?;
        self.scope.lint(
            list,
            &format!("spec.rules[{}].{field}", self.index),
            self.findings,
        );
        Some(Arc::new(Condition {
            field: field.into(),
            written: list.values.into(),
            test,
            negated: list.negated,
        }))
    }

    fn empty(&mut self, field: &str, fault: &Fault) -> Alternative {
        self.fault(field, fault);
        Alternative::default()
    }

    fn fault(&mut self, field: &str, fault: &Fault) {
        self.findings
            .fault(self.index, &format!("spec.rules[{}].{field}", self.index), fault);
    }
}

/// What of a rule can be said of a TCP connection. Where it allows, a rule that asks for more is void; where it refuses, the rest
/// of it refuses more: both ways nothing passes that should not.
fn for_tcp(rule: &Arc<Rule>, effect: Effect) -> Option<Arc<Rule>> {
    if rule.conditions().all(|condition| !condition.test.is_http_only()) {
        return Some(Arc::clone(rule));
    }
    if effect == Effect::Allow {
        return None;
    }
    let without = |conditions: &Alternative| -> Alternative {
        conditions
            .iter()
            .filter(|condition| !condition.test.is_http_only())
            .cloned()
            .collect()
    };
    Some(Arc::new(Rule {
        from: rule.from.iter().map(without).collect(),
        to: rule.to.iter().map(without).collect(),
        when: without(&rule.when),
        ..Rule::clone(rule)
    }))
}
