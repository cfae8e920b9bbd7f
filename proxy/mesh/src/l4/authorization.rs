//! From an AuthorizationPolicy to a compiled policy.
//!
//! Where a value cannot be understood the whole policy denies what it selects: what it would have denied is unknown.
//! What L4 cannot see (requests) makes a rule to allow void, and a rule to deny wider; both are reported.

use std::net::IpAddr;

use cairn_api::istio::{self, AuthorizationPolicy, Condition, Operation, Source};
use cairn_api::meta::{Kind, ObjectRef};
use cairn_config::Problem;
use cairn_identity::SpiffeId;
use ipnet::IpNet;

use super::pattern::Pattern;
use super::policies::{Action, Policy, Scope};
use super::rule::{Clause, Match, Rule, ServiceAccount, Test, Values};
use crate::settings::MeshSettings;

const DRY_RUN: &str = "istio.io/dry-run";

/// Compiles a policy; `None` when it is not for L4.
pub(crate) fn compile(
    policy: &AuthorizationPolicy,
    mesh: &MeshSettings,
    problems: &mut Vec<Problem>,
) -> Option<Policy> {
    let key = policy.metadata.key();
    let object = ObjectRef::from_key(Kind::AuthorizationPolicy, &key);
    let spec = &policy.spec;
    let has_target = spec.target_ref.is_some() || !spec.target_refs.is_empty();
    if has_target {
        if spec.selector.is_some() {
            problems.push(Problem::error(
                object,
                "spec.selector",
                "selector and targetRefs exclude each other; the selector is not heeded",
                "keep the one that is meant",
            ));
        }
        return None;
    }
    if policy
        .metadata
        .annotations
        .get(DRY_RUN)
        .is_some_and(|value| value == "true")
    {
        let message = "a dry run of a policy with a selector is not evaluated";
        problems.push(Problem::unsupported(
            object,
            "metadata.annotations",
            message,
            "attach it with targetRefs",
        ));
        return None;
    }
    let action = match spec.action.unwrap_or_default() {
        istio::Action::Allow => Action::Allow,
        istio::Action::Deny => Action::Deny,
        istio::Action::Audit => {
            let message = "AUDIT is not supported for policies with a selector";
            problems.push(Problem::unsupported(object, "spec.action", message, USE_TARGETS));
            return None;
        }
        istio::Action::Custom => {
            let message = "CUSTOM cannot be enforced for policies with a selector, so this one has no effect";
            problems.push(Problem::error(object, "spec.action", message, USE_TARGETS));
            return None;
        }
    };
    let scope = scope_of(&key.namespace, spec, &mesh.root_namespace);
    let mut translation = Translation {
        mesh,
        object: &object,
        found: Vec::new(),
        invalid: false,
        beyond: Vec::new(),
    };
    let mut rules = Vec::new();
    for (index, rule) in spec.rules.iter().enumerate() {
        let before = translation.beyond.len();
        let compiled = translation.rule(rule, &format!("spec.rules[{index}]"));
        if action == Action::Deny || translation.beyond.len() == before {
            rules.push(compiled);
        }
    }
    if action == Action::Deny && spec.rules.is_empty() {
        let hint = "add a rule; `rules: [{}]` denies everything";
        problems.push(Problem::warning(
            object.clone(),
            "spec.rules",
            "without rules nothing is denied",
            hint,
        ));
    }
    if let Some(first) = translation.beyond.first() {
        let names = translation
            .beyond
            .iter()
            .map(|field| field.rsplit('.').next().unwrap_or(field));
        let names = names
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
            .join(", ");
        let effect = match action {
            Action::Allow => "rules with it allow nothing",
            Action::Deny => "it is left out, so that more is denied than the rule says",
        };
        let message = format!("L4 cannot see {names}: {effect}");
        problems.push(Problem::error(
            object.clone(),
            first.clone(),
            message,
            USE_TARGETS,
        ));
    }
    let Translation { found, invalid, .. } = translation;
    let reason = found
        .first()
        .map(|problem| problem.message.clone())
        .unwrap_or_default();
    problems.extend(found);
    Some(if invalid {
        Policy::broken(key, scope, reason)
    } else {
        Policy::new(key, scope, action, rules)
    })
}

const USE_TARGETS: &str =
    "attach the policy to a Service or Gateway with targetRefs: a waypoint then enforces it";

/// What a policy of this namespace selects.
pub(crate) fn scope_of(
    namespace: &str,
    spec: &istio::AuthorizationPolicySpec,
    root_namespace: &str,
) -> Scope {
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

/// The compilation of one policy.
struct Translation<'a> {
    mesh: &'a MeshSettings,
    object: &'a ObjectRef,
    found: Vec<Problem>,
    /// Some value could not be understood.
    invalid: bool,
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
        let mut tests = Vec::new();
        for (attribute, name, values, not_name, not_values) in [
            (
                Attribute::Principal,
                "principals",
                &source.principals,
                "notPrincipals",
                &source.not_principals,
            ),
            (
                Attribute::Namespace,
                "namespaces",
                &source.namespaces,
                "notNamespaces",
                &source.not_namespaces,
            ),
            (
                Attribute::ServiceAccount,
                "serviceAccounts",
                &source.service_accounts,
                "notServiceAccounts",
                &source.not_service_accounts,
            ),
            (
                Attribute::TrustDomain,
                "trustDomains",
                &source.trust_domains,
                "notTrustDomains",
                &source.not_trust_domains,
            ),
            (
                Attribute::SourceIp,
                "ipBlocks",
                &source.ip_blocks,
                "notIpBlocks",
                &source.not_ip_blocks,
            ),
        ] {
            tests.extend(self.test(attribute, false, values, &format!("{path}.{name}")));
            tests.extend(self.test(attribute, true, not_values, &format!("{path}.{not_name}")));
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
        let mut tests = Vec::new();
        let port = Attribute::DestinationPort;
        tests.extend(self.test(port, false, &operation.ports, &format!("{path}.ports")));
        tests.extend(self.test(port, true, &operation.not_ports, &format!("{path}.notPorts")));
        self.beyond(path, "hosts", &operation.hosts);
        self.beyond(path, "notHosts", &operation.not_hosts);
        self.beyond(path, "methods", &operation.methods);
        self.beyond(path, "notMethods", &operation.not_methods);
        self.beyond(path, "paths", &operation.paths);
        self.beyond(path, "notPaths", &operation.not_paths);
        Match { tests }
    }

    fn condition(&mut self, condition: &Condition, path: &str) -> Match {
        if condition.values.is_empty() && condition.not_values.is_empty() {
            return self.nothing(path, "a condition");
        }
        let attribute = match condition.key.as_str() {
            "source.ip" => Attribute::SourceIp,
            "source.namespace" => Attribute::Namespace,
            "source.principal" => Attribute::Principal,
            "source.serviceAccount" => Attribute::ServiceAccount,
            "source.trustDomain" => Attribute::TrustDomain,
            "destination.ip" => Attribute::DestinationIp,
            "destination.port" => Attribute::DestinationPort,
            key if is_request_attribute(key) => {
                self.beyond.push(format!("{path}.key"));
                return Match::default();
            }
            key => {
                let hint = "see the attributes that Istio's documentation lists for conditions";
                self.reject(
                    &format!("{path}.key"),
                    format!("`{key}` is not an attribute"),
                    hint,
                );
                return Match::default();
            }
        };
        let values = self.test(attribute, false, &condition.values, &format!("{path}.values"));
        let not_values = self.test(
            attribute,
            true,
            &condition.not_values,
            &format!("{path}.notValues"),
        );
        Match {
            tests: values.into_iter().chain(not_values).collect(),
        }
    }

    fn test(&mut self, attribute: Attribute, negated: bool, values: &[String], path: &str) -> Option<Test> {
        if values.is_empty() {
            return None;
        }
        let values = match attribute {
            Attribute::Principal => {
                let patterns = self.parse(values, path, "a principal", Pattern::parse_principal);
                self.check_principals(&patterns, path);
                Values::Principals(
                    patterns
                        .iter()
                        .flat_map(|pattern| self.aliases(pattern))
                        .collect(),
                )
            }
            Attribute::Namespace => {
                Values::Namespaces(self.parse(values, path, "a namespace", Pattern::parse))
            }
            Attribute::TrustDomain => {
                Values::TrustDomains(self.parse(values, path, "a trust domain", Pattern::parse))
            }
            Attribute::ServiceAccount => {
                let own = self.object.namespace.clone();
                let parse = |text: &str| ServiceAccount::parse(text, &own);
                Values::ServiceAccounts(self.parse(values, path, "`account` or `namespace/account`", parse))
            }
            Attribute::SourceIp => Values::SourceIps(self.parse(values, path, ADDRESSES, parse_net)),
            Attribute::DestinationIp => {
                Values::DestinationIps(self.parse(values, path, ADDRESSES, parse_net))
            }
            Attribute::DestinationPort => {
                let parse = |text: &str| text.parse().ok().filter(|port| *port != 0);
                Values::DestinationPorts(self.parse(values, path, "a port number", parse))
            }
        };
        Some(Test { negated, values })
    }

    fn parse<T>(
        &mut self,
        values: &[String],
        path: &str,
        what: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let mut parsed = Vec::with_capacity(values.len());
        for (index, value) in values.iter().enumerate() {
            match parse(value) {
                Some(value) => parsed.push(value),
                None => self.reject(
                    &format!("{path}[{index}]"),
                    format!(
                        "`{value}` is not {what}; until this is corrected the policy denies what it selects"
                    ),
                    "a `*` may stand at one end of a text, and for all of it",
                ),
            }
        }
        parsed
    }

    /// A principal of another form than ours is never met: whoever has one cannot connect.
    fn check_principals(&mut self, patterns: &[Pattern], path: &str) {
        for pattern in patterns {
            let Pattern::Exact(text) = pattern else { continue };
            if format!("spiffe://{text}").parse::<SpiffeId>().is_err() {
                self.found.push(Problem::error(
                    self.object.clone(),
                    path,
                    format!("`{text}` can be nobody's principal"),
                    "write `<trust domain>/ns/<namespace>/sa/<service account>`",
                ));
            }
        }
    }

    /// The same pattern for each name of the mesh's trust domain.
    fn aliases(&self, pattern: &Pattern) -> Vec<Pattern> {
        let mut patterns = vec![pattern.clone()];
        let (Pattern::Exact(text) | Pattern::Prefix(text)) = pattern else {
            return patterns;
        };
        let Some((domain, rest)) = text.split_once('/') else {
            return patterns;
        };
        let aliases = self.mesh.trust_domain_aliases.iter().map(String::as_str);
        let names: Vec<&str> = std::iter::once(&*self.mesh.trust_domain).chain(aliases).collect();
        if domain == LOCAL || names.contains(&domain) {
            let others = names
                .into_iter()
                .filter(|name| *name != domain)
                .map(|name| format!("{name}/{rest}").into());
            match pattern {
                Pattern::Prefix(_) => patterns.extend(others.map(Pattern::Prefix)),
                _ => patterns.extend(others.map(Pattern::Exact)),
            }
        }
        patterns
    }

    fn beyond(&mut self, path: &str, name: &str, values: &[String]) {
        if !values.is_empty() {
            self.beyond.push(format!("{path}.{name}"));
        }
    }

    fn nothing(&mut self, path: &str, what: &str) -> Match {
        let message =
            format!("{what} needs at least one value; until it has one the policy denies what it selects");
        self.reject(path, message, "fill it in, or remove it");
        Match::default()
    }

    fn reject(&mut self, path: &str, message: String, hint: &str) {
        self.invalid = true;
        self.found
            .push(Problem::error(self.object.clone(), path, message, hint));
    }
}

/// The trust domain that stands for the mesh's own, whatever that is called.
const LOCAL: &str = "cluster.local";
const ADDRESSES: &str = "an IP address or a range of them in CIDR notation";

/// Something that L4 knows of a connection.
#[derive(Clone, Copy)]
enum Attribute {
    Principal,
    Namespace,
    ServiceAccount,
    TrustDomain,
    SourceIp,
    DestinationIp,
    DestinationPort,
}

impl Pattern {
    /// A principal may be written as the whole URI.
    fn parse_principal(text: &str) -> Option<Pattern> {
        Pattern::parse(text.strip_prefix("spiffe://").unwrap_or(text))
    }
}

impl ServiceAccount {
    fn parse(text: &str, own_namespace: &str) -> Option<ServiceAccount> {
        let (namespace, name) = text.split_once('/').unwrap_or((own_namespace, text));
        let plain = |part: &str| !part.is_empty() && !part.contains(['*', '/']);
        (plain(namespace) && plain(name)).then(|| ServiceAccount {
            namespace: namespace.into(),
            name: name.into(),
        })
    }
}

fn parse_net(text: &str) -> Option<IpNet> {
    let address = || {
        text.parse::<IpAddr>()
            .ok()
            .map(|address| IpNet::from(address.to_canonical()))
    };
    text.parse::<IpNet>().ok().or_else(address)
}

/// An attribute that only a proxy of requests knows.
fn is_request_attribute(key: &str) -> bool {
    matches!(
        key,
        "remote.ip"
            | "connection.sni"
            | "request.auth.principal"
            | "request.auth.audiences"
            | "request.auth.presenter"
    ) || ["request.headers[", "request.auth.claims["]
        .iter()
        .any(|start| key.starts_with(start) && key.ends_with(']'))
        || key.starts_with("experimental.envoy.filters.")
}
