//! From policies as users write them to rules as requests meet them.

use std::sync::Arc;

use cairn_api::istio::{Action, AuthorizationPolicy, Operation, Rule as RuleForm, Source};
use cairn_api::meta::{Kind, ObjectRef};
use cairn_config::Problem;

use crate::attribute::Attribute;
use crate::fault::Fault;
use crate::rule::{Alternative, Condition, Rule};
use crate::trust::TrustDomains;
use crate::verdict::{Reason, details, rule_name};

mod values;

use values::Scope;

/// A policy that has an effect.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) object: ObjectRef,
    pub(crate) effect: Effect,
    /// Evaluated, but not enforced.
    pub(crate) dry_run: bool,
    pub(crate) body: Body,
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    Rules(Vec<Forms>),
    /// The policy denies all that it selects, by this rule, which matches everything.
    Broken(Arc<Rule>),
}

/// What a match of a policy's rules means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Effect {
    Custom,
    Deny,
    Allow,
}

/// A rule for HTTP requests, and what is left of it for TCP connections.
#[derive(Debug, Clone)]
pub(crate) struct Forms {
    pub(crate) http: Arc<Rule>,
    /// `None`: it allows by what only HTTP requests have, so it allows no connection.
    pub(crate) tcp: Option<Arc<Rule>>,
}

/// A policy that denies all that it selects.
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
        dry_run,
        body,
    }
}

/// Compiles a policy; `None` if its action has no effect.
pub(crate) fn compile(
    policy: &AuthorizationPolicy,
    trust: &TrustDomains,
    problems: &mut Vec<Problem>,
) -> Option<Policy> {
    let object = reference(policy);
    let action = policy.spec.action.unwrap_or_default();
    let mut findings = Findings {
        object: &object,
        problems,
        first: None,
    };
    let dry_run = dry_run(policy, &mut findings);
    let effect = effect(action, &mut findings)?;
    if action != Action::Custom && policy.spec.provider.is_some() {
        findings.fault(0, "spec.provider", &Fault::Provider(action.as_str()));
    }
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
    let first = findings.first.take();
    Some(match first {
        Some((rule, why)) => broken(object, effect, dry_run, rule, &why),
        None => Policy {
            object,
            effect,
            dry_run,
            body: Body::Rules(rules),
        },
    })
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

fn effect(action: Action, findings: &mut Findings<'_>) -> Option<Effect> {
    const FIELD: &str = "spec.action";
    match action {
        Action::Allow => Some(Effect::Allow),
        Action::Deny => Some(Effect::Deny),
        Action::Custom => {
            findings.error(
                FIELD,
                "external authorization is not available in this version; requests that match are denied"
                    .to_owned(),
                "decide with ALLOW and DENY policies, or remove the policy",
            );
            Some(Effect::Custom)
        }
        Action::Audit => {
            findings.unsupported(
                FIELD,
                "the action AUDIT has no effect in this version".to_owned(),
                "the access log has every request; the policy can be removed",
            );
            None
        }
    }
}

/// Takes down what is wrong with one policy.
pub(crate) struct Findings<'a> {
    object: &'a ObjectRef,
    problems: &'a mut Vec<Problem>,
    /// The first fault: the rule's index, and what is wrong.
    first: Option<(usize, String)>,
}

impl Findings<'_> {
    pub(crate) fn error(&mut self, field: &str, message: String, hint: &str) {
        self.problems
            .push(Problem::error(self.object.clone(), field, message, hint));
    }

    pub(crate) fn warning(&mut self, field: &str, message: String, hint: &str) {
        self.problems
            .push(Problem::warning(self.object.clone(), field, message, hint));
    }

    pub(crate) fn unsupported(&mut self, field: &str, message: String, hint: &str) {
        self.problems
            .push(Problem::unsupported(self.object.clone(), field, message, hint));
    }

    fn fault(&mut self, rule: usize, field: &str, fault: &Fault) {
        let message = format!("{fault}; until this is right, the policy denies all that it selects");
        self.error(field, message, fault.hint());
        self.first
            .get_or_insert_with(|| (rule, format!("{field}: {fault}")));
    }
}

/// Compiles one rule of a policy.
struct RuleCompiler<'a, 'b> {
    scope: Scope<'a>,
    index: usize,
    findings: &'b mut Findings<'a>,
}

/// A list of values, where it is written, and what it is about.
struct List<'a> {
    field: String,
    attribute: Attribute,
    values: &'a [String],
    negated: bool,
}

impl RuleCompiler<'_, '_> {
    fn forms(&mut self, form: &RuleForm) -> Forms {
        let from = form.from.iter().enumerate().map(|(index, from)| {
            let field = format!("from[{index}].source");
            match &from.source {
                Some(source) => self.alternative(source_lists(source, &field), &field, &Fault::EmptySource),
                None => self.empty(&field, &Fault::EmptySource),
            }
        });
        let from: Box<[Alternative]> = from.collect();
        let to = form.to.iter().enumerate().map(|(index, to)| {
            let field = format!("to[{index}].operation");
            match &to.operation {
                Some(operation) => {
                    self.alternative(operation_lists(operation, &field), &field, &Fault::EmptyOperation)
                }
                None => self.empty(&field, &Fault::EmptyOperation),
            }
        });
        let to: Box<[Alternative]> = to.collect();
        let when = form.when.iter().enumerate().flat_map(|(index, condition)| {
            let field = format!("when[{index}]");
            match Attribute::of_key(&condition.key) {
                Ok(attribute) => {
                    let lists = pair(
                        &field,
                        attribute,
                        [
                            ("values", &condition.values),
                            ("notValues", &condition.not_values),
                        ],
                    );
                    self.alternative(lists.into(), &field, &Fault::EmptyCondition)
                }
                Err(fault) => self.empty(&format!("{field}.key"), &fault),
            }
        });
        let when: Alternative = when.collect();
        let name = rule_name(self.findings.object, self.index);
        let http = Arc::new(Rule {
            details: details(Some(&name)),
            name: name.into(),
            reason: match self.scope.effect {
                Effect::Custom => Reason::Custom,
                Effect::Deny => Reason::Denied,
                Effect::Allow => Reason::NotAllowed,
            },
            from,
            to,
            when,
        });
        let tcp = for_tcp(&http, self.scope.effect);
        Forms { http, tcp }
    }

    fn alternative(&mut self, lists: Vec<List<'_>>, field: &str, if_empty: &Fault) -> Alternative {
        if lists.iter().all(|list| list.values.is_empty()) {
            return self.empty(field, if_empty);
        }
        let is_set = |attribute| {
            lists
                .iter()
                .any(|list| list.attribute == attribute && !list.values.is_empty())
        };
        if is_set(Attribute::ServiceAccount) && (is_set(Attribute::Principal) || is_set(Attribute::Namespace))
        {
            self.fault(field, &Fault::AccountsBesideOthers);
        }
        lists
            .into_iter()
            .filter(|list| !list.values.is_empty())
            .filter_map(|list| self.condition(list))
            .collect()
    }

    fn condition(&mut self, list: List<'_>) -> Option<Arc<Condition>> {
        let within = format!("spec.rules[{}].", self.index);
        let mut faults = vec![];
        let test = self
            .scope
            .test(&list.attribute, list.values, list.negated, &mut faults);
        for (value, fault) in &faults {
            let field = match value {
                Some(value) => format!("{}[{value}]", list.field),
                None => list.field.clone(),
            };
            self.fault(&field, fault);
        }
        let test = test?;
        let field = format!("{within}{}", list.field);
        self.scope
            .lint(&list.attribute, list.values, list.negated, &field, self.findings);
        Some(Arc::new(Condition {
            field: list.field.into(),
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

fn source_lists<'a>(source: &'a Source, field: &str) -> Vec<List<'a>> {
    let s = source;
    let tokens = [
        ("requestPrincipals", &s.request_principals),
        ("notRequestPrincipals", &s.not_request_principals),
    ];
    let accounts = [
        ("serviceAccounts", &s.service_accounts),
        ("notServiceAccounts", &s.not_service_accounts),
    ];
    let remote = [
        ("remoteIpBlocks", &s.remote_ip_blocks),
        ("notRemoteIpBlocks", &s.not_remote_ip_blocks),
    ];
    let pairs = [
        (
            Attribute::Principal,
            [
                ("principals", &s.principals),
                ("notPrincipals", &s.not_principals),
            ],
        ),
        (Attribute::Token, tokens),
        (
            Attribute::Namespace,
            [
                ("namespaces", &s.namespaces),
                ("notNamespaces", &s.not_namespaces),
            ],
        ),
        (Attribute::ServiceAccount, accounts),
        (
            Attribute::TrustDomain,
            [
                ("trustDomains", &s.trust_domains),
                ("notTrustDomains", &s.not_trust_domains),
            ],
        ),
        (
            Attribute::SourceIp,
            [("ipBlocks", &s.ip_blocks), ("notIpBlocks", &s.not_ip_blocks)],
        ),
        (Attribute::RemoteIp, remote),
    ];
    pairs
        .into_iter()
        .flat_map(|(attribute, lists)| pair(field, attribute, lists))
        .collect()
}

fn operation_lists<'a>(operation: &'a Operation, field: &str) -> Vec<List<'a>> {
    let o = operation;
    let pairs = [
        (Attribute::Host, [("hosts", &o.hosts), ("notHosts", &o.not_hosts)]),
        (
            Attribute::Method,
            [("methods", &o.methods), ("notMethods", &o.not_methods)],
        ),
        (Attribute::Path, [("paths", &o.paths), ("notPaths", &o.not_paths)]),
        (
            Attribute::DestinationPort,
            [("ports", &o.ports), ("notPorts", &o.not_ports)],
        ),
    ];
    pairs
        .into_iter()
        .flat_map(|(attribute, lists)| pair(field, attribute, lists))
        .collect()
}

fn pair<'a>(field: &str, attribute: Attribute, lists: [(&str, &'a Vec<String>); 2]) -> [List<'a>; 2] {
    let [(name, values), (not_name, not_values)] = lists;
    let list = |name, attribute, values, negated| List {
        field: format!("{field}.{name}"),
        attribute,
        values,
        negated,
    };
    [
        list(name, attribute.clone(), values, false),
        list(not_name, attribute, not_values, true),
    ]
}
