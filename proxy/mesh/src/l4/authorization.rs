//! From an AuthorizationPolicy to a compiled policy.
//!
//! Where a value is not understood the whole policy denies what it selects: nobody can tell what it would have denied.
//! What would be asked of somebody else (CUSTOM) is denied, since L4 asks nobody.
//! What L4 cannot see (requests) makes a rule to allow void, and a rule to deny wider; both are reported.

use std::collections::BTreeSet;

use cairn_api::istio::{self, AuthorizationPolicy, AuthorizationPolicySpec, Condition, Operation, Source};
use cairn_api::meta::{Kind, ObjectRef};
use cairn_config::Problem;

use super::policies::{Action, Policy, Scope};
use super::rule::{Clause, Match, Rule, Test};
use super::values::{self, Attribute};
use crate::settings::MeshSettings;

const DRY_RUN: &str = "istio.io/dry-run";
const USE_TARGETS: &str =
    "attach the policy to a Service or Gateway with targetRefs: a waypoint then enforces it";

/// Compiles a policy; `None` when it is not for L4.
pub(crate) fn compile(
    policy: &AuthorizationPolicy,
    mesh: &MeshSettings,
    problems: &mut Vec<Problem>,
) -> Option<Policy> {
    let key = policy.metadata.key();
    let object = ObjectRef::from_key(Kind::AuthorizationPolicy, &key);
    let action = action(policy, &object, problems)?;
    let scope = scope(&key.namespace, &policy.spec, &mesh.root_namespace);
    let mut translation = Translation {
        mesh,
        object: &object,
        faults: Vec::new(),
        broken: None,
        beyond: Vec::new(),
    };
    let mut rules = Vec::new();
    for (index, rule) in policy.spec.rules.iter().enumerate() {
        let before = translation.beyond.len();
        let compiled = translation.rule(rule, &format!("spec.rules[{index}]"));
        if action == Action::Deny || translation.beyond.len() == before {
            rules.push(compiled);
        }
    }
    let Translation {
        faults,
        broken,
        beyond,
        ..
    } = translation;
    problems.extend(faults);
    problems.extend(cannot_see(&object, action, &beyond));
    if action == Action::Deny && policy.spec.rules.is_empty() {
        let hint = "add a rule; `rules: [{}]` denies everything";
        problems.push(Problem::warning(
            object,
            "spec.rules",
            "without rules nothing is denied",
            hint,
        ));
    }
    Some(match broken {
        Some(reason) => Policy::broken(key, scope, reason),
        None => Policy::new(key, scope, action, rules),
    })
}

/// What a policy of this namespace selects.
pub(crate) fn scope(namespace: &str, spec: &AuthorizationPolicySpec, root_namespace: &str) -> Scope {
    match spec
        .selector
        .as_ref()
        .filter(|selector| !selector.match_labels.is_empty())
    {
        Some(selector) => Scope::Selector(selector.match_labels.clone()),
        None if namespace == root_namespace => Scope::Global,
        None => Scope::Namespace,
    }
}

/// What the policy does at L4, if anything.
fn action(policy: &AuthorizationPolicy, object: &ObjectRef, problems: &mut Vec<Problem>) -> Option<Action> {
    let spec = &policy.spec;
    if spec.target_ref.is_some() || !spec.target_refs.is_empty() {
        if spec.selector.is_some() {
            let message = "selector and targetRefs exclude each other; the selector is not heeded";
            let hint = "keep the one that is meant";
            problems.push(Problem::error(object.clone(), "spec.selector", message, hint));
        }
        return None;
    }
    if policy
        .metadata
        .annotations
        .get(DRY_RUN)
        .is_some_and(|value| value == "true")
    {
        let field = format!("metadata.annotations.{DRY_RUN}");
        let message = "without targetRefs a dry run is not evaluated";
        problems.push(Problem::unsupported(object.clone(), field, message, USE_TARGETS));
        return None;
    }
    match spec.action.unwrap_or_default() {
        istio::Action::Allow => Some(Action::Allow),
        istio::Action::Deny => Some(Action::Deny),
        istio::Action::Audit => {
            let message = "AUDIT is not supported without targetRefs";
            problems.push(Problem::unsupported(
                object.clone(),
                "spec.action",
                message,
                USE_TARGETS,
            ));
            None
        }
        istio::Action::Custom => {
            problems.push(Problem::error(
                object.clone(),
                "spec.action",
                "CUSTOM is not supported without targetRefs: L4 asks nobody, so what the rules match is denied",
                "write ALLOW or DENY, with what L4 can see",
            ));
            // Istio's control plane leaves such a policy out, which lets pass what nobody has been asked about.
            Some(Action::Deny)
        }
    }
}

/// One problem for all the fields that L4 cannot see.
fn cannot_see(object: &ObjectRef, action: Action, fields: &[String]) -> Option<Problem> {
    let first = fields.first()?;
    let names: BTreeSet<&str> = fields
        .iter()
        .filter_map(|field| field.rsplit('.').next())
        .collect();
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    let effect = match action {
        Action::Allow => "rules with it allow nothing",
        Action::Deny => "it is left out, so more is denied than the rule says",
    };
    let message = format!("L4 cannot see requests ({names}): {effect}");
    Some(Problem::error(
        object.clone(),
        first.as_str(),
        message,
        USE_TARGETS,
    ))
}

/// The compilation of one policy's rules.
struct Translation<'a> {
    mesh: &'a MeshSettings,
    object: &'a ObjectRef,
    faults: Vec<Problem>,
    /// The first value that is not understood.
    broken: Option<String>,
    /// Fields that L4 cannot see.
    beyond: Vec<String>,
}

impl Translation<'_> {
    fn rule(&mut self, rule: &istio::Rule, path: &str) -> Rule {
        let mut clauses = Vec::new();
        if !rule.from.is_empty() {
            let sources = rule.from.iter().enumerate();
            let matches = sources.map(|(index, from)| {
                let path = format!("{path}.from[{index}].source");
                self.source(from.source.as_ref(), &path)
            });
            clauses.push(Clause {
                matches: matches.collect(),
            });
        }
        if !rule.to.is_empty() {
            let operations = rule.to.iter().enumerate();
            let matches = operations.map(|(index, to)| {
                let path = format!("{path}.to[{index}].operation");
                self.operation(to.operation.as_ref(), &path)
            });
            clauses.push(Clause {
                matches: matches.collect(),
            });
        }
        for (index, condition) in rule.when.iter().enumerate() {
            let condition = self.condition(condition, &format!("{path}.when[{index}]"));
            clauses.push(Clause {
                matches: vec![condition],
            });
        }
        Rule { clauses }
    }

    fn source(&mut self, source: Option<&Source>, path: &str) -> Match {
        let Some(source) = source.filter(|source| **source != Source::default()) else {
            return self.nothing(path, "a source");
        };
        let known = [
            (
                Attribute::Principal,
                ["principals", "notPrincipals"],
                [&source.principals, &source.not_principals],
            ),
            (
                Attribute::Namespace,
                ["namespaces", "notNamespaces"],
                [&source.namespaces, &source.not_namespaces],
            ),
            (
                Attribute::ServiceAccount,
                ["serviceAccounts", "notServiceAccounts"],
                [&source.service_accounts, &source.not_service_accounts],
            ),
            (
                Attribute::TrustDomain,
                ["trustDomains", "notTrustDomains"],
                [&source.trust_domains, &source.not_trust_domains],
            ),
            (
                Attribute::SourceIp,
                ["ipBlocks", "notIpBlocks"],
                [&source.ip_blocks, &source.not_ip_blocks],
            ),
        ];
        let mut tests = Vec::new();
        for (attribute, names, values) in known {
            for ((name, values), negated) in names.into_iter().zip(values).zip([false, true]) {
                tests.extend(self.test(attribute, negated, values, [path, name]));
            }
        }
        self.beyond(path, "requestPrincipals", &source.request_principals);
        self.beyond(path, "notRequestPrincipals", &source.not_request_principals);
        self.beyond(path, "remoteIpBlocks", &source.remote_ip_blocks);
        self.beyond(path, "notRemoteIpBlocks", &source.not_remote_ip_blocks);
        Match { tests }
    }

    fn operation(&mut self, operation: Option<&Operation>, path: &str) -> Match {
        let Some(operation) = operation.filter(|operation| **operation != Operation::default()) else {
            return self.nothing(path, "an operation");
        };
        let port = Attribute::DestinationPort;
        let ports = self.test(port, false, &operation.ports, [path, "ports"]);
        let not_ports = self.test(port, true, &operation.not_ports, [path, "notPorts"]);
        self.beyond(path, "hosts", &operation.hosts);
        self.beyond(path, "notHosts", &operation.not_hosts);
        self.beyond(path, "methods", &operation.methods);
        self.beyond(path, "notMethods", &operation.not_methods);
        self.beyond(path, "paths", &operation.paths);
        self.beyond(path, "notPaths", &operation.not_paths);
        Match {
            tests: ports.into_iter().chain(not_ports).collect(),
        }
    }

    fn condition(&mut self, condition: &Condition, path: &str) -> Match {
        if condition.values.is_empty() && condition.not_values.is_empty() {
            return self.nothing(path, "a condition");
        }
        let Some(attribute) = Attribute::of_condition(&condition.key) else {
            let path = format!("{path}.key");
            if values::is_of_requests(&condition.key) {
                self.beyond.push(path);
            } else {
                let hint =
                    "write source.ip, source.namespace, source.principal, destination.ip or destination.port";
                self.reject(&path, &format!("there is no attribute `{}`", condition.key), hint);
            }
            return Match::default();
        };
        let values = self.test(attribute, false, &condition.values, [path, "values"]);
        let not_values = self.test(attribute, true, &condition.not_values, [path, "notValues"]);
        Match {
            tests: values.into_iter().chain(not_values).collect(),
        }
    }

    fn test(
        &mut self,
        attribute: Attribute,
        negated: bool,
        texts: &[String],
        [path, name]: [&str; 2],
    ) -> Option<Test> {
        if texts.is_empty() {
            return None;
        }
        let reading = values::read(attribute, texts, self.mesh, &self.object.namespace);
        for fault in reading.faults {
            let path = format!("{path}.{name}[{}]", fault.index);
            if fault.unknown {
                self.reject(&path, &fault.message, fault.hint);
            } else {
                self.faults.push(Problem::error(
                    self.object.clone(),
                    path,
                    fault.message,
                    fault.hint,
                ));
            }
        }
        Some(Test {
            negated,
            values: reading.values,
        })
    }

    fn beyond(&mut self, path: &str, name: &str, values: &[String]) {
        if !values.is_empty() {
            self.beyond.push(format!("{path}.{name}"));
        }
    }

    fn nothing(&mut self, path: &str, what: &str) -> Match {
        self.reject(
            path,
            &format!("{what} needs at least one value"),
            "fill it in, or remove it",
        );
        Match::default()
    }

    fn reject(&mut self, path: &str, message: &str, hint: &str) {
        let effect = "until this is corrected, the policy denies all that it selects";
        let problem = Problem::error(self.object.clone(), path, format!("{message}; {effect}"), hint);
        self.faults.push(problem);
        self.broken.get_or_insert_with(|| message.to_owned());
    }
}
